"""Share of values in categories that the baseline did not have."""

from __future__ import annotations

from detectors.base import Detector, Measurement
from detectors.quality.shares import rise
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Rise of the share of categories outside the vocabulary, in points.

    Limits
    ------
    When the baseline had more categories than the vocabulary holds, its tail and the truly new stand
    together, so only the rise counts.

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.layout import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_categorical(Counter(a=1, b=1))
    >>> old, new = Column.of(["a", "b"] * 5), Column.of(["a", "b", "c", "d"])
    >>> measure(Profile.of(old, layout), Profile.of(new, layout)).statistic
    0.5
    """
    return rise(baseline.other, baseline.n, window.other, window.n)


DETECTOR = Detector(
    name="unseen",
    check="unseen",
    measure=measure,
    kinds=frozenset({"categorical"}),
    threshold=0.02,
    floor=0.005,
    unit="share of values",
    title="share of unseen categories",
    citation="two proportions: Agresti and Caffo 2000",
)
