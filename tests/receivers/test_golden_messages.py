"""The messages in docs/messages: fresh, within the limits of each receiver, and none repeats the one before."""

from __future__ import annotations

import json
import mailbox
from contextlib import closing
from email.header import decode_header, make_header
from itertools import pairwise
from typing import Any

import pytest

from monitor.actions.retraining import LARGEST, wire_size
from scripts.messages.__main__ import run_story
from scripts.messages.files import FOLDER, PAGE, load, write_bodies, write_layouts, write_page
from scripts.messages.scenarios import story_list
from tests.support.nightly import nightly_except
from tests.support.receiver import refusal, texts_of

STORIES = story_list()
NAMES = [story.name for story in STORIES]


@pytest.fixture(params=STORIES, ids=NAMES)
def story(request: pytest.FixtureRequest) -> Any:
    return request.param


def blocks_of(story: Any) -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / f"{story.name}.slack.json").read_text()))


def lines_of(message: dict[str, Any]) -> list[str]:
    """Return the lines of a message of Slack."""
    texts = [str(text["text"]).strip("`") for block in message["blocks"] for text in texts_of(block)]
    return [line for text in texts for line in text.splitlines() if line]


def test_the_layouts_and_the_page_are_those_of_the_stored_bodies(story: Any) -> None:
    for path, text in write_layouts(story).items():
        assert path.read_text() == text, "run `python -m scripts.messages --layout`"
    assert PAGE.read_text() == write_page([(one, load(one)) for one in STORIES])


def round_numbers(value: Any) -> Any:
    """Round the numbers of a body: their last digits depend on the processor."""
    if isinstance(value, dict):
        return {key: round_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [round_numbers(item) for item in value]
    return round(float(f"{value:.9g}"), 9) if isinstance(value, float) else value


@pytest.mark.parametrize("name", nightly_except(NAMES, "evaluation", "source-error"))
def test_the_stored_bodies_are_what_is_decided_and_planned(name: str) -> None:
    (story,) = [one for one in STORIES if one.name == name]
    made = json.loads(write_bodies(run_story(story)))
    stored = json.loads((FOLDER / f"{name}.json").read_text())
    assert round_numbers(made) == round_numbers(stored), "run `python -m scripts.messages`"


def test_every_message_is_within_the_limits_of_its_receiver(story: Any) -> None:
    for message in blocks_of(story):
        form = {"channel": "C1", "text": message["text"], "blocks": message["blocks"]}
        assert refusal("chat.postMessage", form, set()) is None
    with closing(mailbox.mbox(FOLDER / f"{story.name}.mbox")) as box:
        mails = list(box)
    for mail in mails:
        subject = str(make_header(decode_header(mail["Subject"]))).replace("\n", "")  # unfolded
        assert len(subject) <= 78
        assert [part.get_content_type() for part in mail.walk()][1:] == ["text/plain", "text/html"]
    for _, delivery in load(story):
        assert wire_size(delivery.payload) <= LARGEST


def test_no_message_repeats_the_one_before(story: Any) -> None:
    for receiver in ("hook", "lead", "slack"):
        messages = [one for one in blocks_of(story) if one["receiver"] == receiver]
        for before, after in pairwise(messages):
            assert after["thread"]
            assert set(lines_of(before)).isdisjoint(lines_of(after))
        assert not any(one["thread"] for one in messages[:1])


def test_the_first_two_lines_say_what_since_when_why_and_what_to_do(story: Any) -> None:
    messages = [one for one in blocks_of(story) if one["receiver"] != "slack"]  # without digests
    firing = [one for one in messages if one["kind"] == "firing" and not one["thread"]]
    for message in firing:
        what, rest = message["text"].split("\n")
        assert what.startswith((":red_circle: *support-bot: ", ":large_orange_circle: *support-bot: "))
        assert any(sign.isdigit() for sign in what) or "breaker" in what
        assert "since 2026-11-02 " in rest and " UTC (" in rest
        if message["kind"] == "firing" and "breaker" not in what and "no data" not in what and "evaluation" not in what:
            assert any(text in rest for text in ("Likely cause: ", "affected", "No cause is known: "))
        assert any(text in rest for text in ("To do: ", "Rollback to ", "To allow requests"))
    resolved = [one for one in messages if one["kind"] == "resolved" and ": resolved after " in one["text"]]
    for message in resolved:
        assert "It fired from 2026-11-02 " in message["text"]
        assert "It recovered " in message["text"]


def test_the_first_two_lines_of_a_digest_say_how_many_since_when_why_and_what_to_do() -> None:
    first, *_, last = list(json.loads((FOLDER / "storm.slack.json").read_text()))
    what, rest = first["text"].split("\n")
    assert what == ":red_circle: *6 incidents in 6 monitors since 12:25 UTC*"
    assert "since 2026-11-02 12:25 UTC (13:25 CET)" in rest
    assert "6 of 7 monitors fire at once: suspect what they share" in rest
    assert "To do: check the log, the database, the network or the gateway first." in rest
    assert last["text"].startswith(":large_green_circle: *7 incidents in 7 monitors: all resolved after ")
