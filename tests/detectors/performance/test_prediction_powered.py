"""The interval holds the rate whatever the scores are worth, and is never worse than that of the labels alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from detectors.performance.prediction_powered import RateEstimate, RateSums, rate
from detectors.performance.wilson import wilson
from tests.support.nightly import nightly_except

Scorer = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def logistic(strength: float) -> Scorer:
    return lambda rng, bad: special.expit(1.5 * (rng.normal(size=bad.shape) + strength * bad) - 2.5)


def flag(found: float, false: float) -> Scorer:
    return lambda rng, bad: np.where(bad, rng.random(bad.shape) < found, rng.random(bad.shape) < false).astype(float)


SCORES: dict[str, Scorer] = {
    "worthless": logistic(0),
    "fair": logistic(1.5),
    "good": logistic(2.5),
    "best": logistic(4),
    "backwards": lambda rng, bad: 1 - logistic(2.5)(rng, bad),
    "a flag": flag(0.8, 0.1),
    "a rare flag": flag(0.5, 0.005),
    "the truth": lambda rng, bad: bad.astype(float),
    "constant": lambda rng, bad: np.full(bad.shape, 0.3),
}
RATES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
ROUNDS = 400


def window(rng: np.random.Generator, share: float, scorer: Scorer, labels: int, rows: int) -> RateSums:
    bad = rng.random(rows) < share
    return RateSums.of(scorer(rng, bad), np.where(np.arange(rows) < labels, bad, np.nan))


def labelled(tally: RateSums) -> RateSums:
    """The same labels, and nothing else known."""
    return replace(tally, n=tally.labels, score=tally.labelled_score, score_squared=tally.labelled_squared)


def alone(tally: RateSums) -> tuple[float, float]:
    return wilson(tally.positives, tally.labels)


@pytest.mark.parametrize("quality", SCORES)
@pytest.mark.parametrize("labels", nightly_except([10, 30, 100, 300], 30))
def test_the_interval_holds_the_rate_as_often_as_it_says(quality: str, labels: int) -> None:
    rng = np.random.default_rng(20)
    held, held_alone = [], []
    for share in RATES:
        tallies = [window(rng, share, SCORES[quality], labels, 2000) for _ in range(ROUNDS)]
        found = [rate(tally) for tally in tallies]
        held.append(np.mean([one.low <= share <= one.high for one in found]))
        held_alone.append(np.mean([low <= share <= high for low, high in map(alone, tallies)]))
        assert {one.kind for one in found} == {"rate"}
        assert all(0 <= one.low <= one.value <= one.high <= 1 for one in found)
    # Wilson's own interval swings around 95 %; ours may be a little below it by chance, never by much
    floor = min(0.95, *held_alone) - 3 * math.sqrt(0.05 * 0.95 / ROUNDS)
    assert min(held) >= floor
    assert np.mean(held) >= 0.945


@pytest.mark.parametrize("quality", SCORES)
@pytest.mark.parametrize("labels", nightly_except([30, 100, 300], 30))
def test_it_is_never_worse_than_the_labels_alone(quality: str, labels: int) -> None:
    rng = np.random.default_rng(21)
    for share in (0.05, 0.2, 0.5):
        tallies = [window(rng, share, SCORES[quality], labels, 2000) for _ in range(ROUNDS)]
        found = [rate(tally) for tally in tallies]
        widths, widths_alone = (
            [one.high - one.low for one in some] for some in (found, map(rate, map(labelled, tallies)))
        )
        assert np.mean(widths) <= 1.005 * np.mean(widths_alone)
        error = np.mean([(one.value - share) ** 2 for one in found])
        assert error <= 1.03 * np.mean([(tally.positives / tally.labels - share) ** 2 for tally in tallies])


@pytest.mark.parametrize(("quality", "most"), [("best", 0.6), ("good", 0.8), ("the truth", 0.35), ("worthless", 1.01)])
def test_good_scores_narrow_it(quality: str, most: float) -> None:
    rng = np.random.default_rng(22)
    tallies = [window(rng, 0.2, SCORES[quality], 200, 20_000) for _ in range(100)]
    widths = [found.high - found.low for found in map(rate, tallies)]
    assert np.mean(widths) <= most * np.mean([high - low for low, high in map(alone, tallies)])


def test_the_estimate_is_unbiased_though_the_scores_are_wrong() -> None:
    rng = np.random.default_rng(23)
    high = SCORES["a flag"]
    found = [rate(window(rng, 0.1, high, 200, 4000)) for _ in range(600)]
    mean_score = rate(RateSums.of(high(rng, rng.random(50_000) < 0.1), np.full(50_000, np.nan))).value
    assert mean_score == pytest.approx(0.17, abs=0.01)
    assert np.mean([one.value for one in found]) == pytest.approx(0.1, abs=0.003)


def test_many_labels_give_the_published_estimator() -> None:
    """Against PPI++ written down anew from the formulas of the paper, arrays and no sums."""
    rng = np.random.default_rng(24)
    rows, n = 60_000, 20_000
    bad = rng.random(rows) < 0.3
    scores = SCORES["good"](rng, bad)
    y, f, unlabelled = bad[:n].astype(float), scores[:n], scores[n:]
    power = np.cov(y, f)[0, 1] / ((1 + n / (rows - n)) * np.var(f))
    value = y.mean() + power * (unlabelled.mean() - f.mean())
    error = math.sqrt(np.var(y - power * f) / n + power**2 * np.var(unlabelled) / (rows - n))
    found = rate(RateSums.of(scores, np.where(np.arange(rows) < n, bad, np.nan)))
    assert found.value == pytest.approx(value, abs=2e-4)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.03)


def test_without_labels_it_is_an_index_and_says_so() -> None:
    scores = np.random.default_rng(25).random(500)
    found = rate(RateSums.of(scores, np.full(500, np.nan)))
    assert found.kind == "index"
    assert found.labels == 0
    assert found.value == pytest.approx(scores.mean(), abs=1e-6)
    assert found.low < scores.mean() < found.high
    nothing = rate(RateSums())
    assert (nothing.n, nothing.kind) == (0, "index")
    assert math.isnan(nothing.value)


def test_a_few_labels_of_one_kind_leave_room() -> None:
    scores = np.full(5000, 0.01)
    for positives, inside in ((0, 0.03), (30, 0.97)):
        labels = np.where(np.arange(5000) < 30, float(positives > 0), np.nan)
        found = rate(RateSums.of(scores, labels))
        assert found.low <= inside <= found.high
        assert found.high - found.low > 0.1
    one = rate(RateSums.of(scores, np.where(np.arange(5000) < 1, 1.0, np.nan)))
    assert one.high - one.low > 0.9


def test_all_rows_labelled_is_a_plain_share() -> None:
    labels = (np.arange(400) % 5 == 0).astype(float)
    found = rate(RateSums.of(np.linspace(0, 1, 400), labels))
    low, high = wilson(80, 400)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)


def test_a_higher_level_is_wider() -> None:
    tally = window(np.random.default_rng(26), 0.2, SCORES["good"], 100, 2000)
    widths = [found.high - found.low for found in (rate(tally, level) for level in (0.5, 0.8, 0.95, 0.99))]
    assert widths == sorted(widths)


parts = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0, math.nan])), max_size=30)


@given(parts, parts, parts)
def test_tallies_add_up_exactly_in_any_order(
    first: list[tuple[float, float]], second: list[tuple[float, float]], third: list[tuple[float, float]]
) -> None:
    lists = (first, second, third)
    one, two, three = (RateSums.of(*np.array(rows, dtype=float).reshape(-1, 2).T) for rows in lists)
    assert (one + two) + three == three + (two + one)
    together = [row for rows in lists for row in rows]
    whole = RateSums.of(*np.array(together, dtype=float).reshape(-1, 2).T)
    assert one + two + three == whole
    assert RateSums.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert isinstance(rate(whole), RateEstimate)


def test_sums_match_floats() -> None:
    scores = np.random.default_rng(27).random(100_000)
    tally = RateSums.of(scores, np.full(100_000, np.nan))
    assert tally.score / 2**20 == pytest.approx(scores.sum(), rel=1e-7)
    assert tally.score_squared / 2**40 == pytest.approx(np.square(scores).sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [([1.5], [0], "outside of 0 to 1"), ([-0.1], [0], "outside of 0 to 1"), ([0.5], [2], "neither 0 nor 1")],
)
def test_what_is_no_score_and_no_label_is_refused(scores: list[float], labels: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RateSums.of(np.array(scores), np.array(labels))
    assert RateSums.of(np.array([math.nan]), np.array([1.0])).n == 0
