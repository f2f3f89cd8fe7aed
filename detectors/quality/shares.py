"""Rise of a share: the measure of `missing`, `mistyped`, `range` and `unseen`."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Measurement, Values, noise_from_p_value

BEFORE = 2
"""Hits added to the baseline's, so that an event without hits is rare, not impossible."""


def rise(hits_baseline: Values, n_baseline: Values, hits_window: Values, n_window: Values) -> Measurement:
    """Return the rise of a share in points (0 to 1; negative for a fall), and its noise floor.

    In a small window, two hits may be a large but insignificant share: the p-value is the exact probability of as many
    hits, and the noise floor is such that the rise has the normal score of that p-value.

    Limits
    ------
    Hits are assumed to be independent; a burst of the same value counts as that many hits.

    References
    ----------
    Agresti, Caffo, American Statistician 54, 2000 (added hits); Aitchison, Dunsmore, *Statistical Prediction
    Analysis*, 1975 (the number of hits to come is negative binomial).

    Examples
    --------
    >>> round(rise(10, 1000, 60, 1000).statistic, 3)
    0.05
    >>> few, many = rise(0, 20_000, 1, 100), rise(0, 2_000_000, 100, 10_000)
    >>> few.statistic == many.statistic, bool(few.noise > few.statistic), bool(many.noise < many.statistic / 5)
    (True, True, True)
    """
    pooled = (hits_baseline + hits_window + BEFORE) / (n_baseline + n_window + 2 * BEFORE)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n_baseline + 1 / n_window))
    share, was = hits_window / n_window, hits_baseline / n_baseline
    p_value = chance(hits_baseline, n_baseline, hits_window, n_window)
    return Measurement(
        share - was,
        noise_from_p_value(share - was, p_value, -special.ndtri(NULL_TAIL) * spread, sides=1),
        p_value=p_value,
        detail={"share": share, "baseline_share": was},
    )


def chance(hits_baseline: Values, n_baseline: Values, hits_window: Values, n_window: Values) -> Values:
    """Return the probability of at least ``hits_window`` hits among the next values without a change.

    Examples
    --------
    >>> from scipy import stats
    >>> exact = stats.nbinom(3 + BEFORE, 1000 / 1100).sf(5 - 1)
    >>> bool(abs(chance(3, 1000, 5, 100) - exact) < 1e-12)
    True
    """
    hits = np.maximum(hits_window, 1)
    tail = special.betainc(hits, hits_baseline + BEFORE, n_window / (n_baseline + n_window))
    return np.where(np.equal(hits_window, 0), 1.0, tail)
