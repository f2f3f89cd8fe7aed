"""POST /api/v1/guard against bad bodies, slow and vanishing clients, and more requests than it can do."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors import Verdict
from detectors.policy import built_in
from monitor.core import worker_pool
from monitor.core.worker_pool import WorkerLost
from monitor.web import guard_answers, guard_workers, guardrails_api, server
from monitor.web.guard_answers import GuardAnswer, answer_busy, answer_request
from monitor.web.guard_workers import GuardWorkers
from tests.web.conftest import Serve
from tests.web.test_guarding import MAIL, PATH, with_policies

JSON = {"content-type": "application/json"}
LARGE = "x" * (guardrails_api.SMALL + 1)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
asked = st.fixed_dictionaries(
    {},
    optional={
        "policy": st.sampled_from(["default", "pii", "audit", "injection", "defualt", "\ud800"]) | anything,
        "text": st.text(st.characters(), max_size=60) | anything,
        "texts": st.lists(st.text(st.characters(), max_size=20), max_size=5) | anything,
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=asked | anything)
def test_any_json_gets_a_verdict_or_a_sentence(said: Any, shared: httpx.Client) -> None:
    answer = shared.post(PATH, content=json.dumps(said).encode(), headers=JSON)
    assert answer.status_code in (200, 400, 404, 413, 422)
    told = answer.json()
    if answer.status_code == 200:
        for verdict in told.get("verdicts", [told]):
            assert set(verdict) >= {"verdict", "policy", "reasons", "findings"}
    else:
        assert len(told["error"]) > 20


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_any_bytes_get_a_sentence(body: bytes, shared: httpx.Client) -> None:
    answer = shared.post(PATH, content=body, headers=JSON)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]


@pytest.fixture(scope="module")
def shared() -> Iterator[httpx.Client]:
    """Lend one server to many examples."""
    from monitor.core.clock import SystemClock
    from monitor.store.database import Database
    from monitor.web.app import create_app

    store = Database("sqlite://")
    running = server.Server(create_app(store, with_policies(), SystemClock()), "127.0.0.1:0")
    running.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60) as client:
        yield client
    running.stop()
    store.close()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("Application/JSON", 200),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=utf-16", 415),
        ("application/x-www-form-urlencoded", 403),
        ("application/xml", 403),
        ("", 403),
    ],
)
def test_only_json_in_utf8_is_read(kind: str, status: int, shared: httpx.Client) -> None:
    answer = shared.post(PATH, content=json.dumps({"text": MAIL}).encode(), headers={"content-type": kind})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 30_000, "\\u0041" * 30_000, "<b>" * 60_000, "| a | 1 " * 20_000, "4 " * 90_000],
)
def test_large_and_odd_texts_get_a_verdict(text: str, shared: httpx.Client) -> None:
    said = shared.post(PATH, json={"policy": "audit", "text": text})
    assert (said.status_code, said.json()["verdict"]) == (200, "allow")


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(shared: httpx.Client) -> None:
    with _connected(shared) as line:
        line.sendall(_head(10_000_000))
        assert b" 413 " in line.recv(65536)


def test_a_client_that_goes_away_in_the_middle_leaves_nothing_behind(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guardrails_api, "MOST_HELD", 0)  # so that four bodies of a megabyte are the most
    client = serve()
    for _ in range(8):
        with _connected(client) as line:
            line.sendall(_head(900_000) + b'{"text": "' + b"x" * 800_000)
            line.shutdown(socket.SHUT_WR)
            assert line.recv(65536) == b""
    assert client.post(PATH, json={"text": MAIL}).json()["verdict"] == "redact"


def test_a_body_that_does_not_come_is_told_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guardrails_api, "BODY_SECONDS", 0.05)
    client = serve()
    with _connected(client) as line:
        line.sendall(_head(50) + b'{"te')
        said = line.recv(65536)
        assert b" 408 " in said
        assert b"was not received within" in said + line.recv(65536)
    assert client.post(PATH, json={"text": MAIL}).status_code == 200


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n", b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-"]
)
def test_connections_that_never_finish_a_request_keep_nobody_out(
    sent: bytes, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "EXCHANGE_SECONDS", 0.2)
    client = serve()
    lines = [_connected(client) for _ in range(8)]
    for line in lines:
        line.sendall(sent)
    for line in lines:
        assert line.recv(100) == b""
        line.close()
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("fail", ["closed", "open"])
def test_more_than_can_be_done_gets_a_bounded_answer_that_says_how_it_fails(
    fail: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    really = GuardWorkers.answer

    async def waits(self: GuardWorkers, body: bytes, seconds: float) -> GuardAnswer:
        await asyncio.to_thread(go_on.wait, 50)
        return await really(self, body, seconds)

    client = serve(with_policies(mine={"rules": [{"type": "pii"}], "fail": fail, "fallback": "Not now."}))
    monkeypatch.setattr(GuardWorkers, "answer", waits)
    extra = 6

    def ask(number: int) -> httpx.Response:
        body = {"policy": "mine", "text": LARGE} if number % 2 else {"policy": "mine", "texts": [LARGE, "a"]}
        return httpx.post(f"{client.base_url}{PATH}", json=body, timeout=60)

    with ThreadPoolExecutor(guardrails_api.MOST_AT_WORK + extra) as pool:
        asking = as_completed([pool.submit(ask, number) for number in range(guardrails_api.MOST_AT_WORK + extra)])
        refused = [next(asking).result() for _ in range(extra)]
        assert client.get("/healthz").status_code == 200
        go_on.set()
        answered = [done.result() for done in asking]
    assert {answer.status_code for answer in answered} == {200}
    for answer in refused:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        told = answer.json()
        assert told["failed"] == fail
        for verdict in told.get("verdicts", [told]):
            assert (verdict["verdict"], verdict["failed"]) == ("error", fail)
            assert verdict.get("fallback") == (None if fail == "open" else "Not now.")
            assert f"fails {fail}" in verdict["reasons"][0]


def test_bodies_together_are_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guardrails_api, "MOST_HELD", 0)
    client = serve()
    lines = [_connected(client) for _ in range(6)]
    for line in lines:
        line.sendall(_head(900_000) + b'{"text": "' + b"x" * 880_000)  # and then nothing more
    select.select(lines, [], [], 20)  # until the first of them is refused: four megabytes are held
    refused = client.post(PATH, json={"text": MAIL + "x" * 990_000})
    assert (refused.status_code, refused.json()["failed"]) == (503, "closed")
    for line in lines:
        line.close()


def test_a_batch_is_not_checked_after_its_time() -> None:
    body = json.dumps({"policy": "pii", "texts": [MAIL, MAIL]}).encode()
    told = json.loads(answer_request(built_in(), body, ends=float("-inf")).body)
    assert [(verdict["verdict"], verdict["failed"]) for verdict in told["verdicts"]] == [("error", "closed")] * 2


def test_a_large_body_that_is_refused_is_not_parsed() -> None:
    answer = answer_busy(built_in(), b"[" * 30_000, 20_000)
    assert (answer.status, json.loads(answer.body)["failed"]) == (503, "closed")


def test_texts_are_checked_in_another_process(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this one they would delay every other answer."""

    def refuse(*_: object) -> Verdict:
        raise AssertionError("checked in the process of the web server")

    client = serve()
    monkeypatch.setattr(guard_answers, "guard", refuse)
    answer = client.post(PATH, json={"text": MAIL + "x" * 200})
    assert (answer.status_code, answer.json()["verdict"]) == (200, "redact")


def test_a_worker_that_hangs_or_ends_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_workers, "WORKERS", 1)
    monkeypatch.setattr(worker_pool, "GRACE_SECONDS", 0.1)
    body = json.dumps({"text": MAIL}).encode()
    ends = {signal.SIGSTOP: "timeout", signal.SIGKILL: "memory", signal.SIGSEGV: "crash"}

    async def ask() -> list[int]:
        workers, pids = GuardWorkers(built_in()), []
        for signal_number, reason in ends.items():
            assert json.loads((await workers.answer(body, 60)).body)["verdict"] == "redact"
            async with workers._pool.lend(1) as worker:
                pids.append(worker.process.pid)
            os.kill(pids[-1], signal_number)
            with pytest.raises(WorkerLost) as lost:
                await workers.answer(body, 0.2)
            assert lost.value.reason == reason
            assert worker.process.returncode in (-signal_number, -signal.SIGKILL)
        assert json.loads((await workers.answer(body, 60)).body)["verdict"] == "redact"
        return pids

    assert len(set(asyncio.run(ask()))) == 3


def _connected(client: httpx.Client) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", client.base_url.port or 0))
    line.settimeout(20)
    return line


def _head(length: int) -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    ).encode()
