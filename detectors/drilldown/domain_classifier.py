"""Domain classifier: how well a model tells the window's rows from the baseline's, and by which columns."""

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
    """How well the two sides can be told apart.

    Parameters
    ----------
    auc
        Mean over the folds of the held-out area under the ROC curve: one half when the sides are alike, 1 when
        every row betrays its side.
    p_value
        One-sided, that an area this large comes from two samples of one law: Mann and Whitney's variance in each
        fold, and Nadeau and Bengio's for the mean over folds, which is a little too careful.
    drop
        What the area loses when a column is shuffled among the held-out rows, shape (columns,).
    telling
        Columns by position, the one with the largest loss first.
    """

    auc: float
    p_value: float
    drop: np.ndarray
    telling: tuple[int, ...]


def separate(baseline: np.ndarray, window: np.ndarray, seed: int = 0, folds: int = FOLDS) -> Separation:
    """Fit a logistic regression that tells the sides apart, and test it on rows that it has not seen.

    Each column enters as the normal score of its rank among all rows of both sides, and as that score squared, so
    that shifts and changes of spread are seen, and no outlier and no unit matters.

    Parameters
    ----------
    baseline, window
        float64, shapes (rows, columns) and (other rows, columns); NaN is missing.
    seed, folds
        How the rows are dealt out for cross-validation, each side by itself.

    Limits
    ------
    Blind to what only two columns together show; :mod:`detectors.drilldown.pca` sees that. What is missing stands
    in the middle. Columns that say the same share the loss, so each of them looks less telling than it is.

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
    >>> seen = separate(old, new)
    >>> round(seen.auc, 2), seen.telling[0], seen.p_value < 1e-6
    (0.72, 2, True)
    """
    old, new = two_sides(baseline, window)
    if not 2 <= folds <= min(len(old), len(new)) // 10:
        raise ValueError(
            f"there must be 2 folds or more, each with at least 10 rows of both sides; {folds} were asked."
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
    # Folds share most of what they were fitted to, so their mean varies more than that of independent ones.
    deviation = float(np.sqrt(noise.mean() * (1 / folds + 1 / (folds - 1))))
    return Separation(
        float(areas.mean()),
        float(special.ndtr((0.5 - areas.mean()) / deviation)),
        drop,
        tuple(np.argsort(-drop, kind="stable").tolist()),
    )


def normal_scores(sample: np.ndarray) -> np.ndarray:
    """Replace the values of each column by the normal scores of their ranks; ties share one, NaN becomes 0.

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
    """Fit a logistic regression with a quadratic penalty on all but the constant, by Newton's method.

    Parameters
    ----------
    features
        float64, shape (rows, features).
    label
        0 or 1, shape (rows,), with rows of both.
    penalty
        Half of it times the squared weights is added to the negative log-likelihood; above 0, so that there is
        one optimum also where the sides can be told apart completely.

    Returns
    -------
    numpy.ndarray
        The constant and the weights, shape (1 + features,).

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
    """Return the area under the ROC curve: the chance that a row of 1 scores above one of 0, ties counting half.

    Examples
    --------
    >>> area(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    ones = int(label.sum())
    ranks = float(stats.rankdata(score)[label > 0].sum())
    return (ranks - ones * (ones + 1) / 2) / (ones * (len(label) - ones))


def _null_variance(label: np.ndarray) -> float:
    """Return the variance of the area when scores say nothing of the label."""
    ones = float(label.sum())
    return (len(label) + 1) / (12 * ones * (len(label) - ones))


def _permutation_auc(
    scores: np.ndarray, label: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the area with each column shuffled in its turn."""
    columns = scores.shape[1]
    linear, squared = weights[1 : columns + 1], weights[columns + 1 :]
    parts = scores * linear + (scores**2 - 1) * squared
    total = parts.sum(axis=1)
    return np.array(
        [area(total - part + rng.permutation(part), label) for part in parts.T],
    )
