"""Kolmogorov-Smirnov distance."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import shares, variance_factor
from detectors.drift.laws import FEW, at_least, at_most
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Largest gap between the two distribution functions, taken at the baseline's quantile edges.

    The gap on the raw values is at most the largest baseline share of one bin larger: below 0.8 % with 128
    quantile bins, point masses apart, which have bins of their own and are exact. The p-value is that of the
    limit law with Stephens' correction for few rows; with up to 16 different values it is the sum of the exact ones
    at every edge, where that is less.

    Limits
    ------
    Weak in the tails and for changes of the variance alone; says nothing of how far values have moved. The
    p-value is conservative, for bins can only hide a gap.

    References
    ----------
    Smirnov, *Table for estimating the goodness of fit of empirical distributions*, Annals of Mathematical
    Statistics 19, 1948; Stephens, *Use of the Kolmogorov-Smirnov, Cramér-von Mises and related statistics without
    extensive tables*, Journal of the Royal Statistical Society B 32, 1970.

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
    p_value = chance_of_gap(baseline.counts, window.counts, gap)
    usual = special.kolmogi(NULL_TAIL) * np.sqrt(variance_factor(baseline, window))
    return Measurement(gap, noise_from_p_value(gap, p_value, usual), p_value=p_value)


def chance_of_gap(old: np.ndarray, new: np.ndarray, gap: Values) -> Values:
    """Return the p-value of the largest gap between the distribution functions of two tables of counts."""
    root = 1 / np.sqrt(1 / np.maximum(1, old.sum()) + 1 / np.maximum(1, new.sum(axis=-1)))
    corrected = root + 0.12 + 0.11 / root
    return np.minimum(special.kolmogorov(corrected * gap), _at_the_edges(old, new, gap))


def _at_the_edges(old: np.ndarray, new: np.ndarray, gap: Values) -> Values:
    """Bound the chance of a gap by the sum of the exact chances at each edge; 1 where there are many."""
    filled = (old + new).reshape(-1, old.shape[-1]).any(axis=0)
    if filled.sum() > FEW:
        return 1.0
    n, m = max(1.0, float(old.sum())), np.maximum(1.0, new.sum(axis=-1, keepdims=True))
    total = np.cumsum((old + new)[..., filled], axis=-1)[..., :-1].astype(np.float64)
    far = np.expand_dims(np.asarray(gap), -1) - 1e-12
    most, least = np.ceil((total / n + far) * n * m / (n + m)), np.floor((total / n - far) * n * m / (n + m))
    tails = at_least(most, total, m, n + m) + at_most(least, total, m, n + m)
    return np.where(np.asarray(gap) > 0, np.minimum(1.0, np.sum(tails, axis=-1)), 1.0)


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
