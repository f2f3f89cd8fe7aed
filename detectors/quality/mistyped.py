"""Rise of the share of values that are not finite numbers in a numeric column."""

from __future__ import annotations

from detectors.base import Detector, Measurement
from detectors.quality.shares import rise
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Rise of the share of NaN, infinities and values that do not parse as numbers, in points.

    Limits
    ------
    Text that parses as a number counts as a number, so a change of type that preserves the values is not detected (the
    check `schema` detects it).

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> x = np.arange(10.0)
    >>> layout = learn_numeric(x, 0.0, 9.0)
    >>> new = Column.of([1.0, "n/a", float("nan"), 2.0])
    >>> measure(Profile.of(Column.floats(x), layout), Profile.of(new, layout)).statistic
    0.5
    """
    return rise(
        baseline.nonfinite + baseline.mistyped,
        baseline.rows,
        window.nonfinite + window.mistyped,
        window.rows,
    )


DETECTOR = Detector(
    name="mistyped",
    check="mistyped",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.01,
    floor=0.002,
    unit="share of rows",
    title="rise of the share that is not a finite number",
    citation="two proportions: Agresti and Caffo 2000",
    counts="rows",
    about="pipe",
    unusable=(("nonfinite", "not finite"), ("mistyped", "no number")),
)
