"""What is planned, held and sent: each decision of `act` and `rules` with inputs made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from detectors.joint import JOINT
from monitor.actions.decision_context import DecisionContext
from monitor.actions.effects import (
    NO_NEW_VERSION,
    NOT_OF_MODEL,
    NOT_WORSE,
    ONLY_INPUTS,
    SEVERAL_VERSIONS,
    UNCLEAR,
    decide_effect,
    guilty_version,
    last_known_good,
    obstacle_to_rollback,
)
from monitor.actions.identity import identity
from monitor.actions.incident_actions import note_notification, plan_incidents
from monitor.actions.messages_due import MessageDue, backlog_pause, find_news, message_for, repeat_messages
from monitor.actions.plan import plan, split_open
from monitor.actions.plan_context import PlanContext
from monitor.actions.restraints import FREEZE
from monitor.actions.retraining_requests import find_retraining_requests
from monitor.alerting.alert_context import AlertContext
from monitor.alerting.decide import decide
from monitor.alerting.decisions import Decisions
from monitor.alerting.messages.headline import leading_suspect, write_headline
from monitor.alerting.suspects import is_same_suspect, rank_suspects
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.core.action import Action, AlertHistory, PastAction, Version
from monitor.core.deploy_event import DeployEvent
from monitor.core.firing import FiringMonitors
from monitor.core.incident import Change, Decision, Incident
from monitor.core.schedule import Bucket
from tests.support.decisions import (
    BLAMED_SMALL,
    BUCKET,
    EFFECT,
    HOUR,
    MINUTE,
    SLACK,
    SPEC,
    START,
    evidence_of,
    finding,
    incident_of,
    limited,
    monitor_of,
    past,
    silence_of,
    version,
    webhook,
)


def effects(spec: dict[str, Any], incident: Incident | None = None, **more: Any) -> list[Action]:
    decision = Decision(incident or incident_of(), "firing", "novelty rose")
    specs = {"r": webhook(**spec), "slack": SLACK}
    return plan(
        monitor_of(), decision, ["slack", "r"], specs, DecisionContext(BUCKET, **{"now": START, "sequence": 0, **more})
    )


@pytest.mark.parametrize("kind", ["rollback", "retrain", "notify"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_is_planned_as_one_and_slack_is_told(kind: str, dry_run: bool) -> None:
    told, effect = effects({"kind": kind, "dry_run": dry_run})
    assert (told.dry_run, told.payload["data"]["dry_run"]) == (False, False)
    assert (effect.dry_run, effect.payload["data"]["dry_run"]) == (dry_run, dry_run)
    assert effect.state == "pending"


@pytest.mark.parametrize(
    ("hours", "expected"), [([48, 24], "v24"), ([48, -1], "v48"), ([48, 0], "v48"), ([0, -1], None), ([], None)]
)
def test_the_last_known_good_was_seen_before_the_incident(hours: list[float], expected: str | None) -> None:
    target = last_known_good(incident_of(), [version(f"v{age}", age) for age in hours], [])
    assert (target or {}).get("model_version") == expected


def test_the_last_known_good_says_how_well_it_is_known() -> None:
    assert last_known_good(incident_of(), [version("big", 48, rows=50)], []) == {
        "model_version": "big",
        "last_seen": START.isoformat(),
        "rows": 50,
    }
    assert last_known_good(incident_of(), [version("big", 48, rows=49)], []) is None
    prompt = replace(version("p", 48), role="prompt_version")
    assert last_known_good(incident_of(), [prompt], []) is None
    assert last_known_good(incident_of(evidence={}), [version("big", 48)], []) is None


@pytest.mark.parametrize("state", ["rejected", "held", "expired", "superseded"])
def test_what_was_not_sent_counts_neither_for_the_cooldown_nor_for_the_cap(state: str) -> None:
    spec = limited(max_per_day=1)
    assert decide_effect(spec, "r", incident_of(), [past(state, MINUTE)], START)[0] == "pending"


@pytest.mark.parametrize("state", ["pending", "awaiting_approval", "delivered", "failed", "dry_run", "told"])
def test_what_was_sent_or_may_be_counts_for_both(state: str) -> None:
    spec = limited(max_per_day=1)
    found, reason = decide_effect(EFFECT, "r", incident_of(), [past(state, MINUTE)], START)
    assert (found, reason.partition(":")[0]) == ("held", "cooldown")
    other = past(state, MINUTE, observed=("model_version", "other"))
    found, reason = decide_effect(spec, "r", incident_of(), [other], START)
    assert (found, reason) == ("held", "cap: at most 1 a day")


@pytest.mark.parametrize(("minutes", "expected"), [(29, "held"), (30, "pending")])
def test_the_cooldown_ends(minutes: int, expected: str) -> None:
    assert decide_effect(EFFECT, "r", incident_of(), [past("delivered", minutes * MINUTE)], START)[0] == expected


@pytest.mark.parametrize(("hours", "expected"), [(23.9, "held"), (24, "pending")])
def test_the_cap_is_that_of_a_day(hours: float, expected: str) -> None:
    spec = limited(max_per_day=2)
    earlier = [past("delivered", hours * HOUR), past("delivered", 2 * HOUR)]
    assert decide_effect(spec, "r", incident_of(), earlier, START)[0] == expected


@pytest.mark.parametrize(
    ("mode", "late", "expected"),
    [
        ("auto", timedelta(0), ("pending", "mode auto")),
        ("approve", timedelta(0), ("awaiting_approval", "mode approve: `driftd actions approve` sends it")),
        ("notify", timedelta(0), ("told", "mode notify: the effect is announced and not sent")),
        (
            "auto",
            timedelta(seconds=1),
            ("expired", "the bucket is older than not_after: the effect would be too late"),
        ),
    ],
)
def test_an_effect_goes_out_by_its_mode_until_not_after(mode: Any, late: timedelta, expected: tuple[str, str]) -> None:
    assert decide_effect(limited(mode=mode), "r", incident_of(), [], START + 15 * MINUTE + late) == expected


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([evidence_of(), evidence_of(segment="model_version=v=2")], ("model_version", "v=2")),
        ([evidence_of(segment="prompt_version=p2")], ("prompt_version", "p2")),
        ([evidence_of(segment="plan=pro")], None),
        ([evidence_of(segment="model_version=m2", about="pipe")], None),
    ],
)
def test_without_a_suspect_the_version_of_the_worst_segment_looks_guilty(evidence: list[Any], expected: object) -> None:
    assert guilty_version(incident_of(evidence=dict(enumerate(evidence)))) == expected


def test_evidence_of_a_change_for_the_worse_is_needed() -> None:
    neutral = incident_of(evidence={"k": evidence_of(direction="neutral"), "p": evidence_of(about="pipe")})
    assert decide_effect(EFFECT, "r", neutral, [], START) == ("held", NOT_WORSE)


def test_a_change_of_inputs_alone_is_rolled_back_only_by_a_person_unless_the_rows_of_a_version_are_affected() -> None:
    item = {"column": "x", "segment": None, "about": "inputs", "direction": "worse", "statistic": 1.0, "threshold": 0.1}
    explained = {"": 0.3, "model_version=small": 1.0}
    canary = {**item, "attribution": {"explained": explained, "segment": None, "contrast": 1.0}}
    retrain = EFFECT.model_copy(update={"kind": "retrain"})
    alike = incident_of(evidence={"k": item})
    piped = incident_of(evidence={"k": item, "p": evidence_of(about="pipe")})
    for inputs in (alike, piped):
        assert decide_effect(EFFECT, "r", inputs, [], START) == ("awaiting_approval", ONLY_INPUTS)
    assert decide_effect(retrain, "r", alike, [], START)[0] == "pending"
    assert decide_effect(EFFECT, "r", incident_of(evidence={"k": canary}), [], START)[0] == "pending"
    assert (
        decide_effect(EFFECT, "r", incident_of(evidence={"k": {**item, "about": "model"}}), [], START)[0] == "pending"
    )
    old = {name: value for name, value in evidence_of().items() if name != "direction"}
    assert decide_effect(EFFECT, "r", incident_of(evidence={"k": old}), [], START)[0] == "pending"
    both = incident_of(evidence={"k": evidence_of(direction="neutral"), "w": evidence_of()})
    assert decide_effect(EFFECT, "r", both, [], START)[0] == "pending"


def test_not_seeing_and_bad_data_never_roll_back_a_model() -> None:
    for evidence in ({}, {"p": evidence_of(about="pipe")}):
        assert decide_effect(EFFECT, "r", incident_of(evidence=evidence), [], START) == ("held", NOT_OF_MODEL)
    assert decide_effect(EFFECT, "r", incident_of(rule="no_data"), [], START) == ("held", NOT_OF_MODEL)


def test_a_rollback_and_nothing_else_needs_somewhere_to_go_back_to() -> None:
    assert decide_effect(EFFECT, "r", incident_of(), [], START, "nowhere to go") == ("held", "nowhere to go")
    assert decide_effect(limited(kind="retrain"), "r", incident_of(), [], START, "nowhere")[0] == "pending"


def test_why_going_back_makes_no_sense() -> None:
    drifted = incident_of(
        evidence={v: evidence_of(segment=f"model_version={v}") for v in ("small", "mid")},
        suspected_change={"kind": "model_version", "column": "model_version", "value": "small"},
    )
    assert obstacle_to_rollback(drifted, [version("big", 48)], []) is None
    assert obstacle_to_rollback(drifted, [version("mid", 48)], []) == (
        "every other version has drifted as well: a rollback would not help"
    )
    equals = incident_of(evidence={v: evidence_of(segment=f"model_version={v}") for v in ("small", "mid=2")})
    assert last_known_good(equals, [version("mid=2", 24), version("big", 48)], []) == {
        "model_version": "big",
        "last_seen": START.isoformat(),
        "rows": 1000,
    }
    assert obstacle_to_rollback(drifted, [], []) is None
    vague = incident_of(evidence={"k": evidence_of()})
    assert obstacle_to_rollback(vague, [version("big", 48)], []) == (
        "no version is suspected, so a rollback has no target"
    )
    assert obstacle_to_rollback(vague, [], []) is None


def test_every_effect_and_every_message_has_an_id_of_its_own() -> None:
    ids = {identity(i, n, k, s) for i in "ab" for n in "ab" for k in "ab" for s in range(3)}
    assert len(ids) == 24
    first, again, later = effects({}), effects({}), effects({}, sequence=1)
    assert [action.id for action in first] == [action.id for action in again]
    assert not {action.id for action in first} & {action.id for action in later}


# ---- messages --------------------------------------------------------------------------------------------------


def message(age: timedelta, state: str = "delivered", kind: str = "firing", **changes: Any) -> PastAction:
    base = PastAction("slack", START - age, state, incident="i-1", kind=kind, at=START - age)
    return replace(base, **changes)


def due(
    rows: Sequence[PastAction], incident: Incident | None = None, transition: Any = None, **rule: Any
) -> str | None:
    """Return the kind of message that Slack gets now."""
    going = incident or incident_of(opened_at=START - 9 * HOUR, fired_at=START - 9 * HOUR, evidence={})
    monitor = monitor_of(repeat_interval="2h", **rule)
    decision = Decision(going, transition, "still firing")
    context = DecisionContext(BUCKET, START, sequence=0, past=rows, repeat_interval=monitor.rules[0].repeat_interval)
    found = message_for(monitor, decision, "slack", context)
    return found.kind if found else None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], "firing"),
        ([message(timedelta(minutes=119))], None),
        ([message(2 * HOUR)], "reminder"),
        ([message(4 * HOUR), message(HOUR, kind="reminder")], None),
        ([message(4 * HOUR), message(2 * HOUR, kind="reminder")], "reminder"),
        ([message(4 * HOUR, state="superseded")], "firing"),
        ([message(4 * HOUR, name="other")], "firing"),
        ([message(4 * HOUR, kind="rollback")], "firing"),
        ([message(2 * HOUR, at=None)], "reminder"),
        ([message(HOUR, at=START - 2 * HOUR)], "reminder"),  # what counts is the bucket that it was about
        ([message(2 * HOUR, at=START - HOUR)], None),
    ],
)
def test_people_are_reminded_as_long_as_it_fires(rows: list[PastAction], expected: str | None) -> None:
    assert due(rows) == expected


def test_without_a_rule_nobody_is_reminded() -> None:
    decision = Decision(incident_of(fired_at=START - 9 * HOUR, evidence={}), None, "still firing")
    rows = [message(8 * HOUR)]
    context = DecisionContext(BUCKET, START, sequence=0, past=rows)
    assert message_for(monitor_of(), decision, "slack", context) is None


def test_nothing_is_said_of_what_does_not_fire() -> None:
    pending = incident_of(state="pending", fired_at=None)
    assert due([], pending) is None
    over = incident_of(state="resolved", resolved_at=START)
    assert due([message(HOUR)], over, "resolved") == "resolved"
    assert due([message(HOUR), message(MINUTE, kind="resolved")], over, "resolved") is None
    assert due([], over, "resolved") == "resolved"
    assert due([message(HOUR)], over, None) is None
    assert due([message(HOUR)], replace(over, fired_at=None), "resolved") is None


@pytest.mark.parametrize(
    ("failed", "transition", "expected"),
    [
        ([timedelta(0)], None, "firing"),
        ([MINUTE, timedelta(0)], None, None),
        ([2 * MINUTE, MINUTE], None, "firing"),
        ([4 * MINUTE, 3 * MINUTE, 2 * MINUTE], None, None),
        ([5 * MINUTE, 4 * MINUTE, 3 * MINUTE], None, "firing"),
        ([MINUTE, timedelta(0)], "firing", "firing"),
        ([HOUR] * 40, None, None),
        ([4 * HOUR] * 40, None, "firing"),
    ],
)
def test_a_message_that_failed_is_planned_anew_with_pauses_that_double(
    failed: list[timedelta], transition: str | None, expected: str | None
) -> None:
    rows = [message(age, state="failed", sequence=place) for place, age in enumerate(failed)]
    assert due(rows, transition=transition) == expected


@pytest.mark.parametrize("state", ["failed", "expired"])
def test_what_replaces_a_lost_message_says_what_is_new_since_the_last_one_that_arrived(state: str) -> None:
    lost = message(MINUTE, state=state, kind="update", sequence=1)
    assert due([message(6 * MINUTE), lost]) == "reminder"
    assert due([message(6 * MINUTE), lost], going(evidence={"a": since(7), "b": since(2, column="length")})) == "update"


def test_a_reminder_has_no_news() -> None:
    told = going(opened_at=START - 122 * MINUTE, fired_at=START - 122 * MINUTE)
    news = replace(told, evidence={"a": since(121), "b": since(119, column="length")})
    before = message(MINUTE, at=START - 2 * HOUR)
    context = DecisionContext(BUCKET, START, sequence=1, past=[before], repeat_interval=2 * HOUR)
    assert find_news(monitor_of(), news, before)
    assert message_for(monitor_of(), Decision(news, None, ""), "slack", context) == MessageDue(
        "slack", "reminder", before, {}
    )


def test_an_effect_that_waits_is_repeated_to_whoever_has_a_message_and_gets_none_now() -> None:
    settings = {"slack": None, "mail": None, "pager": None, "r": EFFECT}
    rows = [message(HOUR), message(MINUTE, kind="effect"), message(HOUR, name="mail"), message(HOUR, name="r")]
    lost = message(HOUR, name="pager", state="failed")
    assert repeat_messages(settings, [MessageDue("mail", "reminder", rows[2])], [*rows, lost]) == [
        MessageDue("slack", "update", rows[0], {})
    ]


def test_what_arrived_after_a_failure_ends_it() -> None:
    rows = [message(HOUR, state="failed", sequence=0), message(MINUTE, sequence=1)]
    assert due(rows) is None
    later = [message(HOUR, sequence=0), message(MINUTE, state="failed", sequence=1)]
    assert due(later) == "reminder"


@pytest.mark.parametrize(
    ("late", "pause"),
    [(timedelta(0), 0), (timedelta(seconds=59), 0), (MINUTE, 6), (10 * MINUTE, 60)],
)
def test_a_message_of_an_old_bucket_waits_a_tenth_of_its_lag(late: timedelta, pause: int) -> None:
    assert backlog_pause(monitor_of(), BUCKET, START + late) == timedelta(seconds=pause)
    told, effect = effects({}, now=START + late)
    assert told.not_before == (START + late + timedelta(seconds=pause) if pause else None)
    assert effect.not_before is None


def test_the_newest_open_incident_of_a_group_comes_first() -> None:
    one, two, three = (incident_of(id=str(n), opened_at=START + n * MINUTE) for n in range(3))
    other = incident_of(id="other", group="slo")
    newest, older = split_open([three, other, one, two])
    assert (newest, older) == ({"traffic": three, "slo": other}, [one, two])


# ---- rules -----------------------------------------------------------------------------------------------------


def planned_for(monitor: Monitor, decision: Decision, history: AlertHistory) -> list[Action]:
    context = PlanContext(history, BUCKET, START)
    return plan_incidents(monitor, {"r": SPEC, "slack": SLACK}, Decisions(incidents=[decision]), context)[1]


SILENCED = "silenced by #7 until 2026-11-01 01:00 UTC"


def acted(context: AlertHistory, transition: Any = "firing", incident: Incident | None = None) -> list[Action]:
    monitor = monitor_of(do=["slack", "r"])
    decision = Decision(incident or incident_of(), transition, "novelty rose")
    return planned_for(monitor, decision, context)


def test_a_silenced_rule_tells_nobody_and_does_nothing() -> None:
    assert [action.name for action in acted(AlertHistory())] == ["slack", "r"]
    monitor = monitor_of(do=["slack", "r"])
    reasons = []
    for rule in ("drift", "other"):
        history = AlertHistory(silences=[silence_of(7, rule=rule)])
        (decision,) = decide(monitor, Evaluation([finding(0.3)]), AlertContext(history), BUCKET).incidents
        reasons.append((decision.mute, decision.reason.endswith(f"({SILENCED})")))
        assert bool(planned_for(monitor, decision, history)) == (rule == "other")
    assert reasons == [(SILENCED, True), (None, False)]
    going = incident_of(evidence={finding(0.3).key: evidence_of()})
    history = AlertHistory(open={"traffic": going}, silences=[silence_of(7, rule="drift")])
    (decision,) = decide(monitor, Evaluation([finding(0.3)]), AlertContext(history), BUCKET).incidents
    assert (decision.transition, decision.mute, decision.reason) == (None, SILENCED, "still firing")


def test_no_data_is_announced_unless_it_is_silenced() -> None:
    monitor = monitor_of({"no_data": {"do": ["slack"]}}, do=[])
    decision = Decision(incident_of(rule="no_data", group="no_data", rules={}, evidence={}), "firing", "no rows")
    assert [action.name for action in planned_for(monitor, decision, AlertHistory())] == ["slack"]
    assert planned_for(monitor, replace(decision, mute=SILENCED), AlertHistory()) == []


def test_an_incident_that_was_silenced_when_it_fired_is_announced_afterwards() -> None:
    assert [action.kind for action in acted(AlertHistory(), None)] == ["firing", "rollback"]
    told = incident_of(notified_at=START - MINUTE)
    stale = AlertHistory(open={"traffic": told})
    assert [action.kind for action in acted(stale, None, told)] == ["firing"]


def test_an_effect_of_an_incident_that_was_silenced_is_decided_afterwards_even_without_a_new_bad_bucket() -> None:
    stale = AlertHistory(open={"traffic": incident_of()})
    assert [action.kind for action in acted(stale, None)] == ["firing", "rollback"]


def test_while_nothing_is_measured_an_incident_only_escalates() -> None:
    monitor = monitor_of(do=["slack"], repeat_interval="2h", escalate=[{"after": "1h", "do": ["boss"]}])
    going = incident_of(
        opened_at=START - 9 * HOUR, fired_at=START - 9 * HOUR, notified_at=START - 9 * HOUR, evidence={}
    )
    rows = [message(9 * HOUR), message(3 * HOUR, name="boss", sequence=1)]

    def kinds(*past: PastAction, waiting: bool) -> list[tuple[str, str]]:
        decision = Decision(going, None, "", waiting=waiting)
        context = PlanContext(AlertHistory(past=past), BUCKET, START)
        receivers = {"slack": SLACK, "boss": SLACK}
        decisions, planned = plan_incidents(monitor, receivers, Decisions(incidents=[decision]), context)
        assert len(decisions) == bool(planned or not waiting)
        return [(one.name, one.kind) for one in planned]

    assert kinds(*rows, waiting=True) == []
    assert kinds(rows[0], waiting=True) == [("boss", "firing")]
    assert kinds(*rows, waiting=False) == [("slack", "reminder"), ("boss", "reminder")]


def test_a_silenced_incident_is_stored_unless_nothing_was_measured() -> None:
    for waiting in (False, True):
        decision = Decision(incident_of(), None, "", mute=SILENCED, waiting=waiting)
        context = PlanContext(AlertHistory(), BUCKET, START)
        planned = plan_incidents(monitor_of(), {"slack": SLACK}, Decisions(incidents=[decision]), context)
        assert planned == ([] if waiting else [decision], [])


def test_an_effect_is_planned_from_the_history_of_the_monitor() -> None:
    """The last good stretch, the versions with an incident of their own, and how many monitors fire."""
    commit = DeployEvent(
        id="e", monitor="bot", kind="deploy", at=START - 9 * HOUR, version="big", commit="abc", author="", link=""
    )
    monitors = FiringMonitors({"one": START, "two": START}, incidents=3, watched=3)
    history = AlertHistory(
        versions=[version("mid", 24), version("big", 48)],
        blamed=["mid"],
        deployments=[commit],
        firing=monitors,
        sequences={"i-1": 7},
    )
    (effect,) = [one for one in acted(history) if one.kind == "rollback"]
    target = effect.payload["data"]["target"]
    assert (target["model_version"], target["with"]) == ("big", {"commit": "abc"})
    assert effect.state == "awaiting_approval"
    assert effect.reason.startswith("3 of 3 monitors fire at the same time")
    assert effect.sequence == 7


@pytest.mark.parametrize(
    ("mode", "before", "expected"),
    [
        ("approve", {"state": "expired", "missed": True}, [("slack", "update"), ("r", "rollback")]),
        ("auto", {"state": "expired", "missed": True}, [("r", "rollback")]),
        ("auto", {"state": "held", "reason": f"{FREEZE} nights: …"}, [("slack", "update"), ("r", "rollback")]),
        ("auto", {"state": "held", "reason": f"{FREEZE} nights: …", "name": "other"}, [("r", "rollback")]),
    ],
)
def test_whoever_has_a_message_learns_that_an_effect_waits_or_that_its_freeze_window_has_ended(
    mode: str, before: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    rows = [message(MINUTE), replace(past("", MINUTE, incident="i-1", sequence=1), **before)]
    going = incident_of(opened_at=START - HOUR, fired_at=START - HOUR, evidence={"k": evidence_of()})
    specs = {"r": webhook(mode=mode), "slack": SLACK}
    context = DecisionContext(BUCKET, START, sequence=2, past=rows)
    planned = plan(monitor_of(), Decision(going, None, ""), ["slack", "r"], specs, context)
    assert [(one.name, one.kind) for one in planned] == expected


def test_an_effect_that_was_missed_is_decided_anew_by_a_bad_bucket_only() -> None:
    rows = [message(MINUTE), past("expired", MINUTE, incident="i-1", missed=True)]
    rows = [replace(row, sequence=place) for place, row in enumerate(rows)]
    told = incident_of(notified_at=START - MINUTE)
    fresh = AlertHistory(open={"traffic": replace(told, bad=1)}, past=rows)
    assert [action.name for action in acted(fresh, None, told)] == ["r"]
    stale = AlertHistory(open={"traffic": told}, past=rows)
    assert acted(stale, None, told) == []
    older = AlertHistory(older=[told], past=rows)
    assert acted(older, None, told) == []


@pytest.mark.parametrize(
    ("rows", "planned", "expected"),
    [
        ([], [], START - HOUR),
        ([], ["firing"], START),
        ([], ["rollback"], START - HOUR),
        ([message(HOUR, "failed")], [], None),
        ([message(HOUR, "failed"), message(MINUTE, "pending")], [], START - HOUR),
        ([message(HOUR, "failed")], ["reminder"], START),
        ([message(HOUR, "failed", incident="other")], [], START - HOUR),
    ],
)
def test_notified_at_is_when_people_were_told_last(
    rows: list[PastAction], planned: list[str], expected: object
) -> None:
    decision = Decision(incident_of(notified_at=START - HOUR), None, "still firing")
    made = [replace(effects({})[0], kind=kind) for kind in planned]
    assert note_notification(decision, rows, made, BUCKET.end).incident.notified_at == expected
    over = replace(decision, incident=replace(decision.incident, state="resolved"))
    assert note_notification(over, rows, made, BUCKET.end) is over


def test_retraining_is_asked_for_when_it_can_be_decided() -> None:
    monitor = monitor_of(do=["slack", "r"])
    specs = {"r": webhook("retrain")}

    def wanted(decision: Decision, *rows: PastAction, specs: Any = specs) -> bool:
        return bool(find_retraining_requests(monitor, [decision], specs, AlertHistory(past=rows)))

    told = incident_of(notified_at=START)
    assert wanted(Decision(told, "firing", ""))
    assert not wanted(Decision(told, "firing", ""), specs={"r": SPEC})
    assert not wanted(Decision(incident_of(rule="other"), "firing", ""))
    assert not wanted(Decision(incident_of(state="pending"), "firing", ""))
    assert not wanted(Decision(told, None, ""))
    assert wanted(Decision(incident_of(), None, ""))
    missed = past("expired", HOUR, kind="retrain", incident="i-1", missed=True)
    assert wanted(Decision(told, None, ""), missed)
    assert not wanted(Decision(told, None, ""), replace(missed, incident="other"))
    assert not wanted(Decision(told, None, ""), replace(missed, kind="rollback"))
    assert not wanted(Decision(told, None, ""), replace(missed, missed=False))


def test_versions_are_compared_by_role() -> None:
    prompts = [Version("prompt_version", "p1", START - 48 * HOUR, START, 1000)]
    suspected = incident_of(suspected_change={"kind": "prompt_version", "column": "prompt_version", "value": "p2"})
    assert (last_known_good(suspected, [*prompts, version("big", 1)], []) or {}).get("prompt_version") == "p1"


def test_a_bucket_is_no_longer_current_after_its_successor_has_ended() -> None:
    late = Bucket(START - 2 * MINUTE, START - MINUTE)
    assert backlog_pause(monitor_of(), late, START) == timedelta(seconds=6)
    assert backlog_pause(monitor_of({"settle": "30s"}), late, START) == timedelta(0)
    assert backlog_pause(monitor_of({"settle": "30s"}), late, START + 2.5 * MINUTE) == timedelta(seconds=18)


# ---- what a message says -------------------------------------------------------------------------------------------

SUSPECT = {"kind": "model_version", "column": "model_version", "value": "m2", "first_seen": START.isoformat()}


def said(kind: Any, news: Any = None, **incident: Any) -> str:
    return write_headline(incident_of(**incident), kind, news or {})


def test_a_headline_says_what_is_wrong_in_natural_units() -> None:
    assert said("firing") == "bot: novelty rose"
    assert said("firing", reason="novelty 3 (95 % interval 2–4), baseline 1; rank shift 0.4") == (
        "bot: novelty 3 (95 % interval 2–4), baseline 1"
    )
    later = {"updated_at": START + 4 * HOUR, "evidence": {"k": evidence_of(reason="novelty 5; rank shift 1")}}
    assert said("reminder", **later) == "bot: still firing after 4h: novelty 5"
    assert said("reminder", fired_at=None) == "bot: still firing after an unknown time: novelty rose"


def test_an_update_says_what_is_new() -> None:
    joined = evidence_of(column="length", reason="longer; rank shift 1")
    assert said("update", {"findings": [joined]}) == "bot: also longer"
    segment = evidence_of(column=None, check="volume", segment="plan=pro", reason="more")
    assert said("update", {"findings": [segment, joined]}) == "bot: also more; 1 more finding"
    assert said("update", {"suspected_change": SUSPECT}) == "bot: now suspected: model_version 'm2'"
    assert said("update", {"severity": "critical"}) == "bot: now critical: novelty rose"
    assert said("update", {"again": True, "findings": [joined]}) == "bot: novelty rose"
    for reason in (
        "changed again: length 7; rank shift 1",
        "novelty rose; more; changed again: length 7; rank shift 1",
    ):
        assert said("update", {"changes": [{"reason": reason}]}) == "bot: changed again: length 7"


def test_an_end_says_how_long_it_was_and_how_bad() -> None:
    over = {"state": "resolved", "reason": "clean for 2 buckets", "resolved_at": START + 2 * HOUR}
    worst = evidence_of(peak="novelty 9", worst=0.9)
    other = evidence_of(column="cost", direction="neutral", worst=9.0, peak="cost 8")
    assert said("resolved", evidence={"a": other, "k": worst}, **over) == "bot: resolved after 2h; peak: novelty 9"
    assert said("resolved", evidence={"k": evidence_of()}, **over) == "bot: resolved after 2h; peak: novelty rose"
    assert said("resolved", evidence={}, **over) == "bot: resolved after 2h: clean for 2 buckets"


def test_the_suspect_of_the_last_change_leads() -> None:
    first = {"at": START.isoformat(), "suspected_change": {"value": "one"}, "reason": ""}
    second = {**first, "suspected_change": {"value": "two"}}
    assert leading_suspect(incident_of(suspected_change=SUSPECT)) == SUSPECT
    assert leading_suspect(incident_of(suspected_change=SUSPECT, changes=[first])) == SUSPECT
    assert leading_suspect(incident_of(suspected_change=SUSPECT, changes=[first, second])) == {"value": "two"}
    assert leading_suspect(incident_of(changes=[first, first, second])) == {"value": "two"}


def going(**changes: Any) -> Incident:
    base = {"fired_at": START - 3 * MINUTE, "opened_at": START - 3 * MINUTE}
    return incident_of(**{**base, **changes})


def since(minutes: int, **changes: Any) -> dict[str, Any]:
    return evidence_of(since=(START - minutes * MINUTE).isoformat(), **changes)


def test_news_are_the_findings_that_rose_after_the_last_message() -> None:
    before = message(2 * MINUTE)
    old, joined = since(3), since(1, column="length")
    found = find_news(monitor_of(), going(evidence={"a": old, "b": joined}), before)
    assert found == {"again": False, "changes": [], "findings": [joined], "suspected_change": None, "severity": None}
    for nothing in (
        {"a": old},
        {"a": old, "b": since(1, method="psi")},
        {"a": old, "b": since(1, column="(joint)")},
        {"a": old, "b": since(2, column="length")},
        {"a": old, "b": evidence_of(column="length", since=None)},
    ):
        assert find_news(monitor_of(), going(evidence=nothing), before) == {}
    joint = since(1, column="(joint)", check="other")
    assert find_news(monitor_of(), going(evidence={"a": old, "b": joint}), before)["findings"] == [joint]
    segment = since(1, segment="plan=pro")
    assert find_news(monitor_of(), going(evidence={"a": old, "b": segment}), before)["findings"] == [segment]


def test_what_rises_later_than_a_window_is_news_as_a_part_of_a_change_only() -> None:
    late = going(
        fired_at=START - HOUR, opened_at=START - HOUR, evidence={"a": since(60), "b": since(1, column="length")}
    )
    assert find_news(monitor_of(), late, message(2 * MINUTE)) == {}
    changes = [
        {"at": (START - n * MINUTE).isoformat(), "reason": "", "suspected_change": None, "checks": []} for n in (60, 1)
    ]
    found = find_news(monitor_of(), replace(late, changes=changes), message(2 * MINUTE))
    assert (found["changes"], len(found["findings"])) == ([changes[1]], 1)
    assert find_news(monitor_of(), replace(late, changes=changes), message(2 * MINUTE, at=None))["changes"]
    assert find_news(monitor_of(), replace(late, changes=changes), message(MINUTE)) == {}


def test_another_suspect_and_what_came_back_are_news() -> None:
    suspected = going(suspected_change=SUSPECT, evidence={"a": since(3)})
    assert find_news(monitor_of(), suspected, message(2 * MINUTE))["suspected_change"] == SUSPECT
    assert find_news(monitor_of(), suspected, message(2 * MINUTE, suspect="m2")) == {}
    assert find_news(monitor_of(), suspected, message(2 * MINUTE, suspect="m2", kind="resolved"))["again"] is True


@pytest.mark.parametrize(
    ("rows", "incident", "expected"),
    [
        ([message(6 * MINUTE)], {"evidence": {"a": since(9), "b": since(1, column="length")}}, "update"),
        ([message(4 * MINUTE)], {"evidence": {"a": since(9), "b": since(1, column="length")}}, None),
        (
            [message(6 * MINUTE), message(4 * MINUTE, kind="update")],
            {"evidence": {"a": since(9), "b": since(1, column="length")}},
            None,
        ),
        ([message(4 * MINUTE)], {"suspected_change": SUSPECT, "evidence": {"a": since(9)}}, "update"),
        ([message(4 * MINUTE, kind="update")], {"suspected_change": SUSPECT, "evidence": {"a": since(9)}}, None),
        ([message(5 * MINUTE)], {"evidence": {"a": since(9), "b": since(1, column="length")}}, "update"),
        ([message(4 * MINUTE), message(MINUTE, kind="resolved")], {"evidence": {"a": since(9)}}, "update"),
        (
            [message(9 * MINUTE), message(3 * MINUTE, kind="update"), message(MINUTE, kind="resolved")],
            {"evidence": {"a": since(9)}},
            None,
        ),
    ],
)
def test_updates_come_at_most_once_a_window(
    rows: list[PastAction], incident: dict[str, Any], expected: str | None
) -> None:
    placed = [replace(row, sequence=place) for place, row in enumerate(rows)]
    told = going(fired_at=START - 4 * MINUTE, **incident)
    assert due(placed, told) == expected


def test_what_waits_from_a_backlog_or_is_refused_is_not_what_a_receiver_has() -> None:
    waiting = message(MINUTE, state="pending", backlog=True)
    assert due([waiting]) == "firing"
    refused = message(3 * HOUR, state="pending", refused=True)
    assert due([refused]) == "firing"
    assert due([message(HOUR, state="pending", refused=True)]) is None
    late = Bucket(START - 20 * MINUTE, START - 19 * MINUTE)
    monitor, decision = monitor_of(), Decision(incident_of(evidence={}), None, "still firing")
    context = DecisionContext(late, START, sequence=0, past=[waiting], repeat_interval=monitor.rules[0].repeat_interval)
    assert message_for(monitor, decision, "slack", context) is None


def test_a_message_carries_its_evidence_and_the_effects_beside_it() -> None:
    told, effect = effects({"mode": "approve"}, versions=[version("big", 48)])
    data = told.payload["data"]
    assert told.payload["type"] == "driftd.incident.firing"
    assert told.payload["timestamp"] == START.isoformat()
    assert data == {
        "monitor": "bot",
        "severity": "critical",
        "headline": "bot: novelty rose",
        "summary": "Critical since 2026-11-01 00:00 UTC. Likely cause: model_version 'small', first seen at 00:00 "
        "UTC (explains 100 % of the effect). Rollback to model_version 'big' (r) waits for approval until 00:15 UTC "
        "(15m left): "
        f"`driftd actions approve {effect.id}`",
        "link": None,
        "peak": "novelty rose",
        "incident": {
            "id": "i-1",
            "state": "firing",
            "rule": "drift",
            "opened_at": START.isoformat(),
            "reason": "novelty rose",
            "fired_at": START.isoformat(),
            "resolved_at": None,
        },
        "window": {"start": (START - 5 * MINUTE).isoformat(), "end": START.isoformat()},
        "observed_version": {"model_version": "small"},
        "suspected_change": None,
        "suspects": [BLAMED_SMALL],
        "changes": [],
        "target": {"model_version": "big", "last_seen": START.isoformat(), "rows": 1000},
        "findings": [evidence_of(segment="model_version=small")],
        "actions": [
            {
                "id": effect.id,
                "name": "r",
                "kind": "rollback",
                "mode": "approve",
                "state": "awaiting_approval",
                "reason": None,
                "target": data["target"],
                "not_after": (START + 15 * MINUTE).isoformat(),
                "at": None,
                "dry_run": False,
                "is_new": True,
            }
        ],
        "first_bad_at": (START - MINUTE).isoformat(),
        "acknowledged_by": None,
        "assignee": None,
        "news": None,
        "dry_run": False,
    }
    assert [one.id for one in (told, effect)] == [
        identity("i-1", "slack", "firing", 0),
        identity("i-1", "r", "rollback", 0),
    ]
    assert (told.monitor, told.incident, told.mode, told.state, told.sequence) == ("bot", "i-1", "auto", "pending", 0)
    assert (told.not_after, told.created_at, told.supersedes) == (START + timedelta(hours=24), START, True)
    assert told.reason == "every transition is announced"
    assert (effect.monitor, effect.incident, effect.kind, effect.mode) == ("bot", "i-1", "rollback", "approve")
    assert (effect.not_after, effect.created_at, effect.sequence) == (START + 15 * MINUTE, START, 0)
    assert (effect.supersedes, effect.replaces, effect.reason[:13]) == (False, None, "mode approve:")
    own = ("news", "actions", "summary", "link", "peak")
    shared = {name: value for name, value in data.items() if name not in own}
    shared["incident"] = {name: data["incident"][name] for name in ("id", "state", "rule", "opened_at", "reason")}
    assert effect.payload == {
        "type": "driftd.rollback",
        "timestamp": START.isoformat(),
        "data": {**shared, "not_after": (START + 15 * MINUTE).isoformat(), "approvals": 1, "verify_within": 1800.0},
    }


def test_an_update_carries_what_is_new_and_its_suspect() -> None:
    joined = [since(1, column=f"c{place}", reason=f"c{place} rose") for place in range(12)]
    told = [
        {"at": (START - place * MINUTE).isoformat(), "reason": str(place), "suspected_change": SUSPECT}
        for place in (9, 6, 5, 4, 3, 2, 1)
    ]
    evidence = {"old": since(9), **{item["column"]: item for item in joined}}

    def updated(**changes: Any) -> Action:
        incident = going(evidence=evidence, **changes)
        rows = [message(8 * MINUTE), past("delivered", 8 * MINUTE, name="r", incident="i-1", sequence=1)]
        context = DecisionContext(BUCKET, START, sequence=2, past=rows)
        (update,) = plan(
            monitor_of(), Decision(incident, None, ""), ["slack", "r"], {"r": SPEC, "slack": SLACK}, context
        )
        return update

    update = updated(opened_at=START - 4 * MINUTE, fired_at=START - 4 * MINUTE)
    assert (update.kind, update.payload["type"]) == ("update", "driftd.incident.update")
    data = update.payload["data"]
    assert data["headline"] == "bot: also c0 rose; 11 more findings"
    assert data["news"] == {
        "again": False,
        "changes": [],
        "findings": joined[:10],
        "suspected_change": None,
        "severity": None,
    }
    assert [(one["name"], one["kind"], one["state"]) for one in data["actions"]] == [("r", "rollback", "delivered")]
    again = updated(opened_at=START - 9 * MINUTE, fired_at=START - 9 * MINUTE, changes=told).payload["data"]
    assert again["headline"] == "bot: 1"
    assert again["summary"] == "Likely cause now: model_version 'm2', first seen at 00:00 UTC."
    assert again["suspected_change"] == SUSPECT
    assert [one["reason"] for one in again["news"]["changes"]] == list("54321")
    assert again["news"]["suspected_change"] == SUSPECT


def test_a_higher_severity_is_an_update() -> None:
    known = message(2 * MINUTE, severity="warning")
    worse = going(evidence={"a": since(3)}, severity="critical")
    assert find_news(monitor_of(), worse, known)["severity"] == "critical"
    assert due([known], worse) == "update"
    assert due([known, message(MINUTE, kind="update", severity="warning")], worse) is None  # at most one a window
    context = DecisionContext(BUCKET, START, sequence=2, past=[known])
    (update,) = plan(monitor_of(), Decision(worse, None, ""), ["slack"], {"slack": SLACK}, context)
    assert update.payload["data"]["headline"] == "bot: now critical: novelty rose"
    for severity in ("critical", "warning", "info"):
        assert find_news(monitor_of(), replace(worse, severity=severity), message(MINUTE, severity="critical")) == {}


def test_an_end_is_told_at_once_and_says_to_whom_it_was_news_what_it_was() -> None:
    over = incident_of(
        suspects=(),
        state="resolved",
        resolved_at=START,
        changes=[{"at": START.isoformat(), "reason": "novelty rose; rank 1"}],
    )
    for rows, what in (([message(HOUR)], ""), ([], " Nobody was told before: novelty rose.")):
        context = DecisionContext(BUCKET, START + HOUR, sequence=1, past=rows)
        (told,) = plan(
            monitor_of(), Decision(over, "resolved", ""), ["slack", "r"], {"r": SPEC, "slack": SLACK}, context
        )
        data = told.payload["data"]
        assert (told.kind, told.not_before) == ("resolved", None)
        assert data["headline"] == "bot: resolved after 1m; peak: novelty rose"
        assert data["summary"] == (
            f"It fired from 2026-11-01 00:00 UTC to 00:00 UTC; novelty rose.{what} No cause is known: no version, "
            "value or segment in the log explains it. It recovered without an action of driftd."
        )
        assert data["news"] is None


def test_a_missed_effect_is_decided_anew_in_time_only_and_by_the_last_of_its_name() -> None:
    missed = past("expired", MINUTE, incident="i-1", missed=True, sequence=1)
    other = past("delivered", MINUTE, name="other", incident="i-1", sequence=2)
    reminder = message(MINUTE, name="r", sequence=3)
    for late, names in ((timedelta(0), ["r"]), (timedelta(seconds=1), [])):
        context = DecisionContext(BUCKET, START + 15 * MINUTE + late, sequence=4, past=[missed, other, reminder])
        planned = plan(monitor_of(), Decision(incident_of(), None, ""), ["r"], {"r": SPEC}, context)
        assert [action.name for action in planned] == names


def test_a_message_says_why_an_effect_is_held_and_what_was_decided_before() -> None:
    earlier = past("delivered", MINUTE, id="e-1", incident="i-1", name="other")
    told, effect = effects({}, past=[past("delivered", MINUTE), earlier])
    assert effect.state == "held"
    assert [(one["id"], one["state"], one["reason"]) for one in told.payload["data"]["actions"]] == [
        (effect.id, "held", effect.reason),
        ("e-1", "delivered", None),
    ]
    told, effect = effects({}, now=START + 16 * MINUTE)
    assert [(one["state"], one["reason"]) for one in told.payload["data"]["actions"]] == [("expired", effect.reason)]
    _, trained = effects({"kind": "retrain"}, retraining={"drifted": [], "left_out": 0})
    assert trained.payload["data"]["retraining"] == {"drifted": [], "left_out": 0}
    many = {str(n): evidence_of(column=f"c{n}") for n in range(12)}
    changes = [{"at": START.isoformat(), "reason": str(n), "suspected_change": None} for n in range(7)]
    told, _ = effects({}, incident_of(evidence=many, changes=changes))
    assert len(told.payload["data"]["findings"]) == 10
    assert [one["reason"] for one in told.payload["data"]["changes"]] == list("23456")


def test_nothing_is_planned_when_nothing_is_due() -> None:
    decision = Decision(incident_of(evidence={}), None, "still firing")
    rows = [message(MINUTE), past("delivered", MINUTE, incident="i-1")]
    assert (
        plan(
            monitor_of(),
            decision,
            ["slack", "r"],
            {"r": SPEC, "slack": SLACK},
            DecisionContext(BUCKET, now=START, sequence=0, past=rows),
        )
        == []
    )
    assert plan(monitor_of(), decision, ["unknown"], {}, DecisionContext(BUCKET, now=START, sequence=0)) == []


def test_of_the_versions_in_service_the_one_with_most_traffic_is_the_target() -> None:
    bad, main, beside = version("small", 1), version("big", 48, rows=9000), version("mini", 40, rows=300)
    serving = [replace(one, last_seen=bad.first_seen - MINUTE) for one in (main, beside)]
    assert (last_known_good(incident_of(), [bad, *serving], []) or {}).get("model_version") == "big"
    retired = replace(main, last_seen=bad.first_seen - 2 * HOUR)
    assert (last_known_good(incident_of(), [bad, retired, serving[1]], []) or {}).get("model_version") == "mini"
    idle = replace(main, last_seen=bad.first_seen - HOUR)
    assert (last_known_good(incident_of(), [bad, idle, serving[1]], []) or {}).get("model_version") == "big"
    brief = replace(main, first_seen=idle.last_seen - timedelta(seconds=1), last_seen=idle.last_seen, rows=100)
    steady = replace(brief, value="mini", first_seen=idle.last_seen - 100 * timedelta(seconds=1), rows=8000)
    assert (last_known_good(incident_of(), [bad, brief, steady], []) or {}).get("model_version") == "big"


def test_an_automatic_rollback_waits_until_the_rows_show_one_version() -> None:
    by_time: Any = {"kind": "model_version", "column": "m", "value": "m2", "first_seen": START.isoformat()}
    clear, other = {**by_time, "share": 0.95}, {**by_time, "kind": "prompt_version", "value": "p2", "share": 0.9}

    def decided(*suspects: Any, **changes: Any) -> tuple[str, str]:
        return decide_effect(EFFECT, "r", incident_of(suspects=suspects, **changes), [], START)

    assert decided(clear) == ("pending", "mode auto")
    assert decided(by_time) == ("awaiting_approval", UNCLEAR)
    assert decided(clear, other) == ("awaiting_approval", SEVERAL_VERSIONS)
    assert decided(clear, {**other, "share": 0.89}) == ("pending", "mode auto")
    assert decided(clear, {**by_time, "value": "m3"}) == ("pending", "mode auto")  # no row shows it
    objective = {**evidence_of(column=None, check="slo")}
    assert decided(by_time, evidence={"k": objective}) == ("pending", "mode auto")  # has no rows to look at


def attributed(column: str, explained: float, direction: str = "worse") -> dict[str, Any]:
    """Return the evidence of a column of which the version m2 explains a part."""
    names = {"model_version=m2": explained, "": 1.0 - explained}
    since = START.isoformat()
    split = {"explained": names, "contrast": 200.0, "segment": None, "since": since, "until": since, "strength": 200.0}
    return {f"drift/{column}/": evidence_of(column=column, direction=direction, attribution=split)}


@pytest.mark.parametrize("column", ["topic", JOINT])
def test_a_neutral_change_that_the_version_did_not_make_is_no_doubt_about_a_rollback(column: str) -> None:
    came: Any = {"kind": "model_version", "column": "model_version", "value": "m2", "first_seen": START.isoformat()}
    changes = [Change("model_version", "model_version", "m2", START)]

    def decided(*columns: dict[str, Any]) -> tuple[str, str]:
        evidence = {key: item for one in columns for key, item in one.items()}
        suspects = rank_suspects(changes, START - HOUR, evidence)
        assert is_same_suspect(suspects[0], came)
        return decide_effect(EFFECT, "r", incident_of(evidence=evidence, suspects=suspects), [], START)

    failed, other = attributed("failed", 1.0), attributed(column, 0.0, "neutral")
    assert decided(failed, other) == ("pending", "mode auto")
    assert decided(attributed("failed", 0.9), other) == ("awaiting_approval", UNCLEAR)
    assert decided(failed, attributed("latency", 0.0)) == ("awaiting_approval", UNCLEAR)


def test_a_finding_over_all_columns_says_nothing_about_the_share_of_a_suspect_that_columns_show() -> None:
    changes = [Change("model_version", "model_version", "m2", START)]
    evidence = {**attributed("failed", 1.0), **attributed(JOINT, 0.0, "neutral")}
    assert [one.get("share") for one in rank_suspects(changes, START - HOUR, evidence)] == [1.0]


def test_an_effect_that_is_replaced_does_not_count_for_the_cooldown() -> None:
    going = incident_of()
    waiting = replace(past("awaiting_approval", MINUTE), incident=going.id)
    assert decide_effect(EFFECT, "r", going, [waiting], START)[0] == "pending"
    assert decide_effect(EFFECT, "r", going, [replace(waiting, incident="another")], START)[0] == "held"


@pytest.mark.parametrize("kind", ["segment", "upstream", "label", "traffic", "everywhere"])
def test_a_rollback_is_not_sent_by_itself_if_the_suspect_is_no_version(kind: str) -> None:
    suspect: Any = {"kind": kind, "column": "plan", "value": "gold", "first_seen": START.isoformat(), "share": 1.0}
    assert decide_effect(EFFECT, "r", incident_of(suspects=[suspect]), [], START) == (
        "awaiting_approval",
        NO_NEW_VERSION,
    )


@pytest.mark.parametrize(
    ("rows", "target"), [(30_000, "new"), (27_000, "new"), (15_300, "new"), (15_299, "old"), (900, "old")]
)
def test_the_target_is_the_version_that_replaced_another_one_of_similar_traffic(rows: int, target: str) -> None:
    opened, minute = incident_of().opened_at, timedelta(minutes=1)
    old = replace(version("old", 1), first_seen=opened - 63 * minute, last_seen=opened - 50 * minute, rows=7_800)
    new = replace(version("new", 1), first_seen=opened - 51 * minute, last_seen=opened, rows=rows)
    assert (last_known_good(incident_of(), [old, new], []) or {}).get("model_version") == target


@pytest.mark.parametrize(("beside", "target"), [(29, "new"), (30, "old")])
def test_a_version_replaced_another_one_if_it_served_longer_after_it_than_beside_it(beside: int, target: str) -> None:
    old = replace(version("old", 2, rows=9000), last_seen=START - 30 * MINUTE)
    new = replace(version("new", 1, rows=3000), first_seen=old.last_seen - beside * MINUTE)
    assert (last_known_good(incident_of(), [old, new], []) or {}).get("model_version") == target


def test_what_is_wrong_with_the_pipe_says_nothing_about_versions() -> None:
    pipe = evidence_of(segment="model_version=big", about="pipe")
    worse = incident_of(evidence={"k": evidence_of(segment="model_version=small"), "p": pipe})
    assert (last_known_good(worse, [version("big", 48)], []) or {}).get("model_version") == "big"


def test_without_a_suspect_a_version_is_guilty_only_if_it_explains_what_the_rows_show() -> None:
    segment = evidence_of(segment="model_version=m2")
    for explained, guilty in ((1.0, ("model_version", "m2")), (0.1, None)):
        evidence = {"s": segment, **attributed("failed", explained)}
        assert guilty_version(incident_of(evidence=evidence)) == guilty
