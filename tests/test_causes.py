"""The benchmark of causes: how what came is scored against what is true, and that a scenario runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from benchmarks.causes.__main__ import list_tasks
from benchmarks.causes.kinds import KINDS, draw
from benchmarks.causes.run import run
from benchmarks.causes.score import PEOPLE, Episode, Score, score
from benchmarks.causes.tables import missed_goals, render
from benchmarks.causes.truth import BUCKET, LIVE, MINUTE, Cause, Scenario, Volume
from monitor.core.action import Action
from monitor.core.incident import NO_DATA, Incident
from tests.support.decisions import incident_of

SWAP = Cause("model_version", "model_version", "m2", 30.0, target="m1")
UNIT = Cause("column", "amount", None, 30.0)
CHANGED = LIVE + 30 * MINUTE


def scenario_of(*causes: Cause) -> Scenario:
    """Return a scenario with other causes."""
    return replace(draw("traffic_growth", 0, 1), causes=causes)


def suspect_of(column: str, value: str, at: datetime = CHANGED) -> dict[str, Any]:
    kind = column if column.endswith("version") else "column"
    return {"kind": kind, "column": column, "value": value, "first_seen": at.isoformat()}


def fired(suspect: dict[str, Any] | None, minutes: float = 10, **changes: Any) -> Incident:
    """Return an incident that fired some minutes after the change."""
    at = CHANGED + minutes * MINUTE
    return incident_of(fired_at=at, opened_at=at, suspected_change=suspect, changes=(), **changes)


def rollback(observed: str, target: str | None, **changes: Any) -> Action:
    data = {
        "observed_version": {"model_version": observed},
        "target": {"model_version": target} if target else None,
    }
    action = Action(
        *("a-1", "app", "i-1", "rollback", "rollback", "auto", "delivered", "mode auto"),
        payload={"type": "driftd.rollback", "timestamp": CHANGED.isoformat(), "data": data},
        created_at=CHANGED,
        sequence=0,
    )
    return replace(action, **changes)


def scored(causes: list[Cause], incidents: list[Incident], *actions: Action) -> Score:
    return score(scenario_of(*causes), Episode(tuple(incidents), actions))


def test_one_incident_that_names_dates_and_rolls_back_the_guilty_version_is_right() -> None:
    right = scored([SWAP], [fired(suspect_of("model_version", "m2"))], rollback("m2", "m1"))
    assert (right.suspect, right.sighting, right.target, right.quiet) == (True, True, True, None)
    assert (right.harmful, right.incidents, right.delays, right.problems) == (0, 1, (10.0,), ())


@pytest.mark.parametrize("suspect", [None, suspect_of("model_version", "m1"), suspect_of("prompt_version", "p2")])
def test_another_suspect_or_none_is_wrong(suspect: dict[str, Any] | None) -> None:
    wrong = scored([SWAP], [fired(suspect)])
    assert (wrong.suspect, wrong.sighting, wrong.target) == (False, False, False)
    assert any("suspects" in problem for problem in wrong.problems)


def test_every_incident_of_a_cause_must_name_it() -> None:
    names = fired(suspect_of("model_version", "m2"))
    assert scored([SWAP], [names, fired(suspect_of("prompt_version", "p2"))]).suspect is False
    assert scored([SWAP], [names, fired(suspect_of("model_version", "m2"))]).incidents == 2


def test_a_first_sighting_may_be_a_bucket_off() -> None:
    def dated(late: timedelta) -> Score:
        return scored([SWAP], [fired(suspect_of("model_version", "m2", CHANGED + late))])

    assert [dated(late).sighting for late in (BUCKET, -BUCKET, BUCKET + MINUTE)] == [True, True, False]


def test_a_cause_that_no_message_follows_is_missed() -> None:
    before = fired(suspect_of("model_version", "m2"), minutes=-10)
    assert scored([SWAP], []).delays == scored([SWAP], [before]).delays == (None,)
    assert scored([SWAP], []).suspect is False


def test_of_two_causes_each_must_be_named_by_an_incident_or_by_a_further_change_of_one() -> None:
    later = CHANGED + 20 * MINUTE
    change = {"at": later.isoformat(), "reason": "changed again", "suspected_change": suspect_of("amount", "amount")}
    first = {**change, "at": CHANGED.isoformat(), "suspected_change": suspect_of("model_version", "m2")}
    both = replace(fired(suspect_of("model_version", "m2")), changes=(first, change))
    assert scored([SWAP, UNIT], [both]).suspect is True
    assert scored([SWAP, UNIT], [both]).delays == (10.0, 20.0)
    alone = scored([SWAP, UNIT], [fired(suspect_of("model_version", "m2"))])
    assert (alone.suspect, alone.delays) == (False, (10.0, None))


def test_without_a_cause_any_incident_that_fired_is_one_too_many() -> None:
    assert scored([], []).quiet is True
    assert scored([], [replace(fired(None), fired_at=None)]).quiet is True
    alerted = scored([], [fired(None)])
    assert (alerted.quiet, alerted.suspect, alerted.delays) == (False, None, ())


def test_a_rollback_of_an_innocent_version_or_to_a_guilty_one_is_harmful_once_it_was_sent() -> None:
    causes, incidents = [SWAP], [fired(suspect_of("model_version", "m2"))]
    assert scored(causes, incidents, rollback("m1", "m0")).harmful == 1
    assert scored(causes, incidents, rollback("m2", "m2")).harmful == 1
    assert scored(causes, incidents, rollback("m1", "m0", state="held")).harmful == 0
    assert scored(causes, incidents, rollback("m1", "m0", mode="approve")).harmful == 0
    assert scored([UNIT], incidents, rollback("m2", "m1")).harmful == scored([], [], rollback("m2", "m1")).harmful == 1


def test_the_last_rollback_of_the_guilty_version_says_the_target() -> None:
    def targets(*actions: Action) -> bool | None:
        return scored([SWAP], [fired(suspect_of("model_version", "m2"))], *actions).target

    assert targets(rollback("m2", "m0"), rollback("m2", "m1")) is True
    assert targets(rollback("m2", "m1"), rollback("m2", "m0")) is False
    assert targets(rollback("m2", "m1"), rollback("m2", "m0", state="superseded")) is True
    assert targets(rollback("m2", None)) is False


def test_an_outage_is_the_incident_of_missing_data_and_a_slow_provider_has_no_suspect() -> None:
    outage, slow = Cause("source", "source", None, 30.0), Cause("latency", "latency", None, 30.0)
    assert scored([outage], [fired(None, rule=NO_DATA)]).suspect is True
    assert scored([outage], [fired(None, rule=NO_DATA), fired(None)]).suspect is False
    assert scored([slow], [fired(None)]).suspect is True
    assert scored([slow], [fired(suspect_of("model_version", "m2"))]).suspect is False


def test_messages_are_those_of_people() -> None:
    message = rollback("m2", "m1", kind="firing", name=PEOPLE)
    both = scored([SWAP], [fired(suspect_of("model_version", "m2"))], message, rollback("m2", "m1"))
    assert both.messages == 1


def test_the_table_has_a_line_for_each_kind_and_the_goals_are_stated() -> None:
    right = scored([SWAP], [fired(suspect_of("model_version", "m2"))], rollback("m2", "m1"))
    wrong = replace(scored([SWAP], [fired(None), fired(None)], rollback("m1", "m0")), kind="other")
    lines = render([right, wrong]).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["traffic_growth", "other", "total"]
    assert "50 % (9–91)" in lines[-1]
    assert missed_goals([right]) == []
    assert [goal.partition(":")[0] for goal in missed_goals([wrong])] == [
        "suspect",
        "harmful actions",
        "incidents per cause",
    ]


def test_scenarios_are_shared_among_the_kinds_and_drawn_by_their_seed() -> None:
    tasks = list_tasks(list(KINDS), 210, seed=1)
    assert min(sum(task[0] == kind for task in tasks) for kind in KINDS) >= 10
    assert draw("two_causes", 3, 1) == draw("two_causes", 3, 1) != draw("two_causes", 3, 2)
    assert all(draw(kind, 0, 5).kind == kind for kind in KINDS)


def test_a_short_outage_runs_through_the_daemon_and_is_found() -> None:
    drawn = draw("source_outage", 0, 1)
    world = replace(drawn.world, hourly=240.0, tenants=(("t", 1.0),), beside=None)
    cause = replace(drawn.causes[0], at=5.0)
    parts = {"rollouts": (), "volumes": (Volume(0.0, 5.0, 1e9),), "causes": (cause,)}
    episode = run(replace(drawn, world=world, baseline=75.0, live=26.0, **parts))
    assert [incident.rule for incident in episode.incidents if incident.fired_at] == [NO_DATA]
    assert [(action.kind, action.name, action.state) for action in episode.actions] == [("firing", PEOPLE, "delivered")]
    told = score(replace(drawn, causes=(cause,)), episode)
    assert (told.suspect, told.incidents, told.delays) == (True, 1, (15.0,))
