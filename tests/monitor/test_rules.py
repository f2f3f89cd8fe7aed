"""Every rule over one bucket: whose finding it is, what opens an incident of its own, when a monitor sees nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from detectors.base import Finding, Status
from detectors.joint import JOINT
from detectors.quality.traffic import Gaps, Traffic
from monitor.alerting.alert_context import AlertContext
from monitor.alerting.decide import decide
from monitor.alerting.incidents import is_known, is_news
from monitor.alerting.no_data import decide_no_data_incident, is_learning
from monitor.alerting.suspect_names import name_suspects
from monitor.checks.baseline import Baseline
from monitor.checks.evaluation import Evaluation
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.incident import Decision, Incident, MissingData
from monitor.core.prompts import Prompt
from tests.support.decisions import (
    BUCKET,
    HOUR,
    MINUTE,
    START,
    change,
    clean,
    evidence_of,
    finding,
    incident_of,
    monitor_of,
    silence_of,
    unmeasured,
    version,
)

NO_GAPS = Gaps(silent=0, thin=0)


class WithGaps(Baseline):
    """A baseline whose gaps are given."""

    def gaps(self, monitor: Monitor) -> Gaps:
        return self.facts[monitor.name]


def judged(
    found: list[Finding], past: AlertHistory | None = None, result: Any = "done", reason: str | None = None, **more: Any
) -> Sequence[Decision]:
    monitor = monitor_of(more.pop("settings", {}), **more.pop("rule", {}))
    gaps = more.pop("gaps", NO_GAPS)
    baseline = WithGaps(0, "", {}, {}, Traffic(), 0, facts={"bot": gaps}) if gaps else None
    evaluation = Evaluation(found, result, reason, more.pop("changes", ()))
    known = AlertContext(past or AlertHistory(), baseline, more.pop("moved", None) or {})
    return decide(monitor, evaluation, known, BUCKET).incidents


def states(decisions: Sequence[Decision]) -> list[tuple[str, str, str | None]]:
    return [(one.incident.id, one.incident.state, one.transition) for one in decisions]


TWO_RULES = {"rules": [{"when": ["drift"], "name": "one"}, {"when": ["quality"], "for": 2}, {"when": ["slo"]}]}


def test_findings_of_several_rules_are_one_incident() -> None:
    both = [finding(0.3), finding(0.3, check="missing", about="pipe")]
    (decision,) = judged(both, settings=TWO_RULES)
    assert (decision.incident.rule, decision.incident.state, decision.incident.group) == ("one", "firing", "traffic")
    assert decision.incident.rules == {
        "one": {"bad": 1, "clean": 0, "firing": True, "fired": True},
        "quality": {"bad": 1, "clean": 0, "firing": False, "fired": False},
    }
    assert judged([clean()], settings=TWO_RULES) == []


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (["rule"], ["rule=one", "rule=quality"]),
        (["check"], ["check=drift", "check=missing"]),
        (["column", "segment"], ["column=novelty,segment="]),
    ],
)
def test_group_by_divides_incidents(labels: list[str], groups: list[str]) -> None:
    both = [finding(0.3), finding(0.3, check="missing", about="pipe")]
    decisions = judged(both, settings={**TWO_RULES, "group_by": labels})
    assert [one.incident.group for one in decisions] == groups
    assert len({one.incident.id for one in decisions}) == len(groups)


def test_an_incident_fires_with_its_first_rule_and_is_resolved_with_its_last() -> None:
    rules = [{"when": ["drift"], "name": "one"}, {"when": ["quality"], "for": 2, "severity": "critical"}]
    novelty, missing = finding(0.3), finding(0.3, check="missing", about="pipe")
    fine, present = clean(), clean(check="missing", about="pipe")
    incident, course = None, []
    for found in (
        [novelty, missing],
        [novelty, missing],
        [fine, missing],
        [fine, missing],
        [fine, present],
        [fine, present],
    ):
        past = AlertHistory(open={"traffic": incident} if incident else {})
        (decision,) = judged(found, past, settings={"rules": rules})
        incident = decision.incident
        firing = [name for name, progress in incident.rules.items() if progress["firing"]]
        course.append((incident.state, incident.severity, incident.rule, firing))
    assert course == [
        ("firing", "warning", "one", ["one"]),
        ("firing", "critical", "quality", ["one", "quality"]),
        ("firing", "critical", "quality", ["one", "quality"]),
        ("firing", "critical", "quality", ["quality"]),
        ("firing", "critical", "quality", ["quality"]),
        ("resolved", "critical", "quality", []),
    ]


def test_rules_that_are_not_evaluated_now_stay_as_they_are() -> None:
    going = incident_of(rules={"slo": {"bad": 3, "clean": 0, "firing": True, "fired": True}})
    decisions = judged([clean()], AlertHistory(open={"traffic": going}), rule={"resolve_for": 1})
    assert [one.incident.state for one in decisions] == ["firing"]
    assert decisions[0].incident.rules == going.rules


def test_fewer_records_alert_nobody_while_missing_data_is_announced() -> None:
    few = finding(0.3, check="volume", column=None, about="pipe")
    missing = incident_of(id="gap", rule="no_data", group="no_data", rules={}, evidence={})
    for state, resolved_at, alerts in (
        ("firing", None, False),
        ("resolved", START - 4 * MINUTE, False),
        ("resolved", START - 5 * MINUTE, True),
    ):
        gap = replace(missing, state=state, resolved_at=resolved_at)
        past = AlertHistory(open={"no_data": gap}) if state == "firing" else AlertHistory(resolved={"no_data": gap})
        decisions = judged([few], past, rule={"when": ["*"]})
        assert any(one.incident.id != "gap" for one in decisions) is alerts
        assert any(one.incident.rule == "*" for one in judged([finding(0.3), few], past, rule={"when": ["*"]}))
    assert judged([few], rule={"when": ["*"]})


def test_the_joint_distribution_alerts_nobody_where_columns_improved_only() -> None:
    joint, cheaper = finding(0.3, column=JOINT, direction="neutral"), finding(0.3, column="cost", direction="better")
    assert judged([joint, cheaper]) == []
    assert judged([joint, clean(column="cost")])
    assert judged([joint, cheaper, finding(0.3, column="length", direction="neutral")])
    assert judged([joint, replace(cheaper, status=Status.OK)])


def test_what_stands_for_weeks_is_an_incident_of_its_own_rule() -> None:
    settings = {"rules": [{"when": ["*"], "name": "all"}, {"when": ["experiment.checkout"]}]}
    lost = finding(0.3, check="experiment", column="checkout")
    first, second = judged([finding(0.3), lost], settings=settings)
    assert [first.incident.group, second.incident.group] == ["traffic", "experiment.checkout"]


def test_a_new_cause_is_an_incident_of_its_own_where_the_other_has_not_moved_with_it() -> None:
    known = {finding(0.3).key: evidence_of(since=(START - HOUR).isoformat())}
    going = incident_of(evidence=known, opened_at=START - HOUR, fired_at=START - HOUR)
    past = AlertHistory(open={"traffic": going})
    length = finding(0.3, column="length")
    moved = [finding(0.2, column="length", detail={"back": False})]
    first, second = judged([finding(0.3), length], past, moved={"traffic": moved})
    assert (first.incident.id, first.change, len(first.incident.evidence)) == ("i-1", None, 1)
    assert (second.transition, [item["column"] for item in second.incident.evidence.values()]) == ("firing", ["length"])
    together = [*moved, finding(0.2, detail={"back": False})]
    (same,) = judged([finding(0.3), length], past, moved={"traffic": together})
    assert same.change is not None
    (late,) = judged([finding(0.3), length], past)  # over its threshold late, and where it was since the announcement
    assert late.change is not None


def test_a_group_goes_on_with_its_own_incident_and_opens_its_last_one_again() -> None:
    going = incident_of(evidence={finding(0.3).key: evidence_of()})
    (one,) = judged([finding(0.3)], AlertHistory(open={"traffic": going}))
    assert (one.incident.id, one.reason) == ("i-1", "still firing")
    (other, _) = judged([finding(0.3)], AlertHistory(open={"slo": going}))
    assert other.incident.id != "i-1"
    over = replace(going, state="resolved", resolved_at=START - MINUTE)
    (again,) = judged([finding(0.3)], AlertHistory(resolved={"traffic": over}))
    assert (again.incident.id, again.transition) == ("i-1", "firing")
    (new,) = judged([finding(0.3)], AlertHistory(resolved={"no_data": over}))
    assert new.incident.id != "i-1"
    moved = {"traffic": [finding(0.2, detail={"back": False})], "slo": []}
    early = evidence_of(since=(START - HOUR).isoformat())
    past = AlertHistory(open={"traffic": replace(going, fired_at=START - HOUR, evidence={finding(0.3).key: early})})
    (changed,) = judged([finding(0.3)], past, moved=moved)
    assert changed.change is not None
    (same,) = judged([finding(0.3)], past, moved={"slo": moved["traffic"]})
    assert same.change is None


def test_an_older_incident_keeps_what_it_knows_and_the_newest_gets_the_rest() -> None:
    older = incident_of(id="old", evidence={"k": evidence_of()}, clean=1)
    newest = incident_of(id="new", evidence={"k": evidence_of(column="length")}, clean=1)
    past = AlertHistory(open={"traffic": newest}, older=[older])

    def bad(*found: Finding) -> dict[str, int]:
        return {one.incident.id: one.incident.bad for one in judged(list(found), past)}

    length, other = finding(0.3, column="length"), finding(0.3, column="other")
    assert bad(finding(0.3), length) == {"old": 3, "new": 3}
    assert bad(finding(0.3), clean(column="length")) == {"old": 3, "new": 2}
    assert bad(clean(), other) == {"old": 2, "new": 3}
    both = replace(newest, evidence={**newest.evidence, "n": evidence_of()})
    decided = judged([finding(0.3)], AlertHistory(open={"traffic": both}, older=[older]))
    assert {one.incident.id: one.incident.bad for one in decided} == {"old": 3, "new": 3}
    elsewhere = replace(older, group="slo")
    ((decision,)) = judged([finding(0.3), length], AlertHistory(open={"traffic": newest}, older=[elsewhere]))
    assert len(decision.incident.evidence) == 3


def test_what_a_new_version_brought_is_an_incident_of_its_own() -> None:
    newest = incident_of(id="new", evidence={"k": evidence_of(column="length")}, fired_at=START - 2 * MINUTE)
    worse = finding(0.3, direction="worse")
    past = AlertHistory(open={"traffic": newest})
    changes = [change("m2", START - MINUTE)]
    first, second = judged([worse, finding(0.3, column="length")], past, changes=changes)
    assert (first.incident.id, first.transition) == ("new", None)
    assert [item["column"] for item in first.incident.evidence.values()] == ["length", "length"]
    assert second.incident.id != "new"
    assert (second.transition, second.incident.suspected_change) == (
        "firing",
        {
            "kind": "model_version",
            "column": "model_version",
            "value": "m2",
            "first_seen": (START - MINUTE).isoformat(),
        },
    )
    (only,) = judged([worse, finding(0.3, column="length")], past)
    assert {item["column"] for item in only.incident.evidence.values()} == {"length", "novelty"}
    farther = finding(0.9, column="length", direction="worse")
    moved = {"traffic": [replace(farther, detail={"back": False})]}
    going, opened = judged([farther], past, changes=changes, moved=moved)
    assert (going.incident.id, going.incident.bad) == ("new", 3)  # it knows the column, so it does not end
    assert [item["column"] for item in opened.incident.evidence.values()] == ["length"]
    assert len(judged([farther], past, changes=changes)) == 1


def test_a_version_that_was_there_before_is_not_suspected() -> None:
    changes = [change("m2", START - MINUTE)]
    (new,) = judged([finding(0.3)], changes=changes)
    assert (new.incident.suspected_change or {}).get("value") == "m2"
    (old,) = judged([finding(0.3)], AlertHistory(versions=[version("m2", 48)]), changes=changes)
    assert old.incident.suspected_change is None
    (noted,) = judged([finding(0.3)], AlertHistory(changes=changes))
    assert (noted.incident.suspected_change or {}).get("value") == "m2"


def test_findings_are_explained_before_they_are_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def explain(*known: Any) -> list[Finding]:
        asked.append(known)
        return [finding(0.3, detail={"explanation": {"text": "mostly pro"}})]

    monkeypatch.setattr("monitor.alerting.decide.explain", explain)
    monitor, changes = monitor_of(), [change("m2", START - MINUTE)]
    baseline, window = Baseline(0, "", {}, {}, Traffic(), 0), Window({}, Traffic(), (START,))
    history = AlertHistory(open={"slo": incident_of(rule="slo", group="slo")})
    evaluation = Evaluation([finding(0.3)], "done", changes=changes, window=window)
    decided = decide(monitor, evaluation, AlertContext(history, baseline), BUCKET)
    assert asked == [(monitor, baseline, window, [finding(0.3)], history.open, changes, START)]
    assert [one.detail["explanation"]["text"] for one in decided.findings] == ["mostly pro"]
    assert [one.reason for one in decided.incidents] == ["novelty rose; mostly pro; bad for 1 bucket"]


def test_verdicts_are_decided_with_the_silences_of_their_comparisons() -> None:
    report = {"verdict": "lose", "announced": None}
    update: Any = SimpleNamespace(reports={("shadow", "s"): report})
    evaluation = Evaluation(comparisons=update)
    for silences, names in (([], ["s"]), ([silence_of(3, rule="shadow.s")], [])):
        context = AlertContext(AlertHistory(silences=silences))
        assert [one.name for one in decide(monitor_of(), evaluation, context, BUCKET).verdicts] == names


def test_known_findings_are_no_news() -> None:
    incident = incident_of(evidence={"k": evidence_of()})
    assert (is_known(finding(0.3, method="psi"), incident), is_news(finding(0.3, method="psi"), incident)) == (
        True,
        False,
    )
    other = finding(0.3, column="length")
    assert (is_known(other, incident), is_news(other, incident)) == (False, True)
    assert (is_known(other, None), is_news(other, None)) == (False, True)
    segment = replace(incident, evidence={"k": evidence_of(segment="plan=pro")})
    assert [is_known(finding(0.3, segment=each), segment) for each in ("plan=pro", "plan=free", None)] == [
        True,
        False,
        False,
    ]


# ---- no data ---------------------------------------------------------------------------------------------------


def sight(blind: int, result: str = "skipped", reason: str | None = "no_rows: none", **more: Any) -> list[Any]:
    past = AlertHistory(missing=MissingData(blind, blind, blind), **more.pop("past", {}))
    return [(one.transition, one.incident.bad) for one in judged([], past, result, reason, **more)]


def test_a_monitor_that_sees_nothing_says_so_after_as_many_buckets_as_were_asked_for() -> None:
    assert [sight(blind) for blind in range(4)] == [
        [("pending", 1)],
        [("pending", 2)],
        [("firing", 3)],
        [("firing", 4)],
    ]
    assert sight(0, "done", None) == []
    assert sight(5, "done", None) == []
    assert sight(2, gaps=None) == [("firing", 3)]
    (firing,) = judged([], AlertHistory(missing=MissingData(2, 2, 2)), "skipped", "no_rows: none")
    assert firing.incident.reason == "no data for 3m: no_rows: none"


def test_a_source_that_cannot_be_read_says_for_how_many_buckets() -> None:
    for missing, expected in ((2, [("pending", 2)]), (4, [("firing", 4)]), (0, [])):
        decided = decide(monitor_of(), Evaluation(missing_buckets=missing), AlertContext(), BUCKET).incidents
        assert [(one.transition, one.incident.bad) for one in decided] == expected
    assert decide(monitor_of(), Evaluation(), AlertContext(), BUCKET).incidents == []


def test_gaps_that_the_baseline_had_are_waited_out() -> None:
    gaps = Gaps(silent=7, thin=30)
    assert sight(4, gaps=gaps) == []
    assert sight(5, gaps=gaps) == [("pending", 1)]
    assert sight(5, "failed", "timeout", gaps=gaps) == [("firing", 6)]


@pytest.mark.parametrize(
    ("blind", "gaps", "after", "expected"),
    [
        (MissingData(6, 6, 6), Gaps(silent=7, thin=30), 3, 1),
        (MissingData(5, 5, 5), Gaps(silent=7, thin=30), 3, 0),
        (MissingData(0, 28, 28), Gaps(silent=7, thin=30), 3, 0),
        (MissingData(0, 29, 29), Gaps(silent=7, thin=30), 3, 1),
        (MissingData(2, 2, 2), Gaps(silent=0, thin=0), 3, 2),
        (MissingData(0, 0, 4), Gaps(silent=7, thin=30), 3, 4),
        (MissingData(), Gaps(silent=7, thin=30), 3, 0),
    ],
)
def test_buckets_that_the_gaps_do_not_explain_are_counted(
    blind: MissingData, gaps: Gaps, after: int, expected: int
) -> None:
    assert blind.beyond(gaps, after) == expected


def test_what_is_blind_already_stays_so_and_sees_again_at_once() -> None:
    standing = incident_of(id="b", rule="no_data", bad=4)
    past = {"open": {"no_data": standing}}
    assert sight(0, past=past) == [(None, 5)]
    assert sight(6, past=past) == [(None, 7)]
    assert sight(0, "done", None, past=past) == [("resolved", 4)]


def test_the_incident_of_a_blind_monitor_has_all_that_people_need() -> None:
    monitor = monitor_of({"no_data": {"after": 2, "severity": "critical"}})
    patient = monitor_of({"no_data": {"after": 3}})
    first = decide_no_data_incident(monitor, monitor.no_data, 1, "no_rows: none", None, START)
    assert first is not None
    one = first.incident
    assert (one.rule, one.severity, one.state, one.opened_at, one.fired_at) == (
        "no_data",
        "critical",
        "pending",
        START,
        None,
    )
    assert one.monitor == "bot"
    waiting = decide_no_data_incident(patient, patient.no_data, 2, "no_rows: none", one, START + MINUTE)
    assert waiting is not None
    assert (waiting.transition, waiting.incident.state) == (None, "pending")
    assert (first.transition, first.reason, one.reason) == (
        "pending",
        *["no data for 1m: no_rows: none"] * 2,
    )
    second = decide_no_data_incident(monitor, monitor.no_data, 2, "no_rows: none", one, START + MINUTE)
    assert second is not None
    assert (second.transition, second.incident.fired_at, second.incident.id) == ("firing", START + MINUTE, one.id)
    assert second.reason == second.incident.reason == "no data for 2m: no_rows: none"
    third = decide_no_data_incident(monitor, monitor.no_data, 3, "no_rows: none", second.incident, START + 2 * MINUTE)
    assert third is not None
    assert (third.transition, third.reason, third.incident.bad) == (None, "still no data", 3)
    assert third.incident == replace(second.incident, bad=3, updated_at=START + 2 * MINUTE)
    over = decide_no_data_incident(monitor, monitor.no_data, 0, "", third.incident, START + 3 * MINUTE)
    assert over is not None
    assert over.incident == replace(
        third.incident,
        state="resolved",
        resolved_at=START + 3 * MINUTE,
        updated_at=START + 3 * MINUTE,
        reason="data is available again",
    )
    assert (over.transition, over.reason) == ("resolved", "data is available again")
    assert decide_no_data_incident(monitor, monitor.no_data, 0, "", None, START) is None
    other = decide_no_data_incident(monitor, monitor.no_data, 1, "", None, START + MINUTE)
    assert other is not None
    assert other.incident.id != one.id


@pytest.mark.parametrize(
    ("baseline", "reason", "learning"),
    [
        ({"rolling": "14d"}, "no_baseline: 3 of 9", True),
        ({"rolling": "14d"}, "no_rows: none", False),
        ({"from": START.isoformat(), "to": (START + HOUR).isoformat()}, "no_baseline: 3", True),
        ({"from": (START - HOUR).isoformat(), "to": START.isoformat()}, "no_baseline: 3", True),
        ({"from": (START - HOUR).isoformat(), "to": (START - MINUTE).isoformat()}, "no_baseline: 3", False),
    ],
)
def test_a_monitor_that_learns_is_not_blind(baseline: dict[str, str], reason: str, learning: bool) -> None:
    settings = {"baseline": baseline}
    assert is_learning(monitor_of(settings), reason, BUCKET) is learning
    assert (sight(9, "skipped", reason, settings=settings) == []) is learning


# ---- prompts ---------------------------------------------------------------------------------------------------


def suspecting(**changes: Any) -> Incident:
    suspect = {"kind": "prompt_version", "column": "prompt_version", "first_seen": START.isoformat()}
    return incident_of(suspected_change={**suspect, **changes})


def test_a_suspected_prompt_is_named_where_it_is_known() -> None:
    prompt = Prompt("greeting", {"template": "Hello"}, version=2)
    known = name_suspects(Decision(suspecting(value=prompt.hash), None, ""), [prompt], [])
    assert known.incident.suspected_change == {
        **(suspecting(value=prompt.hash).suspected_change or {}),
        "prompt": prompt.sentence(),
    }
    unknown = name_suspects(Decision(suspecting(value="v9"), None, ""), [prompt], [])
    assert (unknown.incident.suspected_change or {})["prompt"] is None
    for incident in (incident_of(), suspecting(value="m2", kind="model_version"), suspecting(value="p", prompt="x")):
        decision = Decision(incident, None, "")
        assert name_suspects(decision, [prompt], []) == decision
    going = suspecting(value=prompt.hash)
    (one,) = judged(
        [finding(0.3, segment="model_version=small")], AlertHistory(open={"traffic": going}, prompts=[prompt])
    )
    assert (one.incident.suspected_change or {})["prompt"] == prompt.sentence()


def test_an_incident_stays_under_a_more_severe_rule_that_is_not_evaluated_now() -> None:
    fired = {"bad": 3, "clean": 0, "firing": True, "fired": True}
    going = incident_of(rule="slo", severity="critical", rules={"slo": fired})
    (decision,) = judged([finding(0.3)], AlertHistory(open={"traffic": going}))
    assert (decision.incident.rule, decision.incident.severity) == ("slo", "critical")
    assert decision.incident.rules == {"slo": fired, "drift": {"bad": 1, "clean": 0, "firing": True, "fired": True}}


def test_a_rule_of_which_nothing_was_measured_stays_as_it_is() -> None:
    rules = [{"when": ["drift"], "resolve_for": 1}, {"when": ["slo"], "resolve_for": 1}]
    firing = {"bad": 3, "clean": 0, "firing": True, "fired": True}
    going = incident_of(rules={"drift": firing, "slo": firing})
    past = AlertHistory(open={"traffic": going})
    (decision,) = judged([clean(), unmeasured(check="slo")], past, settings={"rules": rules})
    assert decision.incident.rules["slo"] == firing
    assert decision.incident.rules["drift"]["firing"] is False
    assert decision.transition is None


def test_a_removed_rule_does_not_keep_an_incident_open() -> None:
    firing = {"bad": 3, "clean": 0, "firing": True, "fired": True}
    shared, alone = (incident_of(rules=rules) for rules in ({"drift": firing, "gone": firing}, {"gone": firing}))
    monitor = monitor_of(resolve_for=1)

    def decided(incident: Incident, *findings: Finding, has_all_rules: bool = True) -> Sequence[Decision]:
        context = AlertContext(AlertHistory(open={"traffic": incident}), has_all_rules=has_all_rules)
        return decide(monitor, Evaluation(findings, "done"), context, BUCKET).incidents

    (decision,) = decided(shared, clean())
    assert (decision.transition, decision.reason) == ("resolved", "clean for 1 bucket")
    assert decided(shared, clean(), has_all_rules=False)[0].transition is None
    for findings in ([], [clean()]):
        (decision,) = decided(alone, *findings)
        assert (decision.transition, decision.reason) == ("resolved", "its rules are no longer configured")
        assert decision.quiet is False
    resolved, opened = decided(alone, finding(0.9))
    assert (resolved.incident.id, resolved.transition, opened.transition) == ("i-1", "resolved", "firing")
    assert decided(replace(alone, state="pending", fired_at=None))[0].quiet is True
    gap = incident_of(id="gap", rule="no_data", group="no_data", rules={}, evidence={})
    suite = incident_of(id="suite", rules={"suite": firing}, evidence={"k": evidence_of(check="evaluation")})
    assert not decided(gap)
    assert [one.transition for one in decided(suite, clean())] != ["resolved"]
