"""Energy distance in units of the baseline's range."""

from __future__ import annotations

import numpy as np

from detectors.base import Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import shares, variance_factor
from detectors.drift.laws import exact_tail, gap_cumulants
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Energy distance: square root of twice the integral of the squared gap between the distribution functions.

    Values are divided by the baseline's 5-to-95 % range and clipped to the outermost quantile edges. The distribution
    functions are linear between edges. Without a change the square is a weighted sum of chi-squares; the p-value is
    that of a shifted gamma law with its first three cumulants.

    Limits
    ------
    Changes beyond the outermost quantile edges are not detected. The squared gap makes one large gap count more than
    many small ones.

    References
    ----------
    Székely, Rizzo, *Energy statistics: a class of statistics based on distances*, Journal of Statistical
    Planning and Inference 143, 2013; tail: Buckley, Eagleson, *An approximation to the distribution of quadratic
    forms in normal random variables*, Australian Journal of Statistics 30A, 1988.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=20000), rng.normal(0.5, size=20000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> result = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> round(result.statistic, 1), result.statistic > result.noise
    (0.2, True)
    """
    edges = baseline.layout.edges / baseline.layout.scale
    inner = slice(1, -1) if len(edges) >= 4 else slice(None)
    widths = np.diff(edges[inner])
    old, new, pooled = (
        np.cumsum(shares(counts), axis=-1)[..., :-1][..., inner]
        for counts in (baseline.counts, window.counts, baseline.counts + window.counts)
    )
    weights = (np.append(widths, 0.0) + np.append(0.0, widths)) / 2
    law, factor = gap_cumulants(baseline, window, inner, weights, pooled), variance_factor(baseline, window)
    squared = _square_integral(old - new, widths)
    p_value = exact_tail(baseline.counts, window.counts, squared, law.tail(squared / factor))
    distance = np.sqrt(2 * squared)
    usual = np.sqrt(2 * np.maximum(0.0, law.quantile()) * factor)
    return Measurement(distance, noise_from_p_value(distance, p_value, usual), p_value=p_value)


def _square_integral(heights: np.ndarray, widths: np.ndarray) -> Values:
    """Integrate the square of a function that is linear between the heights."""
    left, right = heights[..., :-1], heights[..., 1:]
    return np.sum((left**2 + left * right + right**2) / 3 * widths, axis=-1)


DETECTOR = Detector(
    name="energy",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.12,
    floor=0.02,
    unit="root of baseline 5-95 % range",
    title="energy distance",
    citation="Székely and Rizzo 2013; Buckley and Eagleson 1988",
)
