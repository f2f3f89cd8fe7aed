"""Tally: sums over the rows of an experiment's arm, which add up over buckets.

A metric is a ratio of two sums, ``y`` over ``x``: a mean has ``x = 1`` in every row, cost per token has tokens. If
users have several rows, rows are dependent but users are not: rows are then summed in 256 groups by a hash of the user,
and the variance is estimated between groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from detectors.experiment.exact import LARGEST, LIMBS, normalise_limbs, sum_groups, to_doubles

PARTS = ("n", "y", "x", "yy", "xx", "xy", "c", "cc", "yc")
"""Sums of a group: rows, numerator, denominator, their squares, product; covariate, its square and product with y."""
N, Y, X, YY, XX, XY, C, CC, YC = range(len(PARTS))
GROUPS = 256
FEWEST_GROUPS = 64
"""Fewest non-empty groups for an estimate of the variance."""
VERSION = 2


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums of one metric in one arm; disjoint sets of rows are added, and subtracted, exactly.

    Parameters
    ----------
    exact
        int64 of shape (groups, 9, 18): the sums in the order of ``PARTS``, each in the limbs of
        :mod:`detectors.experiment.exact`; one group if rows are independent, 256 if they are grouped by user.

    Limits
    ------
    Users of one group are combined, so the variance is that of at most 256 units, and its root has a standard error of
    4 %. More groups are more precise but add cost to every bucket: four times as many would have 2 %, which changes the
    limits of an interval by 2 % of its width. With fewer than 64 non-empty groups the variance is unknown. For grouped
    rows the squares and products are not stored, as the variance is estimated between groups.

    Examples
    --------
    >>> parts = Tally.of(np.array([1.0, 0.0])), Tally.of(np.array([1.0]))
    >>> whole = parts[0] + parts[1]
    >>> whole.n, round(whole.value, 3), (whole - parts[1]).n
    (3, 0.667, 2)
    """

    exact: np.ndarray

    @classmethod
    def empty(cls, clustered: bool = False) -> Tally:  # noqa: FBT001, FBT002
        """Return the tally of no rows."""
        return cls(np.zeros((GROUPS if clustered else 1, len(PARTS), LIMBS), dtype=np.int64))

    @classmethod
    def of(
        cls,
        y: np.ndarray,
        x: np.ndarray | None = None,
        covariate: np.ndarray | None = None,
        units: Iterable[object] | None = None,
    ) -> Tally:
        """Sum rows; those whose value, denominator or covariate is not finite, or beyond 1e45, are not counted.

        Parameters
        ----------
        y, x, covariate
            Shape (rows,): numerator, denominator (1 by default), and a quantity measured before the experiment, such as
            the user's previous mean.
        units
            User of each row, shape (rows,); None if rows are independent.
        """
        y = np.asarray(y, dtype=np.float64)
        ones = np.ones(len(y))
        x = ones if x is None else np.asarray(x, dtype=np.float64)
        c = np.zeros(len(y)) if covariate is None else np.asarray(covariate, dtype=np.float64)
        group = np.zeros(len(y), dtype=np.int64) if units is None else assign_groups(units)
        usable = (np.abs(y) <= LARGEST) & (np.abs(x) <= LARGEST) & (np.abs(c) <= LARGEST)
        y, x, c, group = y[usable], x[usable], c[usable], group[usable]
        terms = {N: ones[usable], Y: y, X: x, C: c, CC: c * c}
        if units is None:
            terms |= {YY: y * y, XX: x * x, XY: x * y, YC: y * c}
        size = 1 if units is None else GROUPS
        made = np.zeros((size, len(PARTS), LIMBS), dtype=np.int64)
        for part, values in terms.items():
            if values.any():
                made[:, part] = sum_groups(values, group, size)
        return cls(made)

    def __add__(self, other: Tally) -> Tally:
        """Add two disjoint sets of rows."""
        return Tally(normalise_limbs(self._like(other).exact + other.exact))

    def __sub__(self, other: Tally) -> Tally:
        """Subtract a set of rows that was added before."""
        return Tally(normalise_limbs(self._like(other).exact - other.exact))

    def __eq__(self, other: object) -> bool:
        """Compare to the last bit."""
        return isinstance(other, Tally) and np.array_equal(self.exact, other.exact)

    __hash__ = None  # type: ignore[assignment]

    def _like(self, other: Tally) -> Tally:
        if self.exact.shape != other.exact.shape:
            raise ValueError("a tally grouped by user and one of single rows cannot be added; count the rows again.")
        return self

    @cached_property
    def sums(self) -> np.ndarray:
        """Return the sums as doubles, float64 of shape (groups, 9)."""
        return to_doubles(self.exact)

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return int(self.sums[:, N].sum())

    @property
    def value(self) -> float:
        """Return the metric; NaN if its denominator is 0."""
        return float(divide_sums(self.sums))

    @property
    def variance(self) -> float:
        """Return the variance of the metric as an estimate; infinite if it is unknown."""
        return float(ratio_variance(self.sums))

    def to_json(self) -> dict[str, Any]:
        """Serialise without loss: the non-zero limbs, each after its distance from the previous one."""
        flat = self.exact.ravel()
        at = np.flatnonzero(flat)
        return {"v": VERSION, "groups": len(self.exact), "at": np.diff(at, prepend=0).tolist(), "n": flat[at].tolist()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tally:
        """Read the output of :meth:`to_json`; rejects other versions."""
        if data.get("v") != VERSION or data.get("groups") not in (1, GROUPS):
            raise ValueError(f"a tally of version {data.get('v')!r} is not of {VERSION}; count the rows again.")
        flat = np.zeros(int(data["groups"]) * len(PARTS) * LIMBS, dtype=np.int64)
        flat[np.cumsum(np.array(data["at"], dtype=np.int64))] = np.array(data["n"], dtype=np.int64)
        return cls(flat.reshape(-1, len(PARTS), LIMBS))


def assign_groups(units: Iterable[object]) -> np.ndarray:
    """Return the group of each row's user, int64; each user is hashed once."""
    numbers: dict[object, int] = {}
    return np.array(
        [numbers[unit] if unit in numbers else numbers.setdefault(unit, assign_group(unit)) for unit in units],
        dtype=np.int64,
    )


def assign_group(unit: object) -> int:
    """Return the group of a user: the same in every bucket, process and release.

    Examples
    --------
    >>> assign_group("jane") == assign_group("jane"), 0 <= assign_group(17) < 256
    (True, True)
    """
    return hashlib.sha256(str(unit).encode("utf-8", "surrogatepass")).digest()[0]


def divide_sums(sums: np.ndarray) -> np.ndarray:
    """Return the ratio of the sums, over arrays of shape (..., groups, 9)."""
    y, x = sums[..., Y].sum(axis=-1), sums[..., X].sum(axis=-1)
    return np.asarray(np.divide(y, x, where=x != 0, out=np.full(np.shape(x), np.nan)))


def ratio_variance(sums: np.ndarray) -> np.ndarray:
    """Return the variance of the ratio by the delta method, over arrays of shape (..., groups, 9).

    Estimated between rows for one group, between groups for several.

    References
    ----------
    Deng, Knoblich, Lu, *Applying the delta method in metric analytics*, KDD 2018.

    Examples
    --------
    >>> y = np.random.default_rng(0).normal(size=1000)
    >>> bool(np.isclose(ratio_variance(Tally.of(y).sums), y.var(ddof=1) / 1000))
    True
    """
    total = sums.sum(axis=-2)
    ratio = divide_sums(sums)
    if sums.shape[-2] == 1:
        residual = total[..., YY] - 2 * ratio * total[..., XY] + ratio**2 * total[..., XX]
        units = total[..., N]
    else:
        off = sums[..., Y] - np.expand_dims(ratio, -1) * sums[..., X]
        residual, units = np.sum(off**2, axis=-1), np.sum(sums[..., N] > 0, axis=-1)
        units = np.where(units < FEWEST_GROUPS, 0, units)
    is_defined = (units > 1) & (total[..., X] != 0)
    shrunk = units / np.maximum(1, units - 1)
    variance = np.divide(
        np.maximum(0.0, residual) * shrunk, total[..., X] ** 2, where=is_defined, out=np.full(np.shape(ratio), np.inf)
    )
    return np.asarray(variance)
