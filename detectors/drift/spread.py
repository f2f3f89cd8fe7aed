"""Spread: how much wider or narrower a column has become, wherever its middle went."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values
from detectors.drift.bins import shares, variance_factor
from detectors.drift.rank import middle_ranks
from detectors.stack import Counted

FARTHEST = 1 / 512
"""Nothing stands farther out than at this share of the baseline: one outlier is one more value, and no more."""
LEAST = 1e-3
"""Added to both variances, so that a constant column has a spread to compare with."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Logarithm of the ratio of the variances of normal scores, each about its own mean.

    Values enter as the normal scores of their baseline ranks, so a heavy tail neither hides nor makes a change,
    and a shift leaves the spread of a normal column (or of any monotone function of one) as it is. A variance
    that grows by 30 % gives about 0.26. ``change`` has a sign.

    Limits
    ------
    A column with few different values has ties, which weaken it. What lies beyond the baseline's range counts
    as just inside, so a spread that grows there alone is left to `range`.

    References
    ----------
    Klotz, *Nonparametric tests for scale*, Annals of Mathematical Statistics 33, 1962.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.layout import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=20000), 0.5 + rng.normal(size=20000) * 1.3**0.5
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> round(measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout)).statistic, 1)
    0.2
    """
    ranks, _ = middle_ranks(baseline)
    scores = special.ndtri(np.clip(ranks, FARTHEST, 1 - FARTHEST))
    old, fourth = _moments(baseline, scores)
    new, _ = _moments(window, scores)
    change = np.log((new + LEAST) / (old + LEAST))
    sway = np.sqrt(np.maximum(0.0, fourth - old**2) * variance_factor(baseline, window)) / (old + LEAST)
    z = np.abs(change) / np.maximum(sway, np.finfo(np.float64).eps)
    return Measurement(
        np.abs(change),
        -special.ndtri(NULL_TAIL / 2) * sway,
        p_value=2 * special.ndtr(-z),
        detail={"change": change},
    )


def _moments(side: Counted, scores: np.ndarray) -> tuple[Values, Values]:
    """Return the second and the fourth central moment of the scores."""
    mass = shares(side.counts)
    apart = (scores - np.expand_dims(mass @ scores, -1)) ** 2
    return np.sum(mass * apart, axis=-1), np.sum(mass * apart**2, axis=-1)


DETECTOR = Detector(
    name="spread",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.25,
    floor=0.05,
    unit="log variance ratio",
    title="change of spread",
    citation="Klotz 1962",
)
