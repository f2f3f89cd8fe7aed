"""A drift detector that is not one of ours."""

from __future__ import annotations

from dataclasses import replace

from detectors.base import Detector, Measurement
from detectors.drift import kolmogorov_smirnov
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Twice the largest gap between the two distribution functions.

    Limits
    ------
    Those of the Kolmogorov-Smirnov distance.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import Column, Profile, learn_numeric
    >>> values = np.arange(1000.0)
    >>> profile = Profile.of(Column.floats(values), learn_numeric(values, 0.0, 999.0))
    >>> measure(profile, profile).statistic
    0.0
    """
    seen = kolmogorov_smirnov.measure(baseline, window)
    return replace(seen, statistic=2 * seen.statistic, noise=2 * seen.noise)


DETECTOR = Detector(
    name="doubled_gap",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.2,
    floor=0.04,
    unit="1",
    title="doubled Kolmogorov-Smirnov distance",
    citation="Smirnov 1948",
)
