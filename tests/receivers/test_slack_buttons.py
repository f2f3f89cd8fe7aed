"""Buttons of Slack messages: which there are, what they say, and that they follow the state of the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.actions.receivers.slack.buttons import plan_buttons, render_controls
from monitor.core.operation import Acknowledge, Approve, Author, Reject, SilenceIncident
from monitor.core.situation import Situation
from monitor.store import migrate
from monitor.store.database import Database
from monitor.store.operations import perform
from tests.support.slack_api import SlackApi, check_blocks, slack_api
from tests.support.slack_world import EFFECT, INCIDENT, MINUTE, SlackWorld

ADA = Author("ada", "web", "responder", is_verified=True)
RESPONSES = ["Acknowledge", "Silence 1 h", "Silence 8 h", "Open"]


@pytest.fixture
def api() -> Iterator[SlackApi]:
    with slack_api() as served:
        yield served
        assert served.refusals == []


@pytest.fixture
def world(sqlite_url: str, api: SlackApi) -> Iterator[SlackWorld]:
    database = Database(sqlite_url)
    migrate.upgrade(database)
    made = SlackWorld(database, api)
    made.open()
    made.turn()
    yield made
    database.close()


def test_a_message_has_a_button_for_all_that_can_be_done(world: SlackWorld) -> None:
    assert world.labels() == ["Approve: back to gpt-4o", "Reject", *RESPONSES]
    assert len(world.api.calls) == 1


def test_an_approval_elsewhere_replaces_the_buttons_by_who_gave_it(world: SlackWorld) -> None:
    world.clock.moment += 3 * MINUTE
    perform(world.database, Approve(EFFECT), ADA, world.clock)
    world.turn()
    assert world.labels() == RESPONSES
    assert world.texts()[-1] == "Approved by ada at 16:58 UTC: back to gpt-4o"
    assert not any("driftd actions approve" in text for text in world.texts())
    world.turn()
    assert [call.method for call in world.api.calls] == ["chat.postMessage", "chat.update"]


@pytest.mark.parametrize("state", ["rejected", "expired", "superseded"])
def test_the_buttons_of_an_effect_that_ends_disappear(world: SlackWorld, state: str) -> None:
    if state == "rejected":
        perform(world.database, Reject(EFFECT), ADA, world.clock)
        said = "Rejected by ada at 16:55 UTC: back to gpt-4o"
    elif state == "expired":
        world.clock.moment += 16 * MINUTE
        said = "Back to gpt-4o: expired without approval"
    else:
        newer = world.action("rollback", name="deploy", mode="approve", state="awaiting_approval")
        world.save(type(newer)(**{**vars(newer), "replaces": EFFECT}))
        said = "Back to gpt-4o: was replaced by a newer decision"
    world.turn()
    assert world.labels() == RESPONSES
    assert world.texts()[-1] == said


def test_responses_are_shown_and_the_buttons_of_a_silence_return_with_its_end(world: SlackWorld) -> None:
    perform(world.database, Acknowledge(INCIDENT), ADA, world.clock)
    perform(world.database, SilenceIncident(INCIDENT, 60 * MINUTE), ADA, world.clock)
    world.turn()
    assert world.labels() == ["Approve: back to gpt-4o", "Reject", "Open"]
    assert world.texts()[-2:] == ["Acknowledged by ada at 16:55 UTC", "Silenced by ada until 17:55 UTC"]
    world.clock.moment += 61 * MINUTE
    world.turn()
    assert world.labels() == RESPONSES[1:]


def test_a_resolved_incident_has_no_buttons_but_its_link_and_a_green_headline(world: SlackWorld) -> None:
    world.message("update", "awaiting_approval")
    world.turn()
    assert [world.labels(place)[0] for place in (0, 1)] == ["Approve: back to gpt-4o"] * 2
    world.decide("resolved", resolved_at=world.clock.now())
    world.message("resolved")
    world.turn()
    assert [world.labels(place) for place in (0, 1, 2)] == [["Open"], ["Open"], []]
    assert world.texts(0)[0].startswith(":large_green_circle: *bot: resolved")
    threads = [call.values.get("thread_ts") for call in world.api.calls if call.method == "chat.postMessage"]
    assert threads == [None, "1700000000.000001", "1700000000.000001"]


def test_an_update_that_slack_refuses_for_ever_is_not_tried_again(world: SlackWorld) -> None:
    world.api.fail["chat.update"] = "message_not_found"
    perform(world.database, Acknowledge(INCIDENT), ADA, world.clock)
    world.turn()
    world.turn()
    assert world.api.refusals == ["chat.update: message_not_found"]
    world.api.refusals.clear()


def test_an_update_that_fails_for_now_is_tried_again_after_a_pause(world: SlackWorld) -> None:
    world.api.fail["chat.update"] = "internal_error"
    perform(world.database, Acknowledge(INCIDENT), ADA, world.clock)
    world.turn()
    world.turn()
    assert world.api.refusals == ["chat.update: internal_error"]
    world.api.refusals.clear()
    del world.api.fail["chat.update"]
    world.clock.moment += MINUTE
    world.turn()
    assert "Acknowledge" not in world.labels()


def test_without_an_app_token_or_a_signing_secret_there_are_no_buttons(world: SlackWorld) -> None:
    plain = SlackWorld(world.database, world.api, app_token=None)
    plain.number = 10
    plain.message("update", "awaiting_approval")
    plain.turn()
    assert plain.labels(-1) == []


@pytest.mark.parametrize("text", ["&" * 900, "<!channel>" * 90, "\U0001f9a8" * 900, "\u202eevil" * 99, "a\x00\n" * 99])
def test_slack_takes_the_buttons_of_whatever_was_logged(text: str) -> None:
    effects: Any = [
        {
            "id": f"{place}" * 36,
            "name": text,
            "kind": "rollback",
            "state": "awaiting_approval",
            "target": {"model_version": text},
        }
        for place in range(9)
    ]
    data: Any = {"incident": {"id": "i-1"}, "actions": effects, "link": "https://driftd.internal/"}
    settings = plan_buttons("firing", data)
    assert settings
    for state in ("awaiting_approval", "expired"):
        situation = Situation(effects={one["id"]: state for one in settings["effects"]})
        blocks: Any = render_controls(json.loads(json.dumps(settings)), situation)
        assert check_blocks(blocks, 50) is None
        assert not any(ord(sign) < 32 or ord(sign) == 0x202E for sign in str(blocks))
