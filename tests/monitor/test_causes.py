"""Which findings have one cause: columns whose affected rows agree are one incident, others are another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from detectors.base import Finding
from monitor.alerting.causes import share_findings
from monitor.alerting.rules import decide_rules
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket
from tests.support.decisions import BUCKET, MINUTE, START, clean, finding, incident_of, monitor_of

EARLY, LATE = START.isoformat(), (START + 20 * MINUTE).isoformat()


def affected(column: str, about: str = "model", **attribution: Any) -> Finding:
    """Return a finding with the rows that it is about."""
    rows = {"explained": {}, "contrast": 0.0, "segment": None, "since": EARLY, "until": EARLY, **attribution}
    return replace(finding(0.9), column=column, about=about, detail={"attribution": rows})


def everywhere(column: str, about: str = "model", since: str = EARLY, **explained: float) -> Finding:
    return affected(column, about, explained={"": 1.0, **named(explained)}, since=since, until=since)


def by(column: str, about: str = "model", **explained: float) -> Finding:
    return affected(column, about, explained={"": 0.4, **named(explained)})


def named(explained: dict[str, float]) -> dict[str, float]:
    return {f"model_version={name}": share for name, share in explained.items()}


def divided(*findings: Finding) -> list[list[str]]:
    """Return the columns by cause, where no incident is open."""
    return [[str(one.column) for one in part] for part in share_findings(findings, [])]


def test_columns_whose_rows_agree_are_one_cause() -> None:
    assert divided(by("latency", m2=1.0), by("failed", m2=0.9)) == [["latency", "failed"]]
    assert divided(everywhere("latency", m2=1.0), by("failed", m2=0.9)) == [["latency", "failed"]]
    assert divided(everywhere("amount", "inputs"), everywhere("score")) == [["amount", "score"]]
    assert divided(finding(0.9), finding(0.8)) == [["novelty", "novelty"]]


def test_an_input_that_changed_in_all_rows_and_a_version_are_two_causes() -> None:
    assert divided(everywhere("amount", "inputs", m2=0.5), by("latency", m2=1.0)) == [["amount"], ["latency"]]
    assert divided(everywhere("amount", "pipe"), everywhere("latency", since=LATE, m2=1.0)) == [["amount"], ["latency"]]
    refuted = affected("amount", "inputs", explained={"": 1.0, "model_version=m2": 0.95}, refuted=["model_version=m2"])
    assert divided(refuted, by("latency", m2=1.0)) == [["amount"], ["latency"]]
    assert divided(replace(refuted, about="model"), by("latency", m2=1.0)) == [["amount", "latency"]]
    # all rows, with no version or segment to tell them apart: a consequence of the input
    assert divided(everywhere("amount", "inputs"), everywhere("latency", since=LATE)) == [["amount", "latency"]]


def test_two_inputs_that_changed_at_different_times_agree_until_rows_tell_them_apart() -> None:
    assert divided(everywhere("amount", "inputs"), everywhere("plan", "inputs", since=LATE)) == [["amount", "plan"]]


def test_two_versions_and_a_version_and_a_segment_are_two_causes() -> None:
    assert divided(by("latency", m2=1.0), by("failed", m2=0.2, m3=1.0)) == [["latency"], ["failed"]]
    tenant = affected("failed", explained={"": 0.3}, segment="tenant=acme")
    assert divided(by("latency", m2=1.0), tenant) == [["latency"], ["failed"]]


def test_a_fault_that_gets_worse_by_steps_is_one_cause() -> None:
    assert divided(everywhere("latency"), everywhere("failed", since=LATE)) == [["latency", "failed"]]
    assert divided(everywhere("latency"), by("failed", m2=1.0)) == [["latency", "failed"]]


def test_findings_without_rows_belong_to_the_first_cause() -> None:
    slo = replace(finding(0.9), column=None, check="slo")
    assert divided(by("latency", m2=1.0), by("failed", m3=1.0), slo) == [["latency", "None"], ["failed"]]


def test_a_finding_without_rows_about_the_model_joins_what_is_about_the_model() -> None:
    latency = replace(finding(0.9), column="latency")
    upstream, bad = everywhere("amount", "inputs", m2=0.5), by("failed", m2=1.0)
    assert divided(upstream, bad, latency) == [["amount"], ["failed", "latency"]]
    assert divided(upstream, latency) == [["amount", "latency"]]
    assert divided(upstream, bad, replace(latency, about="inputs")) == [["amount", "latency"], ["failed"]]


def test_a_finding_of_a_known_column_joins_the_incident_that_has_the_column() -> None:
    first, second = (opened(one) for one in (everywhere("amount", "inputs"), by("latency", m2=1.0)))
    other = replace(finding(0.9), column="amount", method="psi", about="inputs")
    assert [[f.column for f in part] for part in share_findings([other], [second, first])] == [[], ["amount"]]


def test_a_new_column_joins_the_open_incident_of_the_same_cause() -> None:
    first, second = (opened(one) for one in (everywhere("amount", "inputs"), by("latency", m2=1.0)))
    new = [by("failed", m2=1.0), everywhere("weight", "inputs")]
    assert [[f.column for f in part] for part in share_findings(new, [second, first])] == [["failed"], ["weight"]]
    assert [[f.column for f in part] for part in share_findings(new, [first, second])] == [["weight"], ["failed"]]
    third = by("failed", m2=0.1, m3=1.0)
    assert [[f.column for f in part] for part in share_findings([third], [second])] == [[], ["failed"]]


def opened(one: Finding) -> Any:
    """Return the pending incident of a finding."""
    (decision,) = decide([one], AlertHistory())
    return decision.incident


def decide(findings: Sequence[Finding], history: AlertHistory) -> list[Any]:
    return decide_rules(monitor_of(when=["*"], for_=3), findings, [], history, BUCKET)


def test_two_causes_in_one_bucket_are_two_incidents_with_ids_of_their_own() -> None:
    decisions = decide([everywhere("amount", "inputs"), by("latency", m2=1.0)], AlertHistory())
    assert [{item["column"] for item in one.incident.evidence.values()} for one in decisions] == [
        {"amount"},
        {"latency"},
    ]
    assert len({one.incident.id for one in decisions}) == 2
    again = decide([everywhere("amount", "inputs"), by("latency", m2=1.0)], AlertHistory())
    assert [one.incident.id for one in again] == [one.incident.id for one in decisions]


def test_each_of_two_open_incidents_is_resolved_by_its_own_findings() -> None:
    first, second = (opened(one) for one in (everywhere("amount", "inputs"), by("latency", m2=1.0)))
    history = AlertHistory(open={"traffic": replace(second, id="b")}, older=[replace(first, id="a")])
    well = replace(clean(), column="latency")
    decisions = {one.incident.id: one for one in decide([everywhere("amount", "inputs"), well], history)}
    assert (decisions["a"].incident.bad, decisions["b"].incident.bad) == (2, 1)
    assert decisions["b"].incident.clean == 1


def test_an_incident_without_known_rows_keeps_everything() -> None:
    blind = incident_of(evidence={})
    assert [len(part) for part in share_findings([by("latency", m2=1.0)], [blind])] == [1]


def columns_of(decisions: Sequence[Any]) -> list[set[str]]:
    return [{item["column"] for item in one.incident.evidence.values()} for one in decisions]


def test_a_column_leaves_an_incident_when_its_rows_show_another_cause() -> None:
    amount, latency = everywhere("amount", "inputs", m2=0.5), by("latency", m2=1.0)
    unknown = replace(latency, detail={})
    (opening,) = decide([amount, unknown], AlertHistory())
    assert columns_of([opening]) == [{"amount", "latency"}]
    history = AlertHistory(open={"traffic": opening.incident})
    assert columns_of(decide([amount, unknown], history)) == [{"amount", "latency"}]
    decisions = decide([amount, latency], history)
    assert columns_of(decisions) == [{"amount"}, {"latency"}]
    assert decisions[0].incident.id == opening.incident.id
    both = AlertHistory(open={"traffic": decisions[1].incident}, older=[decisions[0].incident])
    again = decide([amount, latency], both)
    assert sorted(one.incident.id for one in again) == sorted(one.incident.id for one in decisions)


def test_a_column_stays_where_its_rows_agree_or_do_not_know_the_same_versions() -> None:
    failed, latency = by("failed", m2=1.0), replace(finding(0.9), column="latency")
    (opening,) = decide([failed, latency], AlertHistory())
    history = AlertHistory(open={"traffic": opening.incident})
    for rows in (by("latency", m2=0.9), everywhere("latency"), affected("latency", explained={"": 0.3}, segment="t=a")):
        assert columns_of(decide([failed, rows], history)) == [{"failed", "latency"}]
    other = affected("latency", explained={"": 0.3, "model_version=m2": 0.2}, segment="tenant=acme")
    assert columns_of(decide([failed, other], history)) == [{"failed"}, {"latency"}]


def test_the_column_that_an_incident_had_first_stays() -> None:
    amount, latency = everywhere("amount", "inputs", m2=0.5), replace(finding(0.9), column="latency")
    (first,) = decide([latency], AlertHistory())
    later = AlertHistory(open={"traffic": first.incident})
    (second,) = decide_rules(
        monitor_of(when=["*"], for_=3), [latency, amount], [], later, Bucket(BUCKET.end, BUCKET.end + MINUTE)
    )
    assert columns_of([second]) == [{"latency", "amount"}]
    history = AlertHistory(open={"traffic": second.incident})
    assert columns_of(decide([by("latency", m2=1.0), amount], history)) == [{"latency"}, {"amount"}]


def test_the_first_column_stays_where_its_rows_tell_less_than_before() -> None:
    (opening,) = decide([everywhere("amount", "inputs", m2=0.5)], AlertHistory())
    history = AlertHistory(open={"traffic": opening.incident})
    (later,) = decide([by("amount", "inputs", m2=1.0)], history)
    assert columns_of([later]) == [{"amount"}]
    (item,) = later.incident.evidence.values()
    assert item["since"] == opening.incident.opened_at.isoformat()


def test_a_column_stays_that_agrees_with_another_one_that_stays() -> None:
    names = ("failed", "latency", "cost")
    (opening,) = decide(
        [by("failed", m2=1.0, m3=0.2), *(replace(finding(0.9), column=one) for one in names[1:])], AlertHistory()
    )
    rows = [by("failed", m2=1.0, m3=0.2), by("latency", m2=1.0, m3=1.0), by("cost", m2=0.2, m3=1.0)]
    assert columns_of(decide(rows, AlertHistory(open={"traffic": opening.incident}))) == [set(names)]
