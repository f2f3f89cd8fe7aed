"""Where to count: the bins of a column, frozen from its baseline.

A numeric layout is one sorted array of edges; bin ``i`` is ``[edges[i-1], edges[i])``. The first bin
therefore holds what lies below the baseline's minimum, the last what lies above its maximum, and a value
that carries a mass of its own has a bin as wide as that one double. A categorical layout is the
baseline's most frequent categories and one bin for all others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.records import Column

Kind = Literal["numeric", "categorical", "vector", "scores", "errors"]
COUNTED = ("numeric", "categorical")
"""Kinds whose profile counts values."""
LABELLED = ("scores", "errors")
"""Kinds whose rows are predictions beside their labels."""
SUMMED = ("vector", *LABELLED)
"""Kinds whose profile holds sums and no counts of values."""

QUANTILE_BINS = 128
VOCABULARY = 256
LONGEST_CATEGORY = 256


@dataclass(frozen=True)
class Binning:
    """The bins of one column.

    Parameters
    ----------
    kind
        ``numeric`` or ``categorical``; ``vector`` for the joint column, ``scores`` and ``errors`` for that of the
        model's performance, which are summed and not counted.
    edges
        Sorted float64 edges of a numeric column; empty for a categorical one.
    vocabulary
        Known categories, most frequent first; empty for a numeric column.
    complete
        Whether the vocabulary held every category of the baseline, so that *other* means *new*.
    scale
        The baseline's inter-quantile range, 5 to 95 % (or a fallback that is never 0), in the column's
        unit: what distances are divided by.
    origin
        The baseline's median: squares are taken about it, so that a variance does not cancel away. Of scores:
        where the decision falls.
    width, paired
        How many sums there are; of a vector, how many of its columns (in ``vocabulary``) are paired.
    model
        Of errors: the trees that say how large each is expected to be, as text; empty where there are none.
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
        """Return the number of bins, those for what is outside or other included."""
        if self.kind in SUMMED:
            return self.width
        return len(self.edges) + 1 if self.kind == "numeric" else len(self.vocabulary) + 1

    @property
    def identity(self) -> str:
        """Return a fingerprint; profiles of different layouts are never added."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, object]:
        """Serialise; floats as hexadecimal strings, so that none is rounded."""
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
        """Read what :meth:`to_json` wrote."""
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
    """Place quantile edges, a bin of its own for each point mass, and one bin on either side.

    Parameters
    ----------
    sample
        Finite values, shape (n,), n ≥ 1: a uniform sample of the baseline.
    minimum, maximum
        Of the whole baseline, for the sample may miss them.
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
    with np.errstate(over="ignore"):  # the largest double has no successor; its bin is then the last one
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
    """Keep the most frequent categories; ties go by name, so that the order of rows does not matter.

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
    """Write a value as the category that it is counted under.

    Booleans are ``true`` and ``false`` and whole floats lose their point, so that the same value read
    through another driver stays the same category. Long values are cut at 256 characters.
    """
    if isinstance(value, str):
        return value[:LONGEST_CATEGORY]
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)[:LONGEST_CATEGORY]


def to_categories(column: Column) -> np.ndarray:
    """Return every value as the category that it is counted under, object of shape (rows,); empty where missing.

    Examples
    --------
    >>> to_categories(Column.of(["v1", None, 2.0])).tolist()
    ['v1', '', '2']
    """
    listed = zip(column.values, column.missing, strict=True)
    return np.array(["" if gone else category(value) for value, gone in listed], dtype=object)


def numbers(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Convert a column to float64 and say which present values are no numbers at all.

    Returns
    -------
    values
        float64, NaN where missing or mistyped.
    mistyped
        bool: present, and neither a number nor a text that reads as one.
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
