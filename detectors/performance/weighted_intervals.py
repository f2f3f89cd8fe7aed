"""Intervals of accuracy, precision, recall and F1 from labels that stand for different numbers of answers.

Where one label stands for a hundred answers, few labels decide, and a kind of answer without a label may still be
frequent. Each rate is ``hits / (hits + misses)`` of two weighted sums over different answers, which are independent
weighted Poisson sums. Each has the gamma interval of Fay and Feuer: its upper end adds one label more of the largest
weight that such an answer has. The interval of the rate follows from the two (Donner and Zou's method of variance
estimates recovery).

Limits
------
Weights are known as sums by class, so that the largest one is the mean weight of a class, each weighted by itself.

References
----------
Fay, Feuer, *Confidence intervals for directly standardized rates: a method based on the gamma distribution*, Statistics
in Medicine 16, 1997; Donner, Zou, *Closed-form confidence intervals for functions of the normal mean and standard
deviation*, Statistical Methods in Medical Research 21, 2012.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.performance.metrics import LEAST, Confusion, confusion, scale
from detectors.performance.tables import Table

PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "accuracy": (("tp", "tn"), ("fp", "fn")),
    "precision": (("tp",), ("fp",)),
    "recall": (("tp",), ("fn",)),
    "f1": (("tp",), ("fp", "fn")),
}
"""Hits and misses of each rate, as in :data:`~detectors.performance.metrics.RATES`."""


def sum_interval(
    weights: np.ndarray, squares: np.ndarray, largest: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gamma interval of the mean of a sum of weights, of which the sum of squares is known.

    Parameters
    ----------
    largest
        Weight of one label more.

    Examples
    --------
    >>> one = np.ones(1)
    >>> [round(float(end[0]), 2) for end in sum_interval(10 * one, 10 * one, one)]  # ten events
    [4.8, 18.39]
    >>> [round(float(end[0]), 2) for end in sum_interval(0 * one, 0 * one, 100 * one)]
    [0.0, 368.89]
    """
    tail = (1 - level) / 2
    some = weights > 0
    each = np.divide(squares, weights, where=some, out=np.ones_like(weights))
    low = np.where(some, each * special.gammaincinv(np.maximum(weights / each, LEAST), tail), 0.0)
    total, spread = weights + largest, squares + largest**2
    unit = np.divide(spread, total, where=total > 0, out=np.zeros_like(total))
    shape = np.divide(total, unit, where=unit > 0, out=np.ones_like(total))
    return low, unit * special.gammainccinv(shape, tail)


def rate_interval(name: str, table: Table, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a rate from a table with weights of labels; from 0 to 1 where no label bears on it."""
    weights, squares = confusion(table), confusion(table, "_square")
    of_class = [
        np.divide(
            table[f"{label}_square"].sum(axis=-1),
            np.maximum(table[label].sum(axis=-1), LEAST),
        )
        for label in ("positive", "negative")
    ]
    positive, negative = (np.where(one > 0, one, np.maximum(*of_class)) for one in of_class)
    one_more = Confusion(positive, negative, positive, negative)
    (hits, hit_ends), (misses, miss_ends) = (
        (sum_of(weights, names), sum_interval(sum_of(weights, names), sum_of(squares, names), most_of(one_more, names)))
        for names in PARTS[name]
    )
    low = _ratio_end(hits, misses, hits - hit_ends[0], miss_ends[1] - misses, upper=False)
    high = _ratio_end(hits, misses, hit_ends[1] - hits, misses - miss_ends[0], upper=True)
    known = hits + misses > 0
    ends = np.where(known, scale(name, low), 0.0), np.where(known, scale(name, high), 1.0)
    return ends[0], ends[1]


def sum_of(counts: Confusion, names: tuple[str, ...]) -> np.ndarray:
    """Return the sum of some cells of a confusion matrix."""
    return np.asarray(np.sum([getattr(counts, name) for name in names], axis=0))


def most_of(counts: Confusion, names: tuple[str, ...]) -> np.ndarray:
    """Return the largest of some cells."""
    return np.asarray(np.max([getattr(counts, name) for name in names], axis=0))


def _ratio_end(
    hits: np.ndarray, misses: np.ndarray, of_hits: np.ndarray, of_misses: np.ndarray, *, upper: bool
) -> np.ndarray:
    """Return an end of ``hits / (hits + misses)``, from the distances of the ends of both sums.

    The odds ``x`` at which ``hits - x * misses`` is as far from 0 as its own interval reaches.
    """
    product, rest, other = hits * misses, misses**2 - of_misses**2, hits**2 - of_hits**2
    root = np.sqrt(np.maximum(0.0, product**2 - rest * other))
    if upper:
        return np.where(rest > 0, (product + root) / np.maximum(rest + product + root, LEAST), 1.0)
    whole = other + product + root
    return np.asarray(np.divide(other, whole, where=whole > 0, out=np.zeros_like(root)))
