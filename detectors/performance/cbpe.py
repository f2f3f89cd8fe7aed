"""CBPE: the performance of a classifier before its labels arrive, from its own confidence.

If scores are calibrated, a row with score 0.9 is a positive with probability 0.9, and the expected counts of right
and wrong answers are sums of probabilities. So the labelled reference teaches a monotone map from scores to
probabilities, and the scores of a window, put through it, say how well the model should be doing.

The interval holds what the labels would show, for both reasons that they may differ: which labels are drawn, and
what the reference leaves unknown about the map. It is read off a few hundred labellings that could have been.

Limits
------
Holds while ``P(label | score)`` is as it was in the reference: inputs may drift, the meaning of a score may not. A
changed concept is invisible here, to every method without labels.

References
----------
Białek, Nützel, Kuberski et al., *Estimating model performance under covariate shift without labels*, 2024
(confidence-based performance estimation, from NannyML's documentation); Guillory et al., *Predicting with confidence
on unseen distributions*, ICCV 2021; Garg et al., *Leveraging unlabeled data to predict out-of-distribution
performance*, ICLR 2022; Zadrozny, Elkan, *Transforming classifier scores into accurate multiclass probability
estimates*, KDD 2002.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from detectors.performance.classification import BINS, NEGATIVE, POSITIVE, RATES, Scores, area, confusion, scale
from detectors.performance.estimate import CONFIDENCE, Estimate

DRAWS = 500
FOLDS = 5
FEWEST = 100
"""Labelled rows of the reference, and of each class a tenth of that, below which there is no map."""


@dataclass(frozen=True)
class Calibration:
    """What the reference says about the probability of a positive at each score; straight between the knots.

    Parameters
    ----------
    knots
        Mean scores of the reference's filled bins, ascending, shape (knots,).
    rates
        Probability of a positive there, shape (knots,), non-decreasing.
    draws
        Maps that could have been learnt from another reference of this size, shape (DRAWS, knots).
    learnt
        False when the scores were calibrated already, as far as held-out rows can tell; ``rates`` are then ``knots``.
    """

    knots: np.ndarray
    rates: np.ndarray
    draws: np.ndarray
    learnt: bool

    def at(self, scores: np.ndarray) -> np.ndarray:
        """Return the probabilities at these scores, shape (n,)."""
        return np.asarray(np.interp(scores, self.knots, self.rates))

    def drawn(self, scores: np.ndarray) -> np.ndarray:
        """Return the probabilities under every map that could have been, shape (DRAWS, n)."""
        places = np.interp(scores, self.knots, np.arange(len(self.knots)))
        left = np.minimum(places.astype(np.int64), max(0, len(self.knots) - 2))
        right = np.minimum(left + 1, len(self.knots) - 1)
        part = places - left
        return np.asarray(self.draws[:, left] * (1 - part) + self.draws[:, right] * part)


def learn(reference: Scores, seed: int = 0) -> Calibration:
    """Learn the map from scores to probabilities by isotonic regression, unless the scores do without.

    Parameters
    ----------
    reference
        Labelled scores of a time when the model was trusted; unlabelled rows are not used.
    seed
        Of the folds and the draws: the same summary always gives the same map.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(20_000)
    >>> bold = learn(Scores.of(p, rng.random(20_000) < 0.25 + p / 2))
    >>> bold.learnt, bold.at(np.array([0.1, 0.9])).round(1).tolist()
    (True, [0.3, 0.7])
    """
    positive, n = reference.counts[POSITIVE], reference.counts[[NEGATIVE, POSITIVE]].sum(axis=0)
    fewest = min(int(positive.sum()), int(n.sum() - positive.sum()))
    if n.sum() < FEWEST or fewest < FEWEST // 10:
        raise ValueError(
            f"the reference has {n.sum()} labelled rows, {fewest} of the rarer class; estimating without labels needs "
            f"{FEWEST} and {FEWEST // 10}: take a longer reference or wait for its labels."
        )
    filled = np.flatnonzero(n)
    knots, positive, n = reference.means()[filled], positive[filled], n[filled]
    rng = np.random.default_rng(seed)
    fitted = isotonic(positive, n)
    again = rng.binomial(n, fitted, size=(DRAWS, len(n)))
    draws = np.array([isotonic(row, n) for row in again])
    if _helps(knots, positive, n, rng):
        return Calibration(knots, fitted, draws, learnt=True)
    return Calibration(knots, knots, np.clip(knots + draws - fitted, 0.0, 1.0), learnt=False)


def isotonic(positive: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the non-decreasing shares of positives that are closest to those seen, weighted by rows.

    Examples
    --------
    >>> isotonic(np.array([1, 0, 4]), np.array([2, 2, 4])).tolist()
    [0.25, 0.25, 1.0]
    """
    return np.asarray(optimize.isotonic_regression(positive / n, weights=n).x)


def _helps(knots: np.ndarray, positive: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> bool:
    """Say whether the map has a lower Brier score than the plain scores on rows that it was not learnt from."""
    ones, zeros = _folds(positive, rng), _folds(n - positive, rng)
    gain = 0.0
    for fold in range(FOLDS):
        others = n - ones[fold] - zeros[fold]
        kept = others > 0
        shares = isotonic((positive - ones[fold])[kept], others[kept])
        mapped = np.interp(knots, knots[kept], shares)
        gain += _brier(knots, ones[fold], zeros[fold]) - _brier(mapped, ones[fold], zeros[fold])
    return gain > 0


def _folds(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Deal the rows of each bin out at random, int64 of shape (FOLDS, bins)."""
    return rng.multinomial(counts, np.full(FOLDS, 1 / FOLDS)).T


def _brier(probability: np.ndarray, ones: np.ndarray, zeros: np.ndarray) -> float:
    return float(ones @ (1 - probability) ** 2 + zeros @ probability**2)


def estimate(window: Scores, calibration: Calibration, threshold: float = 0.5, seed: int = 0) -> dict[str, Estimate]:
    """Estimate the metrics that the labels of a window would show, labelled rows taken as unlabelled too.

    Parameters
    ----------
    window
        Scores of the window: a sum of buckets.
    threshold
        From which probability on the model says positive; at most three decimals.
    seed
        Of the labellings: the same summaries always give the same interval.

    Returns
    -------
    estimates
        ``accuracy``, ``precision``, ``recall``, ``f1`` and ``roc_auc`` with 95 % intervals of the realised metric;
        ``n`` counts the window's rows.

    Limits
    ------
    Rows of one bin, at most 0.001 of score apart, share their mean score. Takes about a tenth of a second.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> p, q = rng.random(20_000), rng.beta(2, 2, 5000)
    >>> seen = estimate(Scores.of(q), learn(Scores.of(p, rng.random(20_000) < p)))
    >>> [round(number, 2) for number in seen["accuracy"]]
    [0.69, 0.67, 0.7, 5000]
    """
    if not window.rows:
        return {name: Estimate.undefined() for name in (*RATES, "roc_auc")}
    counts = window.counts.sum(axis=0)
    filled = np.flatnonzero(counts)
    counts, scores = counts[filled], window.means()[filled]
    rates = calibration.at(scores)
    expected = counts * rates
    labels = np.random.default_rng(seed).binomial(counts, calibration.drawn(scores))
    values = _metrics(_spread(expected, filled), _spread(counts - expected, filled), threshold)
    values["roc_auc"] = _expected_area(expected, counts - expected, counts * rates * (1 - rates))
    drawn = _metrics(_spread(labels, filled), _spread(counts - labels, filled), threshold)
    drawn["roc_auc"] = area(labels, counts - labels)
    return {name: _estimate(float(values[name]), drawn[name], window.rows) for name in values}


def _spread(counts: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Put counts of the filled bins back where they belong, shape (..., BINS)."""
    full = np.zeros((*counts.shape[:-1], BINS))
    full[..., filled] = counts
    return full


def _metrics(positive: np.ndarray, negative: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    seen = confusion(positive, negative, threshold)
    found = {}
    for name, parts in RATES.items():
        successes, trials = (np.asarray(part, dtype=np.float64) for part in parts(seen))
        share = np.divide(successes, trials, where=trials > 0, out=np.full(trials.shape, np.nan))
        found[name] = np.asarray(scale(name, share))
    return found


def _expected_area(positive: np.ndarray, negative: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Return the expected pairs won among the expected pairs; a row is never paired with itself."""
    below = np.cumsum(negative) - negative / 2
    won = positive @ below - same.sum() / 2
    pairs = positive.sum() * negative.sum() - same.sum()
    return np.asarray(won / pairs if pairs > 0 else math.nan)


def _estimate(value: float, drawn: np.ndarray, n: int) -> Estimate:
    drawn = drawn[np.isfinite(drawn)]
    if math.isnan(value) or not len(drawn):
        return Estimate.undefined(n)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(min(value, low)), float(max(value, high)), n)
