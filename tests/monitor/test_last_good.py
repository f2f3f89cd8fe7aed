"""The target of a rollback: version, prompt, commit and data of the last good stretch together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from monitor.actions.decision_context import DecisionContext
from monitor.actions.effects import find_repetition
from monitor.actions.last_good import find_target
from monitor.actions.plan import plan
from monitor.alerting.messages.causes import describe_target
from monitor.core.action import Releases, Version
from monitor.core.deploy_event import DeployEvent
from monitor.core.incident import Decision
from monitor.core.prompts import Prompt
from tests.support.decisions import BUCKET, HOUR, SLACK, START, incident_of, monitor_of, past, version, webhook

BIG = version("big", 48)
SMALL = replace(version("small", 0.5), first_seen=START - 0.5 * HOUR, last_seen=START)
APPEARED = SMALL.first_seen
MODELS = [BIG, SMALL]


def prompt(value: str, first: float, last: float = 0.0, rows: int = 900) -> Version:
    """Return a prompt version seen from and until so many hours before the bad version appeared."""
    return Version("prompt_version", value, APPEARED - first * HOUR, APPEARED - last * HOUR, rows)


def event(hours: float, **fields: Any) -> DeployEvent:
    """Return a deploy event so many hours before the bad version appeared."""
    made = {"id": "e", "monitor": "bot", "kind": "deploy", "version": "", "commit": "", "author": "", "link": ""}
    return DeployEvent(**{**made, **fields, "at": APPEARED - hours * HOUR})


def together(
    prompts: Sequence[Version] = (), events: Sequence[DeployEvent] = (), registry: Sequence[Prompt] = (), **more: Any
) -> Mapping[str, object] | None:
    target = find_target(incident_of(), [*MODELS, *prompts], more.get("blamed", []), Releases(events, registry))
    assert target is not None
    assert target["model_version"] == "big"
    return target.get("with")  # type: ignore[return-value]


def test_nothing_is_added_where_nothing_is_known() -> None:
    assert together() is None
    assert find_target(incident_of(evidence={}), MODELS, [], Releases()) is None


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        ([prompt("p1", 48)], {"prompt_version": "p1"}),
        ([prompt("p1", 48, 1)], {"prompt_version": "p1"}),
        ([prompt("p1", 1)], {"prompt_version": "p1"}),
        ([prompt("p1", 0.9)], None),  # it may be the cause
        ([prompt("p1", 48, 1.1)], None),  # it was not in service
        ([prompt("p1", 48, rows=49)], None),
        ([prompt("p1", 48, rows=50)], {"prompt_version": "p1"}),
        ([prompt("p1", 48), prompt("p2", 48)], None),  # which one is not known
        ([prompt("p1", 48), prompt("p2", 0)], {"prompt_version": "p1", "instead_of": "p2"}),
        ([prompt("p1", 48), prompt("p2", 0), prompt("p3", 0)], {"prompt_version": "p1"}),
    ],
)
def test_the_prompt_is_the_one_that_was_in_service_before(
    prompts: Sequence[Version], expected: Mapping[str, object] | None
) -> None:
    assert together(prompts) == expected


def test_a_prompt_with_an_incident_of_its_own_is_no_part_of_the_target() -> None:
    assert together([prompt("p1", 48)], blamed=["p1"]) is None


@pytest.mark.parametrize(
    ("events", "commit"),
    [
        ([event(30, version="big", commit="aaa")], "aaa"),
        ([event(0.1, version="big", commit="aaa")], "aaa"),
        ([event(0, version="big", commit="aaa")], None),
        ([event(1, commit="ccc")], "ccc"),
        ([event(-1, version="big", commit="aaa")], None),  # after the bad version
        ([event(0.1, version="small", commit="bad"), event(30, version="big", commit="aaa")], "aaa"),
        ([event(0.1, version="small", commit="bad")], None),
        ([event(2, commit="ccc"), event(3, commit="bbb")], "ccc"),
        ([event(0.5, commit="bad"), event(3, commit="bbb")], "bbb"),  # it may have brought the bad version
        ([event(2, commit="ccc"), event(3, version="big", commit="aaa")], "aaa"),
        ([event(2, kind="config", commit="ccc")], None),
        ([event(2, version="big", link="https://ci")], None),
    ],
)
def test_the_commit_is_that_of_the_deployment_of_the_good_version(
    events: Sequence[DeployEvent], commit: str | None
) -> None:
    assert together(events=events) == (None if commit is None else {"commit": commit})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"version": "2026-11-20", "commit": "abc"}, "2026-11-20"),
        ({"commit": "abc", "link": "https://data"}, "abc"),
        ({"link": "https://data"}, "https://data"),
    ],
)
def test_the_data_is_that_of_the_last_event_of_kind_data(fields: dict[str, str], expected: str) -> None:
    assert together(events=[event(0.5, kind="data", version="new"), event(1, kind="data", **fields)]) == {
        "data": expected
    }


def test_the_registry_names_the_prompt_and_its_commit() -> None:
    registry = [Prompt("answer", {"template": "Hi"}, 1, commit="ppp"), Prompt("answer", {"template": "Hello"}, 2)]
    assert together([prompt("answer@1", 48)], registry=registry) == {
        "prompt_version": "answer@1",
        "prompt": "answer@1",
        "commit": "ppp",
    }
    deployed = together([prompt("answer@1", 48)], [event(2, commit="ccc")], registry)
    assert deployed is not None
    assert deployed["commit"] == "ccc"


def test_a_rollback_of_a_prompt_has_the_model_of_the_stretch_and_its_name_in_the_registry() -> None:
    since = APPEARED.isoformat()
    suspect: Any = {"kind": "prompt_version", "column": "prompt_version", "value": "p@2", "first_seen": since}
    guilty = incident_of(suspects=[suspect], suspected_change=suspect, evidence={})
    registry = [Prompt("p", {"template": "Hi"}, 1, commit="ppp"), Prompt("p", {"template": "Hello"}, 2, commit="qqq")]
    target = find_target(guilty, [BIG, prompt("p@1", 48), prompt("p@2", 0)], [], Releases(prompts=registry)) or {}
    assert target["prompt_version"] == "p@1"
    assert target["with"] == {"model_version": "big", "prompt": "p@1", "commit": "ppp"}


def test_payload_and_message_have_the_whole_target() -> None:
    releases = Releases([event(30, version="big", commit="1a2b3c4d5e6f"), event(40, kind="data", version="2026-11")])
    context = DecisionContext(
        BUCKET, START, 0, versions=[*MODELS, prompt("p1", 48), prompt("p2", 0)], releases=releases
    )
    decision = Decision(incident_of(), "firing", "novelty rose")
    message, effect = plan(
        monitor_of(), decision, ["slack", "r"], {"r": webhook(kind="rollback"), "slack": SLACK}, context
    )
    whole = {"prompt_version": "p1", "instead_of": "p2", "commit": "1a2b3c4d5e6f", "data": "2026-11"}
    assert (effect.payload["data"]["target"] or {})["with"] == whole
    words = "model_version 'big' with prompt_version 'p1', commit 1a2b3c4d, data '2026-11'"
    assert words in message.payload["data"]["summary"]
    unchanged = {"prompt": "answer@1", "prompt_version": "p1"}
    assert describe_target({"model_version": "big", "with": unchanged}) == "model_version 'big'"


def test_an_action_that_did_not_help_is_not_repeated_when_its_commit_becomes_known() -> None:
    verification: Any = {"state": "not_verified"}
    row = past("delivered", HOUR, target={"model_version": "big"}, name="r", kind="rollback", verification=verification)
    again = {"model_version": "big", "with": {"commit": "aaa"}}
    assert find_repetition([row], "r", "rollback", again) is not None
    assert find_repetition([row], "r", "rollback", {"model_version": "other"}) is None
