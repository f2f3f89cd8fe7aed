"""Rank shift: probability that a new value exceeds an old one."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Cells, Detector, Measurement, noise_from_p_value
from detectors.drift.bins import middle_ranks, shares, size_of_change, variance_factor
from detectors.drift.laws import Linear, exact_tail
from detectors.profile import Profile
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Absolute difference of P(new > old) + P(new = old) / 2 from one half, the statistic of the Mann-Whitney test.

    Bounded, and invariant under monotone transformations, so a heavy tail neither masks nor causes a shift. A shift of
    a normal column by d standard deviations gives about 0.28 d. ``low`` and ``high`` are the 95 % limits of the signed
    shift.

    Limits
    ------
    Detects changes of location only: a change of spread around the same median leaves it at 0.

    References
    ----------
    Mann, Whitney, Annals of Mathematical Statistics 18, 1947.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=20000), rng.normal(0.5, size=20000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> round(measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout)).statistic, 2)
    0.14
    """
    ranks, variance = middle_ranks(baseline)
    shift = shares(window.counts) @ ranks - 0.5
    spread = np.sqrt(variance * variance_factor(baseline, window))
    law = Linear.of(ranks, baseline, window)
    p_value = exact_tail(baseline.counts, window.counts, np.abs(shift), law.either(np.abs(shift)))
    return Measurement(
        np.abs(shift),
        noise_from_p_value(np.abs(shift), p_value, -special.ndtri(NULL_TAIL / 2) * law.usual),
        p_value=p_value,
        detail={"shift": shift, "low": shift - 1.96 * spread, "high": shift + 1.96 * spread},
    )


def cells(baseline: Profile, window: Profile) -> Cells:
    """Return the contribution of each bin to the shift."""
    return size_of_change(baseline, window, middle_ranks(baseline)[0] - 0.5)


DETECTOR = Detector(
    name="rank",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.07,
    floor=0.015,
    unit="probability",
    title="rank shift",
    citation="Mann and Whitney 1947",
    cells=cells,
    follows="either",
)
