"""Change of the spread of a column, independent of its location."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import middle_ranks, shares, variance_factor
from detectors.drift.laws import Linear, at_most, exact_tail
from detectors.stack import Counted

FARTHEST = 1 / 512
"""Most extreme baseline rank of a score, as a share, which limits the effect of one outlier."""
FEW_OTHERS = 5
"""Up to this many values besides the most frequent one, the exact law of their number is used."""
LEAST = 1e-3
"""Added to both variances to keep the ratio finite for constant columns; the noise does not depend on it."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Absolute logarithm of the ratio of the variances of normal scores, each about its own mean.

    Values are converted to normal scores of their baseline ranks, so a heavy tail neither masks nor causes a change,
    and a shift of a normal column, or of a monotone function of one, leaves the spread unchanged. A variance that grows
    by 30 % gives about 0.26. ``change`` is signed. The p-value is that of the corresponding difference of variances,
    under a law with the skewness of the pooled sample.

    Limits
    ------
    Ties reduce its power for columns with few distinct values. Values beyond the baseline's range count as just inside
    it; `range` detects a spread that grows only there.

    References
    ----------
    Klotz, *Nonparametric tests for scale*, Annals of Mathematical Statistics 33, 1962.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=20000), 0.5 + rng.normal(size=20000) * 1.3**0.5
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> round(measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout)).statistic, 1)
    0.2
    """
    ranks, _ = middle_ranks(baseline)
    scores = special.ndtri(np.clip(ranks, FARTHEST, 1 - FARTHEST))
    old, new = _variance(baseline, scores), _variance(window, scores)
    change = np.log((new + LEAST) / (old + LEAST))
    apart = (scores - float(shares(baseline.counts) @ scores)) ** 2
    law, ratio = Linear.of(apart, baseline, window), np.exp(np.abs(change))
    law = law.times(1 - np.asarray(variance_factor(baseline, window)))  # each variance is about its own mean
    expected = old * (1 - variance_factor(baseline, window)) + LEAST
    # The lower tail of a variance lies between the normal law and the gamma law from 0, which is too short by itself.
    bent = -2 * np.square(law.variance) / np.maximum(expected, LEAST)
    law = replace(law, down=np.minimum(law.down, (law.down + bent) / 2))
    wider, narrower = (old + LEAST) * ratio - expected, expected - (old + LEAST) / ratio
    p_value = np.minimum(1.0, law.above(wider) + np.maximum(law.below(narrower), _few_others(baseline, window)))
    p_value = exact_tail(baseline.counts, window.counts, np.abs(change), p_value)
    usual = -special.ndtri(NULL_TAIL / 2) * law.usual / (old + LEAST)
    return Measurement(
        np.abs(change), noise_from_p_value(np.abs(change), p_value, usual), p_value=p_value, detail={"change": change}
    )


def _few_others(baseline: Counted, window: Counted) -> Values:
    """Return the probability of so few values besides the most frequent one, if that is what narrows the spread."""
    pooled = baseline.counts + window.counts
    place = np.expand_dims(pooled.argmax(axis=-1), -1)
    total, usual = (
        np.take_along_axis(np.broadcast_to(part, pooled.shape), place, -1)[..., 0] for part in (pooled, window.counts)
    )
    whole, others = baseline.n + window.n, window.n - usual
    return np.where(others <= FEW_OTHERS, at_most(others, whole - total, window.n, whole), 0.0)


def _variance(side: Counted, scores: np.ndarray) -> Values:
    mass = shares(side.counts)
    return np.sum(mass * (scores - np.expand_dims(mass @ scores, -1)) ** 2, axis=-1)


DETECTOR = Detector(
    name="spread",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.25,
    floor=0.05,
    unit="log variance ratio",
    title="change of spread",
    citation="Klotz 1962",
)
