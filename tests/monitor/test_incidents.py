"""When an incident opens, opens again, changes and ends: each decision of `judge` with inputs made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from detectors.base import Finding, Status
from detectors.joint import JOINT
from monitor.alerting.incidents import (
    decide_incident,
    headline,
    matches,
    merge_evidence,
    rank_harm,
)
from monitor.alerting.shared_columns import keep_own_rows
from monitor.alerting.suspects import choose_suspect, describe_suspect, merge_attribution, rank_suspects
from monitor.alerting.version_findings import find_version_findings
from monitor.core.incident import Change, Decision, Incident, MissingData
from tests.support.decisions import (
    MINUTE,
    START,
    change,
    clean,
    context_of,
    evidence_of,
    finding,
    incident_of,
    monitor_of,
    unmeasured,
)


def judged(
    found: list[Finding], incident: Incident | None = None, at: datetime = START, **more: Any
) -> Decision | None:
    monitor = monitor_of(**more.pop("rule", {}))
    context = context_of(monitor, at, more.pop("changes", ()))
    return decide_incident(context, found, incident, **more)


RESOLVED = incident_of(
    state="resolved",
    opened_at=START - 9 * MINUTE,
    resolved_at=START - 5 * MINUTE,
    evidence={"k": evidence_of()},
    bad=7,
    clean=3,
)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ([], True),
        ([change("old", START - 20 * MINUTE)], True),
        ([change("at once", START - 9 * MINUTE)], True),
        ([change("new", START - MINUTE)], False),
        ([change("new", START - MINUTE, "prompt_version")], False),
        ([change("new", START - MINUTE, "category")], True),
    ],
)
def test_an_incident_is_opened_again_unless_a_new_version_appeared(changes: list[Change], same: bool) -> None:
    decision = judged([finding(0.3)], changes=changes, before=RESOLVED)
    assert decision is not None
    assert (decision.incident.id == RESOLVED.id) is same
    assert decision.reason.startswith("again: ") is same
    assert decision.incident.resolved_at is None
    assert (decision.incident.bad, decision.incident.clean) == (1, 0)


@pytest.mark.parametrize(("minutes", "same"), [(5, True), (60, True), (61, False)])
def test_an_incident_is_opened_again_soon_enough_only(minutes: int, same: bool) -> None:
    before = replace(RESOLVED, resolved_at=START - minutes * MINUTE)
    decision = judged([finding(0.3)], before=before, rule={"reopen_within": "1h"})
    assert decision is not None
    assert (decision.incident.id == RESOLVED.id) is same
    never = judged([finding(0.3)], before=replace(RESOLVED, resolved_at=None))
    assert never is not None
    assert never.incident.id != RESOLVED.id


def test_an_incident_is_opened_again_by_what_it_knows_only() -> None:
    for found, same in (
        ([finding(0.3, method="psi")], True),
        ([finding(0.3, column=JOINT)], True),
        ([finding(0.3), finding(0.3, column="length")], False),
        ([finding(0.3, segment="plan=pro")], False),
    ):
        decision = judged(found, before=RESOLVED)
        assert decision is not None
        assert (decision.incident.id == RESOLVED.id) is same


@pytest.mark.parametrize(("minutes", "suspected"), [(0, True), (5, True), (6, True), (7, False), (600, False)])
def test_a_change_is_suspected_when_the_window_could_show_it(minutes: int, suspected: bool) -> None:
    decision = judged([finding(0.3)], changes=[change("m2", START - minutes * MINUTE)])
    assert decision is not None
    assert (decision.incident.suspected_change is not None) is suspected


def test_what_came_later_than_the_incident_is_not_suspected() -> None:
    going = incident_of(evidence={"k": evidence_of()})
    for state, suspected in (("firing", None), ("pending", "m2")):
        incident = replace(going, state=state, fired_at=START if state == "firing" else None)
        decision = judged(
            [finding(0.3)], incident, START + 2 * MINUTE, changes=[change("m2", START + MINUTE)], rule={"for": 9}
        )
        assert decision is not None
        assert (decision.incident.suspected_change or {}).get("value") == suspected
    again = judged(
        [finding(0.3)],
        before=replace(RESOLVED, fired_at=START - 8 * MINUTE),
        changes=[change("gold", START - MINUTE, "category")],
    )
    assert again is not None
    assert (again.incident.suspected_change or {}).get("value") == "gold"
    ahead = judged([finding(0.3)], changes=[change("m2", START + MINUTE)])
    assert ahead is not None
    assert ahead.incident.suspected_change is None


def test_what_is_known_of_a_suspect_stays_with_it_and_goes_with_it() -> None:
    first_seen = START - MINUTE
    named = {"kind": "model_version", "column": "model_version", "value": "m2", "first_seen": "?", "prompt": "greeting"}
    going = incident_of(suspected_change=named, evidence={"k": evidence_of()})
    for value, expected in (
        ("m2", {**named, "first_seen": first_seen.isoformat()}),
        ("m3", {**named, "value": "m3", "first_seen": first_seen.isoformat(), "prompt": None}),
    ):
        decision = judged([finding(0.3)], going, changes=[change(value, first_seen)])
        assert decision is not None
        assert {"prompt": None, **(decision.incident.suspected_change or {})} == expected
    fired = judged([finding(0.3)], changes=[change("m2", first_seen)])
    assert fired is not None
    assert fired.incident.changes[-1]["suspected_change"] == fired.incident.suspected_change
    kept = judged([finding(0.3)], going)
    assert kept is not None
    assert kept.incident.suspected_change == named


def test_the_reason_has_the_explanation_of_the_worst_finding_or_of_another_method_of_its_column() -> None:
    def explained(text: str | None, statistic: float, **changes: Any) -> Finding:
        return finding(statistic, detail={"explanation": {"text": text}} if text else {}, **changes)

    mine, other = explained("mostly pro", 0.4), explained("by another method", 0.3, method="psi")
    length, segment = explained("of length", 0.2, column="length"), explained("of pro", 0.2, segment="plan=pro")
    check = explained("of missing", 0.2, check="missing")
    for found, words in (
        ([other, mine], "; mostly pro"),
        ([other, explained(None, 0.4)], "; by another method"),
        ([length, segment, check, explained(None, 0.4)], ""),
    ):
        decision = judged(found, rule={"when": ["*"]})
        assert decision is not None
        more = f"{len(found) - 1} more finding{'s' * (len(found) > 2)}"
        assert decision.reason == f"novelty rose; {more}{words}; bad for 1 bucket"
    first = judged([mine], rule={"for": 2})
    assert first is not None
    (item,) = first.incident.evidence.values()
    assert item["explanation"] == "mostly pro"
    second = judged([finding(0.4)], first.incident, rule={"for": 2})
    assert second is not None
    assert second.reason == "novelty rose; mostly pro; bad for 2 buckets"


def test_an_improvement_opens_nothing_and_holds_nothing_open() -> None:
    assert judged([finding(0.3, direction="better")]) is None
    going = incident_of(evidence={finding(0.3).key: evidence_of()})
    decision = judged([finding(0.3, direction="better")], going, rule={"resolve_for": 1})
    assert decision is not None
    assert decision.transition == "resolved"


def test_an_accumulated_finding_needs_no_hysteresis() -> None:
    known = incident_of(evidence={finding(0.3).key: evidence_of()})
    near = replace(finding(0.095), status=Status.OK)
    assert judged([near], known).incident.clean == 0
    assert judged([replace(near, detail={"state": {"up": 1.0}})], known).incident.clean == 1


def test_a_finding_that_was_never_bad_needs_no_hysteresis() -> None:
    near = replace(clean(), statistic=0.095)
    assert judged([near]) is None
    assert judged([replace(near, column="length")], incident_of(evidence={}), rule={"resolve_for": 1}) is not None
    known = incident_of(evidence={near.key: evidence_of()})
    for value, transition in ((0.0901, None), (0.0899, "resolved")):
        decision = judged([replace(near, statistic=value)], known, rule={"resolve_for": 1})
        assert decision is not None
        assert decision.transition == transition
    half = replace(near, statistic=0.125, threshold=0.25)
    decision = judged([half], known, rule={"resolve_for": 1, "hysteresis": 0.5})
    assert decision is not None
    assert decision.transition is None


def test_what_could_not_be_measured_keeps_the_state() -> None:
    going = incident_of()
    decision = judged([unmeasured()], going, START + MINUTE, rule={"resolve_for": 1})
    assert decision is not None
    assert (decision.transition, decision.incident.state) == (None, "firing")
    assert decision.incident == replace(going, updated_at=START + MINUTE)
    assert decision.reason == "nothing was measured; the state is kept"
    assert judged([unmeasured()]) is None
    mixed = judged([unmeasured(), clean(column="length")], going, rule={"resolve_for": 1})
    assert mixed is not None
    assert mixed.transition == "resolved"


def test_an_incident_ends_after_as_many_clean_buckets_as_were_asked_for() -> None:
    incident, transitions = incident_of(moved=2), []
    for minute in range(1, 4):
        decision = judged([clean()], incident, START + minute * MINUTE, rule={"resolve_for": 3})
        assert decision is not None
        incident = decision.incident
        transitions.append((decision.transition, decision.reason, decision.quiet))
    assert transitions == [
        (None, "clean for 1 of 3 buckets", False),
        (None, "clean for 2 of 3 buckets", False),
        ("resolved", "clean for 3 buckets", False),
    ]
    end = START + 3 * MINUTE
    assert incident == replace(
        incident_of(),
        state="resolved",
        clean=3,
        resolved_at=end,
        updated_at=end,
        reason="clean for 3 buckets",
        rules={"drift": {"bad": 0, "clean": 3, "firing": False, "fired": True}},
    )
    twice = judged([clean()], incident_of(clean=1), rule={"resolve_for": 2})
    assert twice is not None
    assert twice.reason == "clean for 2 buckets"


def test_what_never_fired_ends_at_once_and_quietly() -> None:
    decision = judged([clean()], incident_of(state="pending", fired_at=None), rule={"resolve_for": 3})
    assert decision is not None
    assert (decision.transition, decision.quiet) == ("resolved", True)
    assert decision.reason == "never fired: clean for 1 bucket"


def test_a_rule_fires_once_it_was_bad_for_long_enough() -> None:
    first = judged([finding(0.3)], rule={"for": 2, "severity": "critical"})
    assert first is not None
    assert (first.transition, first.incident.state, first.incident.severity) == ("pending", "pending", "critical")
    assert first.reason == first.incident.reason == "novelty rose; bad for 1 of 2 buckets"
    assert first.news == (finding(0.3).key,)
    assert (first.incident.monitor, first.incident.rule, first.incident.updated_at) == ("bot", "drift", START)
    assert (first.incident.opened_at, first.incident.fired_at) == (START, None)
    second = judged([finding(0.3)], first.incident, START + MINUTE, rule={"for": 2})
    assert second is not None
    assert (second.transition, second.incident.state) == ("firing", "firing")
    assert second.reason == "novelty rose; bad for 2 buckets"
    assert (second.incident.opened_at, second.incident.fired_at) == (START, START + MINUTE)
    assert second.incident.updated_at == START + MINUTE
    assert second.incident.changes == (
        {
            "at": (START + MINUTE).isoformat(),
            "checks": ["drift"],
            "columns": ["novelty"],
            "reason": "novelty rose; bad for 2 buckets",
            "suspected_change": None,
        },
    )
    other = judged([finding(0.3, column="length")], first.incident, START + MINUTE, rule={"for": 2})
    assert other is not None
    assert other.news == (finding(0.3, column="length").key,)
    between = judged([finding(0.3)], first.incident, START + MINUTE, rule={"for": 3})
    assert between is not None
    assert between.transition is None
    third = judged([finding(0.3)], second.incident, START + 2 * MINUTE, rule={"for": 2})
    assert third is not None
    assert (third.transition, third.reason) == (None, "still firing")
    assert third.incident.fired_at == START + MINUTE


@pytest.mark.parametrize(
    ("check", "when", "expected"),
    [
        ("experiment", "*", False),
        ("shadow", "*", False),
        ("baseline", "*", False),
        ("experiment", "experiment", True),
        ("experiment", "experiment.novelty", True),
        ("range", "quality", True),
        ("drift", "quality", False),
    ],
)
def test_what_stands_for_long_must_be_asked_for_by_name(check: str, when: str, expected: bool) -> None:
    monitor = monitor_of(when=[when])
    assert matches(monitor.rules[0], finding(0.2, check=check)) is expected


# ---- what a version brought --------------------------------------------------------------------------------------

GOING = incident_of(evidence={"k": evidence_of(column="length")})
NEW = change("m2", START + MINUTE)


def brought(
    found: list[Finding], incident: Incident | None = GOING, changes: list[Change] | None = None, **more: Any
) -> list[str]:
    known = [NEW] if changes is None else changes
    return [f.key for f in find_version_findings(monitor_of(), incident, found, START + 2 * MINUTE, known, **more)]


def test_a_version_that_came_in_later_brings_what_was_not_bad_before() -> None:
    worse = finding(0.3, direction="worse")
    assert brought([worse]) == [worse.key]
    assert brought([worse], changes=[]) == []
    assert brought([worse], changes=[change("m2", START)]) == []
    assert brought([worse], changes=[change("m2", START + 2 * MINUTE)]) == [worse.key]
    earlier = replace(GOING, fired_at=START - 9 * MINUTE)
    assert brought([worse], earlier, [change("m2", START - 4 * MINUTE)]) == [worse.key]
    assert brought([worse], earlier, [change("m2", START - 5 * MINUTE)]) == []
    prompt = change("p2", START + MINUTE, "prompt_version")
    assert brought([worse], changes=[prompt]) == [worse.key]
    assert brought([worse], changes=[prompt, change("m1", START - MINUTE)]) == []  # what it came after is more likely
    assert brought([worse], changes=[change("m2", START + 3 * MINUTE)]) == []
    assert brought([worse], changes=[change("gold", START + MINUTE, "category")]) == []
    assert brought([worse], None) == []
    assert brought([worse], replace(GOING, state="pending")) == []
    assert brought([worse], replace(GOING, fired_at=None)) == []
    known = replace(GOING, evidence={"k": evidence_of()})
    assert brought([worse], known) == []
    assert brought([replace(worse, direction="neutral")]) == []
    assert brought([replace(worse, about="pipe")]) == []
    assert brought([worse, finding(0.3, column=JOINT, direction="worse")]) == [worse.key]


def test_a_version_brings_what_moved_on_from_what_was_told() -> None:
    worse = finding(0.3, direction="worse")
    known = replace(GOING, evidence={"k": evidence_of()})
    away, back = (replace(worse, detail={"back": value}) for value in (False, True))
    assert brought([worse], known, moved=[away]) == [worse.key]
    assert brought([worse], known, moved=[back]) == []


def test_a_version_brings_what_is_a_threshold_farther_than_the_others() -> None:
    known = replace(GOING, evidence={"k": evidence_of(segment="model_version=m1", worst=0.3)})
    for value, expected in ((0.41, True), (0.39, False)):
        worse = finding(value, direction="worse", segment="model_version=m2")
        assert brought([worse], known) == ([worse.key] if expected else [])
    other = finding(0.9, direction="worse", segment="model_version=m1")
    assert brought([other], known) == []
    new = finding(0.41, direction="worse", segment="model_version=m2")
    assert brought([replace(new, threshold=None)], known) == []
    exact = finding(0.75, direction="worse", segment="model_version=m2", threshold=0.25)
    half = replace(GOING, evidence={"k": evidence_of(segment="model_version=m1", worst=0.5)})
    assert brought([exact], half) == [exact.key]


def test_a_version_is_held_beside_the_others_of_its_role_where_there_are_any() -> None:
    m1, far = evidence_of(segment="model_version=m1"), {"worst": 0.9}
    rest = [
        evidence_of(segment="prompt_version=p1", **far),
        evidence_of(**far),
        evidence_of(segment="model_version=m3", column="length", **far),
        evidence_of(segment="model_version=m3", method="psi", **far),
        evidence_of(segment="model_version=m=2", **far),
    ]
    new = finding(0.41, direction="worse", segment="model_version=m=2")
    arrived = [change("m=2", START + MINUTE)]
    for evidence, expected in (
        ([m1, *rest], [new.key]),
        (rest, []),
        ([m1, rest[3]], [new.key]),
        ([rest[2]], [new.key]),
    ):
        known = replace(GOING, evidence={str(place): item for place, item in enumerate([evidence_of(), *evidence])})
        assert brought([new], known, arrived) == expected
    alone = replace(GOING, evidence={"k": evidence_of()})
    assert brought([new], alone, arrived) == [new.key]


def rows_of(*, share: float, beyond: Sequence[str] = (), **changes: Any) -> Finding:
    """Return a finding of m2 on a column that the incident has, with the rows that it is attributed to."""
    rows = {"explained": {"": 1.0, "model_version=m2": share}, "contrast": 0.0, "segment": None, "beyond": beyond}
    detail = {"attribution": {**rows, "since": START.isoformat()}}
    return finding(0.9, direction="worse", **{"segment": "model_version=m2", "detail": detail, **changes})


def test_a_version_brings_no_column_that_departs_in_its_rows_as_in_all_others() -> None:
    known = replace(GOING, evidence={"k": evidence_of(segment="model_version=m1", worst=0.3)})
    assert brought([rows_of(share=0.3)], known) == []
    assert brought([rows_of(share=0.95)], known) == []  # not told apart: a version that came right after the fault
    farther = rows_of(share=0.3, beyond=["model_version=m2"])
    assert brought([farther], known) == [farther.key]
    near = replace(farther, statistic=0.31)  # a distance that cannot grow much
    assert brought([near], known) == [near.key]
    assert brought([rows_of(share=0.3, beyond=["model_version=m1"])], known) == []
    for_long = replace(known, fired_at=START - 60 * MINUTE)
    assert brought([rows_of(share=0.3)], for_long) == []
    new = rows_of(share=0.95, column="failed")
    assert brought([new], known) == [new.key]
    assert brought([rows_of(share=0.3, column="failed")], known) == []


def test_rows_of_two_causes_in_one_column_are_evidence_for_the_one_that_they_show() -> None:
    first = incident_of(fired_at=START, opened_at=START, evidence={"k": evidence_of()})
    m2: Any = {"kind": "model_version", "column": "model_version", "value": "m2", "first_seen": START.isoformat()}
    second = replace(first, id="b", opened_at=START + 2 * MINUTE, fired_at=START + 2 * MINUTE, suspected_change=m2)

    def own(incident: Incident, one: Finding) -> bool:
        (kept,) = keep_own_rows(incident, [one], [first, second], [NEW])
        return "attribution" in kept.detail

    of_first, of_second = rows_of(share=0.3), rows_of(share=0.95)
    farther = rows_of(share=0.3, beyond=["model_version=m2"])
    assert [own(first, one) for one in (of_first, of_second, farther)] == [True, False, False]
    assert [own(second, one) for one in (of_first, of_second, farther)] == [False, True, False]
    assert own(second, replace(of_first, column="failed"))
    assert own(replace(second, suspected_change=None), of_first)


# ---- suspects, evidence, words -----------------------------------------------------------------------------------


def suspect(changes: list[Change], since: datetime = START - 9 * MINUTE, **items: Any) -> str | None:
    found = choose_suspect(changes, since, {"k": evidence_of(**items)})
    return found["value"] if found else None


M2, P2 = change("m2", START - 2 * MINUTE), change("p2", START - 3 * MINUTE, "prompt_version")


def attributed(model: float | None = None, prompt: float | None = None, **more: Any) -> dict[str, Any]:
    """Return the attribution of a finding to the versions m2 and p2."""
    shares = {"model_version=m2": model, "prompt_version=p2": prompt, "": more.pop("time", 0.3)}
    known = {name: share for name, share in shares.items() if share is not None}
    return {"explained": known, "contrast": 0.0, "segment": None, "since": START.isoformat(), **more}


def suspected(*attributions: dict[str, Any], changes: Sequence[Change] = (M2, P2), **item: Any) -> Any:
    """Return what is suspected of columns with these attributions."""
    evidence: Any = {
        str(place): evidence_of(**{"column": f"column{place}", **item}, attribution=one)
        for place, one in enumerate(attributions)
    }
    found = choose_suspect(changes, START - 9 * MINUTE, evidence)
    return (found["kind"], found["column"], found["value"]) if found else None


MODEL, PROMPT = ("model_version", "model_version", "m2"), ("prompt_version", "prompt_version", "p2")


def test_a_version_must_explain_most_of_the_findings() -> None:
    assert suspected(attributed(0.95, 0.2)) == MODEL
    assert suspected(attributed(0.2, 0.95)) == PROMPT
    assert suspected(attributed(0.95, 0.95)) == MODEL  # told apart by the kind only
    assert suspected(attributed(0.2, 0.9), attributed(0.95, 0.9)) == PROMPT
    assert suspected(attributed(0.2, 0.9), attributed(0.2, 0.89)) == PROMPT
    both = (attributed(0.2, 0.9), attributed(0.2, 0.89), attributed(0.2, 0.89))
    assert suspected(*both) is None
    assert suspected(*both, column="novelty") == PROMPT  # a column counts once


def test_of_the_findings_of_a_column_the_clearest_counts() -> None:
    assert suspected(attributed(0.95, 0.2, strength=9.0), attributed(0.2, 0.95, strength=50.0), column="a") == PROMPT


def test_suspects_are_ranked_by_the_part_of_the_effect_that_they_explain() -> None:
    tenant = {"tenant=acme": 0.45, "tenant=beta": 0.05}
    evidence: Any = {
        "latency": evidence_of(column="latency", attribution=attributed(1.0, 0.3, segments=tenant)),
        "failed": evidence_of(column="failed", attribution=attributed(0.9, 0.5, segments=tenant)),
    }
    ranked = rank_suspects([M2, P2], START - 9 * MINUTE, evidence)
    assert [(one["value"], one["share"]) for one in ranked] == [("m2", 0.95), ("acme", 0.45), ("p2", 0.4)]
    assert rank_suspects([M2, P2], START - 9 * MINUTE, {"k": evidence_of()})[0]["value"] == "m2"


def test_where_nothing_explains_the_evidence_all_records_are_affected() -> None:
    evidence: Any = {"latency": evidence_of(column="latency", attribution=attributed(0.5, time=1.0))}
    ranked = rank_suspects([M2], START - 9 * MINUTE, evidence)
    assert [(one["kind"], one["value"]) for one in ranked] == [("everywhere", ""), ("model_version", "m2")]
    assert choose_suspect([M2], START - 9 * MINUTE, evidence) is None


def test_an_attribution_that_lacks_a_version_never_replaces_one_that_has_it() -> None:
    older: Any = {"explained": {"": 0.9, "model_version=m2": 1.0}, "contrast": 1.0, "segment": None, "since": "a"}
    newer: Any = {"explained": {"": 1.0, "model_version=m3": 0.1}, "contrast": 99.0, "segment": None, "since": "a"}
    assert merge_attribution(older, newer) == older
    both = {**newer, "explained": {**older["explained"], **newer["explained"]}}
    assert merge_attribution(older, both) == both


def test_the_class_balance_is_suspected_before_a_version_that_came_with_it() -> None:
    assert suspected(attributed(1.0, labels=0.95), column="score") == ("label", "label", "label")
    assert suspected(attributed(1.0, labels=0.5), column="score") == MODEL


def test_more_traffic_is_suspected_of_outputs_that_changed_in_all_records() -> None:
    growth = Change("traffic", "volume", "2.1 times the baseline", START)
    everywhere = attributed(0.5, 0.4, time=1.0)
    expected = ("traffic", "volume", "2.1 times the baseline")
    assert suspected(everywhere, changes=[M2, growth], column="latency") == expected
    assert suspected(everywhere, changes=[M2, growth], about="inputs") == ("upstream", "column0", "column0")
    assert suspected(attributed(1.0, 0.4, time=1.0), changes=[M2, growth]) == MODEL
    assert suspected(attributed(0.2, 0.4), changes=[M2, growth]) is None
    assert suspected(attributed(0.89, 0.89)) is None
    assert suspected(attributed(0.89, 0.89), changes=[]) is None


def test_a_suspect_is_described_by_its_kind() -> None:
    def described(kind: str) -> str:
        return describe_suspect({"kind": kind, "column": "plan", "value": "gold", "first_seen": START.isoformat()})

    assert described("category") == "plan 'gold'"
    assert described("segment") == "only plan 'gold' is affected"
    assert described("upstream") == "the values of 'plan' are different"
    assert described("label") == "the class balance of the labels changed, and explains the scores"
    assert described("traffic") == "more traffic: gold"
    assert described("everywhere") == "all records are affected; no change in the log explains it"


def test_a_segment_is_suspected_where_no_version_explains_the_findings() -> None:
    tenant = attributed(0.5, 0.4, segment="tenant=acme", since=(START - MINUTE).isoformat())
    assert suspected(tenant) == ("segment", "tenant", "acme")
    assert suspected(tenant, attributed(0.5, 0.4)) == ("segment", "tenant", "acme")
    assert suspected(tenant, attributed(0.5, 0.4), attributed(0.5, 0.4)) != ("segment", "tenant", "acme")
    assert suspected(attributed(0.95, 0.4, segment="tenant=acme")) == MODEL
    found = choose_suspect([], START, {"k": evidence_of(attribution=tenant)})
    assert found is not None
    assert found["first_seen"] == (START - MINUTE).isoformat()


@pytest.mark.parametrize(("minutes", "blamed"), [(-16, False), (-15, True), (0, True), (5, True), (6, False)])
def test_a_deploy_event_just_before_all_records_changed_is_suspected(minutes: int, blamed: bool) -> None:
    event = Change("deploy", "config", "v7", START + minutes * MINUTE)
    evidence: Any = {"latency": evidence_of(column="latency", attribution=attributed(0.5, 0.4, time=1.0))}
    found = choose_suspect([M2, event], START - 60 * MINUTE, evidence)
    assert ((found or {}).get("value") == "v7") is blamed
    assert suspected(attributed(1.0, 0.4, time=1.0), changes=[M2, event]) == MODEL
    assert suspected(attributed(0.5, 0.4), changes=[M2, event]) is None


def test_an_input_that_changed_in_all_rows_is_suspected() -> None:
    everywhere = attributed(0.5, 0.4, time=1.0)
    assert suspected(everywhere, everywhere, column="amount", about="inputs") == ("upstream", "amount", "amount")
    assert suspected(everywhere, column="amount", about="pipe") == ("upstream", "amount", "amount")
    assert suspected(everywhere, column="latency") is None
    evidence: Any = {
        name: evidence_of(attribution={**everywhere, "strength": strength}, column=name, about=about)
        for name, strength, about in (("amount", 20, "inputs"), ("length", 30, "inputs"), ("latency", 99, "model"))
    }
    found = choose_suspect([M2, P2], START - 9 * MINUTE, evidence)
    assert found is not None
    assert found["column"] == "length"
    plan = Change("category", "plan", "gold", START)
    assert suspected(everywhere, changes=[plan], column="plan") == ("category", "plan", "gold")
    assert suspected(everywhere, changes=[plan], column="amount", about="inputs") == ("upstream", "amount", "amount")


def test_of_versions_that_explain_equally_well_the_segment_then_the_kind_then_the_newest_decides() -> None:
    old, new = change("old", START - 3 * MINUTE), change("new", START - 2 * MINUTE)
    prompt = change("p2", START - MINUTE, "prompt_version")
    category = Change("category", "plan", "gold", START)
    assert suspect([old, new, prompt, category]) == "new"
    assert suspect([old, new, prompt, category], segment="model_version=old") == "old"
    assert suspect([prompt, category]) == "p2"
    assert suspect([category]) == "gold"
    assert suspect([old], since=START - 3 * MINUTE) == "old"
    assert suspect([old], since=START - 2 * MINUTE) is None
    assert choose_suspect([old], START - 9 * MINUTE, {}) == {
        "kind": "model_version",
        "column": "model_version",
        "value": "old",
        "first_seen": (START - 3 * MINUTE).isoformat(),
    }


def test_evidence_keeps_the_last_the_worst_and_the_first_time() -> None:
    one = merge_evidence({}, [finding(0.3)], START)
    two = merge_evidence(one, [finding(0.5, reason="more")], START + MINUTE)
    three = merge_evidence(two, [finding(0.2, n_baseline=7, n_window=8)], START + 2 * MINUTE)
    (item,) = three.values()
    assert item == evidence_of(statistic=0.2, worst=0.5, peak="more", n_baseline=7, n_window=8)
    (undated,) = merge_evidence({}, [finding(0.3)]).values()
    assert undated["since"] is None
    (unmeasurable,) = merge_evidence({}, [replace(finding(0.0), statistic=None)]).values()
    assert (unmeasurable["statistic"], unmeasurable["worst"]) == (None, 0.0)


def test_evidence_is_bounded_and_the_worst_stays() -> None:
    many = [finding(0.1 + place / 100, column=f"c{place}") for place in range(60)]
    kept = merge_evidence({}, many)
    assert [item["column"] for item in kept.values()] == [f"c{place}" for place in range(59, 9, -1)]
    per_threshold = [finding(0.3, column="a", threshold=0.3), finding(0.2, column="b", threshold=0.1)]
    assert [item["column"] for item in merge_evidence({}, per_threshold).values()] == ["b", "a"]
    unknown = [
        replace(finding(0.0, column="a"), statistic=None),
        finding(0.1, column="b", threshold=1.0),
        finding(0.15, column="c", threshold=None),
    ]
    assert [item["column"] for item in merge_evidence({}, unknown).values()] == ["c", "b", "a"]


def test_evidence_keeps_the_attribution_that_tells_versions_apart() -> None:
    def merged(*attributions: dict[str, Any] | None) -> Any:
        evidence: Any = {}
        for each in attributions:
            evidence = merge_evidence(evidence, [finding(0.3, detail={} if each is None else {"attribution": each})])
        return next(iter(evidence.values())).get("attribution")

    clear, vague = attributed(0.9, 0.1, contrast=50.0), attributed(0.9, 0.8, contrast=9.0)
    late = (START + MINUTE).isoformat()
    assert merged(None) is None
    assert merged(clear, None) == clear
    assert merged(clear, vague) == clear
    assert merged(vague, clear) == clear
    assert merged(attributed(0.9), vague) == vague  # with an additional version
    assert merged(vague, attributed(0.2, contrast=99.0)) == vague  # p2 has left the window
    assert merged(clear, attributed(0.9, 0.2, contrast=60.0, since=late))["since"] == START.isoformat()
    assert merged(clear, attributed(0.9, 0.2, contrast=60.0, since=late, segment="tenant=a"))["since"] == late


@pytest.mark.parametrize(
    ("changes", "rank"),
    [
        ({"direction": "neutral", "column": "failed"}, 0),
        ({"direction": "better", "column": "failed"}, 0),
        ({}, 1),
        ({"column": "failed", "about": "pipe"}, 1),
        ({"check": "spend"}, 2),
        ({"column": "latency"}, 3),
        ({"column": "failed"}, 4),
        ({"check": "slo"}, 4),
        ({"method": "roc_auc"}, 5),
        ({"column": "hallucinated"}, 6),
    ],
)
def test_what_users_feel_comes_first(changes: dict[str, str], rank: int) -> None:
    assert rank_harm(finding(0.3, **{"direction": "worse", **changes})) == rank


def test_the_headline_names_the_worst_and_counts_the_others() -> None:
    harm = finding(0.11, column="failed", direction="worse", reason="failures rose")
    far = finding(0.9, direction="worse", segment="plan=pro")
    assert headline([far]) == "novelty rose"
    assert headline([far, finding(0.3)]) == "novelty rose; 1 more finding"
    assert headline([far, harm, far]) == "failures rose; 2 more findings"


# ---- no data ---------------------------------------------------------------------------------------------------


def test_buckets_without_an_answer_are_counted_by_why() -> None:
    blind = MissingData()
    for result, reason, expected in (
        ("skipped", "no_rows: none", MissingData(1, 1, 1)),
        ("skipped", "too_few: 3", MissingData(0, 2, 2)),
        ("skipped", "no_rows: none", MissingData(1, 3, 3)),
        ("failed", "timeout", MissingData(0, 0, 4)),
        ("failed", None, MissingData(0, 0, 5)),
        ("done", None, MissingData()),
    ):
        blind = blind.then(result, reason)
        assert blind == expected
