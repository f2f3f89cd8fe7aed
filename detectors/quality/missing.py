"""Rise of the share of missing values."""

from __future__ import annotations

from detectors.base import Detector, Measurement
from detectors.quality.shares import rise
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Rise of the share of NULLs, in points.

    Limits
    ------
    A fall is not reported. An empty string is a value.

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.binning import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_categorical(Counter(a=1))
    >>> old, new = Column.of(["a"] * 9 + [None]), Column.of(["a"] * 5 + [None] * 5)
    >>> round(measure(Profile.of(old, layout), Profile.of(new, layout)).statistic, 2)
    0.4
    """
    return rise(baseline.missing, baseline.rows, window.missing, window.rows)


DETECTOR = Detector(
    name="missing",
    check="missing",
    measure=measure,
    kinds=frozenset({"numeric", "categorical"}),
    threshold=0.05,
    floor=0.01,
    unit="share of rows",
    title="rise of the null rate",
    citation="two proportions: Agresti and Caffo 2000",
    counts="rows",
    about="pipe",
    unusable=(("missing", "missing"),),
)
