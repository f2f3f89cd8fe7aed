"""The forecast: reproducible, in the zone's calendar, honest about a short past, right about as often as it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from benchmarks.forecast import KINDS, flights, held_back, simulated
from detectors.base import Status
from detectors.cost.budget import HOUR, SpendScope, SpendTotals, against_budget, overrun
from detectors.cost.forecast import Forecast, forecast, paths
from detectors.cost.period_forecast import forecast_period

SCOPE = SpendScope("spend", "price", "UTC", "USD")
START = datetime(2026, 8, 1, tzinfo=UTC)


def hours(start: datetime, until: datetime, seed: int = 0) -> dict[datetime, float]:
    rng = np.random.default_rng(seed)
    every = [start + place * HOUR for place in range((until - start) // HOUR)]
    return {hour: (4.0 if 8 <= hour.hour < 18 else 1.0) * rng.lognormal(0, 0.1) for hour in every}


def test_the_same_past_gives_the_same_forecast_and_another_seed_hardly_another() -> None:
    past = np.random.default_rng(5).lognormal(3, 0.4, 80)
    days = np.arange(80) % 7
    ends = [forecast(10.0, [paths(past, days, np.arange(12) % 7, seed=seed)]) for seed in (1, 1, 2)]
    assert ends[0] == ends[1]
    assert ends[0] is not None and ends[2] is not None
    assert ends[2].high == pytest.approx(ends[0].high, rel=0.05)


def test_the_scale_of_the_currency_does_not_matter() -> None:
    past = np.random.default_rng(6).lognormal(0, 0.5, 60)
    days = np.arange(60) % 7
    small, large = (paths(past * scale, days, np.arange(9) % 7) for scale in (1e-9, 1e9))
    assert small is not None and large is not None
    assert np.allclose(small * 1e18, large)


@pytest.mark.parametrize("past", [np.ones(13), np.zeros(60), np.append(np.ones(30), np.nan)])
def test_what_cannot_be_told_is_not_told(past: np.ndarray) -> None:
    assert paths(past, np.arange(len(past)) % 7, np.arange(5)) is None
    assert forecast(1.0, [None]) is None


def test_a_day_ends_with_the_hours_that_days_have_left() -> None:
    at = datetime(2026, 10, 14, 12, 30, tzinfo=UTC)
    spent = hours(START, at)
    today = sum(amount for hour, amount in spent.items() if hour >= at.replace(hour=0, minute=0))
    ends = forecast_period(spent, START, at, "UTC", {"daily": today, "monthly": 13 * 54 + today})
    left = 5.5 * 4 + 6
    assert ends["daily"] is not None
    assert ends["daily"].low < today + left < ends["daily"].high
    assert ends["daily"].high - ends["daily"].low < 0.2 * left
    assert ends["monthly"] is not None
    assert ends["monthly"].middle == pytest.approx(31 * 54, rel=0.02)


def test_on_the_last_day_the_month_ends_as_the_day_does() -> None:
    at = datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
    ends = forecast_period(hours(START, at), START, at, "Asia/Kolkata", {"daily": 50.0, "monthly": 1600.0})
    there = forecast_period(hours(START, at), START, at, "UTC", {"daily": 50.0, "monthly": 1600.0})
    assert ends["monthly"] is not None and there["monthly"] is not None and there["daily"] is not None
    assert there["monthly"].middle - 1600 == pytest.approx(there["daily"].middle - 50, abs=1e-9)
    assert ends["monthly"].middle > 1600 + 29 * 40  # in India it is the first of November


@pytest.mark.parametrize(("days", "day", "month"), [(2, False, False), (4, True, False), (20, True, True)])
def test_a_young_ledger_says_less(days: int, day: bool, month: bool) -> None:
    at = START + timedelta(days=days, hours=10)
    ends = forecast_period(hours(START, at), START, at, "UTC", {"daily": 20.0, "monthly": 54.0 * days})
    assert (ends["daily"] is not None, ends["monthly"] is not None) == (day, month)


def test_the_finding_says_the_interval_and_is_bad_only_when_all_of_it_is_beyond() -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    end = Forecast(900.0, 990.0, 1100.0)
    found = against_budget(SCOPE, "monthly", 1000.0, at, SpendTotals(600.0, 9), forecast=end)
    assert found.status is Status.OK
    assert "forecast 990.00 by 2026-12-01 00:00 (80 % interval 900.00 to 1,100.00)" in found.reason
    assert found.detail["forecast_high"] == 1100.0
    verdicts = [overrun(SCOPE, budget, at, end).status for budget in (1000.0, 899.0)]
    assert verdicts == [Status.OK, Status.DRIFTED]
    assert overrun(SCOPE, 1000.0, at, None).status is Status.INCONCLUSIVE


@pytest.mark.nightly
def test_the_interval_holds_real_and_simulated_months_about_as_often_as_it_says() -> None:
    real = [one for series in flights().values() for one in held_back(series, 7)]
    rng = np.random.default_rng(7)
    made = [one for kind in KINDS for one in held_back((START.date(), simulated(kind, rng, 300)), 7)]
    for found in (real, made):
        assert len(found) > 250
        assert 0.72 < np.mean([held for _, held, *_ in found]) < 0.88
