"""The generalised Pareto tail: how often something is reached that the data have hardly seen.

Hosking, Wallis, *Parameter and quantile estimation for the generalized Pareto distribution*, Technometrics 29, 1987.
"""

from __future__ import annotations

import math

import numpy as np

HEAVIEST = 0.3
"""Largest shape that is believed: from so few peaks a heavier tail cannot be told from one odd day."""


def fit_tail(excess: np.ndarray) -> tuple[float, float]:
    """Fit shape and scale of a generalised Pareto tail by probability-weighted moments.

    Rarities of a right null have shape 0 and scale 1; a lighter fit is not believed.
    """
    ordered = np.sort(excess)
    mean = float(ordered.mean())
    weights = (len(ordered) - np.arange(1, len(ordered) + 1) + 0.35) / len(ordered)
    weighted = float(np.mean(weights * ordered))
    spare = mean - 2 * weighted
    if spare <= 0 or mean <= 0:
        return 0.0, max(1.0, mean)
    shape = min(max(0.0, 2 - mean / spare), HEAVIEST)
    return shape, max(1.0, mean * (1 - shape))


def level(ratio: float, shape: float, scale: float) -> float:
    """Return the excess that is exceeded ``1 / ratio`` as often as 0 is."""
    if ratio <= 1:
        return 0.0
    return scale * math.log(ratio) if shape == 0 else scale / shape * (ratio**shape - 1)


def rate_above(excess: float, rate: float, shape: float, scale: float) -> float:
    """Return how often an excess is reached when 0 is exceeded ``rate`` times a week."""
    if excess <= 0:
        return float(rate)
    if shape == 0:
        return float(rate * math.exp(-excess / scale))
    return float(rate * (1 + shape * excess / scale) ** (-1 / shape))
