"""Stack: many profiles of one column and layout, which a detector measures at once.

A calibration measures thousands of windows of each column. A stack has the attributes of a
:class:`~detectors.profile.Profile` with an additional leading axis, and detectors operate on the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.binning import Binning
from detectors.exact import ExactSum
from detectors.profile import Profile, usable


@dataclass(frozen=True)
class Stack:
    """Profiles of the same layout in the order of time.

    Parameters
    ----------
    layout
        Bins.
    counts
        int64, shape (buckets, layout.bins).
    missing, nonfinite, mistyped
        int64, shape (buckets,).
    total, squares
        float64, shape (buckets,): sum of the values, and of their squared distances from the layout's origin.

    Limits
    ------
    Sums are doubles and not exact: sufficient for null distributions, not for storage.
    """

    layout: Binning
    counts: np.ndarray
    missing: np.ndarray
    nonfinite: np.ndarray
    mistyped: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, profiles: Sequence[Profile | None], layout: Binning) -> Stack:
        """Stack profiles; None represents a bucket without rows."""
        filled = [Profile.empty(layout) if profile is None else profile for profile in profiles]
        with np.errstate(over="ignore"):
            return cls(
                layout,
                np.array([p.counts for p in filled], dtype=np.int64).reshape(len(filled), layout.bins),
                np.array([p.missing for p in filled], dtype=np.int64),
                np.array([p.nonfinite for p in filled], dtype=np.int64),
                np.array([p.mistyped for p in filled], dtype=np.int64),
                np.array([float(p.total) for p in filled]),
                np.array([float(p.squares) for p in filled]),
            )

    @classmethod
    def empty(cls, layout: Binning, buckets: int) -> Stack:
        """Return a stack of empty profiles, to be filled in place."""
        whole = [np.zeros(buckets, dtype=np.int64) for _ in range(3)]
        return cls(layout, np.zeros((buckets, layout.bins), dtype=np.int64), *whole, *np.zeros((2, buckets)))

    def __len__(self) -> int:
        """Return the number of profiles."""
        return len(self.counts)

    @property
    def n(self) -> np.ndarray:
        """Usable values of each, shape (buckets,)."""
        return usable(self.counts, self.layout)

    @property
    def rows(self) -> np.ndarray:
        """Rows of each, including those without a usable value."""
        return np.asarray(self.n + self.missing + self.nonfinite + self.mistyped)

    @property
    def mean(self) -> np.ndarray:
        """Mean of each; NaN without values."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return np.asarray(self.total / self.n)

    @property
    def variance(self) -> np.ndarray:
        """Population variance of each; NaN without values."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return np.asarray(np.maximum(0.0, self.squares / self.n - (self.mean - self.layout.origin) ** 2))

    @property
    def other(self) -> np.ndarray:
        """Number of values of each outside the vocabulary."""
        return np.asarray(self.counts[..., -1])

    @property
    def outside(self) -> np.ndarray:
        """Number of values of each outside the baseline's range."""
        return np.asarray(self.counts[..., 0] + self.counts[..., -1])

    def take(self, rows: np.ndarray) -> Stack:
        """Select profiles by a mask or by indices."""
        return self._each(lambda part: part[rows])

    def sum(self) -> Stack:
        """Sum all profiles; the result has no leading axis."""
        return self._each(lambda part: part.sum(axis=0))

    def profile(self) -> Profile:
        """Return a sum (without a leading axis) as a profile; its extremes are infinite."""
        return Profile(
            self.layout,
            self.counts,
            int(self.missing),
            int(self.nonfinite),
            int(self.mistyped),
            ExactSum.of(np.atleast_1d(self.total)),
            ExactSum.of(np.atleast_1d(self.squares)),
        )

    def windows(self, length: int) -> Stack:
        """Sum every run of ``length`` buckets, including the shorter runs at the start.

        Examples
        --------
        >>> import numpy as np
        >>> from detectors.binning import learn_numeric
        >>> from detectors.records import Column
        >>> layout = learn_numeric(np.arange(10.0), 0.0, 9.0, bins=2)
        >>> buckets = [Profile.of(Column.floats(np.arange(k)), layout) for k in (1, 2, 3, 4)]
        >>> Stack.of(buckets, layout).windows(2).n.tolist()
        [1, 3, 5, 7]
        """
        return self._each(lambda part: sliding(part, length))

    def pieces(self, length: int) -> Stack:
        """Sum non-overlapping runs of ``length`` buckets, aligned with the last bucket."""
        count = len(self) // length
        first = len(self) - count * length
        return self._each(lambda part: part[first:].reshape(count, length, *part.shape[1:]).sum(axis=1))

    def __sub__(self, other: Stack) -> Stack:
        """Subtract the contents of ``other``, with the usual broadcasting."""
        return Stack(self.layout, *(mine - theirs for mine, theirs in zip(self._parts(), other._parts(), strict=True)))

    def _parts(self) -> tuple[np.ndarray, ...]:
        return (self.counts, self.missing, self.nonfinite, self.mistyped, self.total, self.squares)

    def _each(self, change: Callable[[np.ndarray], np.ndarray]) -> Stack:
        return Stack(self.layout, *(np.asarray(change(part)) for part in self._parts()))


def sliding(part: np.ndarray, length: int) -> np.ndarray:
    """Sum every run of ``length`` along the first axis, including the shorter runs at the start."""
    summed = np.cumsum(part, axis=0)
    shifted = np.zeros_like(summed)
    shifted[length:] = summed[:-length] if length < len(summed) else summed[:0]
    return np.asarray(summed - shifted)


Counted = Profile | Stack
"""One window or many: the samples that a detector compares."""
