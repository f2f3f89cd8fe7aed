"""Selection of labelled answers: test whether they are a random sample, and the rate if they were selected by score.

A rate from labels assumes that the labelled answers represent the others. Labels from complaints do not: most of the
bad answers have one and hardly any of the good. If the score is informative at all, the share of labelled answers then
depends on the score, which it does not in a random sample.

Limits
------
The data show whether the labelled share depends on the score, not why. Labels that were drawn by the score (more of the
doubtful answers) and labels from complaints can look the same. The first give a rate, stratified by score; the second
give none. If the score is uninformative, or all labelled answers are of one kind, complaints cannot be detected.
Therefore every rate from labels states its assumption.

References
----------
Rubin, *Inference and missing data*, Biometrika 63, 1976; Cochran, *Sampling techniques*, 1977, chapter 5A
(post-stratification); Horvitz, Thompson, *A generalization of sampling without replacement from a finite universe*,
JASA 47, 1952; Hájek 1971 (the ratio form); Manski, *Nonparametric bounds on treatment effects*, AER 80, 1990.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from detectors.performance.prediction_powered import RateEstimate, share_interval

ALPHA = 0.01
"""Probability of rejecting a random sample."""
FEWEST = 10
"""Fewest labels of a test, and of a stratum."""
STRATA = 20
"""Largest number of strata of a rate."""
CELLS, EXPECTED = 10, 5
"""Largest number of strata of the test, and the expected labels of each."""


@dataclass(frozen=True)
class Strata:
    """Answers by cells of their score, ascending; float64 of shape (cells,).

    Parameters
    ----------
    positives, negatives, unlabelled
        Number of answers labelled bad, labelled good, and not labelled.

    Examples
    --------
    >>> strata = Strata.of(np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.0, np.nan, np.nan, 1.0]))
    >>> float(strata.labels.sum()), float(strata.rows.sum()), strata.bounds
    (2.0, 4.0, (0.25, 0.75))
    """

    positives: np.ndarray
    negatives: np.ndarray
    unlabelled: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, labels: np.ndarray, cells: int = 200) -> Strata:
        """Count answers by score; 0 to 1, and labels of 0, 1 or NaN."""
        edges = np.linspace(0, 1, cells + 1)[1:-1]
        place = np.searchsorted(edges, scores, side="right")
        parts = (labels == 1, labels == 0, np.isnan(labels))
        return cls(*(np.bincount(place[part], minlength=cells).astype(np.float64) for part in parts))

    @property
    def labels(self) -> np.ndarray:
        """Return the labelled answers of every cell."""
        return np.asarray(self.positives + self.negatives)

    @property
    def rows(self) -> np.ndarray:
        """Return all answers of every cell."""
        return np.asarray(self.labels + self.unlabelled)

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the lowest and the highest rate for any labels of the unlabelled answers."""
        n = max(1.0, float(self.rows.sum()))
        return (float(self.positives.sum()) / n, 1 - float(self.negatives.sum()) / n)

    def merged(self, weights: np.ndarray, least: float) -> Strata:
        """Merge neighbouring cells until each has at least ``least`` of a weight; the rest is added to the last."""
        place, total, stratum = np.zeros(len(weights), dtype=np.int64), 0.0, 0
        left = float(weights.sum())
        for cell, weight in enumerate(weights.tolist()):
            place[cell] = stratum
            total, left = total + weight, left - weight
            if total >= least and left >= least:
                total, stratum = 0.0, stratum + 1
        return Strata(*(np.bincount(place, part) for part in (self.positives, self.negatives, self.unlabelled)))


def is_selected(strata: Strata, alpha: float = ALPHA) -> bool:
    """Return whether the labelled answers are not a random sample, because their share depends on the score.

    Two tests share ``alpha``: one of a trend with the rank of the score, and one of any difference between strata
    (chi-square). Both use the labelled share alone, not the labels.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bad = rng.random(3000) < 0.1
    >>> scores = np.clip(rng.normal(0.3 + 0.3 * bad, 0.15), 0, 1)
    >>> shares = {"random": 0.05, "complaints": np.where(bad, 0.3, 0.01)}
    >>> chosen = {name: np.where(rng.random(3000) < share, bad, np.nan) for name, share in shares.items()}
    >>> {name: is_selected(Strata.of(scores, labels)) for name, labels in chosen.items()}
    {'random': False, 'complaints': True}
    """
    n, labels = float(strata.rows.sum()), float(strata.labels.sum())
    if min(labels, n - labels) < FEWEST:
        return False
    share = labels / n
    few = strata.merged(strata.rows, max(n / CELLS, EXPECTED / min(share, 1 - share)))
    apart = float(np.sum((few.labels - share * few.rows) ** 2 / few.rows)) / (share * (1 - share))
    if len(few.rows) > 1 and special.chdtrc(len(few.rows) - 1, apart) < alpha / 2:
        return True
    rank = np.cumsum(strata.rows) - strata.rows / 2 - n / 2
    variance = share * (1 - share) * float(strata.rows @ rank**2)
    return bool(abs(float(strata.labels @ rank)) > -special.ndtri(alpha / 4) * math.sqrt(variance))


def stratified_rate(strata: Strata, level: float = 0.95) -> RateEstimate:
    """Estimate the rate by strata of the score; unbiased if labels are drawn at random among answers of one score.

    The interval is Wilson's for the equivalent number of labels, by the strata's own variances, or by the weights of
    the labels if these make it wider, as a stratum of few labels may have no bad one by chance.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bad = rng.random(20_000) < 0.1
    >>> scores = np.clip(rng.normal(0.3 + 0.3 * bad, 0.15), 0, 1)
    >>> chosen = rng.random(20_000) < np.where(scores > 0.5, 0.2, 0.02)
    >>> strata = Strata.of(scores, np.where(chosen, bad, np.nan))
    >>> round(float(strata.positives.sum() / strata.labels.sum()), 2)  # of the labelled answers
    0.31
    >>> [round(part, 3) for part in stratified_rate(strata)[:3]]
    [0.105, 0.079, 0.138]
    """
    n, labels = float(strata.rows.sum()), float(strata.labels.sum())
    if not labels:
        return RateEstimate(math.nan, 0.0, 1.0, int(n), 0, "rate")
    few = strata.merged(strata.labels, max(FEWEST, labels / STRATA))
    share, rates = few.rows / n, few.positives / few.labels
    value = float(share @ rates)
    shrunk = (few.positives + value) / (few.labels + 1)
    spread = float(np.sum(share**2 * shrunk * (1 - shrunk) / few.labels)) + float(share @ (rates - value) ** 2) / n
    worth = 1 / float(np.sum(share**2 / few.labels))
    if 0 < value < 1:
        worth = min(worth, value * (1 - value) / spread)
    low, high = share_interval(value, worth, level, labels - len(few.rows))
    return RateEstimate(value, low, high, int(n), int(labels), "rate")


class WeightedLabels(NamedTuple):
    """Sums of the weights of labels, each one over the probability with which it was given, and of their squares."""

    positive: float
    negative: float
    positive_square: float
    negative_square: float

    @property
    def effective(self) -> float:
        """Effective number of labels (Kish); 0 without labels."""
        squares = self.positive_square + self.negative_square
        return (self.positive + self.negative) ** 2 / squares if squares else 0.0

    def rate(self, rows: int, labels: int, level: float = 0.95) -> RateEstimate:
        """Estimate the rate of ``rows`` from ``labels`` by inverse-probability weighting (Hájek).

        The interval is Wilson's for the number of labels of equal weight that has the same variance.

        Examples
        --------
        >>> [round(part, 3) for part in WeightedLabels(100.0, 900.0, 1000.0, 90_000.0).rate(1000, 19)[:3]]
        [0.1, 0.04, 0.229]
        """
        if not labels:
            return RateEstimate(math.nan, 0.0, 1.0, rows, 0, "rate")
        total, worth = self.positive + self.negative, self.effective
        value = self.positive / total
        if 0 < value < 1:
            spread = self.positive_square * (1 - value) ** 2 + self.negative_square * value**2
            worth = value * (1 - value) * total**2 / spread
        low, high = share_interval(value, worth, level, self.effective - 1)
        return RateEstimate(value, low, high, rows, labels, "rate")


def weighted_rate(labels: np.ndarray, chances: np.ndarray, level: float = 0.95) -> RateEstimate:
    """Estimate the rate from labels with known sampling probabilities, by inverse-probability weighting (Hájek).

    Unbiased for any selection, by the score, the tenant or the answer itself, if the probabilities are correct.

    Parameters
    ----------
    labels
        Shape (rows,): 0, 1, or NaN for none.
    chances
        Shape (rows,): sampling probability of each labelled row, above 0; not used for others.

    Limits
    ------
    A few labels with a low probability dominate: if none of them is bad by chance, the rate and its interval are too
    low.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bad = rng.random(20_000) < 0.1
    >>> chances = np.where(bad, 0.3, 0.01)
    >>> labels = np.where(rng.random(20_000) < chances, bad, np.nan)
    >>> round(float(np.nanmean(labels)), 2), [round(part, 2) for part in weighted_rate(labels, chances)[:3]]
    (0.76, [0.1, 0.08, 0.11])
    """
    labelled = ~np.isnan(labels)
    truth, probability = labels[labelled], chances[labelled]
    if not (probability > 0).all() or not (probability <= 1).all():
        raise ValueError("a labelled row has a sampling probability that is not above 0 and at most 1; correct it.")
    weights, bad = 1 / probability, truth == 1
    sums = WeightedLabels(
        *(float(part.sum()) for part in (weights[bad], weights[~bad], weights[bad] ** 2, weights[~bad] ** 2))
    )
    return sums.rate(len(labels), len(truth), level)
