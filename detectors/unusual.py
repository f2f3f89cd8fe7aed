"""Unusual stretch of a baseline that occurred once, such as a load test, an outage or a faulty batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detectors.null_distribution import learn_null

FAR = 25.0
"""Rarity that is not expected within years of unchanged traffic."""
USUAL = 0.95
"""Quantile of the statistic up to which windows are used to estimate the null distribution."""
LONGEST = 0.05
"""Largest share of the baseline of an unusual stretch; a longer one is a regular state."""


def find_unusual_stretch(statistic: np.ndarray, noise: np.ndarray, length: int) -> slice | None:
    """Return the windows of the only outlying stretch of a baseline; None if there is none or several.

    Recurring events belong to the traffic, and thresholds must account for them; a single event must not raise
    thresholds. A burst that ends within a window is treated as recurring, so a stretch is at least as long as a window.

    Parameters
    ----------
    statistic, noise
        float64, shape (windows,): each window against the rest of the baseline; NaN where it was not measured.
    length
        Number of windows that overlap. As many are added on both sides.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = np.abs(rng.normal(size=2000))
    >>> values[700:736] += 30
    >>> find_unusual_stretch(values, np.full(2000, 3.29), 12)
    slice(688, 748, None)
    >>> values[1200:1236] += 30
    >>> find_unusual_stretch(values, np.full(2000, 3.29), 12) is None
    True
    """
    measured = np.isfinite(statistic) & np.isfinite(noise)
    if not measured.any():
        return None
    usual = np.minimum(np.where(measured, statistic, np.nan), np.quantile(statistic[measured], USUAL))
    null = learn_null(usual, noise, float(measured.sum()))
    if null is None:
        return None
    rarity = replace(null, scale=max(1.0, null.scale)).rarity(statistic, noise)
    far = np.flatnonzero(measured & (rarity > FAR))
    if not len(far) or (np.diff(far) > 2 * length).any():
        return None
    lasted = int(far[-1] - far[0]) + 1  # each bucket is part of `length` windows
    if not 2 * length <= lasted <= LONGEST * len(statistic):
        return None
    return slice(max(0, int(far[0]) - length), min(len(statistic), int(far[-1]) + 1 + length))
