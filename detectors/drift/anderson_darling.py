"""Anderson-Darling effect size."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import shares, variance_factor
from detectors.drift.laws import exact_tail, gap_cumulants
from detectors.stack import Counted

CRITICAL = 5.9694
"""Upper NULL_TAIL quantile of the limit law; a test checks it against :func:`tail`."""
FAR = 5.0
RARE = 0.05
"""P-values of the limit law below this are compared with the law of the counts."""
BODY = (-0.00168691, 0.011672, -0.0347962, 0.0649821, -0.247105, -2.00012)
UPPER = (-0.0003146, 0.008056, -0.082433, 0.43424, -2.30695, 1.0776)


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Anderson-Darling distance: root mean square gap of the distribution functions, in binomial standard deviations.

    The statistic is ``sqrt(A² (1/n + 1/m))`` with the two-sample ``A²`` over bins. At each edge the squared gap is
    divided by ``H (1 - H)`` of the pooled distribution, which emphasizes the tails, and weighted with half the mass of
    the adjacent bins: the mean of Scholz and Stephens' statistic for ties (6) and of the same statistic on the mirrored
    values. The p-value is the larger of that of the limit law and that of a law with the cumulants of these counts. It
    is conservative for columns with few distinct values.

    Limits
    ------
    ``H`` is the pooled distribution, so for large changes the effect size depends on the ratio of the sample sizes,
    though not on their size. Changes inside one bin, including the outermost ones, are not detected.

    References
    ----------
    Scholz, Stephens, *K-sample Anderson-Darling tests*, Journal of the American Statistical Association 82,
    1987; law: Marsaglia, Marsaglia, *Evaluating the Anderson-Darling distribution*, Journal of Statistical
    Software 9(2), 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=20000), rng.normal(0, 1.5, size=20000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> result = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> round(result.statistic, 2), result.p_value < 1e-20
    (0.2, True)
    """
    mass = shares(baseline.counts + window.counts)
    pooled = np.cumsum(mass, axis=-1)[..., :-1]
    gap = np.cumsum(shares(baseline.counts), axis=-1) - np.cumsum(shares(window.counts), axis=-1)
    spread = pooled * np.maximum(0.0, 1 - pooled)
    below = np.cumsum(baseline.counts + window.counts, axis=-1)  # counts, not shares: exact
    inside = (below[..., :-1] > 0) & (below[..., :-1] < below[..., -1:]) & (spread > 0)
    weights = _half_masses(mass)
    terms = np.divide(weights * gap[..., :-1] ** 2, spread, where=inside, out=np.zeros_like(spread))
    squared, factor = np.sum(terms, axis=-1), variance_factor(baseline, window)
    weights = np.divide(weights, spread, where=inside, out=np.zeros_like(spread))
    finite = gap_cumulants(baseline, window, slice(0, None), weights, pooled).tail(squared / factor)
    limit = tail(squared / factor)
    p_value = np.where(limit < RARE, np.maximum(limit, finite), limit)  # cumulants fit tails only
    p_value = exact_tail(baseline.counts, window.counts, squared, p_value)
    return Measurement(
        np.sqrt(squared),
        noise_from_p_value(np.sqrt(squared), p_value, np.sqrt(CRITICAL * factor)),
        p_value=p_value,
        detail={"anderson_darling": squared / factor},
    )


def tail(statistic: Values) -> Values:
    """Return the probability that the limit law ``sum(Z_j² / (j (j + 1)))`` exceeds a statistic.

    Uses Marsaglia's approximation below 5, and from 5 on the expansion ``sqrt(3) erfc(sqrt(z)) (1 + 11 / (36 z))``,
    whose first term is Zolotarev's and whose relative error is below 0.2 % at any probability.

    Limits
    ------
    Asymptotic: inaccurate below about eight values per sample.

    References
    ----------
    Marsaglia, Marsaglia, Journal of Statistical Software 9(2), 2004; Zolotarev, Theory of Probability and Its
    Applications 6, 1961.

    Examples
    --------
    >>> [round(float(tail(z)), 3) for z in (1.933, 2.492, 3.857)]
    [0.1, 0.05, 0.01]
    """
    z = np.maximum(1e-3, np.asarray(statistic, dtype=np.float64))
    low, middle = np.minimum(z, 2.0), np.clip(z, 2.0, FAR)
    body = 1 - np.exp(-1.2337141 / low) / np.sqrt(low) * -np.polyval(BODY, low)
    upper = -np.expm1(-np.exp(np.polyval(UPPER, middle)))
    far = np.sqrt(3) * special.erfc(np.sqrt(z)) * (1 + 11 / (36 * z))
    return np.clip(np.where(z < 2, body, np.where(z < FAR, upper, far)), 0.0, 1.0)[()]


def _half_masses(mass: np.ndarray) -> np.ndarray:
    return np.asarray((mass[..., 1:] + mass[..., :-1]) / 2)


DETECTOR = Detector(
    name="anderson_darling",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.2,
    floor=0.04,
    unit="binomial sd",
    title="Anderson-Darling effect size",
    citation="Scholz and Stephens 1987; Marsaglia and Marsaglia 2004",
)
