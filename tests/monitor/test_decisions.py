"""The life of an incident, and what may be done about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from detectors.base import Finding, Status
from detectors.joint import JOINT
from monitor.actions.decision_context import DecisionContext
from monitor.actions.effects import (
    NOT_OF_MODEL,
    NOT_WORSE,
    UNCLEAR,
    decide_effect,
    guilty_version,
    last_known_good,
)
from monitor.actions.plan import plan
from monitor.alerting.incidents import decide_incident
from monitor.alerting.no_data import decide_no_data_incident
from monitor.config.models import Monitor, NoData, Rule
from monitor.config.rules import matches
from monitor.core.action import PastAction, Version
from monitor.core.incident import Change, Decision, Incident
from tests.support.decisions import (
    BUCKET,
    EFFECT,
    MINUTE,
    SLACK,
    SPEC,
    START,
    context_of,
    evidence_of,
    finding,
    incident_of,
    monitor_of,
    version,
)
from tests.support.receivers import settings_of


def story(monitor: Monitor, values: list[float | None]) -> list[str]:
    """Judge one value a minute (None: not measurable); return the state after each."""
    incident, states = None, []
    for minute, value in enumerate(values):
        if value is None:
            found = replace(finding(0.0, Status.INCONCLUSIVE), statistic=None)
        else:
            found = finding(value, Status.DRIFTED if value >= 0.1 else Status.OK)
        decision = decide_incident(context_of(monitor, START + minute * MINUTE), [found], incident)
        incident = decision.incident if decision else incident
        states.append(incident.state if incident else "none")
        if incident and incident.state == "resolved":
            incident = None
    return states


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ({"for": 1}, [0.0, 0.2], ["none", "firing"]),
        ({"for": 3}, [0.2, 0.2, 0.2], ["pending", "pending", "firing"]),
        ({"for": "3m"}, [0.2, 0.2, 0.2], ["pending", "pending", "firing"]),
        ({"for": 2}, [0.2, 0.0, 0.2, 0.2], ["pending", "resolved", "pending", "firing"]),
        ({"for": 1, "resolve_for": 2}, [0.2, 0.0, 0.0], ["firing", "firing", "resolved"]),
        ({"for": 1, "resolve_for": 2}, [0.2, 0.0, 0.2, 0.0, 0.0], ["firing"] * 4 + ["resolved"]),
        ({"for": 1, "resolve_for": 1}, [0.2, 0.095, 0.095, 0.05], ["firing"] * 3 + ["resolved"]),
        ({"for": 2}, [0.2, None, 0.2], ["pending", "pending", "firing"]),
        ({"for": 1, "resolve_for": 1}, [0.2, None, None, 0.0], ["firing"] * 3 + ["resolved"]),
        ({"for": 1}, [None, None], ["none", "none"]),
    ],
)
def test_states_follow_the_rule(rule: dict[str, object], values: list[float | None], expected: list[str]) -> None:
    assert story(monitor_of(**rule), values) == expected


def test_a_square_wave_around_the_threshold_is_one_incident() -> None:
    states = story(monitor_of(**{"for": 1, "resolve_for": 3}), [0.11, 0.099] * 20)
    assert states == ["firing"] * 40


def test_findings_that_rise_together_are_one_incident_and_later_ones_are_news() -> None:
    monitor = monitor_of()
    first = decide_incident(context_of(monitor, START), [finding(0.2), finding(0.4, column="length")], None)
    assert first is not None
    assert len(first.incident.evidence) == 2
    assert "; 1 more finding" in first.reason
    later = decide_incident(
        context_of(monitor, START + MINUTE),
        [finding(0.2), finding(0.3, column="tokens")],
        first.incident,
    )
    assert later is not None
    assert later.transition is None
    assert [key.split("/")[1] for key in later.news] == ["tokens"]


def test_every_decision_has_a_reason() -> None:
    monitor = monitor_of(**{"for": 2})
    incident = None
    for minute, status in enumerate([Status.DRIFTED, Status.DRIFTED, Status.OK, Status.OK]):
        value = 0.3 if status is Status.DRIFTED else 0.01
        decision = decide_incident(context_of(monitor, START + minute * MINUTE), [finding(value, status)], incident)
        assert decision is not None
        assert decision.reason
        incident = decision.incident


@pytest.mark.parametrize(
    ("when", "found", "expected"),
    [
        ("*", {}, True),
        ("drift", {}, True),
        ("drift.novelty", {}, True),
        ("drift.length", {}, False),
        ("quality", {}, False),
        ("quality", {"check": "missing", "about": "pipe"}, True),
        ("quality", {"check": "unseen"}, True),
    ],
)
def test_a_rule_watches_what_it_names(when: str, found: dict[str, str], expected: bool) -> None:
    assert matches(Rule(when=[when]), finding(0.2, **found)) is expected


def test_the_suspect_is_the_version_that_a_drifted_segment_names() -> None:
    monitor = monitor_of()
    changes = [
        Change("category", "plan", "gold", START - MINUTE),
        Change("model_version", "model_version", "small", START - 2 * MINUTE),
        Change("model_version", "model_version", "other", START - MINUTE),
        Change("model_version", "model_version", "ancient", START - timedelta(days=1)),
    ]
    blamed = finding(0.5, segment="model_version=small")
    decision = decide_incident(context_of(monitor, START, changes), [blamed], None)
    assert decision is not None
    assert decision.incident.suspected_change is not None
    assert decision.incident.suspected_change["value"] == "small"
    plain = decide_incident(context_of(monitor, START, changes), [finding(0.5)], None)
    assert plain is not None
    assert plain.incident.suspected_change is not None
    assert plain.incident.suspected_change["value"] == "other"


def test_no_data_is_a_state_of_its_own() -> None:
    monitor, setting = monitor_of(), NoData(after=3)
    incident, states = None, []
    for minute, blind in enumerate([1, 2, 3, 4, 0, 0]):
        decision = decide_no_data_incident(monitor, setting, blind, "no_rows", incident, START + minute * MINUTE)
        incident = decision.incident if decision else None
        states.append(incident.state if incident else "none")
        incident = None if incident and incident.state == "resolved" else incident
    assert states == ["pending", "pending", "firing", "firing", "resolved", "none"]


@pytest.mark.parametrize(
    ("spec", "incident", "past", "late", "expected"),
    [
        ({}, {}, [], 0, "pending"),
        ({"mode": "approve"}, {}, [], 0, "awaiting_approval"),
        ({"mode": "notify"}, {}, [], 0, "told"),
        ({}, {"evidence": {"k": {"segment": None, "about": "pipe"}}}, [], 0, "held"),
        ({}, {"rule": "no_data", "evidence": {}}, [], 0, "held"),
        ({}, {}, [], 16, "expired"),
        ({}, {}, [PastAction("r", START - 5 * MINUTE, "delivered", observed=("model_version", "small"))], 0, "held"),
        ({}, {}, [PastAction("r", START - 5 * MINUTE, "held")], 0, "pending"),
        ({}, {}, [PastAction("r", START - 5 * MINUTE, "delivered", observed=("model_version", "other"))], 0, "pending"),
        ({}, {}, [PastAction("other", START - 5 * MINUTE, "delivered")], 0, "pending"),
        ({"max_per_day": 2}, {}, [PastAction("r", START - timedelta(hours=h), "delivered") for h in (2, 3)], 0, "held"),
        ({"kind": "notify"}, {"evidence": {"k": {"segment": None, "about": "pipe"}}}, [], 0, "pending"),
    ],
)
def test_what_becomes_of_an_effect(
    spec: dict[str, object], incident: dict[str, object], past: list[PastAction], late: int, expected: str
) -> None:
    effect = EFFECT.model_copy(update=spec)
    state, reason = decide_effect(effect, "r", incident_of(**incident), past, START + late * MINUTE)
    assert state == expected
    assert reason


def retired(value: str, hours_old: float) -> Version:
    """Return a version that was in service for an hour, long before the bad one appeared."""
    made = version(value, hours_old)
    return replace(made, last_seen=made.first_seen + 60 * MINUTE)


@pytest.mark.parametrize(
    ("versions", "blamed", "expected"),
    [
        ([version("big", 48), version("mid", 24), version("small", 1)], [], "mid"),
        ([version("big", 48), version("mid", 24), version("small", 1)], ["mid"], "big"),
        ([version("big", 48), version("tiny", 24, rows=3), version("small", 1)], [], "big"),
        ([version("tiny", 24, rows=3), version("small", 1)], [], None),
        ([retired("big", 48), retired("mid", 24), version("small", 1)], [], "mid"),
        ([version("small", 1)], [], None),
    ],
)
def test_the_last_known_good_is_the_newest_with_traffic_and_no_incident(
    versions: list[Version], blamed: list[str], expected: str | None
) -> None:
    target = last_known_good(incident_of(), versions, blamed)
    assert (target or {}).get("model_version") == expected


def test_nobody_goes_back_to_a_version_that_drifted_with_the_bad_one() -> None:
    monitor = monitor_of(do=["slack", "r"])
    worse = {name: {"column": "x", "segment": f"model_version={name}", "about": "model"} for name in ("small", "mid")}
    versions = [version("big", 48), version("mid", 24), version("small", 1)]
    assert (last_known_good(incident_of(evidence=worse), versions, []) or {}).get("model_version") == "big"
    late = {"now": START, "sequence": 0}
    for known, state in ((versions, "pending"), (versions[1:], "held"), ([versions[2]], "held")):
        decision = Decision(incident_of(evidence=worse), "firing", "novelty rose")
        (effect,) = plan(monitor, decision, ["r"], {"r": SPEC}, DecisionContext(BUCKET, versions=known, **late))
        assert effect.state == state
    (retrain,) = plan(
        monitor,
        decision,
        ["r"],
        {"r": settings_of("webhook", effect={"kind": "retrain", "mode": "auto"})},
        DecisionContext(BUCKET, versions=versions[1:], **late),
    )
    assert retrain.state == "pending"


def test_a_firing_decision_tells_people_first_and_then_acts_with_stable_ids() -> None:
    monitor = monitor_of(do=["slack", "r"])
    decision = Decision(incident_of(), "firing", "novelty rose")
    arguments = {"now": START, "sequence": 0, "versions": [version("big", 48)]}
    first = plan(monitor, decision, ["slack", "r"], {"r": SPEC, "slack": SLACK}, DecisionContext(BUCKET, **arguments))
    again = plan(monitor, decision, ["slack", "r"], {"r": SPEC, "slack": SLACK}, DecisionContext(BUCKET, **arguments))
    assert [action.name for action in first] == ["slack", "r"]
    assert [action.id for action in first] == [action.id for action in again]
    body = first[1].payload
    assert body["type"] == "driftd.rollback"
    assert body["data"]["observed_version"] == {"model_version": "small"}
    assert body["data"]["target"]["model_version"] == "big"
    assert body["data"]["not_after"] == (START + timedelta(minutes=15)).isoformat()


def effect_of(incident: Incident, **changes: object) -> PastAction:
    base = PastAction(
        "r",
        START,
        "awaiting_approval",
        "a-1",
        incident.id,
        "rollback",
        "approve",
        0,
        observed=("model_version", "small"),
        reason="mode approve",
    )
    return replace(base, **changes)


BY_TIME = {"kind": "model_version", "column": "model_version", "value": "small", "first_seen": START.isoformat()}
BLAMED = {"kind": "model_version", "column": "model_version", "value": "mid", "first_seen": START.isoformat()}


@pytest.mark.parametrize(
    ("before", "incident", "replaced"),
    [
        ({}, {}, None),
        ({}, {"suspected_change": BLAMED}, "a-1"),
        ({"state": "pending"}, {"suspected_change": BLAMED}, "a-1"),
        ({"state": "rejected"}, {"suspected_change": BLAMED}, ""),
        ({"state": "rejected"}, {}, None),
        ({"state": "delivered"}, {"suspected_change": BLAMED}, None),
        ({"state": "failed"}, {"suspected_change": BLAMED}, None),
        ({"state": "pending", "refused": True}, {"suspected_change": BLAMED}, None),
        ({"state": "held", "reason": NOT_WORSE}, {}, ""),
        ({"state": "held", "reason": NOT_OF_MODEL}, {}, ""),
        ({"state": "held", "reason": NOT_WORSE}, {"evidence": {"k": {"segment": None, "about": "pipe"}}}, None),
        ({"state": "held", "reason": "cooldown: …"}, {}, None),
        ({"state": "awaiting_approval", "reason": UNCLEAR}, {}, "a-1"),
        ({"state": "awaiting_approval", "reason": UNCLEAR}, {"suspects": [BY_TIME]}, None),
        ({"state": "awaiting_approval", "reason": "mode approve: …"}, {}, None),
    ],
)
def test_a_waiting_effect_gives_way_when_another_version_is_suspected_or_evidence_has_come(
    before: dict[str, object], incident: dict[str, object], replaced: str | None
) -> None:
    """None: nothing is planned; a name: what the new effect takes the place of; empty: of nothing that waits."""
    going = incident_of(**incident)
    past = [effect_of(going, **before)]
    decision = Decision(going, None, "still firing")
    planned = plan(
        monitor_of(), decision, ["r"], {"r": SPEC}, DecisionContext(BUCKET, now=START, sequence=1, past=past)
    )
    assert [action.replaces or "" for action in planned] == ([] if replaced is None else [replaced])
    for action in planned:
        assert action.id != "a-1"
        assert action.payload["data"]["observed_version"] == dict([guilty_version(going) or ("", "")])


def test_what_never_fired_and_resolves_is_told_to_nobody() -> None:
    monitor = monitor_of()
    decision = Decision(incident_of(state="resolved", fired_at=None), "resolved", "clean")
    assert (
        plan(
            monitor,
            decision,
            ["slack"],
            {"slack": SLACK},
            DecisionContext(BUCKET, now=START, sequence=0),
        )
        == []
    )


def go_on(monitor: Monitor, minutes: list[tuple[list[Finding], list[Finding]]]) -> list[Decision]:
    """Judge (findings against the baseline, moves against what was told) a minute at a time."""
    incident, decisions = None, []
    for minute, (found, moves) in enumerate(minutes):
        decision = decide_incident(context_of(monitor, START + minute * MINUTE), found, incident, moved=moves)
        assert decision is not None
        decisions.append(decision)
        incident = decision.incident
    return decisions


def test_a_column_that_joins_later_than_a_window_is_a_change_of_its_own() -> None:
    first, other = finding(0.3), finding(0.2, column="length")
    early = go_on(monitor_of(), [([first], []), ([first], []), ([first, other], []), *[([first, other], [])] * 9])
    assert [bool(one.change) for one in early] == [False] * 12
    assert early[2].news == (other.key,)
    late = go_on(monitor_of(), [*[([first], [])] * 8, ([first, other], []), ([first, other], [])])
    assert [bool(one.change) for one in late] == [False] * 8 + [True, False]
    assert late[8].news == (other.key,)
    assert late[8].incident.changes[-1]["columns"] == ["length"]
    assert late[8].incident.reason.startswith("changed again: ")


def test_a_further_change_has_a_suspect_and_an_explanation_of_its_own() -> None:
    monitor = monitor_of(**{"for": 2})
    old = evidence_of(since=(START - timedelta(hours=1)).isoformat(), explanation="long ago")
    early = START - timedelta(hours=1)
    going = incident_of(evidence={finding(0.3).key: old}, opened_at=early, fired_at=early)
    for minutes, blamed in ((7, "m2"), (6, "m2"), (8, None)):  # a window and a bucket before the second bad minute
        arrived = [Change("model_version", "model_version", "m2", START + MINUTE - (minutes - 1) * MINUTE)]
        joined = finding(0.4, column="length", reason="longer", detail={"explanation": {"text": "mostly pro"}})
        incident, decided = going, []
        for minute, other in enumerate([joined, replace(joined, detail={})]):
            context = context_of(monitor, START + minute * MINUTE, arrived)
            decision = decide_incident(context, [finding(0.3), other], incident)
            assert decision is not None
            decided.append(decision)
            incident = decision.incident
        assert decided[0].reason == "changing again for 1 of 2 buckets"
        assert decided[1].reason == "changed again: longer; mostly pro"
        assert decided[1].change is not None
        assert (decided[1].change["suspected_change"] or {}).get("value") == blamed
        assert incident.changes[-1] == decided[1].change


def test_a_segment_changes_for_itself() -> None:
    pro = finding(0.3, segment="plan=pro")
    away = replace(pro, detail={"back": False})
    moved = go_on(monitor_of(), [*[([pro], [])] * 7, ([pro], [away])])
    assert [place for place, one in enumerate(moved) if one.change] == [7]
    for found, moves in (([pro], replace(away, segment=None)), ([finding(0.3)], away)):
        assert not any(one.change for one in go_on(monitor_of(), [*[(found, [])] * 7, (found, [moves])]))
    joined = go_on(monitor_of(), [*[([finding(0.3)], [])] * 8, ([finding(0.3), pro], [])])
    assert joined[-1].change is not None
    together = finding(0.3, column=JOINT)
    later = go_on(monitor_of(), [*[([finding(0.3)], [])] * 8, *[([finding(0.3), together], [])] * 2])
    assert not any(one.change for one in later)
    at_once = go_on(monitor_of(), [*[([finding(0.3)], [])] * 5, *[([finding(0.3), pro], [])] * 5])
    assert not any(one.change for one in at_once)  # it rose while the first change was still entering the window


def test_within_a_window_of_what_people_were_told_nothing_has_moved_on() -> None:
    monitor = monitor_of()
    going = incident_of(evidence={finding(0.3).key: evidence_of()}, moved=3)
    context = context_of(monitor, START + 5 * MINUTE)
    decision = decide_incident(context, [finding(0.3)], going, moved=[finding(0.3, detail={"back": False})])
    assert decision is not None
    assert (decision.reason, decision.incident.moved) == ("still firing", 0)


def test_a_column_that_moves_on_from_what_was_told_is_a_change_and_a_recovery_is_none() -> None:
    bad = finding(0.3)
    away, back = finding(0.2, detail={"back": False}), finding(0.2, detail={"back": True})
    told = go_on(monitor_of(), [*[([bad], [])] * 7, ([bad], [away]), ([bad], [away]), *[([bad], [away])] * 6])
    assert [place for place, one in enumerate(told) if one.change] == [7, 13]  # the second a window after the first
    slower = go_on(monitor_of(**{"for": 2}), [*[([bad], [])] * 8, ([bad], [away]), ([bad], []), *[([bad], [away])] * 2])
    assert [place for place, one in enumerate(slower) if one.change] == [11]
    recovering = go_on(
        monitor_of(), [*[([bad], [])] * 7, *[([bad], [back])] * 5, *[([finding(0.01, Status.OK)], [])] * 2]
    )
    assert not any(one.change for one in recovering)
    assert recovering[-1].transition == "resolved"
    halfway = go_on(monitor_of(), [*[([bad], [])] * 7, *[([bad], [back])] * 9])
    assert [place for place, one in enumerate(halfway) if one.change] == [14]  # for 1, the window 5, resolve_for 2
    assert [one.reason for one in halfway[6:8]] == ["still firing", "changing again for 1 of 8 buckets"]
    assert halfway[14].reason == halfway[14].incident.reason == "changed again: novelty rose"
    assert [one.incident.moved for one in halfway[6:16]] == [0, 1, 2, 3, 4, 5, 6, 7, 0, 0]
    held_by_another = go_on(monitor_of(), [*[([bad], [])] * 7, *[([finding(0.3, method="cusum")], [back])] * 20])
    assert not any(one.change for one in held_by_another)


def test_a_rollback_without_a_suspect_is_held_where_versions_are_logged() -> None:
    unexplained = incident_of(evidence={"k": {"column": None, "segment": None, "about": "model"}})
    decision = Decision(unexplained, "firing", "novelty rose")
    for versions, state in (([version("big", 48), version("mid", 24)], "held"), ([], "pending")):
        (effect,) = plan(
            monitor_of(),
            decision,
            ["r"],
            {"r": SPEC},
            DecisionContext(BUCKET, now=START, sequence=0, versions=versions),
        )
        assert (effect.state, effect.payload["data"]["target"]) == (state, None)
    new = incident_of(suspected_change={**BLAMED, "value": "small"})
    only = {"now": START, "sequence": 0, "versions": [version("small", 1)]}
    (effect,) = plan(monitor_of(), Decision(new, "firing", "rose"), ["r"], {"r": SPEC}, DecisionContext(BUCKET, **only))
    assert effect.state == "pending"


def test_what_harms_users_is_the_headline_and_stays_it_when_another_column_changes() -> None:
    errors = finding(0.2, column="failed", method="rank", reason="failures rose")
    tokens = finding(0.9, column="output_tokens", direction="neutral", reason="longer answers")
    again = finding(0.8, column="output_tokens", direction="neutral", reason="moved on", detail={"back": False})
    told = go_on(monitor_of(), [*[([tokens, errors], [])] * 8, ([tokens, errors], [again])])
    assert told[0].incident.reason.startswith("failures rose; 1 more finding")
    assert told[8].change is not None
    reason = told[8].incident.reason
    assert reason.startswith("failures rose")
    assert reason.endswith("; changed again: moved on")


def test_a_column_that_did_not_drift_cannot_have_moved_on() -> None:
    bad, away = finding(0.3), finding(0.2, column="length", detail={"back": False})
    assert not any(one.change for one in go_on(monitor_of(), [*[([bad], [])] * 7, *[([bad], [away])] * 6]))


def test_data_that_is_back_ends_no_earlier_than_its_last_error() -> None:
    """After an outage the first bucket that is computed is older than the last attempt that failed."""
    standing = incident_of(rule="no_data", group="no_data", evidence={}, updated_at=START + 40 * MINUTE)
    for at, expected in ((START + 5 * MINUTE, START + 40 * MINUTE), (START + 45 * MINUTE, START + 45 * MINUTE)):
        over = decide_no_data_incident(monitor_of(), NoData(), 0, "", standing, at)
        assert over is not None
        assert (over.incident.state, over.incident.resolved_at) == ("resolved", expected)
