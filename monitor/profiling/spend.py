"""Money in the engine: the bill of a bucket, and its budgets. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from detectors.base import Finding, Status
from detectors.cost.budget import (
    PERIODS,
    Period,
    SpendScope,
    SpendTotals,
    against_budget,
    bounds,
    burning,
    find_unassigned,
    overrun,
    per_request,
)
from detectors.cost.forecast import Forecast
from detectors.cost.ledger import MISSING, OTHER, CostAccumulator, CostSummary
from monitor.config.checks import SpendConfig
from monitor.config.models import Monitor

MOST_SHOWN = 20
"""Values of a column that have a finding, beside those whose budget is gone."""
MOST_GONE = 200
MOST_FORESEEN = 5
"""Values of a budget and period that are forecast: those that have used most of theirs and not all."""
NO_LEDGER = "not_measured: budgets are held against the daemon's ledger, which a single check does not have"


@dataclass(frozen=True)
class Spending:
    """What budgets ask for at the end of a bucket: sums since several moments, in all and by value, and its bill."""

    end: datetime
    bill: CostSummary
    since: Mapping[datetime, SpendTotals]
    values: Mapping[tuple[str, datetime], Mapping[str, SpendTotals]] = field(default_factory=dict)
    ends: Mapping[str, Mapping[Period, Forecast | None]] = field(default_factory=dict)
    """Forecasts of the day's and the month's end, by zone."""
    ends_of: Mapping[tuple[str, str, str], Mapping[Period, Forecast | None]] = field(default_factory=dict)
    """The same of single values, by zone, column and value."""


def till(monitor: Monitor, schema: Collection[str]) -> CostAccumulator | None:
    """Return what counts a bucket's money, and the rates that breakers watch; None where nobody asks."""
    rates = {spec.rate for spec in monitor.breakers if spec.rate}
    if not monitor.budgets and not rates:
        return None
    by: dict[str, set[str]] = {}
    for check in monitor.budgets:
        if check.by:
            by.setdefault(check.by, set()).update(check.limits)
    limits = sorted({check.per_request_tokens for check in monitor.budgets if check.per_request_tokens})
    most = max((check.max_values for check in monitor.budgets), default=0)
    known = bool(monitor.budgets) and knows_cost(monitor, schema)
    return CostAccumulator(monitor.money, by, most, limits, rates, has_cost=known)


def knows_cost(monitor: Monitor, schema: Collection[str]) -> bool:
    """Say whether something tells what a request costs: a logged column, or a signal."""
    return monitor.money in schema or monitor.money in monitor.signal_names


def evaluate_budgets(monitor: Monitor, spending: Spending | None) -> Iterator[Finding]:
    """Hold what was spent against every budget; without a column of money nothing can be said."""
    for check in monitor.budgets:
        called = check.finding_name
        if check.per_request_tokens and spending is not None:
            counted = spending.bill.tokens[check.per_request_tokens]
            yield per_request(called, check.per_request_tokens, counted, check.threshold or 0.0)
        elif check.per_request_tokens:
            yield Finding(called, "tokens", "per_request", None, Status.INCONCLUSIVE, NO_LEDGER)
        for period in PERIODS:
            if check.budget(period) is None and not any(check.budget(period, value) for value in check.limits):
                continue
            if spending is None:
                yield Finding(called, monitor.money, period, None, Status.INCONCLUSIVE, NO_LEDGER)
            elif spending.bill.total is None:
                why = f"nothing says what a request costs; log {monitor.money!r} or add the signal `price`"
                yield Finding(called, monitor.money, period, None, Status.INCONCLUSIVE, f"missing_column: {why}")
            elif check.by:
                yield from _by_value(monitor, check, period, spending)
            else:
                yield from _in_all(monitor, check, period, spending)


def _in_all(monitor: Monitor, check: SpendConfig, period: Period, spending: Spending) -> Iterator[Finding]:
    at, budget = spending.end, check.budget(period)
    if budget is None:
        return
    scope = _scope(monitor, check)
    first, _ = bounds(at, period, check.zone)
    end, spent = spending.ends[check.zone][period], spending.since[first]
    yield against_budget(scope, period, budget, at, spent, end)
    if period == "monthly":
        yield overrun(scope, budget, at, end, spent)
        yield burning(scope, budget, at, spending.since)


def _by_value(monitor: Monitor, check: SpendConfig, period: Period, spending: Spending) -> Iterator[Finding]:
    """Yield the values whose budget is gone, then those that are nearest to it, then what no budget can see."""
    at, by = spending.end, str(check.by)
    first, _ = bounds(at, period, check.zone)
    held = spending.values[by, first]
    for value, budget in shares(check, period, held):
        end = spending.ends_of.get((check.zone, by, value), {}).get(period)
        scope, spent = _scope(monitor, check, f"{by}={value}"), held[value]
        yield against_budget(scope, period, budget, at, spent, end)
        if period == "monthly" and end is not None:
            yield overrun(scope, budget, at, end, spent)
    everything = spending.since[first]
    left = {value: spent for value, spent in held.items() if value in (MISSING, OTHER)}
    kept = sum(held.values(), SpendTotals())
    if everything.requests > kept.requests:  # the budget is younger than the period, or its values are too many
        left["not kept apart"] = SpendTotals(
            max(0.0, everything.amount - kept.amount), everything.requests - kept.requests
        )
    found = find_unassigned(_scope(monitor, check, by), period, at, everything, left)
    if found is not None:
        yield found


def _scope(monitor: Monitor, check: SpendConfig, segment: str | None = None) -> SpendScope:
    return SpendScope(check.finding_name, monitor.money, check.zone, check.currency, segment)


def foreseen(check: SpendConfig, period: Period, held: Mapping[str, SpendTotals]) -> list[str]:
    """Return the values whose end of the period is worth a forecast: those nearest to their budget."""
    near = [value for value, budget in shares(check, period, held) if held[value].amount < budget]
    return near[:MOST_FORESEEN]


def shares(check: SpendConfig, period: Period, held: Mapping[str, SpendTotals]) -> list[tuple[str, float]]:
    """Return the values that are shown, with their budgets, those that have used most of theirs first."""
    budgets = {value: check.budget(period, value) for value in held if value not in (MISSING, OTHER)}
    known = [(value, budget) for value, budget in budgets.items() if budget]
    ranked = sorted(known, key=lambda one: (-held[one[0]].amount / one[1], one[0]))
    gone = sum(held[value].amount >= budget for value, budget in ranked)
    return ranked[: max(MOST_SHOWN, min(gone, MOST_GONE))]
