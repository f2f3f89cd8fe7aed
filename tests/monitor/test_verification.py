"""After an effect: the findings of its incident on the traffic after it, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from detectors.base import Finding, Status
from detectors.quality.traffic import Traffic
from monitor.actions.effects import REPEATED
from monitor.actions.identity import MESSAGE_NOT_AFTER, identity
from monitor.actions.incident_actions import plan_incidents
from monitor.actions.plan_context import PlanContext
from monitor.actions.verification import conclude_verifications, find_failure
from monitor.alerting import verification
from monitor.alerting.after_effect import measure_outcome
from monitor.alerting.bad_stretch import BadStretch
from monitor.alerting.decisions import Decisions
from monitor.alerting.effect_outcome import EffectOutcome
from monitor.alerting.first_bad import find_first_bad
from monitor.alerting.messages.render import render
from monitor.alerting.messages.steps import describe_cure
from monitor.alerting.messages.times import Times
from monitor.alerting.verification import find_hold, find_last_effect, find_start, judge_effects
from monitor.checks.window import BucketSummary, Window
from monitor.config.models import Monitor
from monitor.core.action import Action, AlertHistory, PastAction
from monitor.core.incident import Decision, Incident
from monitor.core.payload import Verification
from monitor.profiling.facts import Facts
from tests.monitor.test_messages import Shop
from tests.support.decisions import (
    BLAMED_SMALL,
    BUCKET,
    HOUR,
    MINUTE,
    START,
    clean,
    evidence_of,
    finding,
    incident_of,
    monitor_of,
    unmeasured,
    version,
    webhook,
)
from tests.support.receiver import Receiver, listening, slack
from tests.support.receivers import settings_of
from tests.support.world import START as MIDNIGHT
from tests.support.world import World, rows_of

SECOND = timedelta(seconds=1)
SENT = PastAction(
    "r",
    START - 10 * MINUTE,
    "delivered",
    id="e-1",
    incident="i-1",
    kind="rollback",
    sequence=1,
    observed=("model_version", "small"),
    target={"model_version": "big", "rows": 100},
    finished_at=START - 10 * MINUTE,
    verify_within=30 * MINUTE,
)
WHOLE = finding(0.3)
EVIDENCE = {WHOLE.key: evidence_of()}


def after(buckets: int = 5, rows: int = 200) -> Window:
    """Return the traffic of some minutes after an effect."""
    parts = [BucketSummary(Facts(rows=rows // buckets), {}) for _ in range(buckets)]
    return Window({}, Traffic(), [START - (buckets - place) * MINUTE for place in range(buckets)], parts=parts)


@dataclass
class Stretch:
    """The bad traffic before an effect, which says whether the traffic after it is told apart from it."""

    answer: bool | None
    asked: list[tuple[Finding, Window]] = field(default_factory=list)

    def is_over(self, finding: Finding, after: Window) -> bool | None:
        self.asked.append((finding, after))
        return self.answer


def measure(
    *findings: Finding,
    evidence: dict[str, Any] | None = None,
    window: Window | None = None,
    effect: PastAction = SENT,
    stretch: Any = None,
    monitor: Monitor | None = None,
    **incident: Any,
) -> EffectOutcome:
    going = incident_of(evidence=EVIDENCE if evidence is None else evidence, **incident)
    measured = {one.key: one for one in findings}
    return measure_outcome(monitor or monitor_of(), going, effect, measured, window or after(), stretch)


@pytest.mark.parametrize(
    ("sent", "settle", "start"),
    [(0, 0, 0), (1, 0, 60), (59, 0, 60), (60, 0, 60), (0, 30, 60), (30, 30, 60), (31, 30, 120)],
)
def test_the_traffic_begins_with_the_first_bucket_wholly_after_the_effect_and_settle(
    sent: int, settle: int, start: int
) -> None:
    effect = replace(SENT, finished_at=START + sent * SECOND)
    assert find_start(monitor_of({"settle": settle}), effect) == START + start * SECOND


def test_only_effects_that_were_sent_and_are_verified_count() -> None:
    going = incident_of()
    assert find_last_effect([SENT], going) is SENT
    for other in (
        replace(SENT, kind="firing"),
        replace(SENT, state="dry_run"),
        replace(SENT, state="held"),
        replace(SENT, verify_within=None),
        replace(SENT, incident="i-2"),
        replace(SENT, finished_at=None),
    ):
        assert find_last_effect([other], going) is None
    later = replace(SENT, id="e-2", finished_at=START)
    assert find_last_effect([later, SENT], going) is later


def test_clean_bad_and_not_measured_are_three_outcomes() -> None:
    assert measure(clean()).status == "clean"
    assert measure(clean()) == EffectOutcome(SENT, "clean", START - 5 * MINUTE, START, 200)
    bad = measure(finding(0.2, reason="hallucination rate 58 %; threshold 0.1"))
    assert (bad.status, bad.reason) == ("bad", "hallucination rate 58 %")
    assert measure(finding(0.2, reason="a; b; c")).reason == "a"
    few = measure(unmeasured(reason="too_few: the window has 12 rows, 100 needed"), window=after(rows=10))
    assert (few.status, few.reason) == ("unmeasured", "10 records after it are too few")
    none = measure(window=after(rows=0))
    assert (none.status, none.reason) == ("unmeasured", "no records after it were measured")


def test_what_has_become_better_than_the_baseline_is_clean() -> None:
    better = finding(0.3, direction="better")
    assert measure(better).status == "clean"
    assert measure(better, window=after(rows=10)).status == "clean"
    assert measure(replace(better, direction="neutral")).status == "bad"


def test_a_finding_within_the_hysteresis_of_the_rule_is_still_bad() -> None:
    assert measure(finding(0.091, Status.OK)).status == "bad"
    assert measure(finding(0.089, Status.OK)).status == "clean"
    half = monitor_of(
        {"rules": [{"name": "drift", "when": ["drift"]}, {"name": "half", "when": ["*"], "hysteresis": 0.5}]}
    )
    both: Any = {"drift": {}, "half": {}}
    assert measure(finding(0.05, Status.OK), monitor=half, rules=both).status == "bad"
    assert measure(finding(0.049, Status.OK), monitor=half, rules=both).status == "clean"
    assert measure(finding(0.05, Status.OK), monitor=half, rule="half", rules={}).status == "bad"
    assert measure(finding(0.05, Status.OK), monitor=half, rule="drift", rules={}).status == "clean"
    for value, status in ((0.099, "clean"), (0.15, "bad")):
        assert measure(finding(value, Status.OK), rule="of old", rules={}).status == status


def test_a_window_that_is_too_small_to_show_the_same_change_verifies_nothing() -> None:
    blunt = finding(0.01, Status.OK, threshold=0.31)
    assert measure(blunt).status == "unmeasured"
    assert measure(replace(blunt, threshold=0.29)).status == "clean"
    assert measure(replace(blunt, threshold=None)).status == "unmeasured"
    assert measure(replace(blunt, threshold=0.3)).status == "unmeasured"
    assert measure(replace(blunt, n_window=450)).status == "unmeasured"
    one = {WHOLE.key: evidence_of(n_window=1)}
    assert measure(replace(blunt, n_window=1), evidence=one).status == "clean"
    before = {WHOLE.key: evidence_of(n_window=900)}
    assert measure(replace(blunt, n_window=449), evidence=before).status == "unmeasured"
    assert measure(replace(blunt, n_window=450), evidence=before).status == "clean"


@pytest.mark.parametrize(("answer", "status"), [(True, "clean"), (False, "unmeasured"), (None, "unmeasured")])
def test_what_is_told_apart_from_the_bad_traffic_is_clean(answer: bool | None, status: str) -> None:
    blunt, window, stretch = finding(0.01, Status.OK, threshold=0.31), after(), Stretch(answer)
    assert measure(blunt, window=window, stretch=stretch).status == status
    assert stretch.asked == [(blunt, window)]


def test_an_accumulated_statistic_needs_the_time_that_it_took_to_fire_and_enough_records() -> None:
    state = clean(detail={"state": {"up": 0.0}})
    opened = {"opened_at": START - 20 * MINUTE, "fired_at": START - 17 * MINUTE}  # its first bad bucket began at -21
    assert measure(state, window=after(4), **opened).status == "clean"
    assert measure(state, window=after(3), **opened).status == "unmeasured"
    assert measure(state, window=after(4, rows=99), **opened).status == "unmeasured"
    assert measure(state, window=after(4, rows=100), **opened).status == "clean"
    assert measure(replace(state, statistic=0.099), window=after(4), **opened).status == "clean"


def test_what_an_effect_cannot_mend_is_not_measured() -> None:
    pipe, neutral = evidence_of(about="pipe"), evidence_of(direction="neutral")
    assert measure(clean(), evidence={"p": pipe, WHOLE.key: evidence_of(), "n": neutral}).status == "clean"
    for other in (pipe, neutral):
        assert measure(clean(), evidence={"o": other}).status == "unmeasured"
    old = {name: value for name, value in evidence_of().items() if name != "direction"}
    assert measure(clean(), evidence={WHOLE.key: old}).status == "clean"
    volume = clean(column=None)
    assert measure(volume, evidence={volume.key: evidence_of(column=None)}).status == "clean"
    assert measure(clean(), effect=replace(SENT, observed=None)).status == "clean"
    late = unmeasured(reason="no labels yet", column="accuracy")
    both = {**EVIDENCE, late.key: evidence_of(column="accuracy")}
    assert measure(clean(), late, evidence=both).status == "clean"
    assert measure(clean(), replace(late, reason="too_few: …"), evidence=both).status == "unmeasured"
    assert measure(clean(), evidence=both).status == "unmeasured"


def test_the_bad_version_has_no_traffic_afterwards_so_all_rows_are_measured() -> None:
    segment = finding(0.3, segment="model_version=small")
    own = {segment.key: evidence_of(segment="model_version=small")}
    assert measure(clean(), evidence=own).status == "clean"
    assert measure(finding(0.2), evidence=own).status == "bad"
    assert measure(clean(), replace(segment, status=Status.DRIFTED), evidence=own).status == "bad"
    tenant = {**EVIDENCE, "t": evidence_of(segment="tenant=a")}
    assert measure(clean(), evidence=tenant).status == "clean"


@pytest.mark.parametrize(
    ("rows", "minutes"), [([0, 0, 0], 3), ([40, 0, 0], 2), ([40, 0, 40], 3), ([0, 40, 0], 1), ([2, 1, 0], 2)]
)
def test_the_traffic_is_that_after_the_last_bucket_of_the_bad_version_unless_it_stays(
    rows: list[int], minutes: int
) -> None:
    parts = [BucketSummary(Facts(rows=40, versions={"model_version": {"small": [float(n), 0, 0]}}), {}) for n in rows]
    window = Window({}, Traffic(), [START - (3 - place) * MINUTE for place in range(3)], parts=parts)
    assert find_hold(monitor_of(), window, SENT, START - 3 * MINUTE) == START - minutes * MINUTE
    assert find_hold(monitor_of(), window, replace(SENT, observed=None), START - 3 * MINUTE) == START - 3 * MINUTE


@pytest.mark.parametrize(
    ("facts", "is_in_service"),
    [
        (Facts(rows=10, versions={"model_version": {"small": [1.0, 0, 0]}}), True),
        (Facts(rows=10, versions={"model_version": {"big": [10.0, 0, 0]}}), False),
        (Facts(rows=10), False),
        (Facts(), False),
    ],
)
def test_a_version_is_in_service_while_some_records_are_its_own(facts: Facts, is_in_service: bool) -> None:
    parts = [BucketSummary(one, {}) for one in (Facts(), facts, Facts())]
    window = Window({}, Traffic(), [START - (3 - place) * MINUTE for place in range(3)], parts=parts)
    held = find_hold(monitor_of(), window, SENT, START - 3 * MINUTE)
    assert held == START - (1 if is_in_service else 3) * MINUTE
    with pytest.raises(ValueError, match="zip"):
        find_hold(monitor_of(), replace(window, starts=window.starts[:2]), SENT, START - 3 * MINUTE)


BASELINE: Any = object()
OTHER = finding(0.2, column="length")
BLUNT = finding(0.01, Status.OK, threshold=0.31)
STATE = clean(detail={"state": {"up": 0.0}})
GONE = finding(0.4, column="tokens", segment="model_version=small")


class Judged:
    """A window of fifteen minutes, of which the last ten are after the effect, and what is detected in these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monitor, self.stretch = monitor_of(), Stretch(None)
        self.measured: Sequence[Finding] = ()
        self.calls: list[Any] = []
        self.window: Window | None = after(15, rows=1500)
        self.incident = incident_of(evidence=EVIDENCE)
        monkeypatch.setattr(verification, "detect", self._detect)
        monkeypatch.setattr(BadStretch, "find", self._find)

    def _detect(self, monitor: Monitor, baseline: Any, window: Window) -> Sequence[Finding]:
        assert (monitor, baseline) == (self.monitor, BASELINE)
        self.calls.append(window)
        return self.measured

    def _find(self, *arguments: Any) -> Stretch:
        assert arguments == (self.monitor, BASELINE, self.window, self.incident, SENT)
        return self.stretch

    def judge(
        self, *findings: Finding, baseline: Any = BASELINE, **history: Any
    ) -> tuple[list[Finding], dict[str, EffectOutcome]]:
        known = AlertHistory(**{"open": {"traffic": self.incident}, "past": [SENT], **history})
        judged, outcomes = judge_effects(self.monitor, baseline, self.window, findings, known, START)
        return list(judged), outcomes


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Judged:
    return Judged(monkeypatch)


@pytest.mark.parametrize(("minutes", "baseline"), [(None, BASELINE), (0, None), (-11, BASELINE)])
def test_without_a_measurement_the_findings_of_the_window_stay(
    judged: Judged, minutes: int | None, baseline: Any
) -> None:
    """There is no window, no baseline, or nothing after the effect."""
    early = [] if minutes is None else [replace(after(), starts=[at + minutes * MINUTE for at in after().starts])]
    judged.window = early[0] if early else None
    findings, outcomes = judged.judge(WHOLE, baseline=baseline)
    assert findings == [WHOLE]
    assert outcomes == {
        "i-1": EffectOutcome(SENT, "unmeasured", START - 10 * MINUTE, START, reason="no records after it were measured")
    }
    assert judged.calls == []


def test_every_incident_with_an_effect_has_an_outcome(judged: Judged) -> None:
    judged.window = None
    rows = [SENT, replace(SENT, incident="i-2"), replace(SENT, incident="i-3")]
    incidents = [incident_of(id=f"i-{number}") for number in range(4)]
    known = {"open": {"a": incidents[0], "b": incidents[1]}, "older": [incidents[2]], "acted": [incidents[3]]}
    assert list(judged.judge(past=rows, **known)[1]) == ["i-1", "i-2", "i-3"]


def test_a_window_that_is_wholly_after_the_effect_is_measured_already(judged: Judged) -> None:
    judged.window = after(10)
    findings, outcomes = judged.judge(clean(), OTHER)
    assert (findings, judged.calls) == ([clean(), OTHER], [])
    assert outcomes["i-1"] == EffectOutcome(SENT, "clean", START - 10 * MINUTE, START, 200)
    assert judged.judge(BLUNT)[1]["i-1"].status == "unmeasured"


def test_a_window_that_is_partly_after_the_effect_is_measured_anew(judged: Judged) -> None:
    judged.measured = [clean()]
    findings, outcomes = judged.judge(OTHER, WHOLE)
    assert findings == [OTHER, clean()]
    assert outcomes["i-1"] == EffectOutcome(SENT, "clean", START - 10 * MINUTE, START, 1000)
    (window,) = judged.calls
    assert window.starts == [START - place * MINUTE for place in range(10, 0, -1)]


def test_the_traffic_that_is_measured_begins_after_the_bad_version(judged: Judged) -> None:
    assert judged.window is not None
    facts = judged.window.parts[7].facts
    facts.versions["model_version"] = {"small": [90.0, 0, 0]}
    judged.measured = [clean()]
    assert judged.judge(WHOLE)[1]["i-1"].start == START - 7 * MINUTE


def test_what_is_told_apart_from_the_bad_traffic_takes_the_place_of_the_finding(judged: Judged) -> None:
    judged.measured = [BLUNT]
    assert judged.judge(WHOLE)[0] == [WHOLE]
    judged.stretch.answer = True
    findings, outcomes = judged.judge(WHOLE)
    assert (findings, outcomes["i-1"].status) == ([BLUNT], "clean")


def ended(one: Finding) -> Finding:
    return replace(one, status=Status.INCONCLUSIVE, reason=verification.ENDED, statistic=None)


PIPE = finding(0.3, about="pipe")
PSI = finding(0.3, method="psi")


@pytest.mark.parametrize(
    ("seen", "measured", "state", "expected"),
    [
        (WHOLE, [finding(0.2)], "firing", finding(0.2)),  # it is still bad
        (WHOLE, [BLUNT], "firing", WHOLE),  # it is not known yet
        (WHOLE, [BLUNT], "resolved", ended(WHOLE)),
        (WHOLE, [], "firing", WHOLE),
        (WHOLE, [], "resolved", ended(WHOLE)),
        (WHOLE, [STATE], "firing", ended(STATE)),  # it accumulates anew
        (PSI, [clean()], "firing", ended(PSI)),  # the incident is clean
        (PSI, [BLUNT], "firing", PSI),
        (PIPE, [clean()], "firing", PIPE),
        (OTHER, [clean(), clean(column="length")], "firing", OTHER),  # of another incident
        (replace(WHOLE, segment="tenant=a"), [clean()], "firing", replace(WHOLE, segment="tenant=a")),
        (GONE, [BLUNT], "firing", ended(GONE)),  # of the bad version, which has no traffic
        (GONE, [replace(GONE, statistic=0.2)], "firing", replace(GONE, statistic=0.2)),
    ],
)
def test_the_findings_of_an_incident_are_those_after_its_effect_as_far_as_they_are_known(
    judged: Judged, seen: Finding, measured: list[Finding], state: Any, expected: Finding
) -> None:
    judged.measured = measured
    long_ago = {"opened_at": START - 9 * HOUR, "fired_at": START - HOUR}  # what accumulates needs as long again
    judged.incident = incident_of(evidence=EVIDENCE, state=state, **(long_ago if measured == [STATE] else {}))
    findings, _ = judged.judge(OTHER, seen)
    assert findings == [OTHER, expected]


def outcome(status: Any, end: timedelta = timedelta(0), effect: PastAction = SENT) -> EffectOutcome:
    return EffectOutcome(effect, status, START - 5 * MINUTE, START + end, 200, "hallucination rate 58 %")


def concluded(
    one: EffectOutcome, state: Any = "firing", past: list[PastAction] | None = None, clean: int = 0
) -> str | None:
    incident = incident_of(state=state, clean=clean)
    history = AlertHistory(past=[SENT] if past is None else past)
    found = conclude_verifications({"i-1": one}, [Decision(incident, None, "")], history)
    return found["i-1"].verification["state"] if found else None


@pytest.mark.parametrize(
    ("status", "state", "minutes", "expected"),
    [
        ("clean", "firing", 0, None),
        ("clean", "resolved", 0, "verified"),
        ("clean", "firing", 19, None),
        ("clean", "firing", 20, "verified"),
        ("bad", "firing", 19, None),
        ("bad", "firing", 20, "not_verified"),
        ("bad", "resolved", 19, None),
        ("unmeasured", "resolved", 19, None),
        ("unmeasured", "firing", 20, "unknown"),
    ],
)
def test_a_verification_ends_with_the_incident_or_with_its_time(
    status: str, state: str, minutes: int, expected: str | None
) -> None:
    assert concluded(outcome(status, minutes * MINUTE), state) == expected


def test_an_incident_that_is_about_to_be_resolved_is_awaited() -> None:
    assert concluded(outcome("clean", 20 * MINUTE), clean=1) is None
    assert concluded(outcome("bad", 20 * MINUTE), clean=1) == "not_verified"


def test_a_verification_ends_once_and_holds_for_all_effects_of_the_incident() -> None:
    ended: Verification = {"state": "unknown", "at": "", "records": 0, "seconds": 0.0, "reason": ""}
    done, other = replace(SENT, verification=ended), replace(SENT, id="e-2", name="label", sequence=2)
    assert concluded(outcome("bad", HOUR), past=[done]) is None
    found = conclude_verifications({"i-1": outcome("bad", HOUR)}, [], AlertHistory(past=[other, SENT, done]))
    assert [row.id for row in found["i-1"].effects] == ["e-1", "e-2"]
    assert found["i-1"].verification == {
        "state": "not_verified",
        "at": (START + HOUR).isoformat(),
        "records": 200,
        "seconds": 3900.0,
        "reason": "hallucination rate 58 %",
    }


def test_the_effects_of_a_verification_are_those_of_the_incident_that_were_sent_in_their_order() -> None:
    early = replace(SENT, id="e-2", finished_at=START - 11 * MINUTE, created_at=START - MINUTE)
    others = [replace(SENT, incident="i-2"), replace(SENT, kind="firing"), replace(SENT, state="held")]
    found = conclude_verifications({"i-1": outcome("bad", HOUR)}, [], AlertHistory(past=[*others, SENT, early]))
    assert [row.id for row in found["i-1"].effects] == ["e-2", "e-1"]
    assert concluded(outcome("bad", HOUR), past=others) is None


@pytest.mark.parametrize("missing", ["finished_at", "verify_within"])
def test_what_was_not_sent_or_is_not_verified_has_no_verification(missing: str) -> None:
    assert concluded(outcome("bad", HOUR, effect=replace(SENT, **{missing: None}))) is None


def test_an_incident_that_was_resolved_before_is_verified_as_well() -> None:
    history = AlertHistory(past=[SENT], acted=[incident_of(state="resolved")])
    assert conclude_verifications({"i-1": outcome("clean")}, [], history)["i-1"].verification["state"] == "verified"


RECEIVERS = {"slack": settings_of("slack", external_url="https://d.example"), "r": webhook(), "boss": webhook("notify")}
TOLD = PastAction("slack", START - 10 * MINUTE, "delivered", "m-1", "i-1", "firing", at=START - 10 * MINUTE)


def plan_ended(status: Any, monitor: Monitor | None = None, incident: Incident | None = None) -> list[Action]:
    """Return what is planned when the time of a verification has passed."""
    going = incident or incident_of(opened_at=START - HOUR, fired_at=START - HOUR)
    history = AlertHistory(open={"traffic": going}, past=[TOLD, SENT], sequences={"i-1": 7})
    chosen = monitor or monitor_of(do=["slack", "r"], escalate=[{"after": "3h", "do": ["boss"]}])
    decisions = Decisions((), [Decision(going, None, "still firing")], outcomes={"i-1": outcome(status, HOUR)})
    ended = conclude_verifications(decisions.outcomes, decisions.incidents, history)
    return plan_incidents(chosen, RECEIVERS, decisions, PlanContext(history, BUCKET, START), ended)[1]


def plan(status: Any) -> dict[tuple[str, str], str]:
    """Return the texts of what is planned, by receiver and kind."""
    actions = plan_ended(status)
    texts = [render(one.kind, one.payload).title + one.payload["data"]["summary"] for one in actions]
    return {(one.name, one.kind): text for one, text in zip(actions, texts, strict=True)}


def test_an_effect_that_did_not_help_escalates_to_everybody() -> None:
    planned = plan("bad")
    assert set(planned) == {("slack", "effect"), ("boss", "firing")}
    text = "the rollback to model_version 'big' did not help: hallucination rate 58 % after it"
    assert planned["slack", "effect"].startswith(f"bot: {text}")
    assert "does not repeat this action" in planned["slack", "effect"]
    assert f"Escalated: {text}." in planned["boss", "firing"]


def test_a_message_about_a_verification_has_an_id_and_the_severity_of_its_incident() -> None:
    told = plan_ended("bad")[-1]
    assert told.id == identity("i-1", "slack", "effect/r/1/not_verified", 7)
    assert (told.monitor, told.incident, told.kind, told.mode, told.state) == (
        "bot",
        "i-1",
        "effect",
        "auto",
        "pending",
    )
    assert (told.reason, told.sequence) == ("people are notified of the result of an effect", 7)
    assert (told.created_at, told.not_after, told.dry_run) == (START, START + MESSAGE_NOT_AFTER, False)
    data = told.payload["data"]
    assert (told.payload["type"], told.payload["timestamp"]) == ("driftd.effect.not_verified", START.isoformat())
    assert (data["monitor"], data["severity"], data["incident"]["id"]) == ("bot", "critical", "i-1")
    assert data["action"]["verification"]["state"] == "not_verified"
    assert data["link"] == "https://d.example/incidents/i-1"


def test_what_could_not_be_verified_is_no_success_and_does_not_escalate() -> None:
    planned = plan("unmeasured")
    assert set(planned) == {("slack", "effect")}
    assert planned["slack", "effect"].startswith("bot: the rollback to model_version 'big' could not be verified: ")


def test_an_incident_that_ends_long_after_a_useless_rollback_says_so() -> None:
    useless: Any = {"state": "not_verified", "records": 640, "seconds": 1800.0, "reason": "failure rate 31.9 %"}
    effect: Any = {"kind": "rollback", "name": "r", "state": "delivered", "target": {"model_version": "big"}}
    effect = {**effect, "at": START.isoformat(), "reaction": 84.0, "verification": useless}
    assert describe_cure([effect], Times()).text == (
        "It recovered without an action of driftd: the rollback to model_version 'big' (r), sent at 2026-11-01 "
        "00:00 UTC, 84 s after the first bad record, did not help."
    )


def test_the_message_that_an_incident_is_resolved_has_the_verification() -> None:
    over = incident_of(
        opened_at=START - HOUR, fired_at=START - HOUR, state="resolved", resolved_at=START, updated_at=START
    )
    history = AlertHistory(open={"traffic": incident_of()}, past=[TOLD, replace(SENT, reaction=84 * SECOND)])
    decisions = Decisions((), [Decision(over, "resolved", "clean")], outcomes={"i-1": outcome("clean")})
    ended = conclude_verifications(decisions.outcomes, decisions.incidents, history)
    _, actions = plan_incidents(
        monitor_of(do=["slack"]), RECEIVERS, decisions, PlanContext(history, BUCKET, START), ended
    )
    (told,) = actions
    assert told.kind == "resolved"
    assert told.payload["data"]["summary"].endswith(
        "It recovered after the rollback to model_version 'big' (r), sent at 2026-10-31 23:50 UTC, 84 s after the "
        "first bad record; verified on 200 records in 5m."
    )


def test_the_same_action_is_never_repeated_in_an_incident() -> None:
    failed: Verification = {"state": "not_verified", "at": "", "records": 9, "seconds": 1.0, "reason": "bad"}
    old = replace(SENT, created_at=START - 5 * HOUR, verification=failed)
    again = Decision(incident_of(suspected_change=BLAMED_SMALL), "firing", "again")
    versions = [version("big", 48)]

    def state(past: list[PastAction]) -> tuple[str, str]:
        history = AlertHistory(past=past, versions=versions)
        _, actions = plan_incidents(
            monitor_of(do=["r"]), RECEIVERS, Decisions((), [again]), PlanContext(history, BUCKET, START)
        )
        return next((one.state, one.reason) for one in actions if one.kind == "rollback")

    assert state([old]) == ("held", REPEATED)
    assert state([replace(old, target={"model_version": "mid"})])[0] == "pending"
    assert state([replace(old, name="label")])[0] == "pending"
    assert state([replace(old, incident="i-2")])[0] == "pending"
    assert state([replace(old, verification={**failed, "state": "unknown"})])[0] == "pending"


def test_a_later_effect_that_helped_ends_the_escalation() -> None:
    failed: Verification = {"state": "not_verified", "at": "", "records": 9, "seconds": 1.0, "reason": "bad"}
    rows = [replace(SENT, verification=failed)]
    assert find_failure(rows) == "the rollback to model_version 'big' did not help: bad after it"
    assert find_failure([*rows, replace(SENT, sequence=2, verification={**failed, "state": "verified"})]) is None
    assert find_failure([SENT]) is None


def test_the_first_bad_record_is_that_of_the_version_or_of_the_first_affected_bucket() -> None:
    seen = {**BLAMED_SMALL, "first_seen": (START - 84 * SECOND).isoformat()}
    item = evidence_of(
        attribution={"explained": {}, "contrast": 1.0, "segment": None, "since": "2026-10-31T23:55:00+00:00"}
    )
    assert find_first_bad(incident_of(suspected_change=seen), MINUTE) == START - 84 * SECOND
    assert find_first_bad(incident_of(evidence={"k": item, "l": evidence_of()}), MINUTE) == START - 5 * MINUTE
    assert find_first_bad(incident_of(), MINUTE) == START - MINUTE
    upstream = {**seen, "kind": "upstream"}
    assert find_first_bad(incident_of(suspected_change=upstream), MINUTE) == START - MINUTE


# ---- from records to messages ------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str) -> Iterator[Any]:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", sqlite_url)
    made: list[Shop] = []
    with listening(slack()) as chat, listening(Receiver()) as hook:

        def start(bad_until: timedelta) -> Shop:
            bad = MIDNIGHT + 7.5 * HOUR
            world.log(rows_of(MIDNIGHT, 7.5 * HOUR))
            world.log(rows_of(bad, bad_until, shift=2, model="v2"))
            world.log(rows_of(bad + bad_until, 3 * HOUR, seed=3))
            made.append(Shop(world, chat, hook, bucket="5m", rule={"do": ["told", "back"]}, segments=["model_version"]))
            return made[-1]

        yield start
        for life in made:
            life.close()
    world.close()


def test_after_a_rollback_that_helps_an_incident_is_resolved_before_the_window_is_clean(shop: Any) -> None:
    life = shop(bad_until=20 * MINUTE)
    life.go(MIDNIGHT + 7 * HOUR, MIDNIGHT + 9.5 * HOUR)
    types = [body["type"].removeprefix("driftd.") for body in life.bodies()]
    assert types == ["incident.firing", "effect.sent", "incident.resolved"]
    (incident,) = life.incidents()
    effect = next(row for row in life.actions() if row.kind == "rollback" and row.state == "delivered")
    assert effect.verification["state"] == "verified"
    assert incident.state == "resolved"
    first = MIDNIGHT + 7.5 * HOUR
    assert effect.reaction_seconds == pytest.approx((effect.finished_at - first).total_seconds(), abs=1)
    assert incident.resolved_at - first < HOUR  # the window is an hour
    assert "verified on" in life.bodies()[-1]["data"]["summary"]


def test_a_rollback_that_does_not_help_is_not_verified_and_not_repeated(shop: Any) -> None:
    life = shop(bad_until=2 * HOUR)
    life.go(MIDNIGHT + 7 * HOUR, MIDNIGHT + 9 * HOUR)
    assert len(life.bodies("/back")) == 1
    effect = next(row for row in life.actions() if row.kind == "rollback" and row.state == "delivered")
    assert effect.verification["state"] == "not_verified"
    assert "driftd.effect.not_verified" in [body["type"] for body in life.bodies()]
