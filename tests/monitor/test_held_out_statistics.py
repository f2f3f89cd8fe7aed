"""What is measured of the windows of a baseline, by detectors whose statistic is a count: every value by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors import Detector, Sequential, Stack
from detectors.base import Measurement
from detectors.binning import Binning
from detectors.clusters import COUNTERS
from detectors.outcome import ERROR_PARTS, OUTCOME, UNIT
from detectors.performance.interval_calibration import ResidualHistory
from detectors.profile import Profile
from detectors.season import ALL_TIMES
from detectors.sequential import Course
from detectors.stack import Counted
from monitor.checks.base import CheckTarget
from monitor.checks.held_out import PREVIOUS, HeldOutWindows
from monitor.checks.held_out_statistics import (
    backtest_metrics,
    measure_target,
    measure_volume,
    measure_windows,
    variance_inflation,
)
from monitor.profiling.timeline import Timeline
from tests.support.decisions import HOUR, START

NAN = float("nan")
LAYOUT = Binning("categorical", vocabulary=("a",))
ABOUT: dict[str, Any] = {"check": "drift", "kinds": frozenset({"categorical"}), "threshold": 1.0}
TEXTS = {"unit": "1", "title": "rows", "citation": ""}


def compare_rows(rest: Counted, now: Counted) -> Measurement:
    """Return the usable rows of a window and, as noise, those that it is compared with."""
    return Measurement(now.n.astype(float), np.full(np.shape(now.n), float(rest.n)))


def score_rows(rest: Counted, steps: Counted) -> np.ndarray:
    return np.stack([steps.n, np.full(np.shape(steps.n), int(rest.n))], axis=-1).astype(float)


def add_rows(scores: np.ndarray, state: Mapping[str, float]) -> Course:
    summed = state.get("rows", 0.0) + np.nancumsum(scores[:, 0])
    return Course(np.where(np.isnan(scores[:, 0]), NAN, summed), scores[:, 1], scores[:, 0], {"rows": summed[-1]})


def divide_rows(scores: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return scores / factor[:, None]


COUNT = Detector(name="count", measure=compare_rows, **ABOUT, **TEXTS)
ADDED = Sequential(
    name="added",
    measure=compare_rows,
    score=score_rows,
    fold=add_rows,
    thin=divide_rows,
    fewest=4,
    **ABOUT,
    **TEXTS,
)


def named(name: str) -> Detector:
    return replace(COUNT, name=name)


def held_out_of(steps: int, length: int, rows: Sequence[int] = ()) -> HeldOutWindows:
    timeline = Timeline({}, START, HOUR, steps, length)
    timeline.is_complete[:] = True
    timeline.rows[:] = rows or 0
    return HeldOutWindows(timeline)


def stack_of(counts: Sequence[int], missing: int = 0, layout: Binning = LAYOUT) -> Stack:
    stack = Stack.empty(layout, len(counts))
    stack.counts[:, 0] = counts
    stack.missing[:] = missing
    return stack


def target_of(detector: Detector, column: str = "word", least: int = 1, **changes: Any) -> CheckTarget:
    return CheckTarget("drift", detector, column, None, least, segments=True, **changes)


def listed(series: Sequence[np.ndarray]) -> list[list[float]]:
    return [part.tolist() for part in series]


def same(*expected: list[float]) -> Any:
    return [pytest.approx(part, nan_ok=True) for part in expected]


# Windows of two steps, a fold for each: those that end with steps 1 to 4 hold 13, 6, 13 and 20 rows, and the steps
# that share none with them 20 (3 and 4), 20 (0 and 4), 13 (0 and 1) and 16 (0 to 2).
SHORT = [10, 3, 3, 10, 10]


@pytest.mark.parametrize(
    ("least", "statistic", "noise"),
    [
        (6, [NAN, 13, 6, 13, 20], [NAN, 20, 20, 13, 16]),
        (13, [NAN, 13, NAN, 13, 20], [NAN, 20, NAN, 13, 16]),
        (14, [NAN, NAN, NAN, NAN, 20], [NAN, NAN, NAN, NAN, 16]),
        (17, [NAN] * 5, [NAN] * 5),
    ],
)
def test_a_window_is_measured_where_both_sides_have_enough(
    least: int, statistic: list[float], noise: list[float]
) -> None:
    held_out = held_out_of(5, 2)
    assert listed(measure_windows(held_out, COUNT, stack_of(SHORT), ALL_TIMES, least)) == same(statistic, noise)
    padded, rows = stack_of(SHORT, missing=100), replace(COUNT, counts="rows")
    assert listed(measure_windows(held_out, COUNT, padded, ALL_TIMES, least)) == same(statistic, noise)
    every = [NAN, 13, 6, 13, 20], [NAN, 20, 20, 13, 16]
    assert listed(measure_windows(held_out, rows, padded, ALL_TIMES, 200)) == same(*every)


def test_of_the_windows_of_a_fold_those_with_enough_are_measured() -> None:
    """Folds of two steps; the windows that end with steps 4 and 5 are compared with steps 0 to 2 and 7 to 9."""
    counts = [1, 1, 1, 1, 1, 9, 1, 1, 1, 1]
    statistic, noise = measure_windows(held_out_of(10, 2), COUNT, stack_of(counts), ALL_TIMES, 3)
    assert statistic.tolist() == same([NAN, NAN, NAN, NAN, NAN, 10, 10, NAN, NAN, NAN])[0]
    assert noise.tolist() == same([NAN, NAN, NAN, NAN, NAN, 6, 6, NAN, NAN, NAN])[0]


def test_windows_are_measured_against_what_the_season_says() -> None:
    held_out = HeldOutWindows(held_out_of(6, 1).timeline, previous=2 * HOUR)
    measured = measure_windows(held_out, COUNT, stack_of([1, 2, 4, 8, 16, 32]), PREVIOUS, 1)
    assert listed(measured) == same([NAN, NAN, 4, 8, 16, 32], [NAN, NAN, 3, 6, 12, 24])


def one_client_at_step(held_out: HeldOutWindows, place: int) -> HeldOutWindows:
    """Let ten clients send the rows of every step, and one of them all rows of one step: its noise is 10**0.5 times."""
    sketches = np.zeros((held_out.timeline.steps, COUNTERS + 1), dtype=np.int64)
    sketches[:, :10] = 1
    sketches[place, :10] = [10] + [0] * 9
    held_out.timeline.clients["tenant"] = sketches
    return HeldOutWindows(held_out.timeline)


def test_the_noise_of_a_window_is_multiplied_by_that_of_its_clients() -> None:
    held_out, counts = one_client_at_step(held_out_of(5, 1), 3), stack_of([10, 20, 30, 40, 50])
    plain = [10.0, 20, 30, 40, 50], [140.0, 130, 120, 110, 100]
    noisy = [*plain[1][:3], 110 * 10**0.5, 100.0]
    for segment, late, noise in (
        (None, False, noisy),
        ("plan=free", False, noisy),
        ("tenant=a", False, plain[1]),
        (None, True, plain[1]),
    ):
        measured = measure_target(held_out, target_of(COUNT, late=late), segment, counts, ALL_TIMES)
        assert listed(measured) == same(plain[0], noise), (segment, late)
    measured = measure_target(held_out, target_of(COUNT, least=40), None, counts, ALL_TIMES)
    assert listed(measured) == same([NAN, NAN, NAN, 40, 50], [NAN, NAN, NAN, noisy[3], 100])


def test_steps_are_added_up_in_the_order_of_time_each_scored_against_the_rest() -> None:
    held_out, counts = one_client_at_step(held_out_of(5, 1), 3), stack_of([10, 3, 4, 40, 50])
    rest = [97.0, NAN, 103, 67, 57]
    measured = measure_target(held_out, target_of(ADDED, late=True), None, counts, ALL_TIMES)
    assert listed(measured) == same([10, NAN, 14, 54, 104], rest)
    measured = measure_target(held_out, target_of(ADDED, late=True, least=67), None, counts, ALL_TIMES)
    assert listed(measured) == same([10, NAN, 14, 54, NAN], [97, NAN, 103, 67, NAN])
    measured = measure_target(held_out, target_of(ADDED), None, counts, ALL_TIMES)
    thinned = 40 / 10**0.5
    assert listed(measured) == same([10, NAN, 14, 14 + thinned, 64 + thinned], [97, NAN, 103, 67 / 10**0.5, 57])
    measured = measure_target(held_out, target_of(ADDED, least=1000), None, counts, ALL_TIMES)
    assert listed(measured) == same([NAN] * 5, [NAN] * 5)


def test_the_rows_of_a_window_are_compared_with_the_span_of_the_others() -> None:
    """Windows of two steps hold 20 rows, those with step 5 hold 80, that of steps 6 and 7 30, and the last none."""
    statistic, noise = measure_volume(held_out_of(10, 2, [10, 10, 10, 10, 10, 70, 10, 20, 0, 0]))
    # The window of steps 4 and 5 is compared with up to 30 rows; those of steps 5 to 7, of another fold, with up to 20.
    doublings = np.log2([81 / 31, 81 / 21, 31 / 21]).tolist()
    assert statistic.tolist() == same([NAN, 0, 0, 0, 0, *doublings, 0, NAN])[0]
    nearest = np.array([21, 21, 21, 21, 31, 21, 21, 21])  # and one more, as a fraction of which 1 is the Poisson noise
    assert noise.tolist() == same([NAN, *(3.290527 / np.log(2) / np.sqrt(nearest)), NAN])[0]


def test_few_rows_are_as_unusual_as_many_and_without_other_windows_none_is() -> None:
    statistic, _ = measure_volume(held_out_of(5, 1, [1, 31, 31, 31, 31]))
    assert statistic.tolist() == [4.0, 0.0, 0.0, 0.0, 0.0]
    statistic, noise = measure_volume(held_out_of(3, 3, [7, 31, 31]))
    assert np.isnan([statistic, noise]).all()


def test_only_the_rows_of_columns_that_are_counted_can_come_in_clusters() -> None:
    """Steps of four equal rows, a and b in turn: means differ by 1, and by (1/4 + 1/4) / 4 were rows independent."""
    counts = [4, 0] * 20
    two = stack_of(counts)
    two.counts[:, 1] = [0, 4] * 20
    assert variance_inflation(two) == pytest.approx(8.0)
    sums = replace(two, layout=Binning("vector", width=2))
    assert variance_inflation(replace(sums, counts=sums.counts + 1)) == 1.0


ERRORS = Binning("errors", width=len(ERROR_PARTS))


def predictions_of(labelled: int, error: float) -> Profile:
    """Return predictions that are off by so much on average, half of them by nothing and half by twice as much."""
    sums = dict.fromkeys(ERROR_PARTS, 0.0)
    sums |= {"absolute": labelled * error * UNIT, "squared": labelled * 2 * error**2 * UNIT}
    sums |= {"all": labelled + 1, "labelled": labelled}
    return Profile(ERRORS, np.array(list(sums.values())).astype(np.int64), missing=1)


def test_estimates_are_tried_on_windows_that_do_not_overlap() -> None:
    """Steps of four rows, the errors of step k being k on average: the window of steps 2 and 3 has 2.5."""
    timeline = Timeline({OUTCOME: ERRORS, "other": ERRORS}, START, HOUR, 10, 2)
    for step in range(10):
        profile, other = predictions_of(3 if step == 5 else 4, step), predictions_of(4, 99)
        timeline.add(START + step * HOUR, 4, {None: {"other": other, OUTCOME: profile}, "plan=free": {OUTCOME: other}})
    held_out = HeldOutWindows(timeline)
    targets = [
        target_of(named("estimated_mae"), OUTCOME, 8),
        target_of(named("mae"), OUTCOME, 1),
        target_of(named("estimated_rmse"), "other", 1),
    ]
    history = backtest_metrics(held_out, targets)
    assert list(history) == ["mae"]
    # What the windows of steps 0 and 1, 2 and 3, 6 and 7, 8 and 9 are compared with: no step of the windows that end
    # in the same fold. The window of steps 4 and 5 has seven labels, of eight that are needed.
    rest = {0.5: range(3, 10), 2.5: (0, 5, 6, 7, 8, 9), 6.5: (0, 1, 2, 3, 4, 9), 8.5: range(7)}
    weights = [4, 4, 4, 4, 4, 3, 4, 4, 4, 4]
    means = [np.average(list(steps), weights=[weights[k] for k in steps]) for steps in rest.values()]
    ends = [(START + hours * HOUR).timestamp() / 7200 for hours in (2, 4, 8, 10)]
    found = history["mae"].residuals
    assert [one.at for one in found] == pytest.approx(ends)
    assert [one.residual for one in found] == pytest.approx([mae - mean for mae, mean in zip(rest, means, strict=True)])
    # Half of a step's squares are 0 and half (2 k)**2: of the window of steps 2 and 3 the mean is (2 * 4 + 2 * 9) / 2.
    spread = [(1 - 0.25) / 8, (13 - 2.5**2) / 8, (85 - 6.5**2) / 8, (145 - 8.5**2) / 8]
    assert [one.error for one in found] == pytest.approx(np.sqrt(spread).tolist())
    assert history["mae"].span == pytest.approx(np.mean(means))


@pytest.mark.parametrize(("least", "count"), [(40, 1), (41, 0)])
def test_estimates_are_tried_where_window_and_rest_have_enough_labels(least: int, count: int) -> None:
    timeline = Timeline({OUTCOME: ERRORS}, START, HOUR, 5, 1)
    for step, rows in enumerate([40, 10, 10, 10, 10]):
        timeline.add(START + step * HOUR, rows, {None: {OUTCOME: predictions_of(rows, 1.0)}})
    history = backtest_metrics(HeldOutWindows(timeline), [target_of(named("estimated_mae"), OUTCOME, least)])
    assert len(history["mae"].residuals) == count


def test_windows_that_do_not_overlap_end_with_every_third_step_where_three_are_one() -> None:
    timeline = Timeline({OUTCOME: ERRORS}, START, HOUR, 15, 3)
    for step in range(15):
        timeline.add(START + step * HOUR, 4, {None: {OUTCOME: predictions_of(4, step)}})
    history = backtest_metrics(HeldOutWindows(timeline), [target_of(named("estimated_mae"), OUTCOME)])
    first = START.timestamp() / 10800
    assert [one.at for one in history["mae"].residuals] == pytest.approx([first + window for window in range(1, 6)])


def test_without_predictions_there_is_nothing_to_try() -> None:
    held_out = held_out_of(5, 1)
    target = target_of(named("estimated_mae"), OUTCOME)
    assert backtest_metrics(held_out, [target]) == {}
    timeline = Timeline({OUTCOME: ERRORS}, START, HOUR, 5, 1)
    timeline.add(START, 4, {None: {OUTCOME: Profile.empty(ERRORS)}})
    assert backtest_metrics(HeldOutWindows(timeline), [target]) == {"mae": ResidualHistory()}
