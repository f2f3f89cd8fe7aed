"""Signing in with an OpenID Connect provider: a real one, and one that forges its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import oidc_provider_mock
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from monitor.config.models import Config, ServerConfig
from monitor.store.database import Database
from tests.support.hand import Hand
from tests.web.conftest import Serve
from tests.web.seed import Seed, configuration

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the provider, which is not ours
ANN = {"email": "ann@example.com", "email_verified": True, "groups": ["sre", "all"]}
BEN = {"email": "ben@example.com", "groups": ["all"]}
HTML = {"accept": "text/html"}
OURS = "http://driftd.example"
"""Our own address as the provider knows it; the tests send its requests to the server themselves."""


@pytest.fixture
def provider() -> Iterator[str]:
    """Lend the issuer of a provider with two users."""
    users = [oidc_provider_mock.User(sub=name, claims=claims) for name, claims in (("ann", ANN), ("ben", BEN))]
    with oidc_provider_mock.run_server_in_thread(user_claims=users, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def forger() -> Iterator[Forger]:
    """Lend a provider that forges."""
    with Forger() as started:
        yield started


def settings(issuer: str, **more: Any) -> Config:
    oidc = {"issuer": issuer, "client_id": "driftd", "client_secret": "s3cret", "groups": {"sre": "responder"}, **more}
    return configuration("sqlite://", external_url=OURS, auth={"oidc": oidc})


def leave(client: httpx.Client, path: str = "/incidents") -> str:
    """Begin to sign in; return the address at the provider."""
    answer = client.get("/login/provider", params={"next": path})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def visit(address: str, sub: str) -> str:
    """Sign in at the provider; return the path and query to which it sends the browser."""
    answer = httpx.post(address, data={"sub": sub})
    assert answer.status_code == 302, answer.text
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}" == OURS
    return f"{target.path}?{target.query}"


def test_a_user_signs_in_and_acts_by_the_role_of_the_group(provider: str, seed: Seed, serve: Serve) -> None:
    client = serve(settings(provider))
    assert client.get("/incidents", headers=HTML).headers["location"] == "/login?next=/incidents"
    assert "Sign in with localhost" in client.get("/login").text
    answer = client.get(visit(leave(client), "ann"))
    assert (answer.status_code, answer.headers["refresh"]) == (200, "0; url=/incidents")
    assert "ann@example.com" in answer.text
    cookies = answer.headers.get_list("set-cookie")
    assert any("driftd_session=" in one and "HttpOnly" in one and "SameSite=strict" in one for one in cookies)
    assert client.get("/incidents", headers=HTML).status_code == 200
    body = {"for": "1h", "monitor": "*"}
    entry = client.post("/api/v1/silences", json=body).json()
    assert (entry["by"], entry["role"], entry["verified"]) == ("ann@example.com", "responder", True)


def test_a_user_without_a_role_is_refused(provider: str, seed: Seed, serve: Serve) -> None:
    client = serve(settings(provider))
    answer = client.get(visit(leave(client), "ben"))
    assert answer.status_code == 403
    assert "ben@example.com has no role in driftd" in answer.text
    assert client.get("/incidents").status_code == 401


def test_a_role_that_is_taken_away_ends_the_session(
    provider: str, database: Database, seed: Seed, serve: Serve
) -> None:
    client = serve(settings(provider))
    client.get(visit(leave(client), "ann"))
    other = serve(settings(provider, groups={"sre": "viewer"}))
    other.cookies.update(client.cookies)
    assert other.get("/incidents").status_code == 200
    assert other.post("/api/v1/silences", json={"for": "1h", "monitor": "*"}).status_code == 403
    last = serve(settings(provider, groups={}))
    last.cookies.update(client.cookies)
    assert last.get("/incidents").status_code == 401


def test_a_session_ends_after_twelve_hours_and_with_signing_out(provider: str, seed: Seed, serve: Serve) -> None:
    clock = Hand(datetime.now(UTC))
    client = serve(settings(provider), clock=clock)
    client.get(visit(leave(client), "ann"))
    clock.moment += timedelta(hours=12, seconds=1)
    assert client.get("/incidents").status_code == 401


def test_groups_and_name_are_read_from_the_user_information_too(seed: Seed, serve: Serve) -> None:
    with Forger() as forger:
        forger.claims = {"email": None, "groups": None}
        forger.userinfo = {"sub": "1", "email": "cid@example.com", "groups": ["sre"]}
        client = serve(settings(forger.issuer))
        assert client.get(forger.visit(leave(client))).status_code == 200
        forger.userinfo["sub"] = "2"
        client = serve(settings(forger.issuer))
        assert client.get(forger.visit(leave(client))).status_code == 502


@pytest.mark.parametrize("change", ["state", "cookie", "sealed", "code", "denied"])
def test_what_was_not_begun_here_is_refused(change: str, provider: str, seed: Seed, serve: Serve) -> None:
    client = serve(settings(provider))
    path = visit(leave(client), "ann")
    if change == "state":
        path = path.replace("state=", "state=x")
    if change == "cookie":
        client.cookies.clear()
    if change == "sealed":
        cookie = client.cookies["driftd_sign_in"]
        client.cookies.clear()
        client.cookies.set("driftd_sign_in", cookie[:-1] + ("0" if cookie[-1] != "0" else "1"))
    if change == "code":
        path = path.replace("code=", "code=x")
    if change == "denied":
        state = parse_qs(urlsplit(path).query)["state"][0]
        path = f"/login/callback?error=access_denied&state={state}"
    expected = {"code": 502, "denied": 403}.get(change, 400)
    answer = client.get(path)
    assert answer.status_code == expected
    assert "driftd_session" not in answer.headers.get("set-cookie", "")
    assert client.get("/incidents").status_code == 401


def test_cookies_are_secure_where_our_address_is(forger: Forger, seed: Seed, serve: Serve) -> None:
    config = settings(forger.issuer)
    config = config.model_copy(
        update={"server": config.server.model_copy(update={"external_url": "https://d.example"})}
    )
    client = serve(config)
    answer = client.get("/login/provider")
    sealed = answer.headers["set-cookie"]
    assert "Secure" in sealed
    path = forger.visit(answer.headers["location"])
    finished = client.get(path, headers={"cookie": sealed.partition(";")[0]})
    assert "driftd_session" in finished.headers["set-cookie"]
    assert all("Secure" in one for one in finished.headers.get_list("set-cookie") if "session" in one)


def test_a_code_counts_once(provider: str, seed: Seed, serve: Serve) -> None:
    client = serve(settings(provider))
    path = visit(leave(client), "ann")
    cookie = client.cookies["driftd_sign_in"]
    assert client.get(path).status_code == 200
    thief = serve(settings(provider))
    thief.cookies.set("driftd_sign_in", cookie)
    assert thief.get(path).status_code == 502


def test_the_target_is_always_ours(provider: str, seed: Seed, serve: Serve) -> None:
    client = serve(settings(provider))
    answer = client.get(visit(leave(client, "//elsewhere.example"), "ann"))
    assert answer.headers["refresh"] == "0; url=/"


class Forger:
    """A provider whose ID tokens a test changes: claims, signature and keys."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "first"})
        self.signing: Any = self.key
        self.header: dict[str, Any] = {"alg": "ES256", "kid": "first"}
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.nonce = ""
        self.form: dict[str, str] = {}
        self.keys_read = 0
        forger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(forger.get(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                forger.form = dict(parse_qsl(body))
                self.answer({"access_token": "a", "token_type": "Bearer", "id_token": forger.sign()})

            def answer(self, body: Any) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Forger:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def get(self, path: str) -> Any:
        if path == "/keys":
            self.keys_read += 1
            return KeySet([self.key]).as_dict(private=False)
        if path == "/userinfo":
            return self.userinfo
        endpoints = {"authorization": "/authorize", "token": "/token", "userinfo": "/userinfo"}
        own = {f"{name}_endpoint": self.issuer + path for name, path in endpoints.items()}
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **own, **self.metadata}

    def sign(self) -> str:
        now = int(datetime.now(UTC).timestamp())
        usual = {"iss": self.issuer, "aud": "driftd", "sub": "1", "iat": now, "exp": now + 60, "nonce": self.nonce}
        claims = {**usual, "email": "eve@example.com", "groups": ["sre"], **self.claims}
        own = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(self.header, own, self.signing, algorithms=[self.header["alg"]])

    def visit(self, address: str) -> str:
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self.nonce = query["nonce"]
        return f"/login/callback?code=c&state={query['state']}"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["driftd", "another"], "azp": "another"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"iat": 32503680000},
        {"nbf": 32503680000},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"at_hash": "another"},
        {"email_verified": False},
        {"email": ""},
        {"email": ["ann@example.com"]},
        {"email": "ann\n@example.com"},
        {"email": "a" * 200},
    ],
    ids=str,
)
def test_an_id_token_with_a_wrong_claim_is_refused(
    claims: dict[str, Any], forger: Forger, seed: Seed, serve: Serve
) -> None:
    client = serve(settings(forger.issuer))
    forger.claims = claims
    answer = client.get(forger.visit(leave(client)))
    assert answer.status_code == 502
    assert client.get("/incidents").status_code == 401


def test_the_forger_signs_in_where_nothing_is_wrong_and_receives_the_verifier(
    forger: Forger, seed: Seed, serve: Serve
) -> None:
    client = serve(settings(forger.issuer))
    address = leave(client)
    assert client.get(forger.visit(address)).status_code == 200
    assert parse_qs(urlsplit(address).query)["code_challenge_method"] == ["S256"]
    assert len(forger.form["code_verifier"]) >= 43
    assert forger.form["redirect_uri"] == f"{OURS}/login/callback"


@pytest.mark.parametrize("attack", ["none", "shared secret", "another key", "public key as secret"])
def test_an_id_token_with_another_signature_is_refused(attack: str, forger: Forger, seed: Seed, serve: Serve) -> None:
    client = serve(settings(forger.issuer))
    if attack == "none":
        forger.header, forger.signing = {"alg": "none"}, OctKey.import_key(b"x" * 32)
    if attack == "shared secret":
        forger.header, forger.signing = {"alg": "HS256", "kid": "first"}, OctKey.import_key(b"s3cret" * 6)
    if attack == "another key":
        forger.signing = ECKey.generate_key("P-256", {"kid": "first"})
    if attack == "public key as secret":
        pem = forger.key.as_pem(private=False)
        forger.header, forger.signing = (
            {"alg": "HS256", "kid": "first"},
            OctKey.import_key(pem.replace(b"BEGIN", b"BEGUN")),
        )
    assert client.get(forger.visit(leave(client))).status_code == 502


def test_changed_keys_are_read_once_a_minute(forger: Forger, seed: Seed, serve: Serve) -> None:
    clock = Hand(datetime.now(UTC))
    client = serve(settings(forger.issuer), clock=clock)
    assert client.get(forger.visit(leave(client))).status_code == 200
    forger.key = forger.signing = ECKey.generate_key("P-256", {"kid": "second"})
    forger.header = {"alg": "ES256", "kid": "second"}
    assert client.get(forger.visit(leave(client))).status_code == 502
    assert forger.keys_read == 1
    clock.moment += timedelta(minutes=1)
    assert client.get(forger.visit(leave(client))).status_code == 200
    assert forger.keys_read == 2


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"issuer": "http://127.0.0.1:1"}, "another issuer"),
        ({"authorization_endpoint": None}, "no authorization_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "another scheme"),
        ({"more": "x" * (1 << 20)}, "longer than 1 MiB"),
    ],
    ids=["issuer", "absent", "scheme", "long"],
)
def test_wrong_metadata_is_an_error_on_the_form(
    metadata: dict[str, Any], says: str, forger: Forger, seed: Seed, serve: Serve
) -> None:
    forger.metadata = metadata
    answer = serve(settings(forger.issuer)).get("/login/provider")
    assert answer.status_code == 502
    assert says in answer.text


def test_a_provider_that_is_down_is_an_error_on_the_form(seed: Seed, serve: Serve) -> None:
    answer = serve(settings("http://127.0.0.1:9")).get("/login/provider")
    assert answer.status_code == 502
    assert "does not answer" in answer.text


def test_a_provider_needs_https_and_our_address() -> None:
    oidc = {"issuer": "https://id.example.com", "client_id": "driftd", "client_secret": "s"}
    with pytest.raises(ValueError, match="needs `external_url:`"):
        ServerConfig.model_validate({"auth": {"oidc": oidc}})
    with pytest.raises(ValueError, match="must begin with https://"):
        ServerConfig.model_validate(
            {"external_url": OURS, "auth": {"oidc": {**oidc, "issuer": "http://id.example.com"}}}
        )
    with pytest.raises(ValueError, match="must contain openid"):
        ServerConfig.model_validate({"external_url": OURS, "auth": {"oidc": {**oidc, "scopes": ["email"]}}})
    assert ServerConfig.model_validate({"external_url": OURS, "auth": {"oidc": oidc}}).requires_login
