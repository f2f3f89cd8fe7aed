"""Who may come in, and what every answer carries."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from monitor.config.models import ConfigError
from monitor.core.clock import SystemClock
from monitor.store.database import Database
from monitor.web.access import MOST_CLIENTS, Brake
from monitor.web.app import create_app
from monitor.web.security import HEADERS
from tests.web.conftest import Serve, with_token
from tests.web.seed import Seed, configuration

PATHS = [
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/status",
    "/api/v1/incidents",
    "/api/v1/actions",
    "/login",
    "/monitors/bot",
    "/monitors/none",
    "/incidents/none",
    "/static/style.css",
    "/nowhere",
    "/static/../app.py",
]
CLOSED = [path for path in PATHS if path not in ("/healthz", "/login", "/static/style.css")]
HTML = {"accept": "text/html"}


class StillClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at


def sign_in(client: httpx.Client, token: str = "correct horse", origin: str | None = None) -> httpx.Response:
    own = str(client.base_url).rstrip("/")
    headers = {"origin": own if origin is None else origin}
    return client.post("/login", data={"token": token, "next": "/monitors/bot"}, headers=headers)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers(path: str, seed: Seed, serve: Serve) -> None:
    for answer in (serve().get(path), serve(with_token("sqlite://")).get(path), serve().post(path)):
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert "server" not in answer.headers
        assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", CLOSED)
def test_a_token_is_asked_for(path: str, seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    assert client.get(path).status_code == 401
    assert client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get(path, headers={"authorization": "Basic correct horse"}).status_code == 401
    page = client.get(path, headers=HTML)
    assert page.status_code == 303
    assert page.headers["location"].startswith("/login?next=/")
    assert client.get(path, headers={"authorization": "Bearer correct horse"}).status_code in (200, 404, 503)


def test_the_open_paths_stay_open(seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    assert [client.get(path).status_code for path in ("/healthz", "/login", "/static/style.css")] == [200, 200, 200]


def test_signing_in_gives_a_session_that_ends(seed: Seed, serve: Serve) -> None:
    clock = StillClock()
    client = serve(with_token("sqlite://"), clock=clock)
    entered = sign_in(client)
    assert (entered.status_code, entered.headers["location"]) == (303, "/monitors/bot")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "correct" not in cookie
    assert client.get("/", headers=HTML).status_code == 200
    clock.at += timedelta(hours=13)
    assert client.get("/", headers=HTML).status_code == 303


@pytest.mark.parametrize(
    "cookie", ["", "x", "9999999999.", "9999999999.00", "١٢٣.00", "9" * 400 + ".a", "9999999999.é"]
)
def test_a_forged_session_is_refused(cookie: str, seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    headers = [(b"cookie", b"driftd_session=" + cookie.encode())]
    assert client.get("/metrics", headers=headers).status_code == 401


def test_a_session_of_another_token_is_refused(seed: Seed, serve: Serve) -> None:
    first, second = serve(with_token("sqlite://")), serve(with_token("sqlite://", "another"))
    sign_in(first)
    kept = {"cookie": f"driftd_session={first.cookies['driftd_session']}"}
    assert first.get("/metrics", headers=kept).status_code == 200
    assert second.get("/metrics", headers=kept).status_code == 401


@pytest.mark.parametrize("origin", ["", "null", "http://evil.example", "http://127.0.0.1:1"])
def test_a_form_from_elsewhere_is_refused(origin: str, seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    answer = sign_in(client, origin=origin)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


BEARER = {"authorization": "Bearer correct horse"}


def test_wrong_tokens_are_refused_for_a_while_and_the_right_one_never(seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    codes = [sign_in(client, f"guess {n}").status_code for n in range(12)]
    assert codes == [401] * 9 + [429] * 3
    wrong = client.get("/metrics", headers={"authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.headers["retry-after"]) == (429, "60")
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=BEARER).status_code == 200
    assert sign_in(client).status_code == 303


def test_a_forwarded_address_neither_evades_the_brake_nor_aims_it(seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    for number in range(12):
        forged = {"x-forwarded-for": f"192.0.2.{number}", "authorization": f"Bearer {number}"}
        answer = client.get("/metrics", headers=forged)
    assert answer.status_code == 429


def test_the_brake_remembers_a_bounded_number_of_clients() -> None:
    brake = Brake()
    for number in range(3 * MOST_CLIENTS):
        brake.note(f"2001:db8::{number:x}")
    assert len(brake._wrong) == MOST_CLIENTS


@pytest.mark.parametrize(("proto", "secure"), [({}, False), ({"x-forwarded-proto": "https"}, True)])
def test_the_session_is_marked_secure_behind_a_proxy_that_ends_tls(
    proto: dict[str, str], secure: bool, seed: Seed, serve: Serve
) -> None:
    client = serve(with_token("sqlite://"))
    own = str(client.base_url).rstrip("/")
    answer = client.post("/login", data={"token": "correct horse"}, headers={"origin": own, **proto})
    assert ("Secure" in answer.headers["set-cookie"]) is secure


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(target: str, seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    own = str(client.base_url).rstrip("/")
    answer = client.post("/login", data={"token": "correct horse", "next": target}, headers={"origin": own})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "["])
def test_a_foreign_host_is_refused_on_loopback(host: str, seed: Seed, serve: Serve) -> None:
    client = serve()
    assert client.get("/", headers={"host": host}).status_code == 400
    assert client.get("/metrics", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9478", "[::1]:9478"])
def test_our_own_names_are_let_in(host: str, seed: Seed, serve: Serve) -> None:
    assert serve().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("listen", ["0.0.0.0:9478", "[::]:9478", "192.0.2.1:9478", "driftd.example:9478"])
def test_other_machines_are_monitored_with_a_token_only(listen: str, database: Database) -> None:
    with pytest.raises(ConfigError, match="no token is set"):
        create_app(database, configuration("sqlite://", listen=listen), SystemClock())
    create_app(database, configuration("sqlite://", listen=listen, token="t"), SystemClock())


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "localhost:0", "127.1.2.3:0"])
def test_loopback_needs_no_token(listen: str, database: Database) -> None:
    create_app(database, configuration("sqlite://", listen=listen), SystemClock())


def test_a_failure_inside_shows_no_traceback(
    seed: Seed, serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("whsec_secret")

    monkeypatch.setattr("monitor.web.home_page.reads.snapshot", fail)
    answer = serve().get("/")
    assert answer.status_code == 500
    assert "whsec" not in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]


def test_a_browser_keeps_only_addresses_with_the_version_of_the_file(seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    address = re.search(r'href="(/static/style.css\?v=[^"]+)"', client.get("/login").text)
    assert address
    assert "immutable" in client.get(address[1]).headers["cache-control"]
    for path in ("/static/style.css", "/static/style.css?v=other"):
        assert client.get(path).headers["cache-control"] == "no-store"
    for path in ("/static/../app.py", "/static/vendor/README.md", "/static/"):
        assert client.get(path).status_code in (303, 401, 404)
