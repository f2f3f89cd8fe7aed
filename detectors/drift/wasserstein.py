"""Wasserstein distance in units of the baseline's spread."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values
from detectors.drift.bins import shares, variance_factor
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Mean distance that mass has moved, divided by the baseline's 5-to-95 % range.

    The integral of the gap between the distribution functions, linear between quantile edges. Values beyond
    the outermost quantile edges count as lying on them, so one outlier moves the result by less than 1/n
    and a column in micrometres gives the same as one in metres. The noise floor treats the gap as moving in
    step everywhere, the worst case, so it errs on the quiet side.

    Limits
    ------
    Blind to what happens beyond the outermost quantile edges (the checks `range` and `psi` see it).

    References
    ----------
    Vallender, *Calculation of the Wasserstein distance between probability distributions on the line*, Theory
    of Probability and Its Applications 18, 1974.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.layout import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=20000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> y = rng.normal(0.5, size=20000)
    >>> seen = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> round(seen.statistic * layout.scale, 1)
    0.5
    """
    edges = baseline.layout.edges / baseline.layout.scale
    inner = slice(1, -1) if len(edges) >= 4 else slice(None)
    widths = np.diff(edges[inner])
    old, new, pooled = (
        np.cumsum(shares(counts), axis=-1)[..., :-1][..., inner]
        for counts in (baseline.counts, window.counts, baseline.counts + window.counts)
    )
    sway = _integral(np.sqrt(pooled * np.maximum(0.0, 1 - pooled)), widths)
    noise = -special.ndtri(NULL_TAIL / 2) * sway * np.sqrt(variance_factor(baseline, window))
    return Measurement(_integral(np.abs(old - new), widths), noise)


def _integral(heights: np.ndarray, widths: np.ndarray) -> Values:
    return np.sum((heights[..., 1:] + heights[..., :-1]) / 2 * widths, axis=-1)


DETECTOR = Detector(
    name="wasserstein",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.08,
    floor=0.015,
    unit="baseline 5-95 % range",
    title="Wasserstein distance",
    citation="Vallender 1974",
)
