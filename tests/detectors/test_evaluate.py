"""Delay, recall, false alarms: against their definitions, counted another way."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.evaluate import (
    at_equal_false_alarms,
    delay,
    evaluate,
    page_starts,
    pages,
    poisson_interval,
    quiet_threshold,
    total_time,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)


def hours(*numbers: float) -> list[datetime]:
    return [START + number * HOUR for number in numbers]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_the_interval_leaves_each_tail_its_share_of_the_poisson_law(count: int) -> None:
    low, high = poisson_interval(count, 2.5)
    assert stats.poisson(high * 2.5).cdf(count) == pytest.approx(0.025, rel=1e-9)
    assert stats.poisson(low * 2.5).sf(count - 1) == pytest.approx(0.025 if count else 1.0, rel=1e-9)
    assert low <= count / 2.5 < high


@pytest.mark.parametrize("rate", [0.3, 1.0, 6.0])
def test_the_interval_holds_the_true_rate_as_often_as_it_says(rate: float) -> None:
    counts = np.arange(200)
    held = [low <= rate <= high for low, high in (poisson_interval(int(count), 1.0) for count in counts)]
    assert stats.poisson(rate).pmf(counts)[held].sum() >= 0.95


def test_an_interval_without_exposure_is_refused() -> None:
    with pytest.raises(ValueError, match="length of the quiet stretch"):
        poisson_interval(1, 0.0)


def test_every_change_is_found_or_missed_and_every_other_alarm_is_false() -> None:
    alarms = hours(30, 3, 11, 12, 10)
    seen = evaluate(alarms, hours(10, 20, 29), quiet=2 * WEEK)
    assert seen.delays == (HOUR, None, HOUR)
    assert seen.recall == pytest.approx(2 / 3)
    assert seen.false_alarms == 2  # at 3 h, and at 10 h exactly, for nothing can be seen before it happened
    assert seen.per_week == 1.0
    assert (seen.low, seen.high) == poisson_interval(2, 2.0)


def test_within_bounds_what_belongs_to_a_change() -> None:
    seen = evaluate(hours(11, 15, 23), hours(10, 20), quiet=WEEK, within=2 * HOUR)
    assert seen.delays == (HOUR, None)
    assert seen.false_alarms == 2
    at_the_end = evaluate(hours(12), hours(10), quiet=WEEK, within=2 * HOUR)
    assert (at_the_end.recall, at_the_end.false_alarms) == (1.0, 0)


def test_without_a_change_there_is_no_recall_and_every_alarm_is_false() -> None:
    seen = evaluate(hours(1, 2, 3), [], quiet=WEEK)
    assert math.isnan(seen.recall)
    assert (seen.delays, seen.false_alarms) == ((), 3)
    silent = evaluate([], hours(1), quiet=WEEK)
    assert (silent.recall, silent.false_alarms, silent.low) == (0.0, 0, 0.0)


def test_a_change_told_twice_is_one() -> None:
    assert evaluate(hours(5), hours(4, 4), quiet=WEEK).delays == (HOUR,)


def test_the_delay_is_to_the_first_alarm_after_the_change() -> None:
    (change,) = hours(10)
    assert delay(hours(14, 12, 3, 10), change) == 2 * HOUR
    assert delay(hours(14), change, until=change + 3 * HOUR) is None
    assert delay([], change) is None


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_pages_are_what_is_left_when_short_gaps_are_filled(alerts: list[bool], resolve: int) -> None:
    text = "".join("x" if alert else "." for alert in alerts).strip(".")
    gaps = [gap for gap in text.split("x") if len(gap) >= resolve]
    assert pages(alerts, resolve) == (len(gaps) + 1 if text else 0)
    assert all(alerts[start] for start in page_starts(alerts, resolve))


@given(st.lists(st.integers(0, 8).map(float), min_size=1, max_size=50), st.integers(0, 5), st.integers(1, 3))
def test_the_threshold_is_the_lowest_that_can_be_reached_without_paging_too_often(
    scores: list[float], allowed: int, resolve: int
) -> None:
    def paged(level: float) -> int:
        return pages([score > level for score in scores], resolve)

    threshold = quiet_threshold(scores, allowed, resolve)
    assert threshold in scores
    assert all(paged(level) <= allowed for level in set(scores) if level >= threshold)
    lower = [level for level in scores if level < threshold]
    assert not lower or paged(max(lower)) > allowed


def test_a_threshold_without_quiet_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="quiet windows"):
        quiet_threshold([], 1)


def test_a_method_that_sees_more_is_faster_at_equal_false_alarms_whatever_its_unit() -> None:
    rng = np.random.default_rng(3)
    ends = [START + (hour + 1) * HOUR for hour in range(72)]
    quiet, live = rng.normal(size=336), rng.normal(size=72)
    change = ends[47]
    moved = np.arange(72) > 47
    weak, strong = live + 0.5 * moved, live + 6.0 * moved
    blunt = at_equal_false_alarms(quiet, weak, ends, 1.0, 2.0, change)
    sharp = at_equal_false_alarms(quiet, strong, ends, 1.0, 2.0, change)
    other_unit = at_equal_false_alarms(100 * quiet, 100 * strong, ends, 1.0, 2.0, change)
    assert sharp.threshold == blunt.threshold
    assert sharp.quiet_pages == 2
    assert sharp.delay == HOUR
    assert blunt.delay is None or blunt.delay > sharp.delay
    assert (other_unit.delay, other_unit.false_pages) == (sharp.delay, sharp.false_pages)
    assert at_equal_false_alarms(quiet, strong, ends, 1.0, 2.0).delay is None


def test_a_stricter_budget_never_has_the_lower_threshold() -> None:
    quiet = np.random.default_rng(4).normal(size=672)
    thresholds = [quiet_threshold(quiet, allowed) for allowed in (0, 1, 2, 4, 8)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] == quiet.max()


def test_covered_time_counts_overlaps_once_and_gaps_not_at_all() -> None:
    spans = list(zip(hours(4, 0, 1, 8), hours(5, 2, 3, 10), strict=True))
    assert total_time(spans) == 6 * HOUR
    assert total_time([]) == timedelta(0)
