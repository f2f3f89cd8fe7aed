"""Kolmogorov-Smirnov distance."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement
from detectors.drift.bins import shares, variance_factor
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Largest gap between the two distribution functions, taken at the baseline's quantile edges.

    The gap on the raw values is at most the largest baseline share of one bin larger: below 0.8 % with 128
    quantile bins, point masses apart, which have bins of their own and are exact. The p-value is the
    asymptotic one of the two-sample test.

    Limits
    ------
    Weak in the tails and for changes of the variance alone; says nothing of how far values have moved. The
    p-value is conservative, for bins can only hide a gap.

    References
    ----------
    Smirnov, *Table for estimating the goodness of fit of empirical distributions*, Annals of Mathematical
    Statistics 19, 1948.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.layout import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=4000), rng.normal(0.3, size=4000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> seen = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> round(seen.statistic, 2), seen.p_value < 1e-20
    (0.14, True)
    """
    old, new = np.cumsum(shares(baseline.counts), axis=-1), np.cumsum(shares(window.counts), axis=-1)
    gap = np.abs(old - new).max(axis=-1)
    spread = np.sqrt(variance_factor(baseline, window))
    return Measurement(gap, special.kolmogi(NULL_TAIL) * spread, p_value=special.kolmogorov(gap / spread))


DETECTOR = Detector(
    name="kolmogorov_smirnov",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.1,
    floor=0.02,
    unit="1",
    title="Kolmogorov-Smirnov distance",
    citation="Smirnov 1948",
)
