"""Standardised shift of the mean."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Cells, Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import shares, size_of_change, winsorised_values
from detectors.drift.laws import Linear, exact_tail
from detectors.profile import Profile
from detectors.stack import Counted

CONFIDENCE = 0.95


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Absolute difference of the means divided by the baseline's standard deviation, with its 95 % interval.

    Moments are computed from the counts: each bin counts as its middle, and values beyond the outermost quantile edges
    are clipped to them, so that one outlier changes the result by less than ``1/n`` of the range. The interval is
    Welch's. The p-value and the noise floor use the variance and the skewness of the pooled sample. ``low`` and
    ``high`` are the limits of the signed shift in standard deviations; ``from`` and ``to`` are the winsorised means in
    the unit of the column.

    Limits
    ------
    Winsorises about 1 % of the values at either end: changes beyond the outermost quantile edges alone are not
    detected, and the standard deviation is too small accordingly. If the baseline is constant between those edges, the
    unit is its 5-to-95 % range, or the layout's replacement for it.

    References
    ----------
    Welch, *The generalization of Student's problem when several different population variances are involved*,
    Biometrika 34, 1947; Glass, *Primary, secondary, and meta-analysis of research*, Educational Researcher 5,
    1976; Dixon, Tukey, *Approximate behavior
    of the distribution of Winsorized t*, Technometrics 10, 1968.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=20000), rng.normal(0.5, size=20000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> result = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> round(result.statistic, 1), round(result.detail["low"], 2), round(result.detail["high"], 2)
    (0.5, 0.47, 0.51)
    """
    values = winsorised_values(baseline.layout)
    old_mean, old_variance = _moments(baseline.counts, values)
    new_mean, new_variance = _moments(window.counts, values)
    unit = np.sqrt(old_variance) if old_variance > 0 else 1.0
    shift = (new_mean - old_mean) / unit
    error, freedom = _welch(old_variance, new_variance, np.maximum(2, baseline.n), np.maximum(2, window.n))
    error = error / unit
    margin = special.stdtrit(freedom, (1 + CONFIDENCE) / 2) * error
    law = Linear.of(values, baseline, window)
    p_value = exact_tail(baseline.counts, window.counts, np.abs(shift), law.either(np.abs(new_mean - old_mean)))
    return Measurement(
        np.abs(shift),
        noise_from_p_value(np.abs(shift), p_value, -special.ndtri(NULL_TAIL / 2) * law.usual / unit),
        p_value=p_value,
        detail={
            "low": shift - margin,
            "high": shift + margin,
            "from": old_mean * baseline.layout.scale + baseline.layout.origin,
            "to": new_mean * baseline.layout.scale + baseline.layout.origin,
        },
    )


def _moments(counts: np.ndarray, values: np.ndarray) -> tuple[Values, Values]:
    """Return the mean and the unbiased variance of values weighted by counts."""
    n = counts.sum(axis=-1)
    mean = np.asarray(counts @ values / np.maximum(1, n))
    apart = (values - mean[..., None]) ** 2
    return mean[()], (np.sum(counts * apart, axis=-1) / np.maximum(1, n - 1))[()]


def _welch(first: Values, second: Values, n: Values, m: Values) -> tuple[Values, Values]:
    """Return the standard error of a difference of means and Satterthwaite's degrees of freedom."""
    a, b = first / n, second / m
    down = a**2 / (n - 1) + b**2 / (m - 1)
    freedom = np.divide((a + b) ** 2, down, where=down > 0, out=np.ones_like(np.asarray(down, dtype=np.float64)))
    return np.sqrt(a + b), np.maximum(1.0, freedom)[()]


def cells(baseline: Profile, window: Profile) -> Cells:
    """Return the contribution of each bin to the shift."""
    values, p = winsorised_values(baseline.layout), shares(baseline.counts)
    values = values - p @ values
    spread = np.sqrt(p @ values**2 * baseline.n / max(1, baseline.n - 1))
    return size_of_change(baseline, window, values / (spread if spread > 0 else 1.0))


DETECTOR = Detector(
    name="mean",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.2,
    floor=0.05,
    unit="baseline sd",
    title="shift of the mean",
    citation="Welch 1947; Glass 1976",
    cells=cells,
    follows="either",
)
