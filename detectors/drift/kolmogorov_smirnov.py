"""Kolmogorov-Smirnov distance."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Cells, Detector, Measurement, noise_from_p_value
from detectors.drift.bins import change_of_mean, shares, variance_factor
from detectors.drift.laws import chance_of_gap
from detectors.profile import Profile
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Kolmogorov-Smirnov distance: largest gap between the distribution functions at the baseline's quantile edges.

    The distance of the raw values is larger by at most the largest baseline share of one bin, below 0.8 % with 128
    quantile bins. Point masses have bins of their own and are exact. The p-value is that of the limit law with
    Stephens' correction for small samples; with up to 16 distinct values it is the sum of the exact p-values at all
    edges if that is smaller.

    Limits
    ------
    Insensitive to changes of the tails and of the variance alone, and independent of how far values have moved. The
    p-value is conservative, as binning can only reduce a gap.

    References
    ----------
    Smirnov, *Table for estimating the goodness of fit of empirical distributions*, Annals of Mathematical
    Statistics 19, 1948; Stephens, *Use of the Kolmogorov-Smirnov, Cramér-von Mises and related statistics without
    extensive tables*, Journal of the Royal Statistical Society B 32, 1970.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=4000), rng.normal(0.3, size=4000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> result = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> round(result.statistic, 2), result.p_value < 1e-20
    (0.14, True)
    """
    old, new = np.cumsum(shares(baseline.counts), axis=-1), np.cumsum(shares(window.counts), axis=-1)
    gap = np.abs(old - new).max(axis=-1)
    p_value = chance_of_gap(baseline.counts, window.counts, gap)
    usual = special.kolmogi(NULL_TAIL) * np.sqrt(variance_factor(baseline, window))
    return Measurement(gap, noise_from_p_value(gap, p_value, usual), p_value=p_value)


def cells(baseline: Profile, window: Profile) -> Cells:
    """Return the contribution of each bin to the gap."""
    gap = np.cumsum(shares(baseline.counts) - shares(window.counts))
    most = int(np.abs(gap).argmax())
    halves = np.where(np.arange(len(gap)) <= most, -0.5, 0.5)
    return change_of_mean(baseline, window, halves * np.sign(gap[most]))


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
    cells=cells,
)
