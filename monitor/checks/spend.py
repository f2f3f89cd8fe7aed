"""Spend checks: compare the costs of a day and of a month with budgets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

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
from detectors.cost.ledger import MISSING, OTHER
from monitor.checks.base import Check
from monitor.checks.protocols import BucketData
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.spend import SpendConfig
from monitor.profiling.spend import SpendState, shares

NO_LEDGER = "not_measured: budgets use the ledger of the daemon, which a single check does not have"


class Spend(Check[SpendConfig]):
    """Compares the costs up to the end of a bucket with the budgets; needs no baseline."""

    Config: ClassVar[type[CheckConfig]] = SpendConfig

    def evaluate_bucket(self, bucket: BucketData) -> Iterator[Finding]:
        config, spending = self.config, bucket.spending
        if config.per_request_tokens and spending is not None:
            counted = spending.bill.tokens[config.per_request_tokens]
            yield per_request(config.finding_name, config.per_request_tokens, counted, config.threshold or 0.0)
        elif config.per_request_tokens:
            yield Finding(config.finding_name, "tokens", "per_request", None, Status.INCONCLUSIVE, NO_LEDGER)
        for period in PERIODS:
            if config.budget(period) is None and not any(
                config.budget(period, value) for value in config.stored_limits
            ):
                continue
            if spending is None:
                yield self._unknown(period, NO_LEDGER)
            elif spending.bill.total is None:
                money = self.monitor.money
                why = f"no column has the cost of a request; log {money!r} or add the signal `price`"
                yield self._unknown(period, f"missing_column: {why}")
            elif config.by:
                yield from self._compare_values(period, spending)
            else:
                yield from self._compare_total(period, spending)

    def _unknown(self, period: Period, reason: str) -> Finding:
        return Finding(self.config.finding_name, self.monitor.money, period, None, Status.INCONCLUSIVE, reason)

    def _scope(self, segment: str | None = None) -> SpendScope:
        config = self.config
        return SpendScope(config.finding_name, self.monitor.money, config.zone, config.currency, segment)

    def _compare_total(self, period: Period, spending: SpendState) -> Iterator[Finding]:
        at, budget = spending.end, self.config.budget(period)
        if budget is None:
            return
        scope = self._scope()
        first, _ = bounds(at, period, self.config.zone)
        end, spent = spending.ends[self.config.zone][period], spending.since[first]
        yield against_budget(scope, period, budget, at, spent, end)
        if period == "monthly":
            yield overrun(scope, budget, at, end, spent)
            yield burning(scope, budget, at, spending.since)

    def _compare_values(self, period: Period, spending: SpendState) -> Iterator[Finding]:
        """Yield findings of values, those nearest to their budget first, then of costs that no budget covers."""
        config, at, by = self.config, spending.end, str(self.config.by)
        first, _ = bounds(at, period, config.zone)
        totals = spending.values[by, first]
        for value, budget in shares(config, period, totals):
            end = spending.ends_of.get((config.zone, by, value), {}).get(period)
            scope, spent = self._scope(f"{by}={value}"), totals[value]
            yield against_budget(scope, period, budget, at, spent, end)
            if period == "monthly" and end is not None:
                yield overrun(scope, budget, at, end, spent)
        everything = spending.since[first]
        rest = {value: spent for value, spent in totals.items() if value in (MISSING, OTHER)}
        by_value = sum(totals.values(), SpendTotals())
        if everything.requests > by_value.requests:  # the budget is newer than the period, or values are too many
            rest["not separated"] = SpendTotals(
                max(0.0, everything.amount - by_value.amount), everything.requests - by_value.requests
            )
        unassigned = find_unassigned(self._scope(by), period, at, everything, rest)
        if unassigned is not None:
            yield unassigned
