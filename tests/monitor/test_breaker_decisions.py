"""What a bucket does to breakers: what each sees of budgets, rates and rules, and whom its transitions are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from detectors.cost.breaker import Breaker
from detectors.cost.budget import SpendTotals
from detectors.cost.ledger import ALL, MISSING, OTHER, CostSummary
from monitor.actions import breakers
from monitor.actions.breaker_actions import plan_transition
from monitor.actions.breaker_values import budget_column, stored_value
from monitor.actions.breakers import (
    BreakerInput,
    BreakerUpdate,
    evaluate_breakers,
    firing_after,
    observe_breaker,
    silence_name,
)
from monitor.config.models import Monitor
from monitor.config.money import BreakerSpec
from monitor.core.incident import Decision
from monitor.core.schedule import Bucket
from monitor.profiling.spend import SpendState
from monitor.sources.protection import Protection
from tests.support.decisions import HOUR, MINUTE, SLACK, START, incident_of, monitor_of, webhook

NOON = START + timedelta(days=9, hours=12)
BUCKET = Bucket(NOON - MINUTE, NOON)
DAY, MONTH = START + timedelta(days=9), START
MIDNIGHT, NEXT_MONTH = START + timedelta(days=10), START + timedelta(days=30)


def breaker_of(**settings: Any) -> tuple[Monitor, BreakerSpec]:
    spend = settings.pop("spend", {"daily": 100})
    breaker = {"name": "guard", "do": ["slack"], **settings}
    monitor = monitor_of({"breakers": [breaker], "checks": [{"spend": spend}], "signals": ["failed"]})
    return monitor, monitor.breakers[0]


def spending(day: float, month: float | None = None, newest: float = 0.0, **values: float) -> SpendState:
    """Return what was spent of a day and of a month, in all and by tenant."""
    parts = {ALL: SpendTotals(newest, 1), **{("tenant", name): SpendTotals(newest, 1) for name in values}}
    by = {name: SpendTotals(amount, 1) for name, amount in values.items()}
    return SpendState(
        NOON,
        CostSummary(parts),
        {DAY: SpendTotals(day, 10), MONTH: SpendTotals(day if month is None else month, 10)},
        {("tenant", DAY): by, ("tenant", MONTH): by},
    )


def seen_of(
    settings: Mapping[str, Any],
    spent: SpendState | None = None,
    rates: Mapping[str, tuple[float, int]] | None = None,
    firing: Sequence[str] = (),
    stood: Mapping[tuple[str, str], Breaker] | None = None,
    now: datetime = NOON,
) -> dict[str, Any]:
    monitor, spec = breaker_of(**settings)
    return observe_breaker(monitor, spec, BUCKET, BreakerInput(stood or {}, spent, rates or {}, frozenset(firing)), now)


def stands(state: Any, since: datetime = NOON - 3 * MINUTE, name: str = "guard", value: str = "", **more: Any) -> Any:
    return {(name, value): Breaker(state, since, "before", number=1, episode=since, **more)}


# ---- budgets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "newest", "late", "ahead", "bad"),
    [
        (99.9, 0.0, 0, 0.0, False),
        (100.0, 0.0, 0, 0.0, True),
        (95.0, 30.0, 0, 0.0, False),
        (99.0, 30.0, 0, 0.0, True),  # two seconds of thirty a minute are one
        (98.9, 30.0, 0, 0.0, False),
        (85.0, 30.0, 28, 0.0, True),
        (84.9, 30.0, 28, 0.0, False),
        (70.0, 30.0, 3600, 0.0, True),  # never more than a bucket
        (69.9, 30.0, 3600, 0.0, False),
        (98.9, 30.0, -500, 0.0, False),
        (69.0, 30.0, 0, 1.0, True),
        (68.9, 30.0, 0, 1.0, False),
    ],
)
def test_a_budget_is_gone_by_what_is_known_and_the_time_since(
    day: float, newest: float, late: float, ahead: float, bad: bool
) -> None:
    settings = {"budget": "spend", "ahead": ahead}
    found = seen_of(settings, spending(day, newest=newest), now=NOON + timedelta(seconds=late))
    assert (found.keys(), found[""].bad) == ({""}, bad)
    assert found[""].until == MIDNIGHT


def test_of_two_budgets_the_one_that_is_gone_longest_counts() -> None:
    settings = {"budget": "spend", "spend": {"daily": 100, "monthly": 500}}
    for day, month, until in ((100, 400, MIDNIGHT), (50, 500, NEXT_MONTH), (100, 500, NEXT_MONTH)):
        found = seen_of(settings, spending(day, month))[""]
        assert (found.bad, found.until) == (True, until)
    fine = seen_of(settings, spending(50, 400))[""]
    assert (fine.bad, fine.reason) == (False, "50.00 of the daily budget of 100.00 USD are spent")


def test_without_an_account_nothing_can_be_said() -> None:
    for nothing in (None, replace(spending(1), bill=CostSummary())):
        found = seen_of({"budget": "spend"}, nothing)[""]
        assert (found.bad, found.reason) == (None, "no column has the cost of requests")
    monitor, spec = breaker_of(budget="spend")
    other = spec.model_copy(update={"budget": "other"})
    assert observe_breaker(monitor, other, BUCKET, BreakerInput(spending=spending(500)), NOON)[""].bad is None


BY = {"budget": "spend", "spend": {"by": "tenant", "daily": 10}}


def test_each_value_has_a_budget_of_its_own() -> None:
    found = seen_of(BY, spending(100, a=10.0, b=9.0, c=12.0, **{MISSING: 99.0, OTHER: 99.0}))
    assert {value: seen.bad for value, seen in found.items()} == {"a": True, "c": True}
    stood = {**stands("open", value="b"), **stands("closed", value="d"), **stands("open", name="other", value="e")}
    found = seen_of(BY, spending(100, a=10.0, b=9.0), stood=stood)
    assert {value: seen.bad for value, seen in found.items()} == {"a": True, "b": False}
    assert found["b"].reason == "9.00 of the daily budget of 10.00 USD are spent"
    gone = seen_of(BY, spending(100), stood=stands("open", value="z"))
    assert (gone["z"].bad, gone["z"].reason) == (False, "0.00 of the daily budget of 10.00 USD are spent")


def test_a_value_may_have_a_budget_of_a_day_or_of_a_month_or_none_any_more() -> None:
    of_day = replace(spending(100, a=20.0), values={("tenant", DAY): {"a": SpendTotals(20.0, 1)}})
    of_month = replace(of_day, values={("tenant", MONTH): {"a": SpendTotals(20.0, 1)}, ("tenant", DAY): {}})
    monthly = {"budget": "spend", "spend": {"by": "tenant", "limits": {"a": {"monthly": 20}}}}
    for settings, spent, until in ((BY, of_day, MIDNIGHT), (monthly, of_month, NEXT_MONTH)):
        found = seen_of(settings, spent)
        assert {value: (seen.bad, seen.until) for value, seen in found.items()} == {"a": (True, until)}
    gone = seen_of(monthly, of_month, stood=stands("open", value="b"))["b"]
    assert (gone.bad, gone.reason) == (False, "no budget is configured")


def test_the_column_of_a_budget_is_that_of_its_check() -> None:
    assert budget_column(*breaker_of(**BY)) == "tenant"
    assert budget_column(*breaker_of(budget="spend")) is None
    assert budget_column(*breaker_of(rule="drift", spend={"by": "tenant", "daily": 10})) is None


def test_a_value_that_must_not_be_stored_is_known_by_its_pseudonym() -> None:
    monitor, spec = breaker_of(**BY)
    address = "jane@example.com"
    assert stored_value(monitor, spec, address) == Protection.of(monitor).pseudonym(address) != address
    assert [stored_value(monitor, spec, value) for value in ("acme", "")] == ["acme", ""]
    hidden = monitor.model_copy(update={"classes": {"tenant": "identifier"}})
    assert stored_value(hidden, spec, "acme") != "acme"
    assert stored_value(hidden, spec, "") == ""
    assert stored_value(monitor, breaker_of(rule="drift")[1], address) == address


def test_the_pace_of_a_value_is_its_own() -> None:
    found = seen_of({**BY, "ahead": 1.0}, spending(100, newest=3.0, a=7.0, b=6.8))
    assert found.keys() == {"a"}
    still = replace(spending(100, a=9.9), bill=CostSummary({ALL: SpendTotals(9.0, 1)}))
    assert seen_of({**BY, "ahead": 1.0}, still) == {}


def test_so_many_values_open_at_once_and_the_rest_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers, "MOST_OPENED", 3)
    many = {f"t{n}": 20.0 for n in range(5)}
    assert sorted(seen_of(BY, spending(100, **many))) == ["t0", "t1", "t2"]
    stood = {**stands("open", value="t0"), **stands("open", value="t1")}
    assert sorted(seen_of(BY, spending(100, **many), stood=stood)) == ["t0", "t1", "t2", "t3", "t4"]


# ---- rates and rules -----------------------------------------------------------------------------------------------

RATE = {"rate": "failed", "above": 0.2, "min_samples": 20, "min_probes": 5}


@pytest.mark.parametrize(
    ("total", "count", "state", "bad"),
    [
        (5.0, 20, None, True),
        (4.0, 20, None, False),
        (5.0, 19, None, None),
        (0.0, 0, None, None),
        (2.0, 5, "half_open", True),
        (1.0, 5, "half_open", False),
        (2.0, 4, "half_open", None),
        (2.0, 5, "open", None),
        (2.0, 5, "closed", None),
    ],
)
def test_a_rate_needs_enough_requests_and_fewer_probes(total: float, count: int, state: Any, bad: bool | None) -> None:
    stood = stands(state) if state else None
    assert seen_of(RATE, rates={"failed": (total, count), "slow": (9.0, 9)}, stood=stood)[""].bad is bad


def test_a_rate_that_nobody_measured_is_not_known() -> None:
    assert seen_of({**RATE, "min_samples": 1})[""].bad is None
    assert seen_of({**RATE, "min_samples": 1}, rates={"failed": (0.3, 1)})[""].bad is True
    assert seen_of(RATE, rates={"failed": (5.0, 20)})[""].reason == (
        "the mean of failed was 0.25 over 20 requests; 0.2 is allowed"
    )


@pytest.mark.parametrize(
    ("firing", "state", "minutes", "bad"),
    [
        (["drift"], None, 0, True),
        (["other"], None, 0, False),
        ([], "half_open", 1, False),
        (["drift"], "open", 1, True),
        (["drift"], "half_open", 4, None),
        (["drift"], "half_open", 5, True),
    ],
)
def test_a_rule_is_believed_once_the_window_holds_nothing_but_probes(
    firing: list[str], state: Any, minutes: int, bad: bool | None
) -> None:
    stood = stands(state, NOON - minutes * MINUTE) if state else None
    seen = seen_of({"rule": "drift"}, firing=firing, stood=stood)[""]
    assert seen.bad is bad
    assert "drift" in seen.reason


def test_rules_that_fire_are_those_after_the_bucket() -> None:
    one, two = incident_of(), incident_of(id="i-2", rule="slo")
    over = Decision(replace(two, state="resolved"), "resolved", "")
    begun = Decision(incident_of(id="i-3", rule="quality"), "firing", "")
    waiting = Decision(incident_of(id="i-4", rule="pending", state="pending"), "pending", "")
    assert firing_after([one, two], [over, begun, waiting]) == {"drift", "quality"}
    assert firing_after([one, two], []) == {"drift", "slo"}


# ---- transitions ---------------------------------------------------------------------------------------------------


def broken(stood: Mapping[tuple[str, str], Breaker], firing: Sequence[str], **more: Any) -> BreakerUpdate:
    monitor, _ = breaker_of(rule="drift", open_for="5m", **more.pop("settings", {}))
    specs = {"r": webhook("notify"), "slack": SLACK}
    return evaluate_breakers(
        monitor, BUCKET, BreakerInput(stood, firing=frozenset(firing), **more), specs, NOON + MINUTE
    )


def test_what_changes_is_recorded_and_told() -> None:
    opened = broken({}, ["drift"])
    assert (opened.at, opened.names) == (NOON, ["guard"])
    assert opened.before == {("guard", ""): None}
    assert opened.after == {
        ("guard", ""): Breaker(
            "open", NOON, "an incident of drift is firing", NOON + 5 * MINUTE, number=1, episode=NOON
        )
    }
    assert [action.kind for action in opened.actions["guard", ""]] == ["firing"]
    calm = broken({}, [])
    assert (calm.before, calm.after, calm.actions) == ({}, {}, {})
    before = stands("open", NOON - 5 * MINUTE, until=NOON)
    tried = broken(before, ["drift"])
    assert tried.before == before
    assert tried.after["guard", ""].state == "half_open"
    assert [action.kind for action in tried.actions["guard", ""]] == ["update"]
    closed = broken(stands("half_open"), [])
    assert closed.after["guard", ""].state == "closed"
    assert [action.kind for action in closed.actions["guard", ""]] == ["resolved"]


def test_what_is_not_closed_is_told_again_under_the_same_id_and_a_silence_keeps_it() -> None:
    going = broken(stands("open", until=NOON + MINUTE), ["drift"])
    assert (going.before, going.after) == ({}, {})
    again = broken(stands("open", until=NOON + 2 * MINUTE), ["drift"])
    assert [one.id for one in going.actions["guard", ""]] == [one.id for one in again.actions["guard", ""]]
    assert broken(stands("closed"), []).actions == {}
    silent = broken({}, ["drift"], silenced=["guard"])
    assert silent.after["guard", ""].state == "open"
    assert silent.actions == {}
    assert broken({}, ["drift"], silenced=["other"]).actions != {}


def test_the_breaker_of_a_value_is_told_with_its_value() -> None:
    monitor, _ = breaker_of(**BY)
    opened = evaluate_breakers(monitor, BUCKET, BreakerInput(spending=spending(100, acme=10.0)), {"slack": SLACK}, NOON)
    (told,) = opened.actions["guard", "acme"]
    assert told.payload["data"]["breaker"]["value"] == "acme"


def test_a_budget_stays_open_until_it_is_renewed() -> None:
    monitor, _ = breaker_of(budget="spend")
    opened = evaluate_breakers(monitor, BUCKET, BreakerInput(spending=spending(100)), {}, NOON)
    assert opened.after["guard", ""].until == MIDNIGHT
    renewed = evaluate_breakers(monitor, BUCKET, BreakerInput(opened.after, spending(1)), {}, NOON)
    assert renewed.after["guard", ""].state == "closed"


def told(state: Any, value: str = "", who: str | None = None, **settings: Any) -> list[Any]:
    monitor, spec = breaker_of(rule="drift", **settings)
    specs = {"r": webhook("notify"), "d": webhook("notify", dry_run=True), "slack": SLACK}
    breaker = Breaker(state, NOON, "because", NOON + HOUR, who, number=3, episode=NOON - HOUR)
    return plan_transition(monitor, spec, value, breaker, specs, NOON + MINUTE)


@pytest.mark.parametrize(
    ("state", "kind", "severity", "words", "summary"),
    [
        (
            "open",
            "firing",
            "critical",
            "is open: requests are refused",
            "Critical since 2026-11-10 12:00 UTC: because. It stays so until 13:00 UTC. "
            "To allow requests at once: `driftd breakers close guard --reason …`",
        ),
        ("half_open", "update", "warning", "is half-open: probes are allowed", "Since 2026-11-10 12:00 UTC: because."),
        (
            "closed",
            "resolved",
            "warning",
            "is closed again: requests are allowed",
            "Since 2026-11-10 12:00 UTC: because.",
        ),
    ],
)
def test_a_transition_is_told_to_slack_and_to_webhooks(
    state: str, kind: str, severity: str, words: str, summary: str
) -> None:
    slack, hook, dry = told(state, do=["slack", "r", "gone", "d"])
    assert [(one.name, one.kind, one.dry_run) for one in (slack, hook, dry)] == [
        ("slack", kind, False),
        ("r", "breaker", False),
        ("d", "breaker", True),
    ]
    for one in (slack, hook, dry):
        assert (one.monitor, one.mode, one.state, one.sequence) == ("bot", "auto", "pending", 3)
        assert (one.created_at, one.not_after) == (NOON + MINUTE, NOON + MINUTE + timedelta(hours=24))
        assert one.reason == "every transition is announced"
    assert slack.payload == {
        "type": f"driftd.breaker.{state}",
        "timestamp": NOON.isoformat(),
        "data": {
            "monitor": "bot",
            "severity": severity,
            "headline": f"bot: breaker guard {words}",
            "summary": summary,
            "breaker": {
                "name": "guard",
                "value": None,
                "state": state,
                "number": 3,
                "since": NOON.isoformat(),
                "until": (NOON + HOUR).isoformat(),
                "reason": "because",
                "by": None,
            },
        },
    }
    assert len({one.id for one in (slack, hook, dry)}) == 3
    assert len({one.incident for one in (slack, hook, dry)}) == 1


def test_a_value_and_a_person_are_named() -> None:
    (action,) = told("open", "acme", "ann")
    assert action.payload["data"]["headline"] == "bot: breaker guard for acme is open: requests are refused"
    assert action.payload["data"]["summary"].startswith("Critical since 2026-11-10 12:00 UTC, by ann: because.")
    assert action.payload["data"]["breaker"]["value"] == "acme"
    assert action.payload["data"]["breaker"]["by"] == "ann"


def test_an_episode_is_that_of_a_value_from_its_beginning_to_its_end() -> None:
    monitor, spec = breaker_of(rule="drift")
    opened = Breaker("open", NOON, "because", number=1, episode=NOON)
    tried = Breaker("half_open", NOON + HOUR, "because", number=2, episode=NOON)
    later = Breaker("open", NOON + 2 * HOUR, "because", number=3, episode=NOON + 2 * HOUR)
    first = Breaker("open", NOON, "because", number=1)
    receivers = {"slack": SLACK}
    made = [
        plan_transition(monitor, spec, "", each, {"slack": SLACK}, NOON)[0] for each in (opened, tried, later, first)
    ]
    assert made[0].incident == made[1].incident == made[3].incident != made[2].incident
    assert made[0].id != made[1].id
    assert plan_transition(monitor, spec, "acme", opened, {"slack": SLACK}, NOON)[0].incident != made[0].incident
    assert (
        plan_transition(monitor, spec.model_copy(update={"name": "other"}), "", opened, receivers, NOON)[0].id
        != made[0].id
    )
    assert made[0].payload["data"]["breaker"]["until"] is None
    assert silence_name(spec) == "breaker.guard"
