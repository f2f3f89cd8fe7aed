"""Burn rates beside pandas on the same requests, and beside the workbook's own numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from detectors.base import Status
from detectors.cost.objective import PAIRS, EventCounts, Objective, burning, largest_by_chance, pair_excess, starts
from detectors.signals import slow
from tests.support.nightly import nightly_except

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


def counted(log: pd.Series, period: timedelta = MONTH) -> dict[datetime, EventCounts]:
    parts = {start: log[(log.index >= start) & (log.index < AT)] for start in starts(AT, period)}
    return {start: EventCounts(len(part), float(part.sum())) for start, part in parts.items()}


def log(bad: float, since: timedelta, usual: float = 0.0005) -> pd.Series:
    """Return four days of requests, two a minute; from ``since`` before the end on, another share is bad."""
    rng = np.random.default_rng(0)
    index = pd.date_range(AT - timedelta(days=4), AT, freq="5s", inclusive="left")
    shares = np.where(index >= AT - since, bad, usual)
    return pd.Series((rng.random(len(index)) < shares).astype(float), index)


def test_the_factors_are_those_of_the_workbook() -> None:
    assert [round(pair.factor(MONTH), 2) for pair in PAIRS] == [14.4, 6.0, 3.0, 1.0]
    assert [round(pair.factor(timedelta(days=28)), 2) for pair in PAIRS] == [13.44, 5.6, 2.8, 0.93]
    assert [pair.long / pair.short for pair in PAIRS] == [12.0] * 4


@pytest.mark.parametrize(
    ("bad", "since", "urgency"),
    [
        (0.5, timedelta(hours=1), "page"),
        (0.02, timedelta(hours=7), "page"),
        (0.006, timedelta(hours=25), "ticket"),
        (0.0025, timedelta(days=4), "ticket"),
    ],
)
def test_an_outage_burns_as_pandas_says(bad: float, since: timedelta, urgency: str) -> None:
    rows = log(bad, since)
    told = burning(Objective("slo", "failed", 0.999), AT, counted(rows))
    assert told.status is Status.DRIFTED
    ratios = {
        pair: min(rows[rows.index >= AT - window].mean() for window in (pair.long, pair.short)) / 0.001
        for pair in PAIRS
    }
    beyond = {pair: ratios[pair] / pair.factor(MONTH) for pair in PAIRS}
    paging = [pair for pair in PAIRS if pair.urgency == "page" and beyond[pair] > 1]
    worst = max(paging or PAIRS, key=lambda pair: beyond[pair])
    assert told.statistic == pytest.approx(ratios[worst] / worst.factor(MONTH), rel=1e-12)
    assert told.detail["urgency"] == urgency == worst.urgency
    assert told.detail["left"] == pytest.approx(1 - rows.mean() / 0.001, rel=1e-12)


def test_what_has_stopped_or_never_was_does_not_page() -> None:
    over = log(0.0005, timedelta(days=4))
    over[(over.index >= AT - timedelta(hours=3)) & (over.index < AT - timedelta(hours=2, minutes=10))] = 1.0
    told = burning(Objective("slo", "failed", 0.999, urgency="page"), AT, counted(over))
    assert told.status is Status.OK
    assert burning(Objective("slo", "failed", 0.99), AT, counted(log(0.004, timedelta(days=4)))).status is Status.OK


def test_few_requests_tell_nothing_and_none_is_no_failure() -> None:
    few = {start: EventCounts(3, 1.0) for start in starts(AT, MONTH)}
    told = burning(Objective("slo", "failed", 0.999), AT, few)
    assert told.status is Status.INCONCLUSIVE
    assert "too_few: 3 requests" in told.reason
    none = burning(Objective("slo", "failed", 0.999), AT, dict.fromkeys(starts(AT, MONTH), EventCounts()))
    assert (none.status, none.detail["value"]) == (Status.INCONCLUSIVE, 0.0)


def alerts(total: np.ndarray, bad: np.ndarray, room: float) -> np.ndarray:
    """Say of every bucket of five minutes whether a pair of windows alerts; every pair holds enough requests."""
    found = np.zeros(len(total), dtype=bool)
    for pair in PAIRS:
        parts = []
        for window in (pair.long, pair.short):
            size = window // timedelta(minutes=5)
            sums = [np.concatenate([[0], np.cumsum(each)]) for each in (total, bad)]
            parts += [each[1:] - each[np.maximum(0, np.arange(len(total)) + 1 - size)] for each in sums]
        for at in np.flatnonzero((parts[1] > 0) & (parts[3] > 0) & (parts[0] >= 100)):
            long, short = (EventCounts(int(n[at]), float(k[at])) for n, k in (parts[:2], parts[2:]))
            found[at] |= pair_excess(pair, long, short, room, MONTH) > 1
    return found


def stream(seed: int, per_hour: int, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = np.diff(np.floor(np.arange(len(shares) + 1) * per_hour / 12)).astype(int)
    return total, np.random.default_rng(seed).binomial(total, shares)


@pytest.mark.parametrize("per_hour", nightly_except([20, 200], 200))
def test_half_of_the_allowed_errors_alert_hardly_ever_whatever_the_traffic(per_hour: int) -> None:
    weeks = 60
    on = alerts(*stream(1, per_hour, np.full(weeks * 2016, 0.0005)), 0.001)
    assert (on[1:] & ~on[:-1]).sum() / weeks <= 0.1


@pytest.mark.parametrize(("per_hour", "minutes"), [(20, 20), (200, 10), (2000, 5)])
def test_an_outage_is_told_within_minutes_whatever_the_traffic(per_hour: int, minutes: int) -> None:
    before = 3 * 288
    on = alerts(*stream(2, per_hour, np.where(np.arange(before + 288) < before, 0.0002, 1.0)), 0.001)
    assert 5 * (np.argmax(on[before:]) + 1) <= minutes
    assert not on[:before].any()


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 0.01, 0.3])
def test_the_count_by_chance_is_that_of_scipy_and_with_much_traffic_the_rate_is_what_counts(rate: float) -> None:
    for total in (1, 20, 480, 144_000, 10**8):
        assert largest_by_chance(total, rate) == stats.binom.isf(1e-3, total, rate)
    for pair in PAIRS:
        much, over = 10**7, rate * pair.factor(MONTH) * 1.01
        found = pair_excess(pair, EventCounts(much, over * much), EventCounts(much, over * much), rate, MONTH)
        assert found == pytest.approx(1.01)


def test_a_single_error_of_little_traffic_is_called_chance() -> None:
    few = {start: EventCounts(round((AT - start) / timedelta(minutes=3)), 1.0) for start in starts(AT, MONTH)}
    told = burning(Objective("slo", "failed", 0.999), AT, few)
    assert told.status is Status.OK
    assert "1 bad of 120 requests may be chance" in told.reason


def test_a_target_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        slow.configure(seconds=0.0)
