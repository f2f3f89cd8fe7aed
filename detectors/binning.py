"""Bins of a column, fixed by its baseline.

A numeric layout is one sorted array of edges; bin ``i`` is ``[edges[i-1], edges[i])``. So the first bin contains values
below the baseline's minimum and the last those above its maximum. A point mass has a bin that is one double wide. A
categorical layout consists of the baseline's most frequent categories and one bin for all others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from detectors.records import Column

Kind = Literal["numeric", "categorical", "vector", "scores", "errors"]
COUNTED = ("numeric", "categorical")
"""Kinds whose profiles count values."""
LABELLED = ("scores", "errors")
"""Kinds whose rows are pairs of prediction and label."""
SUMMED = ("vector", *LABELLED)
"""Kinds whose profiles contain sums and no counts of values."""

QUANTILE_BINS = 128
VOCABULARY = 256
LONGEST_CATEGORY = 256


@dataclass(frozen=True)
class Binning:
    """Bins of one column.

    Parameters
    ----------
    kind
        ``numeric`` or ``categorical``; ``vector`` for the joint column, ``scores`` and ``errors`` for the column of the
        model's performance, which have sums instead of counts.
    edges
        Sorted float64 edges of a numeric column; empty for a categorical one.
    vocabulary
        Known categories, most frequent first; empty for a numeric column.
    complete
        Whether the vocabulary contains every category of the baseline, so that *other* means *new*.
    scale
        The baseline's interquantile range, 5 to 95 % (or a fallback that is never 0), in the column's unit: the divisor
        of distances.
    origin
        The baseline's median: squares are taken about it to avoid cancellation in the variance. Of scores: the decision
        threshold.
    width, paired
        Number of sums; for a vector, number of its columns (in ``vocabulary``) that are paired.
    model
        For errors: the trees that predict the expected error, as text; empty if there are none.
    """

    kind: Kind
    edges: np.ndarray = field(default_factory=lambda: np.zeros(0))
    vocabulary: tuple[str, ...] = ()
    complete: bool = True
    scale: float = 1.0
    origin: float = 0.0
    width: int = 0
    paired: int = 0
    model: str = ""

    @property
    def bins(self) -> int:
        """Return the number of bins, including those for values outside the range or the vocabulary."""
        if self.kind in SUMMED:
            return self.width
        return len(self.edges) + 1 if self.kind == "numeric" else len(self.vocabulary) + 1

    @cached_property
    def identity(self) -> str:
        """Return a fingerprint; profiles of different layouts cannot be added."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, object]:
        """Serialise; floats as hexadecimal strings, so that they are exact."""
        sums = {"width": self.width, "paired": self.paired} if self.kind in SUMMED else {}
        return {
            **sums,
            **({"model": self.model} if self.model else {}),
            "kind": self.kind,
            "edges": [float(edge).hex() for edge in self.edges],
            "vocabulary": list(self.vocabulary),
            "complete": self.complete,
            "scale": float(self.scale).hex(),
            "origin": float(self.origin).hex(),
        }

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Binning:
        """Read the output of :meth:`to_json`."""
        edges, words = data["edges"], data["vocabulary"]
        if not isinstance(edges, list) or not isinstance(words, list):
            raise ValueError("a layout needs the lists `edges` and `vocabulary`; this one is damaged.")
        return cls(
            kind=_kind(data["kind"]),
            edges=np.array([float.fromhex(edge) for edge in edges]),
            vocabulary=tuple(str(word) for word in words),
            complete=bool(data["complete"]),
            scale=float.fromhex(str(data["scale"])),
            origin=float.fromhex(str(data["origin"])),
            width=int(str(data.get("width", 0))),
            paired=int(str(data.get("paired", 0))),
            model=str(data.get("model", "")),
        )


def _kind(name: object) -> Kind:
    kinds: tuple[Kind, ...] = ("numeric", "categorical", "vector", "scores", "errors")
    return next(kind for kind in kinds if kind == name)


def learn_numeric(sample: np.ndarray, minimum: float, maximum: float, bins: int = QUANTILE_BINS) -> Binning:
    """Place quantile edges, with a separate bin for each point mass and one bin at either end.

    Parameters
    ----------
    sample
        Finite values, shape (n,), n ≥ 1: a uniform sample of the baseline.
    minimum, maximum
        Of the whole baseline, as the sample may not contain them.
    bins
        Number of quantile bins; a value with more than ``1 / bins`` of the mass is a point mass.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> waits = np.where(rng.random(1000) < 0.5, 0.0, rng.exponential(1.0, 1000))
    >>> layout = learn_numeric(waits, 0.0, waits.max(), bins=4)
    >>> counts = np.bincount(np.searchsorted(layout.edges, waits, side="right"), minlength=layout.bins)
    >>> int(counts[1]) == int((waits == 0).sum())
    True
    """
    values, frequency = np.unique(sample, return_counts=True)
    quantiles = np.quantile(sample, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf")
    masses = values[frequency > max(1, len(sample) // bins)]
    with np.errstate(over="ignore"):  # the largest double has no successor; its bin is the last one
        above = np.nextafter(np.append(masses, maximum), np.inf)
        edges = np.concatenate([quantiles, masses, above, [minimum]])
        edges = np.unique(edges[np.isfinite(edges)])
        return Binning(kind="numeric", edges=edges, scale=_scale(sample), origin=float(np.median(sample)))


def _scale(sample: np.ndarray) -> float:
    """Return the 5-to-95 % range; for a nearly constant column half the full range, the median, or 1."""
    low, high = np.quantile(sample, [0.05, 0.95])
    candidates = (high - low, sample.max() / 2 - sample.min() / 2, abs(float(np.median(sample))))
    return next((float(size) for size in candidates if np.isfinite(size) and size > 0), 1.0)


def learn_categorical(frequency: Counter[str], size: int = VOCABULARY, complete: bool = True) -> Binning:
    """Select the most frequent categories; ties are ordered by name, so that the order of rows does not matter.

    Examples
    --------
    >>> from collections import Counter
    >>> layout = learn_categorical(Counter("aaabbc"), size=2)
    >>> layout.vocabulary, layout.complete
    (('a', 'b'), False)
    """
    ranked = sorted(frequency.items(), key=lambda item: (-item[1], item[0]))
    words = tuple(word for word, _ in ranked[:size])
    return Binning(kind="categorical", vocabulary=words, complete=complete and len(ranked) <= size)


def category(value: object) -> str:
    """Return the category of a value.

    Booleans become ``true`` and ``false`` and integral floats lose their decimal point, so that the category does not
    depend on the database driver. Values are truncated to 256 characters.
    """
    if isinstance(value, str):
        return value[:LONGEST_CATEGORY]
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)[:LONGEST_CATEGORY]


def to_categories(column: Column) -> np.ndarray:
    """Return the category of every value, object of shape (rows,); empty if missing.

    Examples
    --------
    >>> to_categories(Column.of(["v1", None, 2.0])).tolist()
    ['v1', '', '2']
    """
    listed = zip(column.values, column.missing, strict=True)
    return np.array(["" if gone else category(value) for value, gone in listed], dtype=object)


def numbers(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Convert a column to float64 and report values that are not numbers.

    Returns
    -------
    values
        float64, NaN where missing or mistyped.
    mistyped
        bool: present, and neither a number nor a text that parses as one.
    """
    if column.values.dtype != object:
        values = column.values.astype(np.float64)
        return np.where(column.missing, np.nan, values), np.zeros(len(values), dtype=bool)
    values = np.full(len(column), np.nan)
    mistyped = np.zeros(len(column), dtype=bool)
    for row in np.flatnonzero(~column.missing):
        try:
            values[row] = float(column.values[row])
        except (TypeError, ValueError):
            mistyped[row] = True
        except OverflowError:
            values[row] = np.inf
    return values, mistyped
