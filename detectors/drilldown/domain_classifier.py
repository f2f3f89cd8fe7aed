"""Domain classifier: separability of the window's rows from the baseline's, and the importance of columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from detectors.drilldown.samples import two_sides

FOLDS = 5
PENALTY = 1.0
STEPS = 50


@dataclass(frozen=True)
class Separation:
    """Separability of two samples.

    Parameters
    ----------
    auc
        Cross-validated area under the ROC curve, averaged over folds: one half for equal distributions, 1 for complete
        separation.
    p_value
        One-sided p-value of the area: Mann and Whitney's variance in each fold, and Nadeau and Bengio's for the mean
        over folds, which is slightly conservative.
    drop
        Permutation importance of each column: decrease of the area, shape (columns,).
    telling
        Indices of the columns in descending order of importance.
    """

    auc: float
    p_value: float
    drop: np.ndarray
    telling: tuple[int, ...]


def separate(baseline: np.ndarray, window: np.ndarray, seed: int = 0, folds: int = FOLDS) -> Separation:
    """Fit a logistic regression that separates the samples, with cross-validation.

    Each column enters as the normal score of its rank among all rows of both samples, and as the square of that score,
    so that shifts and changes of spread are detected, independent of outliers and units.

    Parameters
    ----------
    baseline, window
        float64, shapes (rows, columns) and (other rows, columns); NaN is missing.
    seed, folds
        Assignment of the rows to folds, separately for each sample.

    Limits
    ------
    Interactions of columns are not detected; :mod:`detectors.drilldown.pca` covers correlations. Missing values are
    replaced by the median. Redundant columns share their importance, so each appears less important than it is.

    References
    ----------
    Lopez-Paz, Oquab, *Revisiting classifier two-sample tests*, ICLR 2017; Hanley, McNeil, *The meaning and use of
    the area under a ROC curve*, Radiology 143, 1982; Nadeau, Bengio, *Inference for the generalization error*,
    Machine Learning 52, 2003; Breiman, *Random forests*, Machine Learning 45, 2001 (loss by
    shuffling).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> old, new = rng.normal(size=(1000, 4)), rng.normal(size=(400, 4))
    >>> new[:, 2] += 0.8
    >>> result = separate(old, new)
    >>> round(result.auc, 2), result.telling[0], result.p_value < 1e-6
    (0.72, 2, True)
    """
    old, new = two_sides(baseline, window)
    if not 2 <= folds <= min(len(old), len(new)) // 10:
        raise ValueError(
            f"there must be 2 folds or more, each with at least 10 rows of both samples; {folds} were asked."
        )
    scores = normal_scores(np.vstack([old, new]))
    label = np.repeat([0.0, 1.0], [len(old), len(new)])
    rng = np.random.default_rng(seed)
    fold = np.concatenate([rng.permutation(len(side)) % folds for side in (old, new)])
    areas, noise, drops = np.zeros(folds), np.zeros(folds), np.zeros((folds, old.shape[1]))
    for number in range(folds):
        held_out = fold == number
        weights = fit_logistic(_features(scores[~held_out]), label[~held_out])
        areas[number] = area(_features(scores[held_out]) @ weights[1:], label[held_out])
        noise[number] = _null_variance(label[held_out])
        drops[number] = areas[number] - _permutation_auc(scores[held_out], label[held_out], weights, rng)
    drop = drops.mean(axis=0)
    # Folds share most of their training rows, so their mean varies more than that of independent ones.
    deviation = float(np.sqrt(noise.mean() * (1 / folds + 1 / (folds - 1))))
    return Separation(
        float(areas.mean()),
        float(special.ndtr((0.5 - areas.mean()) / deviation)),
        drop,
        tuple(np.argsort(-drop, kind="stable").tolist()),
    )


def normal_scores(sample: np.ndarray) -> np.ndarray:
    """Replace the values of each column by the normal scores of their ranks; ties share a rank, NaN becomes 0.

    Examples
    --------
    >>> normal_scores(np.array([[1.0], [np.nan], [900.0], [1.0], [1.0]])).ravel().round(2).tolist()
    [-0.32, 0.0, 1.15, -0.32, -0.32]
    """
    scores = np.zeros(sample.shape)
    for place in range(sample.shape[1]):
        is_finite = np.isfinite(sample[:, place])
        if is_finite.any():
            scores[is_finite, place] = special.ndtri((stats.rankdata(sample[is_finite, place]) - 0.5) / is_finite.sum())
    return scores


def _features(scores: np.ndarray) -> np.ndarray:
    return np.hstack([scores, scores**2 - 1])


def fit_logistic(features: np.ndarray, label: np.ndarray, penalty: float = PENALTY) -> np.ndarray:
    """Fit a logistic regression with a quadratic penalty on all weights but the intercept, by Newton's method.

    Parameters
    ----------
    features
        float64, shape (rows, features).
    label
        0 or 1, shape (rows,), with rows of both.
    penalty
        Half of it times the squared weights is added to the negative log-likelihood; above 0, so that the optimum is
        unique also for separable samples.

    Returns
    -------
    numpy.ndarray
        Intercept and weights, shape (1 + features,).

    Examples
    --------
    >>> x = np.array([[-1.0], [-0.5], [0.5], [1.0]])
    >>> fit_logistic(x, np.array([0.0, 0.0, 1.0, 1.0])).round(2).tolist()
    [0.0, 0.94]
    """
    rows = np.hstack([np.ones((len(features), 1)), features])
    ridge = np.full(rows.shape[1], penalty)
    ridge[0] = 1e-9
    weights = np.zeros(rows.shape[1])
    best = _loss(rows, label, ridge, weights)
    for _ in range(STEPS):
        chance = special.expit(rows @ weights)
        slope = rows.T @ (chance - label) + ridge * weights
        curve = (rows * (chance * (1 - chance))[:, None]).T @ rows + np.diag(ridge)
        step, length = np.linalg.solve(curve, slope), 1.0
        while (loss := _loss(rows, label, ridge, weights - length * step)) > best and length > 1e-6:
            length /= 2
        if best - loss <= 1e-12 * max(1.0, abs(best)):
            break
        weights, best = weights - length * step, loss
    return weights


def _loss(rows: np.ndarray, label: np.ndarray, ridge: np.ndarray, weights: np.ndarray) -> float:
    score = rows @ weights
    return float(np.sum(np.logaddexp(0.0, score) - label * score) + np.sum(ridge * weights**2) / 2)


def area(score: np.ndarray, label: np.ndarray) -> float:
    """Return the area under the ROC curve: the probability that a row of 1 scores above one of 0, ties counting half.

    Examples
    --------
    >>> area(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    ones = int(label.sum())
    ranks = float(stats.rankdata(score)[label > 0].sum())
    return (ranks - ones * (ones + 1) / 2) / (ones * (len(label) - ones))


def _null_variance(label: np.ndarray) -> float:
    """Return the variance of the area for scores that are independent of the label."""
    ones = float(label.sum())
    return (len(label) + 1) / (12 * ones * (len(label) - ones))


def _permutation_auc(
    scores: np.ndarray, label: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the area with each column permuted in turn."""
    columns = scores.shape[1]
    linear, squared = weights[1 : columns + 1], weights[columns + 1 :]
    parts = scores * linear + (scores**2 - 1) * squared
    total = parts.sum(axis=1)
    return np.array(
        [area(total - part + rng.permutation(part), label) for part in parts.T],
    )
