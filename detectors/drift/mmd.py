"""Maximum mean discrepancy: the distance of two joint distributions, over all columns together."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, noise_from_p_value
from detectors.drift.bins import variance_factor
from detectors.drift.laws import chance_of_hits
from detectors.joint import FEATURES
from detectors.profile import SCALE
from detectors.stack import Counted

FARTHEST = 2.0**0.5
"""How far apart two records can be, about."""
SKEWED = 0.75
"""A chi-square with so much of the degrees of freedom has the far tail of a sum of unequal parts."""
TINY = float(np.finfo(np.float64).tiny)
COLUMNS = 8
"""So many columns an embedding is taken to have, whose dimensions are not known."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Distance of the means of random Fourier features, 0 when equal, at most about 1.4.

    A Gaussian kernel as wide as the typical distance of two records, over normal scores of numeric columns and
    random signs of categories.

    Limits
    ------
    With many columns a change of one of them drowns; look at the columns themselves for that. The p-value
    is that of a chi-square with the features' variance, and with as many degrees of freedom as they would have for so
    many independent normal columns as give that variance.

    References
    ----------
    Gretton et al., Journal of Machine Learning Research 13, 2012; Rahimi, Recht, NIPS 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.joint import JOINT, learn_joint, project
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> layout = learn_numeric(rng.normal(size=5000), -4.0, 4.0)
    >>> layouts = {"x": layout, "y": layout}
    >>> layouts[JOINT] = learn_joint(layouts)
    >>> def pair(shift):
    ...     return {name: Column.floats(rng.normal(shift, 1.0, 5000)) for name in ("x", "y")}
    >>> old, same, new = (Profile.of(project(pair(s), layouts), layouts[JOINT]) for s in (0.0, 0.0, 0.5))
    >>> [measure(old, side).statistic > measure(old, side).noise for side in (same, new)]
    [False, True]
    """
    old, new = (side.counts[..., -FEATURES:] / SCALE / np.expand_dims(side.n, -1) for side in (baseline, window))
    squared = np.sum((new - old) ** 2, axis=-1) * 2 / FEATURES
    variance = max(0.0, 1.0 - float(np.sum(old**2) * 2 / FEATURES))
    # What was constant has no variance: one more row, anywhere, stands for what it may do yet.
    usual = (variance + FARTHEST**2 / (baseline.n + window.n)) * variance_factor(baseline, window)
    distance, freedom = np.sqrt(squared), _freedom(variance, len(baseline.layout.vocabulary) or COLUMNS)
    p_value = np.maximum(
        special.chdtrc(freedom, freedom * squared / np.maximum(variance * variance_factor(baseline, window), TINY)),
        chance_of_hits(baseline, window, window.n * distance / FARTHEST),
    )
    noise = noise_from_p_value(distance, p_value, np.sqrt(usual * special.chdtri(freedom, NULL_TAIL) / freedom))
    return Measurement(distance, noise, p_value=p_value)


def _freedom(variance: float, columns: int) -> float:
    """Return the square of the trace of the kernel's covariance over the trace of its square, for normal columns."""
    moving = -2 * np.log1p(-min(variance, 0.999)) / np.log1p(2 / columns)
    if moving <= 0:
        return 1.0
    mean, square, shared = (
        factor ** (-moving / 2) for factor in (1 + 2 / columns, 1 + 4 / columns, (1 + 1 / columns) * (1 + 3 / columns))
    )
    return max(1.0, float(SKEWED * (1 - mean) ** 2 / (square - 2 * shared + mean**2)))


DETECTOR = Detector(
    name="mmd",
    check="drift",
    measure=measure,
    kinds=frozenset({"vector"}),
    threshold=0.15,
    floor=0.03,
    unit="1",
    title="maximum mean discrepancy",
    citation="Gretton et al. 2012",
)
