"""Largest change of a category's share."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Cells, Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import change_of_mean, expected_counts, filled_bins, shares, variance_factor
from detectors.drift.laws import at_least, at_most
from detectors.profile import Profile
from detectors.stack import Counted

CONFIDENCE = 0.95
OTHER = "(other)"
POINTS = 100


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Largest absolute change of a category's share, in percentage points.

    ``category`` is the category, ``from`` and ``to`` are its shares, ``low`` and ``high`` the 95 % limits of the signed
    change (Agresti and Caffo), all in points. The p-value is the sum over categories of the exact probabilities of such
    a change, and conservative.

    Limits
    ------
    A rare category that doubles changes by few points: `psi` and `chi_square` weight changes by the share. Categories
    outside the vocabulary count as ``(other)``.

    References
    ----------
    Agresti, Caffo, *Simple and effective confidence intervals for proportions and differences of proportions
    result from adding two successes and two failures*, The American Statistician 54, 2000; Bernstein's
    inequality: Boucheron, Lugosi, Massart, *Concentration Inequalities*, 2013, section 2.8.

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.binning import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_categorical(Counter(answered=95, refused=5))
    >>> old = Profile.of(Column.of(["answered"] * 950 + ["refused"] * 50), layout)
    >>> new = Profile.of(Column.of(["answered"] * 870 + ["refused"] * 120 + ["lost"] * 10), layout)
    >>> result = measure(old, new)
    >>> round(result.statistic, 1), result.detail["category"], round(result.detail["low"], 1)
    (8.0, 'answered', -10.5)
    """
    counts = expected_counts(baseline)
    old, new, pooled = shares(counts), shares(window.counts), shares(counts + window.counts)
    categories = filled_bins(counts, window.counts).sum(axis=-1)
    factor = np.asarray(variance_factor(baseline, window))
    most = np.abs(new - old).argmax(axis=-1)
    before, after = old[most], _at(new, most)
    largest = np.abs(after - before)
    p_value = _chance(counts, window, largest)
    low, high = _interval(before * baseline.n, baseline.n, after * window.n, window.n)
    names = np.array([*baseline.layout.vocabulary, OTHER], dtype=object)
    return Measurement(
        POINTS * largest,
        POINTS * noise_from_p_value(largest, p_value, _floor(pooled, categories, factor)),
        p_value=p_value,
        detail={
            "category": names[most],
            "from": POINTS * before,
            "to": POINTS * after,
            "low": POINTS * low,
            "high": POINTS * high,
        },
    )


def _at(table: np.ndarray, most: np.ndarray) -> np.ndarray:
    return np.take_along_axis(table, np.expand_dims(most, -1), axis=-1)[..., 0]


def _interval(before: Values, n: Values, after: Values, m: Values) -> tuple[Values, Values]:
    """Return the 95 % limits of a share's change: Wald's, with a success and a failure added to each sample."""
    p, q = (before + 1) / (n + 2), (after + 1) / (m + 2)
    margin = special.ndtri((1 + CONFIDENCE) / 2) * np.sqrt(p * (1 - p) / (n + 2) + q * (1 - q) / (m + 2))
    return np.maximum(-1.0, q - p - margin), np.minimum(1.0, q - p + margin)


def _chance(counts: np.ndarray, window: Counted, far: Values) -> Values:
    """Return the probability of such a change of any category's share; two categories change as one."""
    old, n = counts.astype(np.float64), float(counts.sum())
    m = np.expand_dims(np.asarray(window.n, dtype=np.float64), -1)
    apart = np.expand_dims(np.asarray(far), -1) - 1e-12
    most, least = np.ceil(m * (old / n + apart)), np.floor(m * (old / n - apart))
    tails = at_least(most, old + most, m, n + m) + at_most(least, old + least, m, n + m)
    filled = filled_bins(counts, window.counts)
    total = np.sum(np.where(filled, tails, 0.0), axis=-1)
    return np.minimum(1.0, np.where(filled.sum(axis=-1) > 2, total, total / 2))  # noqa: PLR2004


def _floor(pooled: np.ndarray, categories: Values, factor: np.ndarray) -> Values:
    """Return the upper 1/1,000 quantile of the largest change of a share without drift."""
    doubt = np.log(2 * np.maximum(1, categories) / NULL_TAIL) * factor
    most_restless = np.max(pooled * (1 - pooled), axis=-1)
    return doubt / 3 + np.sqrt((doubt / 3) ** 2 + 2 * doubt * most_restless)


def cells(baseline: Profile, window: Profile) -> Cells:
    """Return the change of the category with the largest change, and 0 for the others."""
    change = shares(window.counts) - shares(baseline.counts)
    most = int(np.abs(change).argmax())
    weights = np.where(np.arange(len(change)) == most, np.copysign(100.0, change[most]), 0.0)
    return change_of_mean(baseline, window, weights)


DETECTOR = Detector(
    name="share",
    check="drift",
    measure=measure,
    kinds=frozenset({"categorical"}),
    threshold=5.0,
    floor=0.5,
    unit="percentage points",
    title="largest change of a share",
    citation="Agresti and Caffo 2000",
    cells=cells,
)
