"""Profile: a small, fixed-size, mergeable summary of one column in one bucket.

``profile(a) + profile(b)`` equals ``profile(a and b together)`` to the last bit in any order, so a window is a sum of
buckets and a bucket a sum of pages.

Limits
------
The distribution within a bin is lost. Moments overflow to infinity beyond 1e308.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from detectors.binning import SUMMED, Binning, category, numbers
from detectors.exact import ExactSum
from detectors.outcome import add_up, count_labelled, count_row_bins, weigh_scores
from detectors.records import Column
from detectors.weights import UNIT, WeightedCounts, apportion, natural, sum_squares

Segment = TypeVar("Segment")
VERSION = 1
SCALE = 2.0**16
"""Vectors are stored as integers in units of 1/65536, so that their sums are exact."""


@dataclass(frozen=True)
class Profile:
    """Counts per bin, numbers of values without a bin, and exact moments.

    Parameters
    ----------
    layout
        Bins, fixed by the baseline.
    counts
        int64, shape (layout.bins,).
    missing, nonfinite, mistyped
        Number of rows with NULL; with NaN or an infinity; with a value of a numeric column that is not a number.
    total, squares
        Exact sum of the finite values, and of their squared distances from the layout's origin, each rounded to a
        double.
    minimum, maximum
        Of the finite values; ``inf`` and ``-inf`` if there are none.
    weighted
        The weighted counterparts, if rows represent more or fewer requests than one each; None if all weights are 1.
    """

    layout: Binning
    counts: np.ndarray
    missing: int = 0
    nonfinite: int = 0
    mistyped: int = 0
    total: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    minimum: float = np.inf
    maximum: float = -np.inf
    weighted: WeightedCounts | None = None

    @classmethod
    def empty(cls, layout: Binning) -> Profile:
        """Return the profile of no rows, the neutral element of addition."""
        return cls(layout, np.zeros(layout.bins, dtype=np.int64))

    @classmethod
    def of(cls, column: Column, layout: Binning, units: np.ndarray | None = None) -> Profile:
        """Compute the profile of one column.

        Parameters
        ----------
        units
            Weight of each row, as returned by :func:`detectors.weights.weigh`; None if all weights are 1. A ``vector``
            and the ``errors`` of a regression count rows only.

        Examples
        --------
        >>> import numpy as np
        >>> from detectors.binning import learn_numeric
        >>> from detectors.records import Column
        >>> x = np.random.default_rng(7).normal(size=1000)
        >>> layout = learn_numeric(x, x.min(), x.max(), bins=10)
        >>> whole = Profile.of(Column.floats(x), layout)
        >>> halves = Profile.of(Column.floats(x[500:]), layout) + Profile.of(Column.floats(x[:500]), layout)
        >>> whole == halves, whole.n
        (True, 1000)
        """
        profile = cls._plain(column, layout)
        if units is None or layout.kind in ("vector", "errors") or (units == UNIT).all():
            return profile
        return replace(profile, weighted=_weigh(column, layout, units))

    @classmethod
    def _plain(cls, column: Column, layout: Binning) -> Profile:
        if layout.kind == "vector":
            return cls._vector(column, layout)
        if layout.kind in SUMMED:
            counts, unlabelled, unusable = add_up(column, layout)
            return cls(layout, counts, missing=unlabelled, nonfinite=unusable)
        return cls._numeric(column, layout) if layout.kind == "numeric" else cls._categorical(column, layout)

    @classmethod
    def _vector(cls, column: Column, layout: Binning) -> Profile:
        """Sum vectors as integers: rows first, then each component in units of 1 / SCALE."""
        whole = np.rint(column.values[~column.missing] * SCALE).astype(np.int64)
        counts = np.concatenate([[len(whole)], whole.sum(axis=0)]).astype(np.int64)
        return cls(layout, counts, missing=int(column.missing.sum()))

    @classmethod
    def _numeric(cls, column: Column, layout: Binning) -> Profile:
        values, mistyped = numbers(column)
        finite = values[np.isfinite(values)]
        unusable = len(values) - len(finite)
        missing, wrong = int(np.count_nonzero(column.missing)), int(np.count_nonzero(mistyped))
        counts = np.bincount(np.searchsorted(layout.edges, finite, side="right"), minlength=layout.bins)
        with np.errstate(over="ignore"):
            squares = (finite - layout.origin) ** 2
        return cls(
            layout,
            counts.astype(np.int64),
            missing=missing,
            nonfinite=unusable - missing - wrong,
            mistyped=wrong,
            total=ExactSum.of(finite),
            squares=ExactSum.of(np.minimum(squares, np.finfo(np.float64).max)),
            minimum=float(finite.min()) if len(finite) else np.inf,
            maximum=float(finite.max()) if len(finite) else -np.inf,
        )

    @classmethod
    def _categorical(cls, column: Column, layout: Binning) -> Profile:
        counts = np.bincount(_categories(column, layout), minlength=layout.bins)
        return cls(layout, counts.astype(np.int64), missing=int(column.missing.sum()))

    @property
    def n(self) -> int:
        """Number of usable values; of a performance column, of the rows with a label."""
        return int(usable(self.counts, self.layout))

    @property
    def rows(self) -> int:
        """Number of rows, including those without a usable value."""
        return self.n + self.missing + self.nonfinite + self.mistyped

    @property
    def mean(self) -> float:
        """Mean of the finite values of a numeric column; NaN if there are none."""
        return float(self.total) / self.n if self.n else float("nan")

    @property
    def variance(self) -> float:
        """Population variance from exact sums; NaN if there are no values."""
        if not self.n:
            return float("nan")
        shift = self.total.fraction() / self.n - Fraction(self.layout.origin)
        exact = self.squares.fraction() / self.n - shift**2
        return max(0.0, float(exact))

    @property
    def other(self) -> int:
        """Number of values outside the vocabulary of a categorical column."""
        return int(self.counts[-1])

    @property
    def outside(self) -> int:
        """Number of values outside the baseline's range of a numeric column."""
        return int(self.counts[0] + self.counts[-1])

    def __add__(self, other: Profile) -> Profile:
        """Merge two profiles of the same layout; exact, associative, commutative."""
        if self.layout is not other.layout and self.layout.identity != other.layout.identity:
            raise ValueError(
                "profiles over different bins cannot be added; profile the bucket again under this baseline."
            )
        return Profile(
            self.layout,
            self.counts + other.counts,
            self.missing + other.missing,
            self.nonfinite + other.nonfinite,
            self.mistyped + other.mistyped,
            self.total + other.total,
            self.squares + other.squares,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            None if self.weighted is other.weighted is None else self._as_weighted() + other._as_weighted(),
        )

    def _as_weighted(self) -> WeightedCounts:
        if self.weighted is not None:
            return self.weighted
        others = [self.missing, self.nonfinite, self.mistyped]
        counts = np.append(self.counts, np.array(others, dtype=np.int64)) * UNIT
        if self.layout.kind == "scores":
            counts[count_row_bins(self.layout) : -3] //= UNIT  # sums of scores are in such units already
        return WeightedCounts(counts, self.total, self.squares, self.rows * UNIT, self.rows * UNIT**2)

    @property
    def amount(self) -> float:
        """Sum of the finite values over the requests that the rows represent."""
        return float(self.total if self.weighted is None else self.weighted.total)

    @property
    def usable_requests(self) -> float:
        """Number of requests that the usable values represent."""
        return self.n if self.weighted is None else natural(self.weighted.usable)

    @property
    def requests(self) -> float:
        """Number of requests that the rows represent, including those without a usable value."""
        return self.rows if self.weighted is None else natural(self.weighted.whole)

    def effective(self) -> tuple[np.ndarray, float, float]:
        """Return the counts and sums of a weighted profile, scaled to its effective sample size.

        Returns
        -------
        counts
            float64, shape (bins + 3,): by bin, then missing, nonfinite and mistyped.
        total, squares
            As in a profile.
        """
        weighted = self._as_weighted()
        factor = weighted.size / weighted.whole
        scale = factor * UNIT
        return weighted.counts * factor, float(weighted.total) * scale, float(weighted.squares) * scale

    def sample(self) -> Profile:
        """Return the profile of an equally weighted sample with the same information, the input of statistics.

        Its shares, mean and variance are the weighted ones; its size is the effective sample size. Without weights, or
        with equal ones, its counts are those of the rows.

        Examples
        --------
        >>> from detectors.binning import learn_numeric
        >>> layout = learn_numeric(np.array([0.0, 1.0]), 0.0, 1.0)
        >>> column, units = Column.floats(np.array([0.0] * 90 + [1.0] * 10)), np.repeat([UNIT, 9 * UNIT], [90, 10])
        >>> sample = Profile.of(column, layout, units).sample()
        >>> sample.n, sample.mean
        (36, 0.5)
        """
        if self.weighted is None:
            return self
        if self.layout.kind == "scores":
            return self._sample_of_scores(self.weighted)
        counts = apportion(self.weighted.counts, round(self.weighted.size))
        n = int(counts[:-3].sum())
        scale = n * UNIT / self.weighted.usable if n else 0.0
        total, squares = (
            ExactSum.of(np.nan_to_num(np.array([float(exact) * scale])))
            for exact in (self.weighted.total, self.weighted.squares)
        )
        missing, nonfinite, mistyped = counts[-3:].tolist()
        others = {"missing": missing, "nonfinite": nonfinite, "mistyped": mistyped}
        return replace(self, counts=counts[:-3], total=total, squares=squares, **others)

    def _sample_of_scores(self, weighted: WeightedCounts) -> Profile:
        """Return the sample of a classifier's scores: the mean score of each cell is preserved."""
        half = count_row_bins(self.layout)
        units, scores, of_labels = np.split(weighted.counts[:-3], [half, 2 * half])
        *rows, unusable = apportion(np.append(units, weighted.counts[-2]), round(weighted.size)).tolist()
        counts = np.array(rows, dtype=np.int64)
        mean = np.divide(scores * float(UNIT), units, where=units > 0, out=np.zeros(half))
        sums = np.concatenate([counts, np.rint(counts * mean).astype(np.int64), of_labels])
        return replace(self, counts=sums, missing=int(counts[2 * half // 3 :].sum()), nonfinite=unusable)

    def __eq__(self, other: object) -> bool:
        """Compare bit for bit."""
        return isinstance(other, Profile) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        """Hash a cheap subset of the compared fields."""
        return hash((self.n, self.missing, self.total))

    def to_json(self) -> dict[str, object]:
        """Serialise without loss: sparse counts, exact sums, hexadecimal extremes; the layout by its identity."""
        filled = np.flatnonzero(self.counts)
        weighted = {} if self.weighted is None else {"weighted": self.weighted.to_json()}
        return {
            "v": VERSION,
            "layout": self.layout.identity,
            "at": filled.tolist(),
            "n": self.counts[filled].tolist(),
            "missing": self.missing,
            "nonfinite": self.nonfinite,
            "mistyped": self.mistyped,
            "total": self.total.to_json(),
            "squares": self.squares.to_json(),
            "min": float(self.minimum).hex(),
            "max": float(self.maximum).hex(),
            **weighted,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], layout: Binning) -> Profile:
        """Read the output of :meth:`to_json`; rejects other versions and other layouts."""
        if data.get("v") != VERSION:
            raise ValueError(f"profile version {data.get('v')!r} is not {VERSION}; upgrade driftd or profile again.")
        if data.get("layout") != layout.identity:
            raise ValueError("this profile was counted over other bins; profile the bucket again.")
        counts = np.zeros(layout.bins, dtype=np.int64)
        counts[np.array(data["at"], dtype=np.int64)] = data["n"]
        return cls(
            layout,
            counts,
            int(data["missing"]),
            int(data["nonfinite"]),
            int(data["mistyped"]),
            ExactSum.from_json(data["total"]),
            ExactSum.from_json(data["squares"]),
            float.fromhex(str(data["min"])),
            float.fromhex(str(data["max"])),
            WeightedCounts.from_json(data["weighted"], layout.bins) if "weighted" in data else None,
        )


def _weigh(column: Column, layout: Binning, units: np.ndarray) -> WeightedCounts:
    """Compute the weighted counterparts of a profile."""
    whole, heavy = int(units.sum()), sum_squares(units)
    if layout.kind == "scores":
        sums, unlabelled, unusable = weigh_scores(column, layout, units)
        return WeightedCounts(np.append(sums, [unlabelled, unusable, 0]), ExactSum(), ExactSum(), whole, heavy)
    places = np.full(len(column), layout.bins)  # missing
    values = np.full(len(column), np.nan)
    finite = np.zeros(len(column), dtype=bool)
    if layout.kind == "numeric":
        values, mistyped = numbers(column)
        finite = np.isfinite(values)
        places[~finite & ~column.missing] = layout.bins + 1
        places[mistyped] = layout.bins + 2
        places[finite] = np.searchsorted(layout.edges, values[finite], side="right")
    else:
        places[~column.missing] = _categories(column, layout)
    counts = np.zeros(layout.bins + 3, dtype=np.int64)
    np.add.at(counts, places, units)
    weight, largest = units[finite] / UNIT, np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        terms = [weight * values[finite], weight * (values[finite] - layout.origin) ** 2]
    total, squares = (ExactSum.of(np.clip(each, -largest, largest)) for each in terms)
    return WeightedCounts(counts, total, squares, whole, heavy)


def assign_bins(column: Column, layout: Binning) -> np.ndarray:
    """Return the bin of each value of a numeric or categorical column; values that are not usable come last.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> layout = learn_numeric(np.array([0.0, 1.0, 2.0]), 0.0, 2.0, bins=2)
    >>> layout.bins, assign_bins(Column.of([-1.0, None, "x", 9.0]), layout).tolist()
    (4, [0, 4, 4, 3])
    """
    bins = np.full(len(column), layout.bins, dtype=np.int64)
    if layout.kind == "categorical":
        bins[~column.missing] = _categories(column, layout)
        return bins
    values, _ = numbers(column)
    usable = np.isfinite(values)
    bins[usable] = np.searchsorted(layout.edges, values[usable], side="right")
    return bins


def _categories(column: Column, layout: Binning) -> np.ndarray:
    """Return the bin of each value of a categorical column that is not missing."""
    place = {word: index for index, word in enumerate(layout.vocabulary)}
    other = len(layout.vocabulary)
    codes = [place.get(category(value), other) for value in column.values[~column.missing]]
    return np.array(codes, dtype=np.int64)


def samples(profiles: Mapping[Segment, Mapping[str, Profile]]) -> Mapping[Segment, Mapping[str, Profile]]:
    """Return the samples of many profiles; the same object if none has weights."""
    if all(profile.weighted is None for columns in profiles.values() for profile in columns.values()):
        return profiles
    return {
        segment: {name: profile.sample() for name, profile in columns.items()} for segment, columns in profiles.items()
    }


def usable(counts: np.ndarray, layout: Binning) -> np.ndarray:
    """Return the number of usable values of counts, over the last axis."""
    if layout.kind == "vector":
        return np.asarray(counts[..., 0])
    return count_labelled(counts, layout) if layout.kind in SUMMED else np.asarray(counts.sum(axis=-1))
