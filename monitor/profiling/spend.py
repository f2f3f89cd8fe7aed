"""Costs of a bucket by value, and the budgets that they are compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from detectors.cost.budget import (
    Period,
    SpendTotals,
)
from detectors.cost.forecast import Forecast
from detectors.cost.ledger import MISSING, OTHER, CostAccumulator, CostSummary
from monitor.config.checks import SpendConfig
from monitor.config.models import Monitor

MOST_SHOWN = 20
"""Maximum number of values of a column with a finding, except those whose budget is exhausted."""
MOST_GONE = 200
MOST_FORESEEN = 5
"""Maximum number of values with a forecast: those nearest to their budget and not over it."""


@dataclass(frozen=True)
class SpendState:
    """Costs for budgets at the end of a bucket: sums since the start of each period, in total and by value."""

    end: datetime
    bill: CostSummary
    since: Mapping[datetime, SpendTotals]
    values: Mapping[tuple[str, datetime], Mapping[str, SpendTotals]] = field(default_factory=dict)
    ends: Mapping[str, Mapping[Period, Forecast | None]] = field(default_factory=dict)
    """Forecasts for the end of the day and of the month, by zone."""
    ends_of: Mapping[tuple[str, str, str], Mapping[Period, Forecast | None]] = field(default_factory=dict)
    """Forecasts of single values, by zone, column and value."""


def make_accumulator(monitor: Monitor, schema: Collection[str]) -> CostAccumulator | None:
    """Return the accumulator of costs and of the rates of breakers; None if neither is configured."""
    rates = {spec.rate for spec in monitor.breakers if spec.rate}
    if not monitor.budgets and not rates:
        return None
    by: dict[str, set[str]] = {}
    for check in monitor.budgets:
        if check.by:
            by.setdefault(check.by, set()).update(check.stored_limits)
    limits = sorted({check.per_request_tokens for check in monitor.budgets if check.per_request_tokens})
    most = max((check.max_values for check in monitor.budgets), default=0)
    has_cost = bool(monitor.budgets) and knows_cost(monitor, schema)
    return CostAccumulator(monitor.money, by, most, limits, rates, has_cost=has_cost)


def knows_cost(monitor: Monitor, schema: Collection[str]) -> bool:
    """Return whether the cost of requests is logged or computed by a signal."""
    return monitor.money in schema or monitor.money in monitor.signal_names


def foreseen(check: SpendConfig, period: Period, totals: Mapping[str, SpendTotals]) -> list[str]:
    """Return the values that get a forecast: those nearest to their budget and not over it."""
    near = [value for value, budget in shares(check, period, totals) if totals[value].amount < budget]
    return near[:MOST_FORESEEN]


def shares(check: SpendConfig, period: Period, totals: Mapping[str, SpendTotals]) -> list[tuple[str, float]]:
    """Return the values with a finding and their budgets, largest used share first."""
    budgets = {value: check.budget(period, value) for value in totals if value not in (MISSING, OTHER)}
    limited = [(value, budget) for value, budget in budgets.items() if budget]
    ranked = sorted(limited, key=lambda one: (-totals[one[0]].amount / one[1], one[0]))
    gone = sum(totals[value].amount >= budget for value, budget in ranked)
    return ranked[: max(MOST_SHOWN, min(gone, MOST_GONE))]
