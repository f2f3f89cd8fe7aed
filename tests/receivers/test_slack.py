"""Slack at the wire: what it is sent, what becomes of its answers, and that a prompt cannot shout."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from monitor.actions.receivers.base import Delivery, DeliveryResult
from monitor.actions.receivers.slack.templates import render_blocks
from tests.support.receiver import Receiver, Request, listening, slack, texts_of, units
from tests.support.receivers import NOW, attempt, receiver_at

HOSTILE = "<!channel> <https://evil.example|click> & ``` *bold*"
DATA: dict[str, Any] = {
    "monitor": "bot",
    "severity": "critical",
    "headline": f"bot: novelty rose {HOSTILE}",
    "incident": {"id": "i-1", "rule": "drift", "opened_at": "2026-11-23T12:00:00+00:00", "reason": "novelty rose"},
    "findings": [
        {"check": "drift", "column": HOSTILE, "n_window": 900, "reason": f"novelty rose in {place} {HOSTILE}"}
        for place in range(7)
    ],
    "suspected_change": {"kind": "model_version", "value": HOSTILE, "first_seen": "2026-11-23T11:59:00+00:00"},
    "actions": [{"id": "a-1", "name": "back", "kind": "rollback", "state": "awaiting_approval"}],
    "window": {"start": "a", "end": "b"},
}


def send(url: str, message: Delivery) -> DeliveryResult:
    return attempt(receiver_at("slack", url + "/api/", token="xoxb-secret"), message)


def message(kind: Any = "firing", thread: dict[str, str] | None = None, **data: Any) -> Delivery:
    return Delivery("id-1", kind, {"data": {**DATA, **data}}, NOW, thread)


def test_a_message_is_escaped_bounded_and_says_what_matters() -> None:
    text, blocks = render_blocks(message(headline="x" * 100_000))
    shown = json.dumps(blocks)
    assert "<!channel>" not in shown
    assert "<https" not in shown
    assert "driftd actions approve a-1" in shown
    assert "and 2 more" in shown
    assert len(text) <= 40_000
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks if "text" in block)
    assert render_blocks(Delivery("id", "firing", {}, NOW))[1]


def test_an_incident_is_one_thread_that_turns_green() -> None:
    with listening(slack()) as receiver:
        first = send(receiver.url, message())
        assert first.delivered
        assert first.receipt["ts"]
        for kind in ("update", "resolved"):
            assert send(receiver.url, message(kind, dict(first.receipt))).delivered
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
        outcome = send(receiver.url, message())
    assert (outcome.reason, outcome.retry) == (reason, retry)
    assert "xoxb" not in outcome.detail
    if reason == "rate_limited":
        assert outcome.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("body", [b"<html>not json", b"", b"[1]", b'"text"', b"null", b"\xff\xfe", b"{}"])
def test_an_answer_that_is_not_of_slack_is_tried_again(body: bytes) -> None:
    with listening(Receiver(lambda _: (200, {"content-type": "text/html; charset=nonsense"}, body))) as receiver:
        result = send(receiver.url, message())
    assert (result.delivered, result.retry) == (False, True)


def test_nothing_that_the_far_side_wrote_is_in_the_result() -> None:
    body = json.dumps({"ok": False, "error": "ratelimited: secret words"}).encode()
    for status in (200, 400, 429, 500):
        with listening(Receiver(lambda _, status=status: (status, {}, body))) as receiver:
            assert "secret words" not in repr(send(receiver.url, message()))


def test_both_calls_of_a_message_end_by_one_deadline() -> None:
    first, over = {"channel": "C1", "ts": "1"}, threading.Event()

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        if request.path.endswith("chat.update"):
            over.wait(30)
        return 200, {"content-type": "application/json"}, b'{"ok": true, "channel": "C1", "ts": "2"}'

    with listening(Receiver(answer)) as receiver:
        result = attempt(receiver_at("slack", receiver.url + "/api/"), message("resolved", first), 1.0)
        assert not over.is_set()
        over.set()
    assert result.delivered
    assert result.detail == "the first message could not be changed (timeout)"


def test_a_suspected_change_is_named_in_the_second_line_and_further_ones_are_ranked() -> None:
    change = {"kind": "model_version", "column": "model", "value": "small-7b", "first_seen": "12:00", "share": 0.93}
    _, blocks = render_blocks(message(headline="bot: it rose", suspected_change=change))
    said = words(blocks)
    assert "Likely cause: model 'small-7b', first seen at 12:00 (explains 93 % of the effect)." in said[1]
    assert json.dumps(blocks).count("small-7b") == 1
    other = {"kind": "prompt_version", "column": "prompt", "value": "p2", "first_seen": "11:00", "share": 0.2}
    place = {"kind": "segment", "column": "tenant", "value": "acme", "first_seen": "11:00", "share": 0.9}
    said = words(render_blocks(message(suspected_change=change, suspects=[change, place, other]))[1])
    assert said[3].splitlines() == [
        "*Other suspects*",
        "2. prompt 'p2', first seen at 11:00 (explains 20 % of the effect)",
    ]


def blocks_of(request: Request) -> list[dict[str, Any]]:
    found = request.form().get("blocks") or []
    return list(json.loads(found) if isinstance(found, str) else found)  # type: ignore[call-overload]


def words(blocks: list[dict[str, Any]]) -> list[str]:
    return [str(text["text"]) for block in blocks for text in texts_of(block)]


def test_the_first_message_keeps_its_facts_when_it_is_over_and_shows_when_it_is_back() -> None:
    with listening(slack()) as receiver:
        first = send(receiver.url, message(headline="bot: novelty rose"))
        over = send(receiver.url, message("resolved", dict(first.receipt), headline="bot: resolved, clean"))
        again = message("update", dict(first.receipt), headline="bot: again: novelty rose", news={"again": True})
        assert over.delivered
        assert send(receiver.url, again).delivered
        updates = [request for request in receiver.requests if request.path.endswith("chat.update")]
        facts = words(blocks_of(receiver.requests[0]))
        assert receiver.refusals == []
    assert len(updates) == 2
    for request, line in zip(updates, (":large_green_circle: *bot: resolved", ":red_circle: *bot: again"), strict=True):
        shown = words(blocks_of(request))
        assert shown[0].startswith(line)
        assert shown[1] == facts[0].removeprefix(":red_circle: ")
        assert [text.partition(" — ")[0] for text in shown[2:]] == [text.partition(" — ")[0] for text in facts[1:]]
        assert "approve" in str(facts)
        assert "approve a-1" not in str(shown)  # that is over


def test_a_receipt_of_before_without_blocks_still_keeps_the_facts() -> None:
    with listening(slack()) as receiver:
        first = send(receiver.url, message())
        old = {name: str(first.receipt[name]) for name in ("channel", "ts")}
        assert send(receiver.url, message("resolved", old)).delivered
        (update,) = [request for request in receiver.requests if request.path.endswith("chat.update")]
    assert any("novelty rose in" in text for text in words(blocks_of(update)))


def test_the_thread_says_what_is_new_and_repeats_no_fact() -> None:
    thread = {"channel": "C1", "ts": "1"}
    new = {
        "check": "drift",
        "column": "length",
        "segment": None,
        "statistic": 0.4,
        "threshold": 0.1,
        "n_window": 900,
        "reason": "longer; rank shift 0.4",
    }
    suspect = {"kind": "model_version", "column": "model", "value": "v3", "first_seen": "12:00"}
    news = {"findings": [new], "suspected_change": suspect}
    shown = words(render_blocks(message("update", thread, headline="bot: also longer", news=news))[1])
    assert any("longer: rank shift 0.4 (n 900)" in text for text in shown)
    assert any("Likely cause now: model 'v3', first seen at 12:00." in text for text in shown)
    assert not any("novelty rose in" in text for text in shown)
    for kind in ("reminder", "resolved"):
        shown = words(render_blocks(message(kind, thread))[1])
        assert not any("against" in text for text in shown)
        assert len(shown) == len(set(shown))
    alone = words(render_blocks(message("resolved"))[1])
    assert any("novelty rose in" in text for text in alone)  # nobody was told before


@pytest.mark.parametrize(
    "text",
    [
        "&" * 9000,
        "<!channel>" * 900,
        "\U0001f9a8" * 9000,
        "\ud83e" * 5000,
        "```" * 3000,
        "`" * 9000,
        "a\x00\x1b[31m" * 999,
        "\u202eevil" * 999,
        "*" * 9000,
        "a\n" * 9000,
        "",
    ],
)
def test_slack_takes_whatever_was_logged(text: str) -> None:
    item = {
        "check": "drift",
        "column": text,
        "segment": text,
        "statistic": 0.5,
        "threshold": 0.1,
        "n_window": 900,
        "reason": "longer",
    }
    change = {"kind": "model_version", "value": text, "first_seen": text, "prompt": text}
    action = {"id": text, "name": text, "kind": "rollback", "state": "awaiting_approval", "reason": text}
    data = {
        "monitor": text or "bot",
        "headline": text,
        "findings": [item] * 60,
        "suspected_change": change,
        "actions": [action] * 60,
        "window": {"start": text, "end": text},
        "news": {"findings": [item] * 60, "suspected_change": change, "again": True},
    }
    with listening(slack()) as receiver:
        first = send(receiver.url, message(**data))
        kinds: list[Any] = ["update", "reminder", "resolved", "expired", "verdict"]
        outcomes = [first, *(send(receiver.url, message(kind, dict(first.receipt), **data)) for kind in kinds)]
        sent = [words(blocks_of(request)) for request in receiver.requests]
        assert receiver.refusals == []
    assert [(outcome.delivered, outcome.detail) for outcome in outcomes] == [(True, "")] * 6
    for said in (part for texts in sent for part in texts):
        assert said.count("```") % 2 == 0
        assert said.replace("```", "").count("`") % 2 == 0
        assert "<" not in said
        assert all(rest.startswith(("amp;", "lt;", "gt;")) for rest in said.split("&")[1:])
        assert not any(ord(sign) < 32 and sign != "\n" or 0x202A <= ord(sign) <= 0x202E for sign in said)
        assert units(said) <= 3000


def test_values_are_not_parsed_for_mentions_and_links() -> None:
    with listening(slack()) as receiver:
        send(receiver.url, message(headline="@channel #general evil.example"))
        (request,) = receiver.requests
    assert request.form()["parse"] == "none"
    assert all(text.get("verbatim") is True for block in blocks_of(request) for text in texts_of(block))
