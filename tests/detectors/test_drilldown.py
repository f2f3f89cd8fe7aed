"""The drill-downs: against other computations of the same thing, under the null, and on changes with a known cause."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize, stats

from detectors.drilldown.domain_classifier import area, fit_logistic, normal_scores, separate
from detectors.drilldown.pca import learn_subspace, reconstruction, residuals, welch

Measure = Callable[[np.ndarray, np.ndarray], object]
BOTH = [separate, reconstruction]


def related(rng: np.random.Generator, rows: int, columns: int = 5) -> np.ndarray:
    """Return rows whose columns hang together in a fixed way, with heavy tails."""
    mix = np.random.default_rng(99).normal(size=(columns, columns))
    return np.asarray(rng.standard_t(5, size=(rows, columns)) @ mix)


# ----------------------------------------------------------------------------------- PCA reconstruction


def test_the_axes_are_the_eigenvectors_of_the_correlation_matrix() -> None:
    sample = np.random.default_rng(0).normal(size=(3000, 5)) @ np.random.default_rng(1).normal(size=(5, 5))
    subspace = learn_subspace(sample, explained=0.8)
    values, vectors = np.linalg.eigh(np.corrcoef(sample, rowvar=False))
    largest = vectors[:, ::-1][:, : len(subspace.axes)]
    assert subspace.explained == pytest.approx(values[::-1][: len(subspace.axes)].sum() / 5)
    assert subspace.explained >= 0.8 > values[::-1][: len(subspace.axes) - 1].sum() / 5
    assert np.allclose(largest @ largest.T, subspace.axes.T @ subspace.axes, atol=1e-8)


def test_the_residual_is_the_distance_to_the_nearest_point_of_the_subspace() -> None:
    sample = related(np.random.default_rng(2), 500)
    subspace = learn_subspace(sample)
    rows = (sample[:20] - sample.mean(axis=0)) / sample.std(axis=0)
    for row, left in zip(rows, residuals(subspace, sample[:20]), strict=True):
        _, squared, *_ = np.linalg.lstsq(subspace.axes.T, row, rcond=None)
        assert np.sum(left**2) == pytest.approx(float(squared[0]), rel=1e-8)


def test_welch_is_scipys() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.exponential(size=80), rng.normal(1.2, 3.0, size=51)
    assert welch(first, second) == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue, rel=1e-10)
    assert (welch(np.ones(60), np.ones(50)), welch(np.ones(60), np.zeros(50))) == (1.0, 0.0)


def test_a_broken_correlation_moves_the_error_though_no_column_has_changed() -> None:
    rng = np.random.default_rng(4)
    old, new = related(rng, 3000), related(rng, 800)
    broken = new.copy()
    broken[:, 1] = rng.permutation(broken[:, 1])
    assert reconstruction(old, new).p_value > 0.001
    seen = reconstruction(old, broken)
    assert (seen.p_value < 1e-6, seen.now > seen.before, seen.shift > 0.2) == (True, True, True)
    assert np.abs(seen.excess).argmax() == seen.telling[0]
    assert separate(old, broken).auc < 0.56, "a classifier of single columns cannot see it, as its page says"


def test_a_half_is_held_out_so_that_few_rows_and_many_columns_are_no_drift() -> None:
    rng = np.random.default_rng(5)
    p_values = [reconstruction(rng.normal(size=(120, 40)), rng.normal(size=(100, 40))).p_value for _ in range(60)]
    assert np.mean(np.array(p_values) < 0.01) <= 0.1


# ------------------------------------------------------------------------------------- domain classifier


def test_the_fit_is_the_optimum_that_a_general_optimiser_finds() -> None:
    rng = np.random.default_rng(6)
    features = rng.normal(size=(300, 4))
    label = (rng.random(300) < 1 / (1 + np.exp(-(features @ [1.0, -2.0, 0.0, 0.5] + 0.7)))).astype(float)

    def loss(weights: np.ndarray) -> float:
        score = weights[0] + features @ weights[1:]
        return float(np.sum(np.logaddexp(0, score) - label * score) + 0.5 * 3.0 * np.sum(weights[1:] ** 2))

    found = optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-7})
    assert np.allclose(fit_logistic(features, label, penalty=3.0), found.x, atol=1e-5)


def test_the_fit_ends_also_where_the_sides_can_be_told_apart_completely() -> None:
    features = np.linspace(-1, 1, 100)[:, None] ** 3 * 1000
    weights = fit_logistic(features, (features[:, 0] > 0).astype(float))
    assert np.isfinite(weights).all()
    assert weights[1] > 0


def test_the_area_counts_pairs() -> None:
    rng = np.random.default_rng(7)
    score, label = rng.integers(0, 6, 70).astype(float), (rng.random(70) < 0.4).astype(float)
    ones, zeros = score[label == 1][:, None], score[label == 0][None, :]
    assert area(score, label) == pytest.approx(np.mean((ones > zeros) + 0.5 * (ones == zeros)))
    pair = stats.mannwhitneyu(score[label == 1], score[label == 0]).statistic
    assert area(score, label) == pytest.approx(pair / (ones.size * zeros.size))


@pytest.mark.parametrize(("size", "place"), [(1.0, 0), (1.0, 3)])
def test_the_area_of_a_shifted_normal_column_is_the_laws_own_and_names_the_column(size: float, place: int) -> None:
    rng = np.random.default_rng(8)
    old, new = rng.normal(size=(4000, 4)), rng.normal(size=(4000, 4))
    new[:, place] += size
    seen = separate(old, new)
    assert seen.auc == pytest.approx(stats.norm.cdf(size / np.sqrt(2)), abs=0.015)
    assert seen.telling[0] == place
    assert seen.drop[place] == pytest.approx(seen.auc - 0.5, abs=0.02)
    assert np.abs(np.delete(seen.drop, place)).max() < 0.01


def test_a_wider_column_is_seen_and_named() -> None:
    rng = np.random.default_rng(9)
    old, new = rng.normal(size=(2000, 3)), rng.normal(size=(1000, 3))
    new[:, 1] *= 2.0
    seen = separate(old, new)
    assert seen.p_value < 1e-6
    assert seen.telling[0] == 1


def test_no_unit_and_no_outlier_matters_to_the_classifier() -> None:
    rng = np.random.default_rng(10)
    old, new = rng.normal(size=(500, 3)), rng.normal(0.3, size=(400, 3))
    assert separate(np.exp(old), np.exp(new)).auc == separate(old, new).auc
    new[0] = 1e300
    assert abs(separate(old, new).auc - separate(old, np.clip(new, -5, 5)).auc) < 0.01


def test_normal_scores_have_the_mean_and_spread_of_a_normal_law() -> None:
    scores = normal_scores(np.random.default_rng(11).exponential(size=(5000, 2)))
    assert np.abs(scores.mean(axis=0)).max() < 1e-9
    assert scores.std(axis=0) == pytest.approx(1.0, abs=0.01)


# ------------------------------------------------------------------------------------------------- both


@pytest.mark.parametrize("measure", BOTH)
def test_unchanged_rows_are_called_changed_no_more_often_than_the_p_value_says(measure: Measure) -> None:
    p_values = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        p_values.append(measure(related(rng, 400), related(rng, 200)).p_value)  # type: ignore[attr-defined]
    for level in (0.01, 0.05, 0.2):
        assert np.sum(np.array(p_values) < level) <= stats.binom(120, level).ppf(0.999)


@pytest.mark.parametrize("measure", BOTH)
def test_the_same_samples_and_seed_give_the_same_answer(measure: Measure) -> None:
    rng = np.random.default_rng(12)
    old, new = related(rng, 200), related(rng, 100)
    copies = old.copy(), new.copy()
    first, second = measure(old, new), measure(old, new)
    assert repr(first) == repr(second)
    assert np.array_equal(old, copies[0])
    assert np.array_equal(new, copies[1])


@pytest.mark.parametrize("measure", BOTH)
def test_what_is_missing_or_constant_or_not_finite_is_borne(measure: Measure) -> None:
    rng = np.random.default_rng(13)
    old, new = related(rng, 300), related(rng, 200)
    for side in (old, new):
        side[::7, 0] = np.nan
        side[::11, 1] = np.inf
        side[:, 2] = 4.0
        side[:, 3] = np.nan
    p_value = measure(old, new).p_value  # type: ignore[attr-defined]
    assert 0.001 < p_value <= 1.0


@pytest.mark.parametrize("measure", BOTH)
@pytest.mark.parametrize(
    ("shapes", "says"),
    [(((60, 2), (60, 3)), "same columns"), (((60,), (60,)), "same columns"), (((60, 2), (49, 2)), "at least 50 rows")],
)
def test_what_cannot_be_compared_is_refused(measure: Measure, shapes: tuple[tuple[int, ...], ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        measure(np.zeros(shapes[0]), np.zeros(shapes[1]))


def test_folds_need_rows_of_both_sides() -> None:
    with pytest.raises(ValueError, match="at least 10 rows of both samples"):
        separate(np.zeros((100, 1)), np.zeros((60, 1)), folds=7)


@pytest.mark.parametrize("largest", [1e300, 1.7e308])
def test_a_subspace_is_that_of_the_same_values_in_another_unit(largest: float) -> None:
    rng = np.random.default_rng(0)
    sample = rng.uniform(-1, 1, size=(200, 1)) + rng.uniform(-0.2, 0.2, size=(200, 3))
    sample /= np.abs(sample).max()
    plain, huge = learn_subspace(sample), learn_subspace(sample * largest)
    np.testing.assert_allclose(huge.axes, plain.axes, rtol=1e-9)
    np.testing.assert_allclose(huge.scale / largest, plain.scale, rtol=1e-9)
    np.testing.assert_allclose(residuals(huge, sample * largest), residuals(plain, sample), atol=1e-9)
