"""Slack at the wire: what it is sent, what becomes of its answers, and that a prompt cannot shout."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.channels.base import Message
from monitor.channels.slack import Slack, render
from tests.support.receiver import Receiver, listening, slack

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOSTILE = "<!channel> <https://evil.example|click> & ``` *bold*"
DATA: dict[str, Any] = {
    "monitor": "bot",
    "severity": "critical",
    "headline": f"bot: novelty rose {HOSTILE}",
    "findings": [
        {"check": "drift", "column": HOSTILE, "segment": None, "statistic": 0.5, "threshold": 0.1, "n_window": 900}
    ]
    * 7,
    "suspected_change": {"kind": "model_version", "value": HOSTILE, "first_seen": "2026-11-23T11:59:00+00:00"},
    "actions": [{"id": "a-1", "name": "back", "kind": "rollback", "state": "awaiting_approval"}],
    "window": {"start": "a", "end": "b"},
}


def message(kind: Any = "firing", thread: dict[str, str] | None = None, **data: Any) -> Message:
    return Message("id-1", kind, {"data": {**DATA, **data}}, NOW, thread)


def test_a_message_is_escaped_bounded_and_says_what_matters() -> None:
    text, blocks = render(message(headline="x" * 100_000))
    shown = json.dumps(blocks)
    assert "<!channel>" not in shown
    assert "<https" not in shown
    assert "driftd actions approve a-1" in shown
    assert "and 2 more" in shown
    assert len(text) <= 40_000
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks if "text" in block)
    assert render(Message("id", "firing", {}, NOW))[1]


def test_an_incident_is_one_thread_that_turns_green() -> None:
    with listening(slack()) as receiver:
        channel = Slack("xoxb-secret", "#ml", receiver.url + "/api/")
        first = channel.deliver(message(), NOW)
        assert first.delivered
        for kind in ("update", "resolved"):
            assert channel.deliver(message(kind, dict(first.receipt)), NOW).delivered
        calls = [(request.path, request.form()) for request in receiver.requests]
    assert [path for path, _ in calls] == ["/api/chat.postMessage"] * 3 + ["/api/chat.update"]
    assert "thread_ts" not in calls[0][1]
    assert [call["thread_ts"] for _, call in calls[1:3]] == [first.receipt["ts"]] * 2
    assert calls[3][1]["ts"] == first.receipt["ts"]


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason", "retry"),
    [
        (429, {"retry-after": "7"}, {"ok": False, "error": "ratelimited"}, "rate_limited", True),
        (200, {}, {"ok": False, "error": "invalid_auth"}, "auth", False),
        (200, {}, {"ok": False, "error": "channel_not_found"}, "client", False),
        (200, {}, {"ok": False, "error": "internal_error"}, "server", True),
        (503, {}, {"ok": False, "error": "service_unavailable"}, "server", True),
    ],
)
def test_each_refusal_has_its_outcome(
    status: int, headers: dict[str, str], body: dict[str, Any], reason: str, retry: bool
) -> None:
    answer = (status, {"content-type": "application/json", **headers}, json.dumps(body).encode())
    with listening(Receiver(lambda _: answer)) as receiver:
        outcome = Slack("xoxb-secret", "#ml", receiver.url + "/api/").deliver(message(), NOW)
    assert (outcome.reason, outcome.retry) == (reason, retry)
    assert "xoxb" not in outcome.detail
    if reason == "rate_limited":
        assert outcome.retry_after == timedelta(seconds=7)


def test_nonsense_and_nobody_are_tried_again() -> None:
    with listening(Receiver(lambda _: (200, {}, b"<html>not json"))) as receiver:
        assert Slack("t", "#ml", receiver.url + "/api/").deliver(message(), NOW).retry
    assert Slack("t", "#ml", receiver.url + "/api/").deliver(message(), NOW).retry


def test_an_answer_that_drips_ends_with_the_deadline() -> None:
    over, dripped = threading.Event(), threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            for byte in b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100:
                connection.sendall(bytes([byte]))
                if over.wait(0.05):
                    return
            dripped.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        channel = Slack("t", "#ml", f"http://127.0.0.1:{server.getsockname()[1]}/api/", timedelta(seconds=1))
        outcome = channel.deliver(message(), NOW)
        assert not dripped.is_set()
        over.set()
        thread.join(5)
    assert (outcome.reason, outcome.retry) == ("timeout", True)


def test_a_suspected_change_is_named_once() -> None:
    change = {"kind": "model_version", "value": "small-7b", "first_seen": "12:00"}
    headline = "bot: it rose; model_version 'small-7b' first appeared at 12:00"
    _, blocks = render(message(headline=headline, suspected_change=change))
    assert json.dumps(blocks).count("small-7b") == 1
    _, blocks = render(message(headline="bot: it rose", suspected_change=change))
    assert "Suspected: model_version `small-7b`" in json.dumps(blocks)
