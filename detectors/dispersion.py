"""Dispersion: design effect of clustered rows."""

from __future__ import annotations

import numpy as np

from detectors.stack import Stack

FEWEST = 30
"""Fewest pairs of neighbouring buckets of an estimate."""
LARGEST = 100.0


def design_effect(buckets: Stack) -> float:
    """Return the ratio of the variance of neighbouring buckets to that of independent rows, at least 1.

    Rows of one user, session or batch arrive together and are correlated, which increases the differences of
    neighbouring buckets; season and trend hardly do. Uses the mean rank of a numeric column and all shares of a
    categorical one.

    Parameters
    ----------
    buckets
        Of a counted column, in order of time.

    Limits
    ------
    The effect of clusters longer than a bucket is underestimated, as they correlate neighbouring buckets.

    References
    ----------
    Kish, *Survey Sampling*, 1965; von Neumann, *Distribution of the ratio of the mean square successive difference to
    the variance*, Annals of Mathematical Statistics 12, 1941.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> rng = np.random.default_rng(0)
    >>> layout = learn_numeric(rng.normal(size=1000), -4.0, 4.0, bins=8)
    >>> def stack(copies):
    ...     drawn = rng.integers(0, layout.bins, (500, 48 // copies)).repeat(copies, axis=1)
    ...     buckets = Stack.empty(layout, 500)
    ...     np.add.at(buckets.counts, (np.arange(500)[:, None], drawn), 1)
    ...     return buckets
    >>> round(design_effect(stack(1)), 1), 3.3 < design_effect(stack(4)) < 4.7
    (1.0, True)
    """
    counts, sizes = buckets.counts, buckets.n
    filled = np.flatnonzero(sizes)
    total = counts.sum(axis=0)
    if len(filled) <= FEWEST or total.sum() == 0:
        return 1.0
    mass = total / total.sum()
    if buckets.layout.kind == "numeric":
        ranks = np.cumsum(mass) - mass / 2
        scores, variance = (ranks - 0.5)[:, None], np.array([mass @ (ranks - 0.5) ** 2])
    else:
        scores, variance = np.eye(len(mass)), mass * (1 - mass)
    means = counts[filled] @ scores / sizes[filled][:, None]
    spread = 1 / sizes[filled][1:] + 1 / sizes[filled][:-1]
    observed, expected = np.diff(means, axis=0) ** 2 / spread[:, None], variance
    if expected.sum() <= 0:
        return 1.0
    return float(np.clip(observed.mean(axis=0).sum() / expected.sum(), 1.0, LARGEST))
