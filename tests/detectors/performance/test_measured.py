"""Metrics of the performance column against scikit-learn, their nulls, and what labels that are late change."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats

from detectors.base import Status, assess
from detectors.binning import Binning
from detectors.outcome import OUTCOME, learn_errors, learn_scores, outcomes
from detectors.performance.measured import DETECTORS
from detectors.performance.metrics import METRICS
from detectors.performance.tables import expected_table, labelled_table, unlike
from detectors.profile import Profile
from detectors.records import Column
from detectors.stack import Stack


def sklearn_metrics() -> Any:
    """Import them when a test needs them: whoever only collects the tests need not wait a second for them."""
    return importlib.import_module("sklearn.metrics")


THEIRS = {
    "accuracy": lambda y, p: sklearn_metrics().accuracy_score(y, p >= 0.5),
    "precision": lambda y, p: sklearn_metrics().precision_score(y, p >= 0.5),
    "recall": lambda y, p: sklearn_metrics().recall_score(y, p >= 0.5),
    "f1": lambda y, p: sklearn_metrics().f1_score(y, p >= 0.5),
    "roc_auc": lambda y, p: sklearn_metrics().roc_auc_score(y, p),
    "log_loss": lambda y, p: sklearn_metrics().log_loss(y, p),
    "brier": lambda y, p: sklearn_metrics().brier_score_loss(y, p),
}


def scored(rng: np.random.Generator, rows: int, noise: float = 0.0, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    p = rng.beta(1 + tilt, 2, rows)
    truth = np.where(rng.random(rows) < noise, rng.random(rows) < 0.5, rng.random(rows) < p)
    return p, truth.astype(float)


def profile(said: np.ndarray, truth: np.ndarray, layout: Binning) -> Profile:
    name = "score" if layout.kind == "scores" else "prediction"
    records = {name: Column.floats(said), "label": Column.floats(truth, np.isnan(truth))}
    return Profile.of(outcomes(records, layout), layout)


@pytest.mark.parametrize("name", THEIRS)
def test_a_classifiers_metrics_are_scikit_learns(name: str) -> None:
    p, y = scored(np.random.default_rng(1), 20_000)
    value, error = METRICS[name](labelled_table(profile(p, y, learn_scores())))
    exact = name in ("accuracy", "precision", "recall", "f1")
    assert float(value) == pytest.approx(THEIRS[name](y, p), abs=1e-9 if exact else 3e-4)
    assert 0 < float(error) < 0.02


def test_the_calibration_error_is_that_of_the_rows_less_what_chance_makes() -> None:
    """Row by row: the field's error over ten groups of equal width, less that of labels drawn from calibrated ones."""
    rng = np.random.default_rng(10)
    p = rng.beta(2, 2, 4000)
    y = (rng.random(4000) < p**2).astype(float)
    group = np.minimum((p * 10).astype(int), 9)

    def error(labels: np.ndarray) -> float:
        gaps = [abs(labels[group == g].sum() - p[group == g].sum()) for g in range(10)]
        return float(np.sum(gaps) / len(p))

    share = np.array([y[group == g].mean() for g in range(10)])[group]
    said = np.array([p[group == g].mean() for g in range(10)])[group]
    drawn = (rng.random((400, 4000)) < said).astype(float)
    chance = np.mean([error(labels) for labels in drawn])
    value, spread = METRICS["calibration_error"](labelled_table(profile(p, y, learn_scores())))
    assert float(value) == pytest.approx(error(y) - chance, abs=0.003)
    again = [error((rng.random(4000) < share).astype(float)) for _ in range(400)]
    assert float(spread) == pytest.approx(np.std(again), rel=0.4)


@pytest.mark.parametrize("name", ["mae", "rmse", "mape", "quantile_loss"])
def test_a_regressions_metrics_are_scikit_learns(name: str) -> None:
    rng = np.random.default_rng(2)
    y = rng.gamma(3.0, 10.0, 5000)
    said = y * rng.normal(1.0, 0.2, 5000)
    layout = learn_errors(said, y)
    assert layout is not None
    theirs = {
        "mae": sklearn_metrics().mean_absolute_error(y, said),
        "rmse": sklearn_metrics().root_mean_squared_error(y, said),
        "mape": sklearn_metrics().mean_absolute_percentage_error(y, said),
        "quantile_loss": sklearn_metrics().mean_pinball_loss(y, said, alpha=0.9),
    }
    value, _ = METRICS[name](labelled_table(profile(said, y, layout)))
    assert float(value) == pytest.approx(theirs[name], rel=1e-4)


def test_parts_add_up_and_late_labels_are_the_same_as_labels_in_time() -> None:
    p, y = scored(np.random.default_rng(3), 4000)
    layout = learn_scores()
    whole = profile(p, y, layout)
    assert profile(p[:1000], y[:1000], layout) + profile(p[1000:], y[1000:], layout) == whole
    assert Profile.from_json(whole.to_json(), layout) == whole
    late = profile(p, np.where(np.arange(4000) < 500, y, np.nan), layout)
    assert (late.n, late.missing, late.rows, whole.n) == (500, 3500, 4000, 4000)


@cache
def unchanged() -> tuple[Profile, Stack]:
    rng, layout = np.random.default_rng(4), learn_scores()
    old = profile(*scored(rng, 30_000), layout)
    return old, Stack.of([profile(*scored(rng, 800), layout) for _ in range(400)], layout)


@pytest.mark.parametrize("name", [name for name, d in DETECTORS.items() if "scores" in d.kinds])
def test_no_change_is_no_finding_and_the_noise_floor_holds(name: str) -> None:
    old, stack = unchanged()
    seen = DETECTORS[name].measure(old, stack)
    assert np.isfinite(seen.statistic).all()
    above = int((seen.statistic > seen.noise).sum())
    assert stats.binom.sf(above - 1, 400, 2e-3) > 1e-3


def test_a_model_that_has_become_worse_is_found_by_labels_and_drift_of_inputs_without_them() -> None:
    rng, layout = np.random.default_rng(5), learn_scores()
    old = profile(*scored(rng, 20_000), layout)
    worse = profile(*scored(rng, 2000, noise=0.6), layout)
    found = assess(DETECTORS["roc_auc"], old, worse, column=OUTCOME)
    assert found.status is Status.DRIFTED
    assert found.detail["estimated"] - found.detail["value"] > 5 * found.detail["error"]
    p, y = scored(rng, 2000, tilt=3.0)
    blind = profile(p, np.full(2000, np.nan), layout)
    guess = assess(DETECTORS["estimated_accuracy"], old, blind, column=OUTCOME)
    truth = float(((p >= 0.5) == y).mean())
    assert guess.detail["low"] <= truth <= guess.detail["high"]
    assert assess(DETECTORS["accuracy"], old, blind, column=OUTCOME).reason.startswith("too_few")


def test_the_estimates_interval_covers_the_truth_at_its_nominal_rate() -> None:
    rng, layout = np.random.default_rng(6), learn_scores()
    old = profile(*scored(rng, 50_000), layout)
    covered = 0
    for _ in range(300):
        p, y = scored(rng, 1000, tilt=1.0)
        detail = DETECTORS["estimated_accuracy"].measure(old, profile(p, np.full(1000, np.nan), layout)).detail
        covered += detail["low"] <= ((p >= 0.5) == y).mean() <= detail["high"]
    assert 0.91 <= covered / 300 <= 0.99


def test_the_loss_of_a_regression_is_estimated_from_the_size_of_its_predictions() -> None:
    rng = np.random.default_rng(7)

    def draw(rows: int, low: float) -> tuple[np.ndarray, np.ndarray]:
        y = rng.uniform(low, 100, rows)
        return y * rng.normal(1, 0.1, rows), y

    said, truth = draw(20_000, 0)
    layout = learn_errors(said, truth)
    assert layout is not None
    old = profile(said, truth, layout)
    new_said, new_truth = draw(3000, 60)
    detail = DETECTORS["estimated_mae"].measure(old, profile(new_said, np.full(3000, np.nan), layout)).detail
    real = np.abs(new_said - new_truth).mean()
    assert detail["value"] == pytest.approx(real, rel=0.05)
    assert detail["value"] > 1.3 * detail["baseline_value"]


def test_an_estimate_of_labelled_rows_leaves_the_others_out() -> None:
    rng, layout = np.random.default_rng(8), learn_scores()
    p, y = scored(rng, 20_000)
    old = profile(p, y, layout)
    high = profile(p, np.where(p > 0.5, y, np.nan), layout)
    guess, _ = METRICS["accuracy"](expected_table(old, high, labelled=True))
    assert float(guess) == pytest.approx(float(METRICS["accuracy"](labelled_table(high))[0]), abs=0.01)
    assert unlike(old, high) == pytest.approx(0.0, abs=1e-9)
    assert unlike(old, high, labelled=True) == pytest.approx((p <= 0.5).mean(), abs=0.03)


def test_rows_are_new_by_the_total_variation_distance_and_not_by_chance() -> None:
    rng, layout = np.random.default_rng(9), learn_scores()
    old = profile(*scored(rng, 100_000), layout)
    same = Stack.of([profile(*scored(rng, 500), layout) for _ in range(100)], layout)
    other = profile(*scored(rng, 50_000, tilt=2.0), layout)
    exact = stats.beta(3, 2).cdf(0.40825) - stats.beta(1, 2).cdf(0.40825)  # where the two densities cross
    assert unlike(old, same).mean() < 0.02
    assert float(unlike(old, other)) == pytest.approx(abs(exact), abs=0.02)


def test_scores_that_are_no_probabilities_are_counted_apart() -> None:
    layout = learn_scores(positive="churned")
    records = {"score": Column.floats(np.array([0.2, 1.5, np.nan])), "label": Column.of(["churned", "stayed", None])}
    held = Profile.of(outcomes(records, layout), layout)
    assert (held.rows, held.n, held.nonfinite) == (3, 1, 2)
    assert float(labelled_table(held)["positive"].sum()) == 1
