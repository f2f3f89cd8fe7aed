"""Unusual stretches of a baseline: a test of three hours, an outage, a wrong batch, which came once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detectors.null_distribution import learn_null

FAR = 25.0
"""Rarity of a window that no unchanged stream of years would show."""
USUAL = 0.95
"""Quantile of the statistic above which windows do not teach what is usual."""
LONGEST = 0.05
"""A stretch that takes more than this share of the baseline is one of its states."""


def find_unusual_stretch(statistic: np.ndarray, noise: np.ndarray, length: int) -> slice | None:
    """Return the windows of the one stretch that stands far out of a baseline; None when there is none or several.

    What comes again belongs to the traffic, and thresholds must live with it; what came once must not raise them. A
    burst that is over within a window is of the kind that comes again, so a stretch is at least as long as a window.

    Parameters
    ----------
    statistic, noise
        float64, shape (windows,): each window against the rest of the baseline; NaN where it was not measured.
    length
        Windows that overlap one another. As many are added on both sides.

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
    lasted = int(far[-1] - far[0]) + 1  # each window sees what happens in it, so a bucket is seen by `length` of them
    if not 2 * length <= lasted <= LONGEST * len(statistic):
        return None
    return slice(max(0, int(far[0]) - length), min(len(statistic), int(far[-1]) + 1 + length))
