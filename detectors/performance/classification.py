"""Metrics of a binary classifier from a mergeable summary of its scores and the labels that have arrived.

A bucket keeps how many negatives, positives and rows without a label fell into each of 1,201 fixed bins of the
predicted probability, and the sums of the probabilities there. Summaries of buckets add up to the summary of the
window, bit for bit, so late labels only mean that a bucket is summarised again.

References
----------
DeLong, DeLong, Clarke-Pearson, *Comparing the areas under two or more correlated ROC curves*, Biometrics 44, 1988;
Guo et al., *On calibration of modern neural networks*, ICML 2017; Brier, *Verification of forecasts expressed in
terms of probability*, Monthly Weather Review 78, 1950.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from detectors.performance.estimate import Estimate, Moments, normal_quantile, wilson

VERSION = 1
UNIT = 2.0**-32
"""Sums of probabilities are kept in this unit, as whole numbers: exact in any order, for 2 billion rows a bin."""


def _edges() -> np.ndarray:
    """Return every thousandth, and below the first and above the last of them 20 edges a decade down to 1e-8."""
    small = np.logspace(-8, -3, 101)[:-1]
    return np.unique(np.concatenate([small, np.arange(1, 1001) / 1000, 1 - small]))


EDGES = _edges()
BINS = len(EDGES) + 1
"""Bin ``i`` is ``[EDGES[i-1], EDGES[i])``; the last holds exactly 1."""

NEGATIVE, POSITIVE, UNLABELLED = range(3)

Values = Any
"""A float, or float64 of shape (draws,) when many possible labellings are looked at together."""


@dataclass(frozen=True)
class Scores:
    """Predicted probabilities and labels of one bucket, in fixed size.

    Parameters
    ----------
    counts, sums
        int64, shape (3, BINS): rows that are negative, positive and unlabelled, and the sums of their
        probabilities in units of 2**-32.
    log_loss, brier
        Exact moments of the two losses over the labelled rows.
    missing, outside
        Rows without a usable probability: NaN, and outside of 0 to 1. They are in nothing else.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros((3, BINS), dtype=np.int64))
    sums: np.ndarray = field(default_factory=lambda: np.zeros((3, BINS), dtype=np.int64))
    log_loss: Moments = field(default_factory=Moments)
    brier: Moments = field(default_factory=Moments)
    missing: int = 0
    outside: int = 0

    @classmethod
    def of(cls, probability: np.ndarray, label: np.ndarray | None = None) -> Scores:
        """Summarise rows.

        Parameters
        ----------
        probability
            Of the positive class, shape (rows,); NaN where there is none.
        label
            0 or 1, shape (rows,), NaN where it has not arrived; None when none has.

        Examples
        --------
        >>> import numpy as np
        >>> scores = Scores.of(np.array([0.9, 0.2, 0.7, np.nan]), np.array([1, 0, np.nan, 1]))
        >>> scores.labelled, scores.rows, scores.missing
        (2, 3, 1)
        """
        p = np.asarray(probability, dtype=np.float64)
        y = np.full(len(p), np.nan) if label is None else np.asarray(label, dtype=np.float64)
        if p.shape != y.shape:
            raise ValueError(f"{len(p)} probabilities and {len(y)} labels do not belong together; pass one a row.")
        known = ~np.isnan(y)
        if not np.isin(y[known], (0.0, 1.0)).all():
            other = next(value for value in y[known] if value not in (0.0, 1.0))
            raise ValueError(f"a label must be 0, 1 or missing, not {other:g}; map the labels of this column first.")
        usable = (p >= 0) & (p <= 1)
        missing = int(np.isnan(p).sum())
        return cls._counted(p[usable], y[usable], missing, len(p) - int(usable.sum()) - missing)

    @classmethod
    def _counted(cls, p: np.ndarray, y: np.ndarray, missing: int, outside: int) -> Scores:
        known = ~np.isnan(y)
        kind = np.where(known, np.nan_to_num(y), UNLABELLED).astype(np.int64)
        place = kind * BINS + np.searchsorted(EDGES, p, side="right")
        sums = np.zeros(3 * BINS, dtype=np.int64)
        np.add.at(sums, place, np.rint(p / UNIT).astype(np.int64))
        given = np.where(y == 1, p, 1 - p)[known]
        return cls(
            np.bincount(place, minlength=3 * BINS).reshape(3, BINS).astype(np.int64),
            sums.reshape(3, BINS),
            Moments.of(-np.log(np.maximum(given, np.finfo(np.float64).eps))),
            Moments.of((1 - given) ** 2),
            missing,
            outside,
        )

    @property
    def rows(self) -> int:
        """Return how many rows have a usable probability."""
        return int(self.counts.sum())

    @property
    def labelled(self) -> int:
        """Return how many of them have a label."""
        return int(self.counts[:UNLABELLED].sum())

    def means(self) -> np.ndarray:
        """Return the mean probability of each bin over all rows, float64 of shape (BINS,); NaN where it is empty."""
        counts, sums = self.counts.sum(axis=0), self.sums.sum(axis=0)
        return np.asarray(np.divide(sums * UNIT, counts, where=counts > 0, out=np.full(BINS, np.nan)))

    def __add__(self, other: Scores) -> Scores:
        """Summarise two disjoint sets of rows together."""
        return Scores(
            self.counts + other.counts,
            self.sums + other.sums,
            self.log_loss + other.log_loss,
            self.brier + other.brier,
            self.missing + other.missing,
            self.outside + other.outside,
        )

    def __eq__(self, other: object) -> bool:
        """Compare bit for bit."""
        return isinstance(other, Scores) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        """Hash what equality compares cheaply."""
        return hash((self.rows, self.missing, self.outside))

    def to_json(self) -> dict[str, object]:
        """Serialise without loss, empty bins left out."""
        filled = np.flatnonzero(self.counts)
        return {
            "v": VERSION,
            "at": filled.tolist(),
            "n": self.counts.ravel()[filled].tolist(),
            "sums": self.sums.ravel()[filled].tolist(),
            "log_loss": self.log_loss.to_json(),
            "brier": self.brier.to_json(),
            "missing": self.missing,
            "outside": self.outside,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scores:
        """Read what :meth:`to_json` wrote; refuses another version."""
        if data.get("v") != VERSION:
            raise ValueError(f"scores of version {data.get('v')!r} are not of {VERSION}; summarise the bucket again.")
        counts, sums = np.zeros((2, 3 * BINS), dtype=np.int64)
        at = np.array(data["at"], dtype=np.int64)
        counts[at], sums[at] = data["n"], data["sums"]
        return cls(
            counts.reshape(3, BINS),
            sums.reshape(3, BINS),
            Moments.from_json(data["log_loss"]),
            Moments.from_json(data["brier"]),
            int(data["missing"]),
            int(data["outside"]),
        )


class Confusion(NamedTuple):
    """The four counts at a threshold; expected ones need not be whole."""

    tp: Values
    fp: Values
    fn: Values
    tn: Values


def confusion(positive: np.ndarray, negative: np.ndarray, threshold: float = 0.5) -> Confusion:
    """Count what was predicted right and wrong when ``p >= threshold`` means positive.

    Parameters
    ----------
    positive, negative
        Counts of the two classes, shape (..., BINS).
    threshold
        A whole number of thousandths, for that is where the bins meet.
    """
    first = _first_bin(threshold)
    return Confusion(
        positive[..., first:].sum(axis=-1),
        negative[..., first:].sum(axis=-1),
        positive[..., :first].sum(axis=-1),
        negative[..., :first].sum(axis=-1),
    )


def _first_bin(threshold: float) -> int:
    thousandths = round(threshold * 1000) if math.isfinite(threshold) else -1
    if not 0 <= thousandths <= 1000 or abs(thousandths / 1000 - threshold) > 1e-12:
        raise ValueError(f"the threshold {threshold:g} must be between 0 and 1 with at most three decimals.")
    return int(np.searchsorted(EDGES, thousandths / 1000, side="right")) if thousandths else 0


RATES: dict[str, Callable[[Confusion], tuple[Values, Values]]] = {
    "accuracy": lambda seen: (seen.tp + seen.tn, seen.tp + seen.fp + seen.fn + seen.tn),
    "precision": lambda seen: (seen.tp, seen.tp + seen.fp),
    "recall": lambda seen: (seen.tp, seen.tp + seen.fn),
    "f1": lambda seen: (seen.tp, seen.tp + seen.fp + seen.fn),
}
"""Successes and trials of each rate; F1 stands as the Jaccard index J that it is a function of: ``2 J / (1 + J)``."""


def scale(metric: str, share: Values) -> Values:
    """Turn the share of successes into the metric: only F1 is another number."""
    return 2 * share / (1 + share) if metric == "f1" else share


def rate(metric: str, scores: Scores, threshold: float = 0.5) -> Estimate:
    """Return accuracy, precision, recall or F1 of the labelled rows, with Wilson's interval.

    ``n`` is the number of trials: the rows that the rate is a share of. For F1 the interval is that of the Jaccard
    index, which is a proportion, put through the same increasing function as the value; for many rows this is the
    delta method's.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.random.default_rng(0).random(2000)
    >>> y = np.random.default_rng(1).random(2000) < p
    >>> [round(number, 3) for number in rate("f1", Scores.of(p, y))]
    [0.758, 0.737, 0.779, 1230]
    """
    seen = confusion(scores.counts[POSITIVE], scores.counts[NEGATIVE], threshold)
    successes, trials = RATES[metric](seen)
    if not trials:
        return Estimate.undefined()
    low, high = wilson(float(successes), float(trials))
    value, low, high = (float(scale(metric, share)) for share in (successes / trials, low, high))
    return Estimate(value, low, high, int(trials))


def accuracy(scores: Scores, threshold: float = 0.5) -> Estimate:
    """Return the share of labelled rows that were predicted right."""
    return rate("accuracy", scores, threshold)


def precision(scores: Scores, threshold: float = 0.5) -> Estimate:
    """Return the share of positives among the rows that were predicted positive."""
    return rate("precision", scores, threshold)


def recall(scores: Scores, threshold: float = 0.5) -> Estimate:
    """Return the share of the positives that were predicted positive."""
    return rate("recall", scores, threshold)


def f1(scores: Scores, threshold: float = 0.5) -> Estimate:
    """Return the harmonic mean of precision and recall."""
    return rate("f1", scores, threshold)


def area(positive: np.ndarray, negative: np.ndarray) -> Values:
    """Return the ROC AUC of counts, shape (..., BINS); two scores of one bin count half. NaN with one class only."""
    pairs = positive.sum(axis=-1) * negative.sum(axis=-1)
    below = np.cumsum(negative, axis=-1) - negative / 2
    won = np.sum(positive * below, axis=-1)
    return np.divide(won, pairs, where=pairs > 0, out=np.full(np.shape(pairs), np.nan))[()]


def roc_auc(scores: Scores) -> Estimate:
    """Return the area under the ROC curve of the labelled rows, with DeLong's interval on the logit scale.

    Limits
    ------
    Two scores of one bin count as tied: the exact area is at most :func:`roc_auc_rounding` away, typically 1e-5
    and less. When the classes are apart altogether the interval is Wilson's of as many trials as the smaller class.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.random.default_rng(0).random(2000)
    >>> y = np.random.default_rng(1).random(2000) < p
    >>> [round(number, 3) for number in roc_auc(Scores.of(p, y))]
    [0.838, 0.82, 0.854, 2000]
    """
    positive, negative = (scores.counts[kind].astype(np.float64) for kind in (POSITIVE, NEGATIVE))
    p, n = float(positive.sum()), float(negative.sum())
    if not p or not n:
        return Estimate.undefined(scores.labelled)
    value = float(area(positive, negative))
    error = math.sqrt(_delong(positive, negative, value))
    if not error or not 0 < value < 1:
        return Estimate(value, *wilson(value * min(p, n), min(p, n)), scores.labelled)
    reach = normal_quantile() * error / (value * (1 - value))
    low, high = (float(special.expit(special.logit(value) + side * reach)) for side in (-1, 1))
    return Estimate(value, low, high, scores.labelled)


def _delong(positive: np.ndarray, negative: np.ndarray, value: float) -> float:
    """Return the variance of the area from how each positive stands among the negatives, and the reverse."""
    p, n = positive.sum(), negative.sum()
    won = (np.cumsum(negative) - negative / 2) / n
    lost = (np.cumsum(positive[::-1])[::-1] - positive / 2) / p
    spread = [positive @ (won - value) ** 2 / max(1.0, p - 1) / p, negative @ (lost - value) ** 2 / max(1.0, n - 1) / n]
    return float(sum(spread))


def roc_auc_rounding(scores: Scores) -> float:
    """Return the largest possible difference of :func:`roc_auc` from the area of the unbinned scores.

    Half of the pairs of a positive and a negative that share a bin, for their order is not known.
    """
    positive, negative = (scores.counts[kind].astype(np.float64) for kind in (POSITIVE, NEGATIVE))
    pairs = positive.sum() * negative.sum()
    return float(positive @ negative / (2 * pairs)) if pairs else 0.0


def log_loss(scores: Scores) -> Estimate:
    """Return the mean negative log likelihood in nats; probabilities of 0 count as 2.2e-16."""
    return scores.log_loss.mean()


def brier(scores: Scores) -> Estimate:
    """Return the mean squared distance between probability and label."""
    return scores.brier.mean()


def calibration_error(scores: Scores, bins: int = 10) -> Estimate:
    """Return the expected calibration error over equal bins, with a 95 % interval of the true error.

    Parameters
    ----------
    bins
        A divisor of 1,000.

    Limits
    ------
    The value is the field's: even a calibrated model has one above 0, which shrinks with the root of the rows. The
    interval is of the error without that part, whose largest plausible size is taken off its lower end: it is wide
    rather than narrow.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.random.default_rng(0).random(20_000)
    >>> y = np.random.default_rng(1).random(20_000) < p**2
    >>> [round(number, 2) for number in calibration_error(Scores.of(p, y))]
    [0.17, 0.16, 0.17, 20000]
    """
    if not 1 <= bins <= 1000 or 1000 % bins:
        raise ValueError(f"{bins} bins do not divide 1,000; take 10, 20, 25, 50 or 100.")
    if not scores.labelled:
        return Estimate.undefined()
    starts = [_first_bin(round(1000 * place / bins) / 1000) for place in range(bins)]
    n = np.add.reduceat(scores.counts[:UNLABELLED].sum(axis=0), starts)
    positive = np.add.reduceat(scores.counts[POSITIVE], starts)
    expected = np.add.reduceat(scores.sums[:UNLABELLED].sum(axis=0) * UNIT, starts)
    n, positive, expected = n[n > 0], positive[n > 0], expected[n > 0]
    gaps = np.abs(positive - expected) / n
    share = (positive + 1) / (n + 2)  # pulled inwards, so that a bin of one class has a spread too
    spread = np.sqrt(share * (1 - share) / n)
    weights = n / n.sum()
    value = float(weights @ gaps)
    reach = normal_quantile() * math.sqrt(float(weights**2 @ spread**2))
    low = value - float(weights @ _folding(np.maximum(0.0, gaps - 2 * spread), spread)) - reach
    return Estimate(value, max(0.0, low), min(1.0, value + reach), scores.labelled)


def _folding(gaps: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return by how much noise raises the mean absolute value of gaps (folded normal); less, the larger they are."""
    z = gaps / spread
    return np.asarray(spread * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) - 2 * gaps * special.ndtr(-z))
