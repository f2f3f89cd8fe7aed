"""Spread: how much wider or narrower a column has become, wherever its middle went."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import middle_ranks, shares, variance_factor
from detectors.drift.laws import Linear, at_most, exact_tail
from detectors.stack import Counted

FARTHEST = 1 / 512
"""Nothing stands farther out than at this share of the baseline: one outlier is one more value, and no more."""
FEW_OTHERS = 5
"""So few values besides the most frequent one are counted one by one."""
LEAST = 1e-3
"""Added to both variances, so that the ratio is finite for a constant column too; the noise does not rest on it."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Logarithm of the ratio of the variances of normal scores, each about its own mean.

    Values enter as the normal scores of their baseline ranks, so a heavy tail neither hides nor makes a change,
    and a shift leaves the spread of a normal column (or of any monotone function of one) as it is. A variance
    that grows by 30 % gives about 0.26. ``change`` has a sign. The p-value is that of the difference of the two
    variances that the ratio stands for, under a law with the skewness of the pooled sample.

    Limits
    ------
    A column with few different values has ties, which weaken it. What lies beyond the baseline's range counts
    as just inside, so a spread that grows there alone is left to `range`.

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
    law = law.times(1 - np.asarray(variance_factor(baseline, window)))  # each variance is about a mean of its own
    expected = old * (1 - variance_factor(baseline, window)) + LEAST
    # A variance is never below 0 and bends towards the gamma law that begins there, which by itself ends too early.
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
    """Return the chance of so few values besides the most frequent one, where they are few: it is narrow by that."""
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
