"""Two windows must burn too fast at once: the long one so that it matters, the short one so that it goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from detectors.base import Status
from detectors.cost import budget, objective
from detectors.cost.objective import PAIRS, EventCounts, pair_excess

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
MUCH, CALM = EventCounts(10**7, 10**7 * 0.2), EventCounts(10**7, 0.0)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_slower_window_of_an_objective_counts(pair: objective.BurnWindows) -> None:
    assert pair_excess(pair, MUCH, MUCH, 0.01, MONTH) == pytest.approx(0.2 / (0.01 * pair.factor(MONTH)))
    assert pair_excess(pair, MUCH, CALM, 0.01, MONTH) == 0.0
    assert pair_excess(pair, CALM, MUCH, 0.01, MONTH) == 0.0


def test_an_objective_says_the_speed_of_the_slower_window() -> None:
    counted = {start: EventCounts(10**7, 10**7 * 0.2) for start in objective.starts(AT, MONTH)}
    shorts = {pair.short for pair in PAIRS} - {pair.long for pair in PAIRS}
    counted |= {AT - short: EventCounts(10**6, 10**6 * 0.16) for short in shorts}
    told = objective.burning(objective.Objective("slo", "failed", 0.99), AT, counted)
    assert told.status is Status.DRIFTED
    assert told.detail["speed"] == pytest.approx(16.0)


@pytest.mark.parametrize("quiet", ["long", "short"])
def test_a_budget_that_burns_in_one_window_only_does_not_alert(quiet: str) -> None:
    month, hour = 720.0, timedelta(hours=1)  # 1 an hour is allowed
    calm = {AT - (long if quiet == "long" else short) for long, short, _ in budget.BURNS}
    amounts = {
        start: budget.SpendTotals((0.01 if start in calm else 50.0) * ((AT - start) / hour))
        for start in budget.starts(AT, "UTC")
    }
    told = budget.burning(budget.SpendScope("spend", "price", "UTC", "USD"), month, AT, amounts)
    assert told.status is Status.OK
    assert told.statistic == pytest.approx(0.01)
