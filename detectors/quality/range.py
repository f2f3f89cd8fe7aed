"""Rise of the share of values outside the baseline's range."""

from __future__ import annotations

import numpy as np

from detectors.base import Cells, Detector, Measurement
from detectors.drift.bins import shares
from detectors.profile import Profile
from detectors.quality.shares import rise
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Rise of the share of finite values below the baseline's minimum or above its maximum, in points.

    Limits
    ------
    Counts values and ignores how far outside they are. The count is a small integer, so in windows of 20 rows the
    p-value takes few values: it is below 1e-2 or 1e-3 less often than that.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> x = np.arange(100.0)
    >>> layout = learn_numeric(x, 0.0, 99.0)
    >>> new = Profile.of(Column.floats(x + 50), layout)
    >>> measure(Profile.of(Column.floats(x), layout), new).statistic
    0.5
    """
    return rise(baseline.outside, baseline.n, window.outside, window.n)


def cells(baseline: Profile, window: Profile) -> Cells:
    """Return the rise at either end."""
    bins = baseline.layout.bins
    starts = np.unique([0, min(1, bins - 1), bins - 1])
    change = np.add.reduceat(shares(window.counts) - shares(baseline.counts), starts)
    return Cells(starts, np.where(np.isin(starts, [0, bins - 1]), change, 0.0))


DETECTOR = Detector(
    name="range",
    check="range",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.02,
    floor=0.005,
    unit="share of values",
    title="share outside the baseline's range",
    citation="two proportions: Agresti and Caffo 2000",
    cells=cells,
)
