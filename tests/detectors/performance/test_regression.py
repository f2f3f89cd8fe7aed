"""Metrics of a regression: against scikit-learn, merged in any order, and how often their intervals hold."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics

from detectors.performance.estimate import Estimate, Moments, root
from detectors.performance.regression import Errors, bias, mae, mape, pinball, rmse


def sample(seed: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = 10 + 3 * rng.normal(size=rows)
    return truth + 0.5 + rng.gamma(2, size=rows), truth


def test_metrics_are_those_of_scikit_learn() -> None:
    guess, truth = sample(1)
    errors = Errors.of(guess, truth)
    assert mae(errors).value == pytest.approx(metrics.mean_absolute_error(truth, guess), rel=1e-12)
    assert rmse(errors).value == pytest.approx(metrics.root_mean_squared_error(truth, guess), rel=1e-12)
    assert mape(errors).value == pytest.approx(metrics.mean_absolute_percentage_error(truth, guess), rel=1e-12)
    assert bias(errors).value == pytest.approx(float(np.mean(guess - truth)), rel=1e-12)
    for quantile in (0.1, 0.5, 0.9):
        expected = metrics.mean_pinball_loss(truth, guess, alpha=quantile)
        assert pinball(errors, quantile).value == pytest.approx(expected, rel=1e-12)


def test_interval_of_the_mean_is_the_textbooks() -> None:
    guess, truth = sample(2, 100)
    error = np.abs(guess - truth)
    reach = 1.959964 * error.std(ddof=1) / 10
    seen = mae(Errors.of(guess, truth))
    assert (seen.low, seen.high) == pytest.approx((error.mean() - reach, error.mean() + reach), rel=1e-6)


def test_parts_in_any_order_are_the_whole_and_survive_storage() -> None:
    guess, truth = sample(3)
    guess[::7], truth[::5], truth[1] = np.nan, np.nan, 0.0
    order = np.random.default_rng(4).permutation(len(guess))
    parts = [Errors.of(guess[rows], truth[rows]) for rows in np.array_split(order, 9)]
    whole = Errors.of(guess, truth)
    assert sum(parts, Errors()) == whole == sum(parts[::-1], Errors())
    assert Errors.from_json(json.loads(json.dumps(whole.to_json()))) == whole


def test_rows_without_a_label_or_a_number_are_counted_apart() -> None:
    guess = np.array([1.0, np.nan, np.inf, 2.0, 3.0, 1.0])
    truth = np.array([1.0, 1.0, 1.0, np.nan, np.inf, 0.0])
    errors = Errors.of(guess, truth)
    assert (errors.labelled, errors.unlabelled, errors.unusable) == (2, 1, 3)
    assert mape(errors).n == 1


def test_the_largest_numbers_leave_finite_sums() -> None:
    errors = Errors.of(np.array([1e308, 1e-320, 1.0]), np.array([-1e308, 1e-320, 1e-320]))
    seen = [mae(errors), rmse(errors), bias(errors), mape(errors), pinball(errors, 0.9)]
    assert all(math.isfinite(one.value) for one in seen)


def test_nothing_gives_no_metric_and_one_row_no_interval() -> None:
    assert all(math.isnan(metric(Errors()).value) for metric in (mae, rmse, mape, bias))
    one = mae(Errors.of(np.array([2.0]), np.array([1.0])))
    assert one.value == 1.0
    assert math.isnan(one.low)
    assert root(Estimate(4.0, math.nan, math.nan, 1)).value == 2.0


def test_wrong_input_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        pinball(Errors(), 1.0)
    with pytest.raises(ValueError, match="do not belong together"):
        Errors.of(np.zeros(2), np.zeros(1))
    with pytest.raises(ValueError, match="version"):
        Errors.from_json({"v": 0})


def test_variance_is_numpys_and_never_negative() -> None:
    values = np.random.default_rng(6).normal(1e4, 1.0, 1000)
    assert Moments.of(values).variance == pytest.approx(values.var(ddof=1), rel=1e-7)
    assert 0.0 <= Moments.of(np.full(5, 0.1)).variance < 1e-17


def test_intervals_hold_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(5)
    truths = {mae: math.sqrt(2 / math.pi), rmse: 1.0, bias: 0.0}
    inside = dict.fromkeys(truths, 0)
    for _ in range(300):
        errors = Errors.of(rng.normal(size=400), np.zeros(400))
        for metric, truth in truths.items():
            seen = metric(errors)
            inside[metric] += seen.low <= truth <= seen.high
    assert all(count >= 270 for count in inside.values()), inside
