"""Distance of the values of a column without its most frequent one, such as the amounts that are not 0."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, noise_from_p_value
from detectors.drift.laws import chance_of_gap
from detectors.stack import Counted

FEWEST = 10
"""Fewest remaining values in either sample."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Kolmogorov-Smirnov distance of the values other than the baseline's most frequent one.

    For an amount that is 0 in nine of ten rows, this compares the size of the other amounts; `rate_ratio` compares how
    often they occur.

    Limits
    ------
    Does not depend on how many values remain. Not computed with fewer than ten of them in either sample.

    References
    ----------
    Lachenbruch, *Comparisons of two-part models with competitors*, Statistics in Medicine 20, 2001.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = (np.where(rng.random(20000) < 0.8, 0.0, rng.exponential(mean, 20000)) for mean in (1.0, 2.0))
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> result = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> round(result.statistic, 2)
    0.25
    """
    place = int(np.argmax(baseline.counts))
    old, new = (np.delete(side.counts, place, axis=-1) for side in (baseline, window))
    n, m = np.maximum(1, old.sum(axis=-1)), np.maximum(1, new.sum(axis=-1))
    enough = (old.sum(axis=-1) >= FEWEST) & (new.sum(axis=-1) >= FEWEST)
    gap = np.abs(np.cumsum(old, axis=-1) / n - np.cumsum(new, axis=-1) / np.expand_dims(m, -1)).max(axis=-1, initial=0)
    gap = np.where(enough, gap, 0.0)
    p_value = chance_of_gap(old, new, gap)
    usual = np.minimum(1.0, special.kolmogi(NULL_TAIL) * np.sqrt(1 / n + 1 / m))
    return Measurement(gap, noise_from_p_value(gap, p_value, usual), p_value=p_value, detail={"rows": new.sum(axis=-1)})


DETECTOR = Detector(
    name="rest",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.2,
    floor=0.05,
    unit="1",
    title="distance of the values other than the usual one",
    citation="Lachenbruch 2001",
)
