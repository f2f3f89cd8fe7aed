"""Estimates without labels of a classifier: right where calibrated, honest about how sure they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from detectors.performance import cbpe, classification
from detectors.performance.classification import RATES, Scores
from detectors.performance.estimate import Estimate


def bold(p: np.ndarray) -> np.ndarray:
    """A model that is too sure of itself: what its score p really means."""
    return 0.2 + 0.6 * p


def realised(scores: Scores) -> dict[str, float]:
    found = {name: classification.rate(name, scores).value for name in RATES}
    return {**found, "roc_auc": classification.roc_auc(scores).value}


def test_the_map_is_isotonic_regression() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(1, 50, 300)
    positive = rng.binomial(n, np.linspace(0.1, 0.9, 300))
    expected = IsotonicRegression().fit_transform(np.arange(300), positive / n, sample_weight=n)
    np.testing.assert_allclose(cbpe.isotonic(positive, n), expected, atol=1e-12)


def test_a_map_is_learnt_only_when_it_helps() -> None:
    rng = np.random.default_rng(2)
    p = rng.random(20_000)
    assert cbpe.learn(Scores.of(p, rng.random(20_000) < bold(p))).learnt
    honest = cbpe.learn(Scores.of(p, rng.random(20_000) < p))
    assert not honest.learnt
    np.testing.assert_array_equal(honest.rates, honest.knots)


def test_the_estimate_follows_a_drift_of_the_inputs() -> None:
    rng = np.random.default_rng(3)
    p, q = rng.random(50_000), rng.beta(2, 2, 50_000)
    learnt = cbpe.learn(Scores.of(p, rng.random(50_000) < bold(p)))
    truth = realised(Scores.of(q, rng.random(50_000) < bold(q)))
    seen = cbpe.estimate(Scores.of(q), learnt)
    for name, value in truth.items():
        assert seen[name].value == pytest.approx(value, abs=0.01)
    before = realised(Scores.of(p, rng.random(50_000) < bold(p)))
    assert before["accuracy"] - truth["accuracy"] > 0.04


def test_labels_of_the_window_are_not_looked_at() -> None:
    rng = np.random.default_rng(4)
    p = rng.random(5000)
    learnt = cbpe.learn(Scores.of(p, rng.random(5000) < p))
    assert cbpe.estimate(Scores.of(p[:900]), learnt) == cbpe.estimate(Scores.of(p[:900], np.ones(900)), learnt)


@pytest.mark.parametrize("meaning", [bold, lambda p: p], ids=["bold", "calibrated"])
def test_intervals_hold_at_the_nominal_rate_with_a_reference_no_larger_than_the_window(meaning) -> None:  # type: ignore[no-untyped-def]
    """Without the uncertainty of the map they would hold for 83 %; 60 rounds, three standard errors are 5."""
    rng = np.random.default_rng(5)
    inside = dict.fromkeys([*RATES, "roc_auc"], 0)
    for _ in range(60):
        p, q = rng.random(1000), rng.beta(2, 1.5, 1000)
        learnt = cbpe.learn(Scores.of(p, rng.random(1000) < meaning(p)))
        seen = cbpe.estimate(Scores.of(q), learnt)
        for name, value in realised(Scores.of(q, rng.random(1000) < meaning(q))).items():
            inside[name] += seen[name].low <= value <= seen[name].high
    assert all(count >= 52 for count in inside.values()), inside


def test_a_small_window_is_less_sure() -> None:
    rng = np.random.default_rng(6)
    p = rng.random(20_000)
    learnt = cbpe.learn(Scores.of(p, rng.random(20_000) < p))
    few, many = (cbpe.estimate(Scores.of(rng.random(rows)), learnt)["accuracy"] for rows in (50, 5000))
    assert few.high - few.low > 5 * (many.high - many.low)
    assert (few.n, many.n) == (50, 5000)


def test_the_same_sums_give_the_same_answer() -> None:
    rng = np.random.default_rng(7)
    p, y = rng.random(3000), rng.random(3000) < 0.4
    order = rng.permutation(3000)
    parts = [Scores.of(p[rows], y[rows]) for rows in np.array_split(order, 4)]
    whole = cbpe.estimate(Scores.of(p), cbpe.learn(Scores.of(p, y)))
    assert cbpe.estimate(sum(parts, Scores()), cbpe.learn(sum(parts[::-1], Scores()))) == whole


def test_too_little_to_learn_from_is_refused_in_a_sentence() -> None:
    rng = np.random.default_rng(8)
    for labels in (None, np.zeros(5000), np.append(np.ones(9), np.zeros(4991))):
        with pytest.raises(ValueError, match="take a longer reference"):
            cbpe.learn(Scores.of(rng.random(5000), labels))


def test_a_window_without_rows_or_without_predicted_positives() -> None:
    rng = np.random.default_rng(9)
    p = rng.random(5000)
    learnt = cbpe.learn(Scores.of(p, rng.random(5000) < p))
    assert all(math.isnan(one.value) for one in cbpe.estimate(Scores(), learnt).values())
    timid = cbpe.estimate(Scores.of(rng.random(200) / 4), learnt)
    assert math.isnan(timid["precision"].value)
    assert timid["recall"].value == 0.0
    assert isinstance(timid["roc_auc"], Estimate)


def test_one_score_for_all_rows_has_an_area_of_one_half() -> None:
    rng = np.random.default_rng(10)
    learnt = cbpe.learn(Scores.of(np.full(1000, 0.3), rng.random(1000) < 0.3))
    seen = cbpe.estimate(Scores.of(np.full(100, 0.3)), learnt)
    assert seen["roc_auc"].value == pytest.approx(0.5)
    assert seen["accuracy"].value == pytest.approx(0.7, abs=0.05)
