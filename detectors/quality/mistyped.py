"""Share of rows whose value is no finite number although the column is numeric."""

from __future__ import annotations

from detectors.base import Detector, Measurement
from detectors.quality.shares import rise
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Rise of the share of NaN, infinities and values that do not read as numbers, in points.

    Limits
    ------
    A text that reads as a number is a number, so a change of type that keeps the values is not seen here
    (the check `schema` sees it).

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
