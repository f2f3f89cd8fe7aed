"""Maximum mean discrepancy: the distance of two joint distributions, over all columns together."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement
from detectors.drift.bins import variance_factor
from detectors.joint import FEATURES
from detectors.profile import SCALE
from detectors.stack import Counted

FREEDOM = 8
"""Degrees of freedom that the features' noise has at least: fewer independent directions were not seen."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Distance of the means of random Fourier features, 0 when equal, at most about 1.4.

    A Gaussian kernel as wide as the typical distance of two records, over normal scores of numeric columns and
    random signs of categories.

    Limits
    ------
    With many columns a change of one of them drowns; look at the columns themselves for that. The noise floor
    is that of a chi-square of eight degrees of freedom with the features' variance.

    References
    ----------
    Gretton et al., Journal of Machine Learning Research 13, 2012; Rahimi, Recht, NIPS 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.joint import JOINT, learn_joint, project
    >>> from detectors.layout import learn_numeric
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
    tail = special.chdtri(FREEDOM, NULL_TAIL) / FREEDOM
    return Measurement(np.sqrt(squared), np.sqrt(variance * tail * variance_factor(baseline, window)))


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
