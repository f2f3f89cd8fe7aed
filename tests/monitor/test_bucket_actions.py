"""What a whole bucket leads to: the incidents with when people were notified, messages, verdicts and breakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from detectors.cost.breaker import Breaker
from detectors.cost.ledger import CostSummary
from detectors.quality.traffic import Traffic
from monitor.actions import bucket, decide_and_plan
from monitor.actions.breakers import BreakerInput
from monitor.actions.identity import identity
from monitor.actions.notifications import thread_key
from monitor.actions.plan_actions import ActionPlan, plan_actions
from monitor.actions.plan_context import PlanContext
from monitor.actions.retraining_context import RetrainingInput
from monitor.alerting.decide import decide
from monitor.alerting.decisions import Decisions
from monitor.alerting.muting import Muting
from monitor.alerting.verdicts import VerdictChange, find_new_verdicts
from monitor.checks.baseline import Baseline
from monitor.checks.comparisons import ComparisonUpdate
from monitor.config.models import Monitor
from monitor.core.action import Action, AlertHistory
from monitor.core.incident import Decision
from monitor.core.matchers import Silence
from monitor.core.schedule import Bucket
from monitor.profiling.spend import SpendState
from tests.support.decisions import (
    BUCKET,
    HOUR,
    MINUTE,
    SLACK,
    SPEC,
    START,
    evidence_of,
    finding,
    incident_of,
    monitor_of,
    past,
    silence_of,
    version,
    webhook,
)

RECEIVERS = {"slack": SLACK, "r": SPEC, "train": webhook("retrain"), "hook": webhook("notify", dry_run=True)}
EXPERIMENT = {"name": "e", "control": "a", "treatments": ["b", "c"], "from": START, "metrics": ["solved"]}
SHADOW = {"name": "s", "champion": "a", "challenger": "b", "join": "id", "from": START}
WON = {"verdict": "win", "announced": None, "reason": "because"}
LOST = {"verdict": "lose", "announced": "win", "reason": "because", "pairs": 120}


def planned(
    incidents: list[Decision],
    past_of: AlertHistory | None = None,
    monitor: Monitor | None = None,
    verdicts: list[VerdictChange] | None = None,
    **context: Any,
) -> ActionPlan:
    """Plan a bucket a minute after its end."""
    found = [finding(0.3)]
    known = PlanContext(past_of or AlertHistory(), BUCKET, START + MINUTE, **context)
    return plan_actions(
        monitor or monitor_of(do=["slack", "r"]), RECEIVERS, Decisions(found, incidents, verdicts or []), known
    )


def names(actions: Any) -> list[tuple[str, str, str]]:
    return [(one.incident, one.name, one.kind) for one in actions]


# ---- incidents ---------------------------------------------------------------------------------------------------


def test_every_incident_gets_its_messages_and_effects_and_a_silenced_one_none() -> None:
    first, second = incident_of(), incident_of(id="i-2")
    silenced = Decision(incident_of(id="i-3"), "firing", "novelty rose", mute="silenced by #7")
    plan = planned([Decision(first, "firing", "novelty rose"), silenced, Decision(second, "firing", "novelty rose")])
    assert names(plan.actions) == [
        ("i-1", "slack", "firing"),
        ("i-1", "r", "rollback"),
        ("i-2", "slack", "firing"),
        ("i-2", "r", "rollback"),
    ]
    assert [one.incident.id for one in plan.incidents] == ["i-1", "i-3", "i-2"]
    assert [one.incident.notified_at for one in plan.incidents] == [START, None, START]
    assert plan.incidents[1] is silenced
    assert (plan.announced, plan.breakers) == ({}, None)


def test_actions_are_numbered_by_those_before_them_and_go_back_to_what_was_good() -> None:
    history = AlertHistory(
        sequences={"i-1": 4, "other": 9},
        versions=[version("big", 48), version("mid", 24)],
        blamed=["mid"],
    )
    told, effect = planned([Decision(incident_of(), "firing", "")], history).actions
    assert (told.sequence, effect.sequence) == (4, 4)
    assert told.id == identity("i-1", "slack", "firing", 4)
    assert effect.payload["data"]["target"] == {"model_version": "big", "last_seen": START.isoformat(), "rows": 1000}
    assert (told.created_at, effect.created_at) == (START + MINUTE, START + MINUTE)
    (new, _) = planned([Decision(incident_of(), "firing", "")]).actions
    assert new.sequence == 0


def test_people_are_reminded_as_the_rule_says_and_missed_effects_need_a_bad_bucket() -> None:
    old = evidence_of(since=(START - 4 * HOUR).isoformat())
    told = incident_of(notified_at=START - 3 * HOUR, bad=1, evidence={"k": old})
    rows = [
        replace(past("delivered", 3 * HOUR), name="slack", kind="firing", incident="i-1"),
        past("expired", HOUR, incident="i-1", missed=True, sequence=1),
    ]
    monitor = monitor_of(do=["slack", "r"], repeat_interval="2h")
    for before, kinds in (({}, ["reminder", "rollback"]), ({"drift": told}, ["reminder"])):
        plan = planned([Decision(told, None, "")], AlertHistory(open=before, past=rows), monitor)
        assert [one.kind for one in plan.actions] == kinds


def test_an_incident_that_nobody_heard_of_is_announced_whatever_was_sent_about_others() -> None:
    rows = [past("delivered", HOUR, incident="other", observed=None)]
    assert names(planned([Decision(incident_of(), None, "")], AlertHistory(past=rows)).actions) == [
        ("i-1", "slack", "firing"),
        ("i-1", "r", "rollback"),
    ]
    own = [replace(row, incident="i-1") for row in rows]
    assert names(planned([Decision(incident_of(), None, "")], AlertHistory(past=own)).actions) == [
        ("i-1", "slack", "firing")
    ]
    over = incident_of(state="resolved", resolved_at=START, evidence={})
    assert names(planned([Decision(over, "resolved", "")]).actions) == [("i-1", "slack", "resolved")]


def test_not_seeing_is_told_to_the_owners_of_the_pipe() -> None:
    monitor = monitor_of({"no_data": {"do": ["hook"]}}, do=["slack", "r"])
    blind = incident_of(rule="no_data", group="no_data", evidence={})
    assert names(planned([Decision(blind, "firing", "")], monitor=monitor).actions) == [("i-1", "hook", "firing")]


def test_a_retraining_is_sent_with_what_drifted_and_where_the_records_are() -> None:
    monitor = monitor_of(do=["slack", "train"])
    counts = [(START - 2 * MINUTE, 100, 10), (START - HOUR, 7, 7)]
    data: Any = SimpleNamespace(
        bucket=BUCKET,
        profiled=SimpleNamespace(
            counts=SimpleNamespace(rows=50, labels=5), facts=SimpleNamespace(schema={"novelty": "numeric"})
        ),
        window=SimpleNamespace(traffic=SimpleNamespace(bucket_rows=[300, 200])),
        baseline=Baseline(1, "l", {}, {}, Traffic(), 10, START - 48 * HOUR, START - 24 * HOUR),
        history=SimpleNamespace(counts=counts, of_baseline=(9000, 900), measured=()),
        reader=SimpleNamespace(condition=lambda start, end: (f"{start:%d %H:%M} {end:%d %H:%M}", True), dialect="sql"),
    )
    first, second = incident_of(opened_at=START - 2 * MINUTE), incident_of(id="i-2", opened_at=START)
    missed = past("expired", HOUR, incident="i-2", kind="retrain", name="train", missed=True)
    plan = planned(
        [Decision(first, "firing", ""), Decision(replace(second, notified_at=START), None, "")],
        AlertHistory(past=[missed]),
        monitor,
        retraining=data,
    )
    asked = {one.incident: one.payload["data"]["retraining"] for one in plan.actions if one.kind == "retrain"}
    assert [(one["since"], [each["rows"] for each in one["windows"]]) for one in asked.values()] == [
        ("2026-10-31T23:57:00Z", [150, 9000]),
        ("2026-10-31T23:59:00Z", [50, 9000]),
    ]
    assert list(asked) == ["i-1", "i-2"]
    (drifted,) = asked["i-1"]["drifted"]
    assert (drifted["column"], drifted["statistic"]) == ("novelty", 0.3)
    assert asked["i-1"]["windows"][0]["condition"] == "31 23:57 01 00:00"
    bare = planned([Decision(first, "firing", "")], monitor=monitor)
    assert bare.actions[1].payload["data"]["retraining"] is None


# ---- verdicts ----------------------------------------------------------------------------------------------------


def compared(silences: Sequence[Silence] = (), **reports: Any) -> list[VerdictChange]:
    """Return the verdicts that are news, of the reports of a shadow `s` and of an experiment `e`."""
    kinds = {"s": "shadow", "e": "experiment", "f": "experiment"}
    update: Any = SimpleNamespace(reports={(kinds[name], name): report for name, report in reports.items()})
    return find_new_verdicts(update, Muting(monitor_of(), silences, START))


def test_a_verdict_is_news_until_it_was_announced_and_nobody_hears_of_a_silenced_one() -> None:
    told = {**WON, "announced": "win"}
    reports = {"e": {"b": WON, "c": told, "rows": 9}, "s": LOST, "f": {"b": WON}}
    news = [
        VerdictChange("experiment", "e", "b", {**WON, "announced": "win"}),
        VerdictChange("shadow", "s", "", {**LOST, "announced": "lose"}),
        VerdictChange("experiment", "f", "b", {**WON, "announced": "win"}),
    ]
    assert compared(**reports) == news
    assert compared([silence_of(1, rule="experiment.e")], **reports) == news[1:]
    assert compared([silence_of(1, check="shadow", severity="warning"), silence_of(2, rule="e")], **reports) == [
        news[0],
        news[2],
    ]
    assert compared(s={**LOST, "announced": "lose"}) == []
    assert find_new_verdicts(ComparisonUpdate(), Muting(monitor_of(), [], START)) == []


def announced(history: AlertHistory, changes: list[VerdictChange], **do: list[str]) -> ActionPlan:
    settings = {
        "experiments": [{**EXPERIMENT, "name": "other"}, {**EXPERIMENT, "do": do.get("e", ["slack", "hook"])}],
        "shadows": [{**SHADOW, "name": "other"}, {**SHADOW, "do": do.get("s", ["slack"])}],
    }
    return planned([], history, monitor_of(settings), changes)


def test_a_verdict_is_told_once_to_each_receiver_of_its_comparison() -> None:
    thread, beside = thread_key("bot", "e", "b"), thread_key("bot", "s", "b", "shadow")
    history = AlertHistory(sequences={thread: 2, beside: 5})
    plan = announced(history, compared(e={"b": WON, "c": WON}, s=LOST))
    assert names(plan.actions) == [
        (thread, "slack", "verdict"),
        (thread, "hook", "verdict"),
        (thread_key("bot", "e", "c"), "slack", "verdict"),
        (thread_key("bot", "e", "c"), "hook", "verdict"),
        (beside, "slack", "verdict"),
    ]
    assert plan.announced == {("experiment", "e"): ["b", "c"], ("shadow", "s"): [""]}
    first, dry, other, _, shadow = plan.actions
    assert [one.sequence for one in (first, other, shadow)] == [2, 0, 5]
    assert [one.dry_run for one in (first, dry)] == [False, True]
    assert (first.created_at, first.not_after) == (START, None)
    assert (shadow.created_at, shadow.not_after) == (START + MINUTE, START + MINUTE + 24 * HOUR)
    assert first.payload["timestamp"] == shadow.payload["timestamp"] == START.isoformat()
    assert first.payload["data"]["experiment"] == {
        "name": "e",
        "control": "a",
        "treatment": "b",
        **WON,
        "announced": "win",
    }
    assert shadow.payload["data"]["headline"] == "bot: shadow s: b is worse than a"
    assert plan.incidents == []


def test_a_comparison_without_receivers_announces_nothing_and_one_whose_receivers_are_gone_is_done() -> None:
    changes = compared(e={"b": WON}, s=LOST)
    nobody = announced(AlertHistory(), changes, e=[], s=[])
    assert (nobody.actions, nobody.announced) == ([], {})
    gone = announced(AlertHistory(), changes, e=["gone"], s=["gone", "slack", "slack"])
    assert [one.name for one in gone.actions] == ["slack"]
    assert gone.announced == {("experiment", "e"): ["b"], ("shadow", "s"): [""]}


def test_messages_about_incidents_come_before_verdicts() -> None:
    monitor = monitor_of({"shadows": [{**SHADOW, "do": ["slack"]}]})
    plan = planned([Decision(incident_of(), "firing", "")], None, monitor, compared(s=LOST))
    assert [one.kind for one in plan.actions] == ["firing", "verdict"]


# ---- breakers ----------------------------------------------------------------------------------------------------


def broken(history: AlertHistory, decisions: list[Decision], inputs: BreakerInput | None = None) -> Any:
    breakers = [
        {"name": "guard", "rule": "drift", "do": ["slack"]},
        {"name": "other", "rule": "slo", "do": ["slack"]},
        {"name": "rate", "rate": "failed", "above": 0.2, "min_samples": 20, "do": ["slack"]},
    ]
    monitor = monitor_of({"breakers": breakers, "signals": ["failed"]}, do=[])
    return planned(decisions, history, monitor, breakers=BreakerInput() if inputs is None else inputs).breakers


def opened(update: Any) -> dict[str, list[Action]]:
    return {name: update.actions.get((name, ""), []) for name, _ in update.after}


def test_a_breaker_follows_the_rules_that_fire_after_the_bucket() -> None:
    firing = [Decision(incident_of(), "firing", "")]
    update = broken(AlertHistory(), firing)
    assert {name: [one.kind for one in actions] for name, actions in opened(update).items()} == {"guard": ["firing"]}
    assert [one.created_at for one in opened(update)["guard"]] == [START + MINUTE]
    standing = incident_of(id="s", rule="slo")
    assert set(opened(broken(AlertHistory(open={"slo": standing}), firing))) == {"guard", "other"}
    assert set(opened(broken(AlertHistory(older=[standing]), firing))) == {"guard", "other"}
    over = Decision(replace(standing, state="resolved", resolved_at=START), "resolved", "")
    assert opened(broken(AlertHistory(open={"slo": standing}), [over])) == {}


def test_a_breaker_is_given_what_was_measured_and_a_silence_keeps_it_quiet() -> None:
    failing = BreakerInput({("guard", ""): Breaker("closed", START - HOUR, "before")}, rates={"failed": (10.0, 20)})
    assert set(opened(broken(AlertHistory(), [], failing))) == {"rate"}
    silent = broken(
        AlertHistory(silences=[silence_of(3, rule="breaker.rate"), silence_of(4, rule="guard")]), [], failing
    )
    assert opened(silent) == {"rate": []}
    assert silent.names == ["guard", "other", "rate"]


def test_breakers_are_left_as_they_are_where_nothing_is_known_or_there_are_none() -> None:
    firing = [Decision(incident_of(evidence={"k": evidence_of()}), "firing", "")]
    breakers = [{"name": "guard", "rule": "drift"}]
    assert planned(firing, None, monitor_of({"breakers": breakers})).breakers is None
    assert planned(firing, breakers=BreakerInput()).breakers is None


# ---- what planning is given ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [None, "baseline", "window", "retraining"])
def test_a_bucket_is_planned_from_what_was_observed_and_stored(
    missing: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(bucket, "plan_actions", lambda *given: asked.append(given))
    parts: dict[str, Any] = {
        name: None if name == missing else object() for name in ("baseline", "window", "retraining")
    }
    profiled: Any = SimpleNamespace(bill=SimpleNamespace(rates={"failed": (1.0, 2)}))
    plan: Any = SimpleNamespace(
        monitor=monitor_of(), receivers=RECEIVERS, reference=lambda at: parts["baseline"] if at == BUCKET else at
    )
    source: Any = SimpleNamespace(now=lambda: START + MINUTE, reader=object())
    observed: Any = SimpleNamespace(bucket=BUCKET, profiled=profiled)
    evaluation: Any = SimpleNamespace(window=parts["window"])
    history, spending = AlertHistory(sequences={"i-1": 7}), SpendState(START, CostSummary({}), {})
    breakers = {("guard", ""): Breaker("open", START, "spent")}
    state = bucket.ActionState(history, breakers, spending, parts["retraining"])
    decisions = Decisions()
    bucket.plan_bucket(source, plan, observed, evaluation, decisions, state)
    profiled.bill = None
    bucket.plan_bucket(source, plan, observed, evaluation, decisions, state)
    known = (BUCKET, profiled, parts["window"], parts["baseline"], parts["retraining"], source.reader)
    retraining = None if missing else RetrainingInput(*known)
    for given, rates in zip(asked, ({"failed": (1.0, 2)}, {}), strict=True):
        inputs = BreakerInput(breakers, spending, rates)
        context = PlanContext(history, BUCKET, START + MINUTE, retraining, inputs)
        assert given == (plan.monitor, RECEIVERS, decisions, context)


def test_the_verdicts_of_comparisons_are_planned_at_the_end_of_the_last_counted_bucket_by_no_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buckets: list[Bucket] = []
    monkeypatch.setattr(
        decide_and_plan,
        "decide",
        lambda *given: buckets.append(given[-1]) or decide(*given),  # type: ignore[func-returns-value]
    )
    monitor = monitor_of({"shadows": [{**SHADOW, "do": ["slack"]}]})
    counts: Any = [
        SimpleNamespace(start=START + place * MINUTE, key=("shadow", "s"), report=WON if place else None)
        for place in range(3)
    ]
    update = ComparisonUpdate(counts, [finding(0.3)], step=MINUTE)
    history = AlertHistory(sequences={thread_key("bot", "s", "b", "shadow"): 4})
    made = decide_and_plan.plan_comparisons(monitor, RECEIVERS, update, history, START + HOUR)
    assert made.incidents == []
    (verdict,) = made.actions
    assert (verdict.name, verdict.kind, verdict.sequence) == ("slack", "verdict", 4)
    assert (verdict.created_at, verdict.payload["timestamp"]) == (START + HOUR, (START + 3 * MINUTE).isoformat())
    assert buckets == [Bucket(START + 2 * MINUTE, START + 3 * MINUTE)]
