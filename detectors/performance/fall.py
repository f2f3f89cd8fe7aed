"""Lasting fall of a series of a metric."""

from __future__ import annotations

import numpy as np

FEWEST_BEFORE, FEWEST_AFTER = 5, 2
ERRORS = 6.0
"""Smallest difference of the levels before and after a fall, in standard errors."""
DEVIATIONS = 3.0
"""The same in standard deviations of a single value, which excludes slow variation."""


def find_fall(values: np.ndarray, least: float) -> int | None:
    """Return the index of the first value after the largest lasting fall of a series, None if there is none.

    The noise is estimated from the differences of neighbours, on which a single fall has hardly any effect.

    Parameters
    ----------
    values
        float64, shape (n,), in the order of time; larger is better.
    least
        Smallest fall.

    References
    ----------
    Page, *A test for a change in a parameter occurring at an unknown point*, Biometrika 42, 1955; von Neumann et al.,
    *The mean square successive difference*, Annals of Mathematical Statistics 12, 1941.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> calm = rng.normal(0.8, 0.02, 60)
    >>> find_fall(np.append(calm, rng.normal(0.3, 0.02, 6)), 0.05), find_fall(calm, 0.05)
    (60, None)
    """
    n = len(values)
    if n < FEWEST_BEFORE + FEWEST_AFTER:
        return None
    places = np.arange(FEWEST_BEFORE, n - FEWEST_AFTER + 1)
    sums = np.cumsum(values)
    fall = sums[places - 1] / places - (sums[-1] - sums[places - 1]) / (n - places)
    deviation = float(np.median(np.abs(np.diff(values)))) / 0.9539  # the median of |x - y| for x, y of a normal law
    error = np.sqrt(1 / places + 1 / (n - places))
    best = int(np.argmax(fall / error))
    if fall[best] < max(least, DEVIATIONS * deviation, ERRORS * deviation * error[best]):
        return None
    return int(places[best])
