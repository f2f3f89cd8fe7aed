"""Nulls and limits of a few windows, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from detectors.calibrate import Peaks, RarityLimit, episodes, expected_alerts, spend
from detectors.null_distribution import CalibratedNull, NullDistribution, held_out_rarity, independent, learn_null


def watched(**heights: Sequence[float]) -> dict[str, list[Peaks]]:
    """Return statistics that one rule each watches."""
    return {name: [Peaks(name, np.array(each, dtype=float))] for name, each in heights.items()}


# ---- limits: one stretch, so that every resampled baseline is the same one -----------------------------------------


def test_one_peak_is_the_whole_tail() -> None:
    """The tail of two statistics begins at 1, exceeds that by 9, and does so once in two weeks of a statistic.

    A share of the budget is 0.05 a week, a tenth of the rate 0.5: the limit lies ln(10) scales above the start.
    """
    spending = spend(watched(a=[0], b=[10]), 0.1, 1.0)
    assert spending.own == {}
    limit = spending.limit
    assert limit.rarity == pytest.approx(1 + 9 * math.log(10))
    assert [limit.expected, limit.low, limit.high] == pytest.approx([0.1] * 3)
    assert (limit.budget, limit.weeks, limit.beyond) == pytest.approx((0.1, 1.0, 10.0))


def test_a_tail_begins_at_the_lowest_of_few_peaks() -> None:
    """It begins at 2; two of three statistics exceed it, by 3 on average."""
    limit = spend(watched(a=[2], b=[4], c=[6]), 0.3, 1.0).limit
    assert limit.rarity == pytest.approx(2 + 3 * math.log(2 / 3 / 0.1))
    assert [limit.expected, limit.low, limit.high] == pytest.approx([0.3] * 3)


def test_without_statistics_the_limit_is_that_of_one_that_never_moves() -> None:
    spending = spend({}, 0.1, 2.0)
    assert spending.own == {}
    assert spending.limit == RarityLimit(*(pytest.approx(x) for x in (1 + math.log(5), 0.1, 0.1, 0.1, 0.1, 2.0, 5.0)))


# ---- statistics that are set apart ---------------------------------------------------------------------------------

CALM = {"a": [4, 0, 0], "b": [0, 4, 0], "c": [0, 0, 4]}
"""In two weeks each exceeds 1 once, by 3: their tail has the rate 0.5 a week and the scale 3."""


def offset_of(odd: Sequence[float], budget: float = 0.4, calm: dict[str, Sequence[float]] | None = None) -> float:
    """Return by how much the limit of a fourth statistic exceeds the common one; its share is a quarter."""
    spending = spend(watched(**(calm or CALM), odd=odd), budget, 2.0)
    assert spending.own.keys() <= {"odd"}
    return spending.own.get("odd", spending.limit.rarity) - spending.limit.rarity


def own(count: int, excess: float) -> float:
    """Return the limit of peaks in two weeks that exceed 1 by so much, less the common one, at a share of 0.1."""
    return 1 + excess * (1 + count**-0.5) * math.log(count / 2 / 0.1) - (1 + 3 * math.log(0.5 / 0.1))


@pytest.mark.parametrize(
    ("odd", "offset"),
    [
        ([12, 0, 0], 0.0),  # exp(-11 / 3) = 0.026 of such statistics get so high, and one in 40 may
        ([13, 0, 0], own(1, 12)),  # exp(-12 / 3) = 0.018
        ([13, 1, 1], own(1, 12)),  # what reaches the start does not exceed it
        ([13, 1.1, 1.1], own(3, 12.2 / 3)),  # three excesses of 12.2 are not rare, a single one of 12 is
        ([6, 6, 6], 0.0),  # of three excesses 12 % add up to 15
        ([9, 9, 9], own(3, 8)),  # 1.4 % to 24
    ],
)
def test_a_statistic_is_set_apart_by_its_highest_peak_or_by_their_sum(odd: list[float], offset: float) -> None:
    assert offset_of(odd) == pytest.approx(offset)


def test_a_limit_of_its_own_is_no_lower_than_the_highest_peak() -> None:
    """At a share of 1 a week the peaks of neither are rare: the common tail is used from its start, 1, on."""
    assert offset_of([13, 0, 0], budget=4.0) == pytest.approx(13 - 1)


def test_a_statistic_whose_peaks_stay_below_the_common_limit_needs_none_of_its_own() -> None:
    """At a share of 0.0025 the common level is 1 + 3 ln(200) = 16.9, and the odd peak of 13 stays below."""
    calm = {name: [*heights, *[0] * 9] for name, heights in CALM.items()}
    assert offset_of([13, *[1.1] * 11], budget=0.01, calm=calm) == 0.0


def test_of_two_rules_the_higher_limit_holds() -> None:
    """Five shares of 0.1. The peak of 20 exceeds 1 by 19: 1 + 38 ln(5), less the common level, 1 + 3 ln(5)."""
    rules = [Peaks("one/odd", np.array([13.0, 0, 0])), Peaks("two/odd", np.array([20.0, 0, 0]))]
    for several in (rules, rules[::-1]):
        spending = spend({**watched(**CALM), "odd": several}, 0.5, 2.0)
        assert spending.own == {"odd": pytest.approx(spending.limit.rarity + 35 * math.log(5))}


def test_alerts_of_two_peaks_are_expected_by_what_the_higher_exceeds() -> None:
    assert expected_alerts(np.array([0.0, 0.5, 7.0]), 9.0, 2.0) == pytest.approx(0.5 * math.exp(-8.5 / 6.5))
    assert expected_alerts(np.array([0.0, 7.0]), 1.0, 2.0) == 0.0


def test_an_episode_begins_with_bad_windows_in_a_row() -> None:
    assert episodes(np.array([1, 0, 1, 0]), bad_for=2, clean_for=1) == 0
    assert episodes(np.array([1, 1, 0, 1]), bad_for=2, clean_for=1) == 1
    assert episodes(np.array([1]), bad_for=1, clean_for=1) == 1


# ---- nulls ---------------------------------------------------------------------------------------------------------

QUARTER = (0.0,) * 4
BOTH = NullDistribution(3.0, 2.0, 0.1, 1.5, QUARTER, 50.0, inflation=2.0, clusters=1.5)
"""At a noise of 2 the variance is 1.5 * 2 * 2**2 + 3**2 = 21; that of the clustered rows alone is 1.5 * 2**2 = 6."""


def squared_score(rarity: float) -> float:
    """Return the square of the normal score that is so rare, in units of that which one in 1,000 exceeds."""
    return float(stats.norm.isf(math.exp(-rarity) / 2) / stats.norm.isf(0.0005)) ** 2


@pytest.mark.parametrize(
    ("scored", "rarity"),
    [(0.5, math.log(10) / 4), (2.0, math.log(10)), (5.0, math.log(10) + 3 / 1.5)],
)
def test_below_its_start_a_null_is_stretched_and_beyond_it_is_exponential(scored: float, rarity: float) -> None:
    statistic = math.sqrt(21 * squared_score(scored))
    assert BOTH.rarity(statistic, 2.0) == pytest.approx(rarity)
    assert BOTH.threshold(rarity, 2.0) == pytest.approx(statistic)
    assert BOTH.rarity(np.array([statistic, -1.0]), np.array([2.0, 2.0])).tolist() == pytest.approx([rarity, 0.0])
    assert CalibratedNull(BOTH, rarity).p_value(statistic, 2.0) == pytest.approx(math.exp(-rarity))


def test_nothing_is_rarer_than_clustered_rows_make_it() -> None:
    light = NullDistribution(0.0, 0.5, 0.1, 0.5, QUARTER, 50.0, clusters=1.5)
    assert light.threshold(math.log(1000), 2.0) == pytest.approx(math.sqrt(6))
    assert light.rarity(math.sqrt(6), 2.0) == pytest.approx(math.log(1000))
    assert CalibratedNull(light, 5.0).p_value(-1.0, 2.0) == 1.0


def test_what_never_moved_is_as_rare_as_can_be_and_no_arithmetic_warns() -> None:
    still = NullDistribution(0.0, 0.0, 0.1, 1.0, QUARTER, 50.0)
    rare = still.rarity(np.array([0.0, 0.003, 1e200]), np.array([0.003, 0.003, 0.0])).tolist()
    assert rare == pytest.approx([0.0, math.log(1000), 1e4])


@pytest.mark.parametrize(("windows", "scale"), [(5, 20 / 21), (50, 20 / 25), (400, 0.5)])
def test_a_tail_without_peaks_is_believed_as_far_as_there_could_have_been_some(windows: float, scale: float) -> None:
    """One peak at least, a tenth of the windows else, beside the twenty of a normal tail; half of that one at least."""
    null = learn_null(np.full(40, 2.0), np.full(40, 2.0), windows)
    expected = NullDistribution(0.0, math.log(1000), 0.1, scale, (2.0,) * 4, windows, 2.0)
    assert null is not None
    assert {**null.to_json(), "quantiles": 0} == pytest.approx({**expected.to_json(), "quantiles": 0})
    assert null.quantiles == pytest.approx(expected.quantiles)


def split(noise: Sequence[float], statistic: Sequence[float]) -> tuple[float, float]:
    """Return wander and inflation that are learnt of a hundred windows of either size."""
    null = learn_null(np.repeat(statistic, 100), np.repeat(noise, 100), 50.0)
    assert null is not None
    return null.wander, null.inflation


@pytest.mark.parametrize("thin", [2.0, 3.0, 1.5])
@pytest.mark.parametrize(("wander", "inflation"), [(0.0, 3.0), (2.0, 1.0), (0.3, 1.0)])
def test_thin_and_thick_windows_tell_clusters_from_a_wander(thin: float, wander: float, inflation: float) -> None:
    noise = np.array([1.0, thin])
    assert split(noise, np.sqrt(inflation * noise**2 + wander**2)) == pytest.approx((wander, inflation), abs=1e-6)


@pytest.mark.parametrize("mixture", [0.25, 0.5, 0.75])
def test_a_part_of_the_excess_may_be_clusters(mixture: float) -> None:
    """Of an excess of 0.8 at a window of the usual size, 2.5, which lies between the two."""
    noise = np.array([1.0, 2.0])
    statistic = np.sqrt(noise**2 + 0.8 * (mixture * noise**2 / 2.5 + 1 - mixture))
    assert split(noise, statistic) == pytest.approx((math.sqrt(0.8 * (1 - mixture)), 1 + 0.8 * mixture / 2.5))


TWICE = math.sqrt(2 * 1.125**2)
"""Its square is exactly twice that of 1.125."""


@pytest.mark.parametrize(
    ("noise", "statistic", "wander", "inflation"),
    [
        ([1.0, 1.4], [2.0, 2.8], math.sqrt(3 * 1.96), 1.0),  # they are too much alike: 1.96 times the variance
        ([1.125, TWICE], [2.25, 2 * TWICE], 0.0, 4.0),  # twice is enough
        ([2.0, 2.0], [3.0, 4.0], math.sqrt(12), 1.0),  # none is thinner
        ([0.375, 0.75], [0.625, 1.25], 0.0, 25 / 9),  # an excess of 1 is one
        ([1.0, 2.0], [0.5, 1.0], 0.0, 1.0),  # no excess
        ([1.0, 2.0], [2.0, 0.0], math.sqrt(3), 1.0),  # only thick windows exceed their noise
        ([1.0, 2.0], [0.0, 4.0], math.sqrt(12), 1.0),  # only thin ones
    ],
)
def test_windows_of_either_size_are_told_apart_where_they_can_be(
    noise: list[float], statistic: list[float], wander: float, inflation: float
) -> None:
    assert split(noise, statistic) == pytest.approx((wander, inflation), abs=1e-6)


def test_where_a_window_has_no_noise_all_excess_is_wander() -> None:
    noise, statistic = np.repeat([1.0, 2.0], 100), np.repeat([2.0, 4.0], 100)
    noise[0] = statistic[0] = 0.0
    null = learn_null(statistic, noise, 50.0)
    assert null is not None
    assert (null.wander, null.inflation) == pytest.approx((math.sqrt(12), 1.0))


def test_a_fold_is_measured_by_a_null_of_as_many_windows_as_the_others_have() -> None:
    """Four folds of windows at their noise, 2, one of which is e**3 times as rare.

    The other three stand for 150 windows of 200, of which 15 could have been peaks: the scale is 20 / 35.
    """
    values = np.full(40, 2.0)
    values[3], values[4], values[5] = 2 * math.sqrt(squared_score(math.log(1000) + 3)), np.nan, 1.9
    folds = [slice(first, first + 10) for first in range(0, 40, 10)]
    noise = np.full(40, 2.0)
    noise[6] = np.nan
    rarity = held_out_rarity(values, noise, folds, 2.0, 200)
    assert rarity[3] == pytest.approx(math.log(10) + 3 * 35 / 20)
    assert rarity[[0, 1, 2, 7, 8, 9]].tolist() == pytest.approx([math.log(10)] * 6)  # as large as the floor
    assert np.isneginf(rarity[4:7]).all()
    assert np.isfinite(rarity[10:]).all()


def test_what_only_one_fold_measured_is_measured_by_none() -> None:
    values = np.full(20, np.nan)
    values[:5] = 3.0
    rarity = held_out_rarity(values, np.ones(20), [slice(0, 10), slice(10, 20)], 0.0, 20)
    assert np.isneginf(rarity).all()


def test_windows_that_are_alike_tell_less() -> None:
    few = np.array([1.0, 4.0, np.nan, 1.0, np.nan, np.nan])
    assert independent(few, 3) == 1.0  # as many as overlap: nothing to compare
    assert independent(few, 2) == 1.5  # those that are two apart, 4 and 1, are not alike
    assert independent(np.array([1.0, np.nan, 2.0, np.nan, 3.0]), 1) == 3.0
    # About a mean of 0 the pairs that are two apart have a mean product of 1.5, the values a mean square of 2.
    assert independent(np.array([2.0, -1, 1, -1, 1, -2]), 2) == pytest.approx(3 * (1 - 0.75) / (1 + 0.75))
