"""Families of column distributions, and the default methods of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.profile import Profile

SMOOTH = ("kolmogorov_smirnov", "rank", "spread", "cusum", "rate_cusum")
RARE = 0.04
"""Largest share of a rare event, for which relative instead of absolute changes are measured."""
FEW = 16
"""Largest number of distinct values of the family *few values*."""
MASS = 0.95
"""Smallest share of rows on tied values of the family *counts*."""
INFLATED = 0.2
"""Smallest share of the point mass of a zero-inflated column."""
FAR = 8.0
"""Smallest distance of the most extreme of 128 values of a heavy tail, in units of that from median to quartile."""
OPEN = 1e-3
"""Smallest expected share of new categories of an open vocabulary."""


@dataclass(frozen=True)
class Family:
    """Family of column distributions.

    Parameters
    ----------
    name, about
        Name and description.
    methods
        Methods of ``method: auto``.
    least
        Smallest change that alerts, as text.
    """

    name: str
    about: str
    methods: tuple[str, ...]
    least: str


_POINTS = "0.02 in the distribution function, 0.015 in mean rank"
_RATIO = "a rate that rises by half or falls by a third, and three rows"
CONSTANT = Family("constant", "All rows have the same value.", ("rate_ratio", "rate_cusum"), _RATIO)
RARE_FLAG = Family(
    "rare flag", "Two values, one of them in less than 4 % of the rows.", ("rate_ratio", "rate_cusum"), _RATIO
)
FLAG = Family("flag", "Two values.", SMOOTH, _POINTS)
FEW_VALUES = Family("few values", "At most 16 different numbers.", SMOOTH, _POINTS)
COUNTS = Family("counts", "Numbers with many ties.", SMOOTH, _POINTS)
RARE_AMOUNT = Family(
    "rare amount",
    "One value in at least 96 % of the rows; the rate of other values and their distribution are checked separately.",
    ("rate_ratio", "rest", "rate_cusum"),
    f"{_RATIO}; 0.05 in the distribution function of the other values",
)
ZERO_INFLATED = Family(
    "zero-inflated",
    "One value in many rows, others continuous; the rate and the distribution of other values are checked separately.",
    ("kolmogorov_smirnov", "rank", "spread", "rest", "cusum", "rate_cusum"),
    f"{_POINTS}; 0.05 in the distribution function of the other values",
)
HEAVY_TAILED = Family(
    "heavy-tailed", "Some values are many times larger than most; ranks are compared.", SMOOTH, _POINTS
)
SMOOTH_VALUES = Family("smooth", "Nearly all values differ.", SMOOTH, _POINTS)
RARE_WORD = Family(
    "rare category",
    "Two categories, one of them in less than 4 % of the rows.",
    ("rate_ratio", "rate_cusum"),
    _RATIO,
)
CLOSED = Family(
    "closed vocabulary",
    "A fixed set of categories.",
    ("jensen_shannon", "rate_cusum"),
    "0.03 in the distance",
)
OPEN_WORDS = Family(
    "open vocabulary",
    "New categories appear regularly; as many are expected as had a single row in the baseline.",
    ("jensen_shannon", "rate_cusum"),
    "0.03 in the distance",
)
FAMILIES = (
    CONSTANT,
    RARE_FLAG,
    FLAG,
    FEW_VALUES,
    COUNTS,
    RARE_AMOUNT,
    ZERO_INFLATED,
    HEAVY_TAILED,
    SMOOTH_VALUES,
    RARE_WORD,
    CLOSED,
    OPEN_WORDS,
)
"""All families, for the documentation."""


def classify(profile: Profile) -> Family | None:
    """Return the family of a column from its baseline; None for columns of sums and for columns without values.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> def name(values):
    ...     layout = learn_numeric(values, values.min(), values.max())
    ...     return classify(Profile.of(Column.floats(values), layout)).name
    >>> name(np.zeros(500)), name((rng.random(5000) < 1e-3) * 1.0), name(rng.poisson(3.0, 5000) * 1.0)
    ('constant', 'rare flag', 'few values')
    >>> name(np.where(rng.random(5000) < 0.5, 0.0, rng.exponential(size=5000))), name(rng.normal(size=5000))
    ('zero-inflated', 'smooth')
    >>> name(rng.standard_cauchy(5000))
    'heavy-tailed'
    """
    if profile.layout.kind not in ("numeric", "categorical") or profile.n == 0:
        return None
    filled = int((profile.counts > 0).sum())
    rare = 1 - float(profile.counts.max()) / profile.n < RARE
    if filled == 1:
        return CONSTANT
    if profile.layout.kind == "categorical":
        return _classify_categories(profile, filled, rare=rare)
    return _classify_numbers(profile, filled, rare=rare)


def _classify_categories(profile: Profile, filled: int, *, rare: bool) -> Family:
    new = 1.0 if not profile.layout.complete else float((profile.counts[:-1] == 1).sum()) / profile.n
    if new >= OPEN:
        return OPEN_WORDS
    return RARE_WORD if rare and filled == 2 else CLOSED  # noqa: PLR2004


def _classify_numbers(profile: Profile, filled: int, *, rare: bool) -> Family:
    edges, counts = profile.layout.edges, profile.counts
    shared = np.zeros(len(counts), dtype=bool)
    shared[1:-1] = np.nextafter(edges[:-1], np.inf) == edges[1:]  # a bin as wide as one double
    if filled == 2 and _two_values(profile):  # noqa: PLR2004
        return RARE_FLAG if rare else FLAG
    if counts[shared].sum() >= MASS * profile.n and not rare:
        return FEW_VALUES if filled <= FEW else COUNTS
    if shared[counts.argmax()] and counts.max() >= INFLATED * profile.n:
        return RARE_AMOUNT if rare else ZERO_INFLATED
    below = np.cumsum(counts)[:-1] / profile.n
    low, first, middle, third, high = np.interp([1 / 128, 0.25, 0.5, 0.75, 127 / 128], below, edges)
    spans = ((high - middle, third - middle), (middle - low, middle - first))
    return HEAVY_TAILED if any(far > FAR * near > 0 for far, near in spans) else SMOOTH_VALUES


def _two_values(profile: Profile) -> bool:
    """Return whether two bins contain only the minimum and the maximum, which the sum shows."""
    if not np.isfinite(profile.minimum):
        return True
    first, second = profile.counts[profile.counts > 0].tolist()
    exact = first * profile.minimum + second * profile.maximum
    return bool(np.isclose(float(profile.total), exact, rtol=1e-12, atol=0.0))
