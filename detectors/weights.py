"""Weights: number of requests that a logged row represents, for logs of a sample.

Weights are integers in units of 1/65536, so that sums of weights are exact in any order. Estimates of the traffic
(counts, sums, rates) are weighted. Their precision is that of the effective sample size, ``sum(w)**2 / sum(w**2)``: the
number of rows for equal weights, less otherwise.

References
----------
Kish, *Survey Sampling*, 1965, chapter 11; Horvitz, Thompson, *A generalization of sampling without replacement from a
finite universe*, Journal of the American Statistical Association 47, 1952.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.binning import numbers
from detectors.exact import ExactSum
from detectors.records import Column, Records, row_count

WEIGHT = "(weight)"
"""Column of weights that is added on reading, named to differ from the columns of tables."""
ROLES = ("weight", "sampling_fraction")
"""Roles of the number of requests that a row represents, and of its inverse, the sampled share."""
UNIT = 1 << 16
LARGEST = 1e6
LABEL_PROBABILITY = "label_probability"
"""The role of the probability with which a row was selected for labelling."""


def weigh(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of each row in units, int64, and whether it is valid.

    Both roles are multiplied; NULL counts as 1. A weight must be above 0 and at most 1,000,000, a fraction above 0 and
    at most 1.

    Examples
    --------
    >>> units, usable = weigh({"sampling_fraction": Column.of([0.5, 1.0, None, 0.0, 2.0, "x"])})
    >>> (units[:3] / UNIT).tolist(), usable.tolist()
    ([2.0, 1.0, 1.0], [True, True, True, False, False, False])
    """
    weight = _values(records, "weight")
    fraction = _values(records, "sampling_fraction")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        natural = weight / fraction
        usable = (weight > 0) & (fraction > 0) & (fraction <= 1) & (natural <= LARGEST) & (natural * UNIT >= 1)
    return np.rint(np.where(usable, natural, 1.0) * UNIT).astype(np.int64), usable


def _values(records: Records, role: str) -> np.ndarray:
    if role not in records:
        return np.ones(row_count(records))
    values, _ = numbers(records[role])
    return np.where(records[role].missing, 1.0, values)


def label_weights(records: Records) -> np.ndarray:
    """Return the weight of each row's label, one over its probability of being labelled; NaN where that is no use.

    The weight of the row multiplies it. A probability must be above 0 and at most 1, and the weight at most 1,000,000.

    Examples
    --------
    >>> label_weights({"label_probability": Column.of([0.25, 1.0, None, 0.0, 1.5, "x"])}).tolist()
    [4.0, 1.0, nan, nan, nan, nan]
    """
    if LABEL_PROBABILITY not in records:
        return np.full(row_count(records), np.nan)
    column = records[LABEL_PROBABILITY]
    chances = np.where(column.missing, np.nan, numbers(column)[0])
    units = row_units(records)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weights = (1.0 if units is None else units / UNIT) / chances
        return np.where((chances > 0) & (chances <= 1) & (weights <= LARGEST), weights, np.nan)


def row_units(records: Records) -> np.ndarray | None:
    """Return the weights of rows in units, int64; None if all are 1."""
    if WEIGHT not in records:
        return None
    return np.asarray(np.rint(records[WEIGHT].values * UNIT), dtype=np.int64)


def weight_column(units: np.ndarray) -> Column:
    """Return the column of weights that :func:`row_units` reads."""
    return Column.floats(units / UNIT)


def sum_squares(units: np.ndarray) -> int:
    """Return the exact sum of the squares of units, which may exceed 64 bits."""
    values, counts = np.unique(units, return_counts=True)
    return sum(value**2 * count for value, count in zip(values.tolist(), counts.tolist(), strict=True))


def natural(units: int) -> float:
    """Convert a sum of units to a number of requests, an int if it is integral."""
    return units // UNIT if units % UNIT == 0 else units / UNIT


@dataclass(frozen=True)
class WeightedCounts:
    """Weighted counterparts of a profile, which add up exactly.

    Parameters
    ----------
    counts
        int64, shape (bins + 3,): units by bin, then those of missing, nonfinite and mistyped values.
    total, squares
        Sums of the weighted values, and of their weighted squared distances from the layout's origin.
    whole, heavy
        Sum of the units of all rows, and of their squares.
    """

    counts: np.ndarray
    total: ExactSum
    squares: ExactSum
    whole: int
    heavy: int

    def __add__(self, other: WeightedCounts) -> WeightedCounts:
        """Add up two disjoint sets of rows."""
        return WeightedCounts(
            self.counts + other.counts,
            self.total + other.total,
            self.squares + other.squares,
            self.whole + other.whole,
            self.heavy + other.heavy,
        )

    @property
    def size(self) -> float:
        """Effective sample size."""
        return self.whole**2 / self.heavy

    @property
    def usable(self) -> int:
        """Units of the values in bins."""
        return int(self.counts[:-3].sum())

    def to_json(self) -> dict[str, object]:
        """Serialise without loss."""
        filled = np.flatnonzero(self.counts)
        return {
            "at": filled.tolist(),
            "n": self.counts[filled].tolist(),
            "total": self.total.to_json(),
            "squares": self.squares.to_json(),
            "whole": self.whole,
            "heavy": self.heavy,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], bins: int) -> WeightedCounts:
        """Read the output of :meth:`to_json`."""
        counts = np.zeros(bins + 3, dtype=np.int64)
        counts[np.array(data["at"], dtype=np.int64)] = data["n"]
        total, squares = ExactSum.from_json(data["total"]), ExactSum.from_json(data["squares"])
        return cls(counts, total, squares, int(data["whole"]), int(data["heavy"]))


def apportion(shares: np.ndarray, size: int) -> np.ndarray:
    """Return integers with the sum ``size``, proportional to shares.

    Their cumulative sums deviate by at most a half, so that rounding favours neither end of an ordered scale.

    Examples
    --------
    >>> apportion(np.array([10, 25, 65]), 10).tolist(), apportion(np.array([1, 1, 1, 1]), 2).tolist()
    ([1, 3, 6], [0, 1, 1, 0])
    """
    running = np.rint(np.cumsum(shares) * (size / shares.sum()))
    return np.asarray(np.diff(running, prepend=0), dtype=np.int64)
