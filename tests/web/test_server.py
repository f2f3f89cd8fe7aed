"""The server's thread: it starts, tells its port, and ends."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from monitor.config.models import ConfigError
from monitor.web.bounded_reads import BoundedReads
from monitor.web.server import Server


def hello() -> Starlette:
    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def hang(_: Request) -> PlainTextResponse:
        await asyncio.sleep(600)
        return PlainTextResponse("late")

    return Starlette(routes=[Route("/", answer), Route("/hang", hang)])


def test_port_zero_becomes_a_real_port_and_ends() -> None:
    server = Server(hello(), "127.0.0.1:0")
    server.start()
    assert server.port > 0
    assert server.listen == f"127.0.0.1:{server.port}"
    assert httpx.get(f"http://127.0.0.1:{server.port}/", timeout=60).text == "hello"
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/", timeout=60)
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]


def test_ipv6_is_listened_on() -> None:
    server = Server(hello(), "[::1]:0")
    try:
        server.start()
    except ConfigError:
        pytest.skip("NO IPV6 HERE: the loopback interface has no ::1")
    assert httpx.get(f"http://[::1]:{server.port}/", timeout=60).text == "hello"
    server.stop()


def test_a_taken_port_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use by another program"):
            Server(hello(), f"127.0.0.1:{port}").start()


def test_an_unknown_host_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        Server(hello(), "192.0.2.77:9478").start()


def test_stopping_does_not_wait_for_an_answer_that_hangs() -> None:
    server = Server(hello(), "127.0.0.1:0")
    server.start()
    caller = threading.Thread(target=_ask, args=(f"http://127.0.0.1:{server.port}/hang",), daemon=True)
    caller.start()
    time.sleep(0.3)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 60
    caller.join(60)


def _ask(url: str) -> None:
    try:
        httpx.get(url, timeout=30)
    except httpx.HTTPError:
        return


def test_a_hanging_read_costs_one_place_and_a_deadline() -> None:
    over = threading.Event()

    async def story() -> tuple[str, list[str]]:
        reads = BoundedReads(2)
        first = asyncio.create_task(reads.run(over.wait, 0.2))
        answers = [await reads.run(lambda: "fine", 1) for _ in range(5)]
        with pytest.raises(TimeoutError):
            await first
        second = asyncio.create_task(reads.run(over.wait, 0.2))
        with pytest.raises(TimeoutError):
            await second
        with pytest.raises(TimeoutError):
            await reads.run(lambda: "no place", 0.2)
        over.set()
        return await reads.run(lambda: "free again", 2), answers

    assert asyncio.run(story()) == ("free again", ["fine"] * 5)


def test_an_error_reaches_who_asked() -> None:
    def fail() -> None:
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        asyncio.run(BoundedReads(1).run(fail, 1))
