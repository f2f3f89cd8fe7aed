"""The category whose share changed most."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values
from detectors.drift.bins import filled_bins, shares, variance_factor
from detectors.stack import Counted

CONFIDENCE = 0.95
OTHER = "(other)"
POINTS = 100


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Largest change of a category's share, in percentage points.

    ``category`` says which, ``from`` and ``to`` its shares, ``low`` and ``high`` the signed change's 95 %
    interval (Agresti and Caffo), all in points. The p-value is that of the test of two proportions for this
    category, times the number of categories seen on either side (Bonferroni), so it errs on the quiet side.
    The noise floor is Bernstein's bound over the same number of categories, which also holds for rare ones.

    Limits
    ------
    A rare category that doubles moves by few points: `psi` and `chi_square` weigh changes by the share. The
    p-value is rough below about five expected counts. What is not in the vocabulary counts as ``(other)``.

    References
    ----------
    Agresti, Caffo, *Simple and effective confidence intervals for proportions and differences of proportions
    result from adding two successes and two failures*, The American Statistician 54, 2000; Bernstein's
    inequality: Boucheron, Lugosi, Massart, *Concentration Inequalities*, 2013, section 2.8.

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.layout import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_categorical(Counter(answered=95, refused=5))
    >>> old = Profile.of(Column.of(["answered"] * 950 + ["refused"] * 50), layout)
    >>> new = Profile.of(Column.of(["answered"] * 870 + ["refused"] * 120 + ["lost"] * 10), layout)
    >>> seen = measure(old, new)
    >>> round(seen.statistic, 1), seen.detail["category"], round(seen.detail["low"], 1)
    (8.0, 'answered', -10.5)
    """
    old, new, pooled = shares(baseline.counts), shares(window.counts), shares(baseline.counts + window.counts)
    categories = filled_bins(baseline.counts, window.counts).sum(axis=-1)
    factor = np.asarray(variance_factor(baseline, window))
    most = np.abs(new - old).argmax(axis=-1)
    before, after, both = old[most], _at(new, most), _at(pooled, most)
    error = np.sqrt(both * (1 - both) * factor)
    score = np.divide(np.abs(after - before), error, where=error > 0, out=np.zeros_like(error))
    low, high = _interval(before * baseline.n, baseline.n, after * window.n, window.n)
    names = np.array([*baseline.layout.vocabulary, OTHER], dtype=object)
    return Measurement(
        POINTS * np.abs(after - before),
        POINTS * _floor(pooled, categories, factor),
        p_value=np.minimum(1.0, 2 * special.ndtr(-score) * np.where(categories > 2, categories, 1)),
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
    """Bound the change of a share: Wald's interval with one success and one failure added on each side."""
    p, q = (before + 1) / (n + 2), (after + 1) / (m + 2)
    margin = special.ndtri((1 + CONFIDENCE) / 2) * np.sqrt(p * (1 - p) / (n + 2) + q * (1 - q) / (m + 2))
    return np.maximum(-1.0, q - p - margin), np.minimum(1.0, q - p + margin)


def _floor(pooled: np.ndarray, categories: Values, factor: np.ndarray) -> Values:
    """Return what no share's change exceeds in one of 1,000 unchanged windows."""
    doubt = np.log(2 * np.maximum(1, categories) / NULL_TAIL) * factor
    most_restless = np.max(pooled * (1 - pooled), axis=-1)
    return doubt / 3 + np.sqrt((doubt / 3) ** 2 + 2 * doubt * most_restless)


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
)
