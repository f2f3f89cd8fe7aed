"""Detectors that add up from bucket to bucket: their null law, how fast they find a change, and when it is over."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import special

from detectors import SEQUENTIAL
from detectors.binning import learn_categorical, learn_numeric
from detectors.drift import cusum, rate_cusum
from detectors.profile import Profile
from detectors.records import Column
from detectors.sequential import Course
from detectors.stack import Stack
from tests.support.nightly import nightly, nightly_except

RATES = (1e-4, 1e-3, 1e-2, 0.1, 0.3)
SIZES = (2, 20, 300)
BASELINE = 100_000
NEEDED = 10.0
"""Rarity, the logarithm of buckets that one waits, that a budget of one alert a week typically asks for."""
COST = 2.1
"""What two events with four sums each add to it."""


def flags(hits: int, rows: int) -> np.ndarray:
    return np.repeat([0.0, 1.0], [rows - hits, hits])


def scores_of(rate: float, hits: np.ndarray, rows: int, known: int | None = None) -> np.ndarray:
    """Return the scores of buckets with so many hits each, beside a baseline of a flag."""
    old = flags(round(rate * BASELINE) if known is None else known, BASELINE)
    layout = learn_numeric(old, 0.0, 1.0)
    stack = Stack.empty(layout, len(hits))
    zero, one = np.searchsorted(layout.edges, [0.0, 1.0], side="right")
    stack.counts[:, zero] += rows - hits
    stack.counts[:, one] += hits
    return rate_cusum.score(Profile.of(Column.floats(old), layout), stack)


def rarity_of(course: Course) -> np.ndarray:
    return -special.log_ndtr(-course.statistic) - np.log(2)


def delay(before: np.ndarray, after: np.ndarray, rate: float, rows: int) -> int:
    """Return the buckets after a change until the evidence is enough."""
    course = rate_cusum.fold(scores_of(rate, np.concatenate([before, after]), rows), {})
    over = np.flatnonzero(rarity_of(course)[len(before) :] >= NEEDED)
    return int(over[0]) + 1 if len(over) else len(after) + 1


@pytest.mark.parametrize("rate", nightly_except(RATES, 1e-3, 0.1))
@pytest.mark.parametrize("rows", nightly_except(SIZES, 20))
def test_unchanged_rates_exceed_the_noise_floor_once_in_a_thousand_buckets(rate: float, rows: int) -> None:
    rng = np.random.default_rng(round(1 / rate) + rows)
    exceeding = []
    for _ in range(20):
        known = int(rng.binomial(BASELINE, rate))
        course = rate_cusum.fold(scores_of(rate, rng.binomial(rows, rate, 20_000), rows, known), {})
        exceeding.append(np.mean(course.statistic >= course.noise))
    assert np.mean(exceeding) <= 2e-3


def test_a_hit_or_two_of_what_never_happened_is_not_rare_enough() -> None:
    hits = np.zeros(1000, dtype=int)
    hits[[500, 900]] = 1
    course = rate_cusum.fold(scores_of(0.0, hits, 30, known=0), {})
    assert (course.statistic < course.noise).all()
    assert course.state["0.hits.3"] == 2.0


def test_ten_hits_of_a_baseline_prove_no_rate_of_half_as_much_again() -> None:
    rng = np.random.default_rng(3)
    course = rate_cusum.fold(scores_of(0.0, rng.binomial(100, 1.5e-4, 100_000), 100, known=10), {})
    assert course.statistic.max() < rate_cusum.DETECTOR.threshold


@pytest.mark.parametrize(
    ("before", "after", "rows", "most"),
    [
        (0.015, 0.08, 167, 2),  # 2,000 rows an hour: 10 minutes
        (0.01, 0.05, 33, 14),  # 400 rows an hour
        nightly((0.01, 0.02, 33, 150)),
        nightly((0.001, 0.005, 33, 140)),
        (0.001, 0.02, 33, 16),
        (0.01, 0.18, 6, 14),  # one model of three
        (0.05, 0.5, 2, 12),  # 20 rows an hour
    ],
)
def test_a_change_of_a_rate_is_found_near_the_bound_of_information(
    before: float, after: float, rows: int, most: int
) -> None:
    rng = np.random.default_rng(7)
    information = after * np.log(after / before) + (1 - after) * np.log((1 - after) / (1 - before))
    delays = [delay(rng.binomial(rows, before, 300), rng.binomial(rows, after, 600), before, rows) for _ in range(41)]
    assert np.median(delays) <= most
    assert np.median(delays) <= 1.6 * (NEEDED + COST) / (rows * information) + 2


def test_a_fall_of_a_rate_leans_down_and_a_rise_up() -> None:
    rng = np.random.default_rng(1)
    for after, side in ((0.3, 1), (0.03, -1)):
        course = rate_cusum.fold(scores_of(0.1, rng.binomial(50, after, 100), 50), {})
        assert course.statistic[-1] > course.noise[-1]
        assert np.sign(course.lean[-1]) == side


def test_the_sums_start_anew_soon_after_a_change_is_over() -> None:
    rng = np.random.default_rng(2)
    hits = np.concatenate([rng.binomial(33, rate, size) for rate, size in ((0.01, 500), (0.08, 288), (0.01, 500))])
    course = rate_cusum.fold(scores_of(0.01, hits, 33), {})
    evidence = rarity_of(course)
    assert (evidence[520:788] > NEEDED).mean() > 0.97
    assert (evidence[800:] < NEEDED).all()


def test_a_new_category_and_a_tail_are_rates_too() -> None:
    words = learn_categorical(Counter(a=900, b=90, c=10))
    old = Profile.of(Column.of(["a"] * 900 + ["b"] * 90 + ["c"] * 10), words)
    new = Profile.of(Column.of(["a"] * 87 + ["b"] * 5 + ["new"] * 8), words)
    assert rate_cusum.measure(old, new).statistic > rate_cusum.measure(old, old).noise
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=10_000)
    layout = learn_numeric(values, values.min(), values.max())
    slow = Profile.of(Column.floats(np.append(values[:80], np.full(20, 50.0))), layout)
    assert rate_cusum.measure(Profile.of(Column.floats(values), layout), slow).statistic > 4


@pytest.mark.parametrize("method", sorted(SEQUENTIAL))
def test_a_run_in_pieces_is_the_same_run(method: str) -> None:
    rng = np.random.default_rng(4)
    old = rng.normal(size=20_000)
    layout = learn_numeric(old, old.min(), old.max())
    buckets = [rng.normal(0.4 * (100 < place < 200), size=rng.integers(0, 40)) for place in range(300)]
    stack = Stack.of([Profile.of(Column.floats(values), layout) for values in buckets], layout)
    detector = SEQUENTIAL[method]
    enough = np.flatnonzero(stack.n >= detector.fewest)
    found = detector.score(Profile.of(Column.floats(old), layout), stack.take(enough))
    scores = np.full((len(stack), found.shape[-1]), np.nan)
    scores[enough] = found
    whole = detector.fold(scores, {})
    state, statistic = {}, []
    for row in scores:
        course = detector.fold(row[None], state)
        state = course.state
        statistic.append(course.statistic[0])
        assert all(isinstance(value, float) for value in state.values())
    np.testing.assert_allclose(statistic, whole.statistic, atol=1e-9)
    assert state == pytest.approx(whole.state)
    assert np.nanmax(whole.statistic) > detector.threshold


def test_the_sum_of_a_shift_that_is_over_starts_anew() -> None:
    rng = np.random.default_rng(5)
    last = []
    for _ in range(21):
        values = np.concatenate([rng.normal(size=200), rng.normal(3, size=200), rng.normal(size=200)])
        course = cusum.fold(np.stack([values, np.full(600, 0.25)], axis=-1), {})
        over = course.statistic > course.noise
        assert over[210:400].all()
        last.append(np.flatnonzero(over)[-1] - 400)
    assert np.median(last) < 50  # the sum alone, at its cap, takes 110 buckets


def test_a_small_shift_that_lasts_is_kept() -> None:
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.normal(size=200), rng.normal(0.7, size=2000)])
    course = cusum.fold(np.stack([values, np.full(2200, 0.25)], axis=-1), {})
    assert (course.statistic[300:] > course.noise[300:]).mean() > 0.95


@pytest.mark.parametrize("method", sorted(SEQUENTIAL))
def test_a_unit_fits_the_store(method: str) -> None:
    assert len(SEQUENTIAL[method].unit) <= 32


def test_new_words_of_an_open_vocabulary_come_as_often_as_words_of_one_row_did() -> None:
    """Zipf's law: every bucket has words that the baseline did not, and that is no change; a tenth of new words is."""
    rng = np.random.default_rng(11)
    learnt = rng.zipf(2.0, 50_000)
    layout = learn_categorical(Counter(map(str, learnt.tolist())), size=2000)
    place = {word: index for index, word in enumerate(layout.vocabulary)}

    def counted(words: np.ndarray) -> np.ndarray:
        found = [place.get(word, len(place)) for word in map(str, words.tolist())]
        return np.bincount(found, minlength=layout.bins)

    def course(buckets: list[np.ndarray]) -> np.ndarray:
        stack = Stack.empty(layout, len(buckets))
        stack.counts[:] = [counted(bucket) for bucket in buckets]
        return rate_cusum.fold(rate_cusum.score(baseline, stack), {}).statistic

    baseline = Stack.empty(layout, 1)
    baseline.counts[0] = counted(learnt)
    baseline = baseline.sum()
    quiet = course([rng.zipf(2.0, 33) for _ in range(600)])
    assert quiet.max() < 4.5
    odd = course([np.where(rng.random(33) < 0.1, 10**9, rng.zipf(2.0, 33)) for _ in range(12)])
    assert odd[-1] > 6
