"""The web pages behind a reverse proxy that terminates TLS on the same host: signing in, reading, changing things."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.config.models import ConfigError
from monitor.core.clock import SystemClock
from monitor.store.database import Database
from monitor.web.app import create_app
from tests.support.receivers import make_certificate
from tests.support.tls_proxy import Headers, terminating_tls
from tests.web.conftest import Serve, with_token
from tests.web.seed import Seed, configuration

NAME = "driftd.example"


def keep_host(headers: Headers) -> Headers:
    """Forward as nginx does with `proxy_set_header Host $host`, and name nothing else."""
    return headers


def rewrite_host(headers: Headers) -> Headers:
    """Forward as most proxies do by default: with the address of the server as the Host."""
    return {**headers, "host": "127.0.0.1:9478"}


def describe_client(headers: Headers) -> Headers:
    """Rewrite the Host and say what the client asked for."""
    forwarded = {"x-forwarded-host": headers["host"], "x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7"}
    return {**rewrite_host(headers), **forwarded}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the certificate of the proxy."""
    return make_certificate(tmp_path_factory.mktemp("tls"), NAME)


class Resolver(httpx.HTTPTransport):
    """Connects every name to the proxy."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(host="127.0.0.1", port=self._port)
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        sent = httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        return super().handle_request(sent)


@contextmanager
def browser(certificates: Path, port: int, change: Callable[[Headers], Headers]) -> Iterator[httpx.Client]:
    """Lend a client of `https://driftd.example` that keeps cookies and sends the origin with forms."""
    context = ssl.create_default_context(cafile=str(certificates / "cert.pem"))
    with (
        terminating_tls(certificates, port, change) as proxy,
        httpx.Client(base_url=f"https://{NAME}", transport=Resolver(proxy, context), timeout=60) as client,
    ):
        yield client


BEHIND = {
    "the Host is kept": (keep_host, {"allowed_hosts": [NAME]}),
    "the Host is kept, and people know the address": (keep_host, {"external_url": f"https://{NAME}"}),
    "the Host is rewritten": (rewrite_host, {"allowed_hosts": [NAME]}),
    "the Host is rewritten, and the proxy is trusted": (
        describe_client,
        {"allowed_hosts": [NAME], "trusted_proxies": ["127.0.0.1"]},
    ),
}


@pytest.mark.parametrize("case", BEHIND)
def test_people_sign_in_read_and_change_things(case: str, certificates: Path, seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    change, settings = BEHIND[case]
    server = serve(with_token("sqlite://", **settings))
    with browser(certificates, server.base_url.port or 0, change) as client:
        page = client.get("/", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=/")
        origin = {"origin": f"https://{NAME}"}
        entered = client.post("/login", data={"token": "correct horse", "next": "/silences"}, headers=origin)
        assert (entered.status_code, entered.headers["location"]) == (303, "/silences")
        assert "secure" in entered.headers["set-cookie"].lower().split("; ")
        silences = client.get("/silences", headers={"accept": "text/html"})
        assert silences.status_code == 200
        token = re.search(r'name="csrf" value="([^"]+)"', silences.text)
        assert token is not None
        left = client.post("/logout", data={"csrf": token[1]}, headers=origin)
        assert (left.status_code, left.headers["location"]) == (303, "/login")
        foreign = client.post("/login", data={"token": "correct horse"}, headers={"origin": "https://evil.example"})
        assert foreign.status_code == 403


def test_a_name_that_is_not_configured_is_refused(certificates: Path, seed: Seed, serve: Serve) -> None:
    server = serve(with_token("sqlite://", allowed_hosts=["other.example"]))
    with browser(certificates, server.base_url.port or 0, keep_host) as client:
        assert client.get("/login").status_code == 400


def test_allowed_hosts_also_count_on_other_addresses_than_loopback(database: Database) -> None:
    from starlette.testclient import TestClient

    config = with_token("sqlite://", listen="0.0.0.0:9478", allowed_hosts=[NAME])
    app = create_app(database, config, SystemClock())
    for host, status in ((NAME, 200), ("localhost:9478", 200), ("evil.example", 400)):
        assert TestClient(app, base_url=f"http://{host}").get("/login").status_code == status


def tried(client: httpx.Client, **headers: str) -> int:
    return client.get("/metrics", headers={"authorization": "Bearer wrong", **headers}).status_code


def test_wrong_tokens_count_against_the_client_that_a_trusted_proxy_names(seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://", trusted_proxies=["127.0.0.1", "10.0.0.0/8"]))
    # The left part is what the client itself sent, and the right one an inner proxy.
    statuses = [tried(client, **{"x-forwarded-for": f"203.0.113.{n}, 198.51.100.7, 10.1.1.1"}) for n in range(12)]
    assert statuses == [401] * 9 + [429] * 3
    assert tried(client, **{"x-forwarded-for": "198.51.100.8"}) == 401


def test_an_untrusted_peer_cannot_choose_the_host(seed: Seed, serve: Serve) -> None:
    client = serve(with_token("sqlite://", trusted_proxies=["10.0.0.0/8"]))
    host = {"host": "evil.example", "x-forwarded-host": "localhost"}
    assert client.get("/login", headers=host).status_code == 400


@pytest.mark.parametrize("settings", [{"trusted_proxies": ["127.0.0.1"]}, {"allowed_hosts": [NAME]}])
def test_a_server_that_a_proxy_makes_reachable_needs_a_token(settings: dict[str, Any], database: Database) -> None:
    with pytest.raises(ConfigError, match="no token is set"):
        create_app(database, configuration("sqlite://", **settings), SystemClock())
