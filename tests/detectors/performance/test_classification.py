"""Metrics of a classifier: against scikit-learn, merged in any order, and how often their intervals hold."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics

from detectors.performance.classification import (
    BINS,
    EDGES,
    POSITIVE,
    UNLABELLED,
    Scores,
    accuracy,
    brier,
    calibration_error,
    f1,
    log_loss,
    precision,
    rate,
    recall,
    roc_auc,
    roc_auc_rounding,
)
from detectors.performance.estimate import wilson

RATES = {
    "accuracy": metrics.accuracy_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
    "f1": metrics.f1_score,
}


def sample(seed: int, rows: int = 5000, skew: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.random(rows) ** skew
    return p, (rng.random(rows) < p).astype(float)


@pytest.mark.parametrize("metric", RATES)
@pytest.mark.parametrize("threshold", [0.0, 0.29, 0.5, 0.57, 0.999, 1.0])
def test_rates_are_those_of_scikit_learn_even_for_scores_on_the_threshold(metric: str, threshold: float) -> None:
    p, y = sample(1)
    p = np.append(np.round(p, 2), [1.0, 1.0, 0.0])
    y = np.append(y, [1.0, 0.0, 0.0])
    seen = rate(metric, Scores.of(p, y), threshold)
    expected = RATES[metric](y, p >= threshold)
    assert seen.value == pytest.approx(expected, abs=1e-12)
    assert seen.low <= seen.value <= seen.high


@pytest.mark.parametrize("skew", [0.2, 1.0, 5.0, 12.0])
def test_the_area_is_scikit_learns_within_the_stated_rounding(skew: float) -> None:
    p, y = sample(2, 20_000, skew)
    scores = Scores.of(p, y)
    exact = metrics.roc_auc_score(y, p)
    assert abs(roc_auc(scores).value - exact) <= roc_auc_rounding(scores) + 1e-12
    assert roc_auc_rounding(scores) < 0.002


def test_the_area_of_scores_that_are_tied_already_is_exact() -> None:
    p, y = sample(3)
    p = np.round(p, 2)
    assert roc_auc(Scores.of(p, y)).value == pytest.approx(metrics.roc_auc_score(y, p), abs=1e-12)


def test_losses_are_those_of_scikit_learn() -> None:
    p, y = sample(4)
    p[:2], y[:2] = [0.0, 1.0], [1.0, 0.0]
    scores = Scores.of(p, y)
    assert log_loss(scores).value == pytest.approx(metrics.log_loss(y, p), rel=1e-12)
    assert brier(scores).value == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-12)


def test_calibration_error_is_the_weighted_gap_of_ten_bins() -> None:
    p, y = sample(5)
    y = (np.random.default_rng(6).random(len(p)) < p**2).astype(float)
    place = np.minimum((p * 10).astype(int), 9)
    gaps = [abs(y[place == one].sum() - p[place == one].sum()) for one in range(10)]
    assert calibration_error(Scores.of(p, y)).value == pytest.approx(sum(gaps) / len(p), abs=1e-8)


def test_parts_in_any_order_are_the_whole_and_survive_storage() -> None:
    p, y = sample(7)
    y[::3] = np.nan
    p[::7], p[::11] = np.nan, 1.5
    order = np.random.default_rng(8).permutation(len(p))
    parts = [Scores.of(p[rows], y[rows]) for rows in np.array_split(order, 9)]
    whole = Scores.of(p, y)
    assert sum(parts, Scores()) == whole == sum(parts[::-1], Scores())
    assert Scores.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert len(json.dumps(Scores.of(*sample(9, 200_000)).to_json())) < 60_000


def test_missing_labels_are_counted_and_change_no_metric() -> None:
    p, y = sample(10)
    late = Scores.of(p, np.where(np.arange(len(p)) < 1000, y, np.nan))
    early = Scores.of(p[:1000], y[:1000])
    assert (late.labelled, late.rows) == (1000, len(p))
    assert late.counts[UNLABELLED].sum() == len(p) - 1000
    assert [accuracy(late), roc_auc(late), brier(late)] == [accuracy(early), roc_auc(early), brier(early)]
    assert Scores.of(p).labelled == 0


def test_scores_that_are_no_probabilities_are_counted_apart() -> None:
    scores = Scores.of(np.array([np.nan, -0.1, 1.1, np.inf, -0.0, 0.0, 1.0]), np.ones(7))
    assert (scores.missing, scores.outside, scores.rows) == (1, 3, 3)
    assert scores.counts[POSITIVE, 0] == 2
    assert scores.counts[POSITIVE, BINS - 1] == 1


def test_wrong_input_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="must be 0, 1 or missing, not 2"):
        Scores.of(np.array([0.5]), np.array([2.0]))
    with pytest.raises(ValueError, match="do not belong together"):
        Scores.of(np.array([0.5, 0.6]), np.array([1.0]))
    with pytest.raises(ValueError, match="three decimals"):
        accuracy(Scores(), 0.12345)
    with pytest.raises(ValueError, match="do not divide"):
        calibration_error(Scores(), 7)
    with pytest.raises(ValueError, match="version"):
        Scores.from_json({"v": 0})


def test_nothing_gives_no_metric_and_no_error() -> None:
    for empty in (Scores(), Scores.of(np.zeros(0)), Scores.of(np.array([0.3]))):
        seen = [accuracy(empty), f1(empty), roc_auc(empty), log_loss(empty), brier(empty), calibration_error(empty)]
        assert all(math.isnan(one.value) and math.isnan(one.low) for one in seen)


def test_one_class_only_has_an_accuracy_but_no_area() -> None:
    only = Scores.of(np.linspace(0, 0.4, 50), np.zeros(50))
    assert accuracy(only).value == 1.0
    assert accuracy(only).low == pytest.approx(0.929, abs=0.001)
    assert [math.isnan(one.value) for one in (recall(only), precision(only), roc_auc(only))] == [True] * 3


def test_classes_that_are_apart_have_an_area_of_one_that_is_not_certain() -> None:
    apart = Scores.of(np.append(np.full(20, 0.1), np.full(30, 0.9)), np.append(np.zeros(20), np.ones(30)))
    seen = roc_auc(apart)
    assert (seen.value, seen.high) == (1.0, 1.0)
    assert 0.8 < seen.low < 0.9


def test_edges_hold_every_thousandth() -> None:
    assert np.isin(np.arange(1, 1001) / 1000, EDGES).all()
    assert BINS == 1201


def test_intervals_hold_at_the_nominal_rate() -> None:
    """300 windows of 400 rows of one truth; 95 % is 285, and six standard errors are 23."""
    rng = np.random.default_rng(11)
    truth_p, truth_y = sample(12, 1_000_000)
    kinds = {
        "accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1, "roc_auc": roc_auc,
        "log_loss": log_loss, "brier": brier,
    }  # fmt: skip
    whole = Scores.of(truth_p, truth_y)
    truth = {name: metric(whole).value for name, metric in kinds.items()}
    inside = dict.fromkeys(kinds, 0)
    for _ in range(300):
        p = rng.random(400)
        scores = Scores.of(p, (rng.random(400) < p).astype(float))
        for name, metric in kinds.items():
            seen = metric(scores)
            inside[name] += seen.low <= truth[name] <= seen.high
    assert all(count >= 270 for count in inside.values()), inside


def test_the_interval_of_the_calibration_error_holds_for_calibrated_and_for_bold_models() -> None:
    rng = np.random.default_rng(13)
    for power, true in ((1.0, 0.0), (2.0, 1 / 6)):
        inside = 0
        for _ in range(100):
            p = rng.random(1000)
            seen = calibration_error(Scores.of(p, (rng.random(1000) < p**power).astype(float)))
            inside += seen.low <= true <= seen.high
        assert inside >= 92


def test_wilson_contains_the_share_and_knows_the_ends() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
