"""Clients that send or read too slowly: they cost themselves their connections, and nobody else an answer."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.web import server as serving
from monitor.web.server import Server
from tests.support.process import eventually
from tests.web.conftest import Serve, with_token
from tests.web.seed import TRIAL_OF, Seed

SLOW = 300
BEARER = {"authorization": "Bearer correct horse"}
ASKED_WITH_TOKEN = ["/readyz", "/metrics", "/api/v1/breakers", "/api/v1/breakers/rank-money", "/"]
SENT = {
    "silence": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nhost: x\r\n",
    "half a body": b"POST /login HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\ncontent-length: 9\r\n\r\n",
    "answers unread": b"GET /static/style.css HTTP/1.1\r\nhost: localhost\r\n\r\n" * 150,
}


def slow_client(port: int, sent: bytes) -> socket.socket:
    """Connect with the smallest receive buffer, send, and read nothing."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    line.connect(("127.0.0.1", port))
    line.sendall(sent)
    return line


class KeptConnection:
    """A connection of a client that has the token."""

    def __init__(self, port: int) -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._read = self.line.makefile("rb")

    def ask(self) -> int:
        """Ask once more, and read the answer to its end."""
        self.line.sendall(
            b"GET /api/v1/breakers HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer correct horse\r\n\r\n"
        )
        status, length = 0, 0
        while (line := self._read.readline()) != b"\r\n":
            assert line, "the connection was closed"
            status = status or int(line.split()[1])
            if found := re.match(rb"content-length: (\d+)", line):
                length = int(found[1])
        self._read.read(length)
        return status

    def close(self) -> None:
        """Close both ends of the file and the socket."""
        self._read.close()
        self.line.close()


@pytest.mark.parametrize("kind", SENT)
def test_three_hundred_slow_clients_without_a_token_keep_nobody_out(kind: str, seed: Seed, serve: Serve) -> None:
    seed.watch(TRIAL_OF)
    url = serve(with_token("sqlite://", names=(TRIAL_OF,))).base_url
    assert url.port is not None
    with ExitStack() as lines:
        kept = KeptConnection(url.port)
        lines.callback(kept.close)
        for number in range(SLOW):
            lines.enter_context(slow_client(url.port, SENT[kind]))
            if number % 5 == 0:
                assert kept.ask() == 200
        assert kept.ask() == 200
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        answers = {path: httpx.get(f"{url}{path}", headers=BEARER, timeout=60).status_code for path in ASKED_WITH_TOKEN}
        assert answers == dict.fromkeys(ASKED_WITH_TOKEN, 200)


def test_three_hundred_slow_readers_keep_nobody_out_where_no_token_is_needed(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    url = serve().base_url
    assert url.port is not None
    with ExitStack() as lines:
        for number in range(SLOW):
            lines.enter_context(slow_client(url.port, SENT["answers unread"]))
            if number % 20 == 0:
                assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        for path in ("/healthz", "/readyz", "/metrics", "/api/v1/breakers"):
            assert httpx.get(f"{url}{path}", timeout=60).status_code == 200


def large() -> Starlette:
    async def answer(_: Request) -> Response:
        return Response(b"x" * 20_000_000)

    return Starlette(routes=[Route("/large", answer)])


@pytest.mark.parametrize("sent", [b"", b"GET /lar", b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n"])
def test_an_exchange_has_a_deadline_from_the_request_to_the_answer_that_is_read(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "EXCHANGE_SECONDS", 0.2)
    server = Server(large(), "127.0.0.1:0")
    server.start()
    connections = server._server.server_state.connections
    try:
        with slow_client(server.port, sent):
            eventually(lambda: not connections and server._server.server_state.total_requests == bool(b"1.1" in sent))
    finally:
        server.stop()


def test_a_client_that_reads_gets_a_large_answer_whole() -> None:
    server = Server(large(), "127.0.0.1:0")
    server.start()
    try:
        assert len(httpx.get(f"http://127.0.0.1:{server.port}/large", timeout=60).content) == 20_000_000
    finally:
        server.stop()


class Line:
    """What the choice of a connection looks at."""

    def __init__(self, peer: str, since: float, *, authorised: bool = False) -> None:
        self.peer, self.since, self.authorised = peer, since, authorised


def test_the_connection_that_is_dropped_is_the_oldest_of_the_busiest_peer_and_has_no_token() -> None:
    flood = [Line("192.0.2.1", since) for since in (3.0, 2.0, 4.0)]
    probe, person = Line("192.0.2.7", 1.0), Line("192.0.2.1", 0.0, authorised=True)
    assert serving.surplus([probe, person, *flood]) is flood[1]
    assert serving.surplus([person, probe]) is probe
