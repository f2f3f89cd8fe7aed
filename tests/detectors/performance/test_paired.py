"""The paired test against exact tests of scipy, its own null, and models that really got worse."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
from scipy import stats

from detectors.performance.paired import compare, holm, total_fall

SIMULATIONS = 150


def drawn(share: np.ndarray, repeat: int, chance: np.random.Generator) -> list[np.ndarray]:
    return list((chance.random((len(share), repeat)) < share[:, None]).astype(float))


def near(p_value: float, exact: float, draws: int = 9999) -> bool:
    """Whether a drawn p-value lies within five standard errors of the exact one."""
    return abs(p_value - exact) < 5 * np.sqrt(exact * (1 - exact) / draws) + 2 / draws


@pytest.mark.parametrize(("fell", "rose"), [(9, 2), (5, 5), (1, 0), (12, 1)])
def test_one_sample_of_right_or_wrong_is_mcnemars_exact_test(fell: int, rose: int) -> None:
    before = [np.ones(1)] * fell + [np.zeros(1)] * rose + [np.ones(1)] * 20
    after = [np.zeros(1)] * fell + [np.ones(1)] * rose + [np.ones(1)] * 20
    exact = stats.binomtest(fell, fell + rose, 0.5, alternative="greater").pvalue
    assert near(compare(before, after).p_value, exact)


def test_one_sample_of_any_score_is_scipys_paired_permutation_test() -> None:
    chance = np.random.default_rng(0)
    before = chance.beta(3, 1, 12)
    after = before - 0.08 + chance.normal(0, 0.15, 12)
    exact = stats.permutation_test(
        (after, before),
        lambda one, other, axis: np.mean(one - other, axis=axis),
        permutation_type="samples",
        alternative="less",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    assert near(compare(list(before[:, None]), list(after[:, None])).p_value, exact)


def test_several_samples_are_the_exact_stratified_test() -> None:
    """Right and wrong answers shuffled within cases: a sum of hypergeometric counts (Cochran, Mantel, Haenszel)."""
    chance = np.random.default_rng(1)
    share = chance.beta(4, 1, 15)
    before, after = drawn(share, 4, chance), drawn(share * 0.8, 4, chance)
    law = np.ones(1)
    for old, new in zip(before, after, strict=True):
        law = np.convolve(law, stats.hypergeom.pmf(np.arange(5), 8, int(old.sum() + new.sum()), 4))
    exact = law[: int(sum(new.sum() for new in after)) + 1].sum()
    assert 0.001 < exact < 0.5
    assert near(compare(before, after).p_value, exact)


def test_unequal_numbers_of_samples_and_unscored_ones_are_the_exact_test_too() -> None:
    before = [np.array([1.0, 1.0, 1.0, np.nan, 0.0])]
    after = [np.array([0.0, np.nan, 0.0])]
    exact = stats.hypergeom.cdf(0, 6, 3, 2)
    assert near(compare(before, after).p_value, exact)


@pytest.mark.parametrize(("cases", "repeat"), [(20, 1), (50, 3), (10, 5)])
def test_an_unchanged_model_is_called_worse_no_more_often_than_alpha(cases: int, repeat: int) -> None:
    chance = np.random.default_rng(cases)
    p_values = []
    for seed in range(SIMULATIONS):
        share = chance.beta(3, 1, cases)
        p_values.append(
            compare(drawn(share, repeat, chance), drawn(share, repeat, chance), draws=499, seed=seed).p_value
        )
    for alpha in (0.01, 0.05, 0.2, 0.5):
        alarms = int(np.sum(np.array(p_values) <= alpha))
        assert stats.binom.sf(alarms - 1, SIMULATIONS, alpha) > 1e-4, (alpha, alarms)


def test_with_finely_graded_scores_the_p_values_are_uniform() -> None:
    chance = np.random.default_rng(3)
    p_values = []
    for seed in range(SIMULATIONS):
        hardness = chance.random(25)[:, None]
        old, new = (np.clip(chance.normal(hardness, 0.1, (25, 2)), 0, 1) for _ in range(2))
        p_values.append(compare(list(old), list(new), draws=499, seed=seed).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_cases_that_rise_and_fall_around_the_same_mean_are_no_regression() -> None:
    chance = np.random.default_rng(4)
    alarms = 0
    for seed in range(SIMULATIONS):
        old = np.tile([0.9, 0.4], 15)
        new = np.tile([0.4, 0.9], 15)
        alarms += compare(drawn(old, 4, chance), drawn(new, 4, chance), draws=499, seed=seed).p_value <= 0.05
    assert stats.binom.sf(alarms - 1, SIMULATIONS, 0.05) > 1e-4, alarms


@pytest.mark.parametrize(("before", "after", "max_drop"), [(1, 1, 0.0), (3, 1, 0.0), (3, 3, 0.0), (1, 1, 0.1)])
def test_a_fall_of_every_case_has_the_chance_that_drawn_pass_rates_give_it(
    before: int, after: int, max_drop: float
) -> None:
    chance = np.random.default_rng(9)
    rate = chance.random((200_000, 3))
    passed = np.all(chance.binomial(before, rate) == before, axis=1)
    failed = np.all(chance.binomial(after, np.maximum(0.0, rate - max_drop)) == 0, axis=1)
    expected = np.sum(passed & failed)
    found = 200_000 * total_fall([(np.ones(before), np.zeros(after))] * 3, max_drop)
    assert abs(expected - found) < 5 * np.sqrt(found) + 1


def test_a_fall_of_every_case_is_significant_from_three_cases_on_and_one_steady_case_prevents_it() -> None:
    fell = [compare([np.ones(1)] * cases, [np.zeros(1)] * cases).p_value for cases in (1, 2, 3, 4)]
    assert [p_value <= 0.01 for p_value in fell] == [False, False, True, True]
    assert compare([np.ones(1)] * 4, [np.zeros(1)] * 3 + [np.ones(1)]).p_value > 0.1
    assert compare([np.full(1, 0.6)] * 4, [np.full(1, 0.4)] * 4).p_value > 0.05, "a smaller drop may be noise"


def test_a_drop_that_is_accepted_is_no_regression_and_a_larger_one_is() -> None:
    chance = np.random.default_rng(5)
    at_limit, beyond = 0, 0
    for seed in range(SIMULATIONS):
        share = np.full(60, 0.9)
        old = drawn(share, 3, chance)
        at_limit += compare(old, drawn(share - 0.1, 3, chance), 0.1, draws=499, seed=seed).p_value <= 0.05
        beyond += compare(old, drawn(share - 0.3, 3, chance), 0.1, draws=499, seed=seed).p_value <= 0.05
    assert stats.binom.sf(at_limit - 1, SIMULATIONS, 0.05) > 1e-4, at_limit
    assert beyond > 0.9 * SIMULATIONS


def test_a_drop_of_ten_points_is_found() -> None:
    chance = np.random.default_rng(6)
    found = 0
    for seed in range(40):
        share = chance.beta(4, 1, 200)
        found += (
            compare(drawn(share, 3, chance), drawn(share - 0.125 * share, 3, chance), draws=999, seed=seed).p_value
            <= 0.01
        )
    assert found > 36


def test_copies_are_not_evidence() -> None:
    """A cache between us and the model repeats one draw: only whole cases may then be shuffled."""
    chance = np.random.default_rng(7)
    alarms = {True: 0, False: 0}
    for seed in range(SIMULATIONS):
        share = np.full(40, 0.6)
        old, new = ([np.repeat(one, 5) for one in drawn(share, 1, chance)] for _ in range(2))
        for copies in alarms:
            alarms[copies] += compare(old, new, copies=copies, draws=499, seed=seed).p_value <= 0.05
    assert stats.binom.sf(alarms[True] - 1, SIMULATIONS, 0.05) > 1e-4, alarms
    assert alarms[False] > 0.1 * SIMULATIONS


def test_nothing_to_compare_has_no_p_value() -> None:
    for sides in (([], []), ([np.array([np.nan])], [np.ones(2)]), ([np.ones(0)], [np.ones(2)])):
        found = compare(*sides)
        assert found.cases == 0
        assert np.isnan(found.p_value)


def test_the_same_scores_are_never_a_regression() -> None:
    assert compare([np.ones(3)] * 9, [np.ones(3)] * 9).p_value == 1.0


def test_holm_is_the_closure_of_weighted_bonferroni() -> None:
    chance = np.random.default_rng(8)
    for _ in range(50):
        p_values, weights = chance.random(5) ** 3, chance.random(5) + 0.1
        places = range(5)
        sets = [set(s) for s in chain.from_iterable(combinations(places, n) for n in range(1, 6))]
        bonferroni = {
            frozenset(s): min(1.0, min(p_values[j] * sum(weights[k] for k in s) / weights[j] for j in s)) for s in sets
        }
        closed = [max(bonferroni[frozenset(s)] for s in sets if place in s) for place in places]
        assert holm(p_values, weights) == pytest.approx(closed)
