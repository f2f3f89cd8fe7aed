"""Spread: how much farther new values lie from the middle of the old ones."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement
from detectors.drift.bins import shares, variance_factor
from detectors.drift.rank import middle_ranks
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Relative change of the mean squared distance of ranks from the middle one: Mood's statistic.

    0.1 means that squared rank distances grew by a tenth; a normal column whose standard deviation grows by
    14 % (variance by 30 %) gives about 0.15.

    Limits
    ------
    A large shift of location moves it too; look at `rank` beside it.

    References
    ----------
    Mood, Annals of Mathematical Statistics 25, 1954.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.layout import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=20000), rng.normal(size=20000) * 1.3**0.5
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> round(measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout)).statistic, 2)
    0.15
    """
    ranks, variance = middle_ranks(baseline)
    mass, distance = shares(baseline.counts), (ranks - 0.5) ** 2
    sway = np.sqrt(max(0.0, float(mass @ distance**2) - variance**2) * variance_factor(baseline, window))
    variance = max(variance, float(np.finfo(np.float64).tiny))
    change = (shares(window.counts) @ distance - variance) / variance
    z = np.abs(change) * variance / np.maximum(sway, np.finfo(np.float64).tiny)
    return Measurement(
        np.abs(change),
        -special.ndtri(NULL_TAIL / 2) * sway / variance,
        p_value=2 * special.ndtr(-z),
        detail={"change": change},
    )


DETECTOR = Detector(
    name="spread",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.25,
    floor=0.05,
    unit="relative change",
    title="change of spread",
    citation="Mood 1954",
)
