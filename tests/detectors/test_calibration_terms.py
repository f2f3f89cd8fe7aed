"""Each term by which the calibration errs on the side of fewer alerts, alone: without it the test fails."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.calibrate import Peaks, peaks, spend
from detectors.null_distribution import NullDistribution, held_out_rarity, learn_null, rarity_of_score

WEEKS, STRETCHES = 2.0, 336
NOISE = 3.29


def ordinary(columns: int, seed: int = 0) -> dict[str, list[Peaks]]:
    """Return columns that follow their nulls."""
    rng = np.random.default_rng(seed)
    return {f"c{i}": [Peaks(f"c{i}", rng.exponential(size=(STRETCHES, 4)).max(axis=1))] for i in range(columns)}


def rare(height: float, count: int) -> list[Peaks]:
    """Return a column that hardly moves, but reached a height several times."""
    heights = np.zeros(STRETCHES)
    heights[np.linspace(0, STRETCHES - 1, count).astype(int)] = height
    return [Peaks("odd", heights)]


def test_no_limit_is_below_that_of_statistics_that_follow_their_null() -> None:
    nothing = {"c": [Peaks("c", np.zeros(STRETCHES))]}
    for budget in (0.1, 1.0):
        assert spend(nothing, budget, WEEKS).limit.rarity == pytest.approx(math.log(STRETCHES / WEEKS / budget))


def test_peaks_that_come_together_ask_for_a_higher_limit_than_the_same_peaks_apart() -> None:
    heights = np.sort(np.random.default_rng(1).exponential(2.0, STRETCHES))
    apart = heights.reshape(14, -1, order="F").ravel()
    limits = [spend({"c": [Peaks("c", each)]}, 0.1, WEEKS).limit.rarity for each in (apart, heights)]
    assert limits[1] > limits[0] + 0.5


def test_a_limit_that_was_learnt_from_few_peaks_is_higher() -> None:
    columns, height, count = 10, 100.0, 9
    own = spend({**ordinary(columns), "odd": rare(height, count)}, 1.0, WEEKS).own["odd"]
    waited = math.log(count / WEEKS * (columns + 1))
    assert own > 1.2 * height * waited


def test_a_statistic_that_is_set_apart_is_not_limited_below_what_the_baseline_showed() -> None:
    own = spend({**ordinary(1), "odd": rare(1400.0, 1)}, 1.0, WEEKS).own
    assert own["odd"] >= 1400.0


def test_columns_of_consequence_have_larger_shares_and_the_budget_is_the_same() -> None:
    rng = np.random.default_rng(4)
    heights = rng.exponential(size=(40, 20_000, 4)).max(axis=2)
    weeks = heights.shape[1] / 168
    equal = spend({f"c{i}": [Peaks(i, each)] for i, each in enumerate(heights)}, 1.0, weeks)
    larger = spend({f"c{i}": [Peaks(i, each, i < 2)] for i, each in enumerate(heights)}, 1.0, weeks)
    assert larger.own["c0"] == larger.own["c1"]
    assert larger.own["c0"] < equal.limit.rarity - 1.5
    assert equal.limit.rarity < larger.limit.rarity < equal.limit.rarity + 0.3
    limits = np.array([[larger.own.get(f"c{i}", larger.limit.rarity)] for i in range(len(heights))])
    assert float((rng.exponential(size=(40, 100_000, 4)).max(axis=2) >= limits).sum()) / 100_000 * 168 <= 1.0
    assert larger.limit.expected == pytest.approx(equal.limit.expected, rel=0.1)


def test_columns_of_consequence_alone_have_equal_shares() -> None:
    several = {name: [Peaks(name, each[0].heights, True)] for name, each in ordinary(4).items()}
    assert set(spend(several, 1.0, WEEKS).own.values()) == {spend(ordinary(4), 1.0, WEEKS).limit.rarity}


def test_a_heavy_tail_is_believed_at_once_and_a_light_one_slowly() -> None:
    rng = np.random.default_rng(2)
    noise = np.full(2000, NOISE)
    heavy, light = np.abs(rng.standard_t(2, 2000)), rng.uniform(0.0, 2.0, 2000)
    few, many = (learn_null(heavy, noise, windows) for windows in (50, 10**9))
    assert few is not None
    assert many is not None
    assert few.scale == pytest.approx(many.scale, rel=1e-6)
    assert few.scale > 1.5
    few, many = (learn_null(light, noise, windows) for windows in (50, 10**9))
    assert few is not None
    assert many is not None
    assert few.scale > 0.8
    assert many.scale < 0.7


def test_a_window_is_not_measured_by_what_was_learnt_from_it() -> None:
    values = np.abs(np.random.default_rng(3).normal(size=700))
    values[100:130] = 12.0
    noise, folds = np.full(700, NOISE), [slice(start, start + 100) for start in range(0, 700, 100)]
    inside = learn_null(values, noise, 700)
    assert inside is not None
    apart = held_out_rarity(values, noise, folds, 0.0, 700)
    assert apart[100] > 2 * inside.rarity(12.0, NOISE)


def test_an_effect_below_the_floor_never_counts() -> None:
    values, noise = np.tile([1.0, 2.0], 50), np.full(100, 1.0)
    rarity = held_out_rarity(values, noise, [slice(0, 50), slice(50, 100)], 1.5, 100)
    assert np.isneginf(rarity[::2]).all()
    assert np.isfinite(rarity[1::2]).all()


def test_nothing_is_rarer_than_sampling_noise_makes_it() -> None:
    light = NullDistribution(wander=0.0, start=0.5, share=0.1, scale=0.5, quantiles=(0.0,) * 4, windows=100.0)
    assert light.rarity(NOISE, NOISE) == pytest.approx(math.log(1000))
    assert light.rarity(2 * NOISE, NOISE) == pytest.approx(rarity_of_score(4.0))
    clustered = NullDistribution(0.0, 0.5, 0.1, 0.5, (0.0,) * 4, 100.0, clusters=4.0)
    assert clustered.rarity(2 * NOISE, NOISE) == pytest.approx(math.log(1000))


def test_what_must_last_counts_by_its_lowest_window() -> None:
    rarity = np.array([0.0, 9, 1, 8, 8, 8, 0, 7, 7, 0])
    assert peaks(rarity, 5, bad_for=2).tolist() == [8, 8]
    assert peaks(rarity, 5, bad_for=3).tolist() == [1, 8]
