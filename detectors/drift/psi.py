"""Population stability index."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import special

from detectors.base import Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import filled_bins, paired_counts, smoothed_shares, sum_over_groups, variance_factor
from detectors.drift.laws import cell_cumulants, exact_tail
from detectors.stack import Counted

GROUPS = 10


def measure(baseline: Counted, window: Counted) -> Measurement:
    """PSI, the population stability index: ``sum((q - p) ln(q / p))`` over ten groups of equal mass, or categories.

    Groups have equal baseline mass. Half a count is added to each bin of both samples. Without a change, ``nm / (n +
    m)`` times PSI is close to a chi-square with bins - 1 degrees of freedom; where expected counts are small, the
    p-value uses the exact cumulants.

    Limits
    ------
    Changes within one group, a tenth of the mass, are not detected. Many rare categories increase the noise floor.

    References
    ----------
    Lewis, *An Introduction to Credit Scoring*, 1994; null law: Yurdakul, Naranjo, *Statistical properties of
    the population stability index*, Journal of Risk Model Validation 14, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=5000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> old = Profile.of(Column.floats(x), layout)
    >>> shifted = rng.normal(0.5, size=5000)
    >>> outlier = np.append(shifted, 1000.0)
    >>> [round(measure(old, Profile.of(Column.floats(y), layout)).statistic, 2) for y in (shifted, outlier)]
    [0.26, 0.26]
    """
    old, new = paired_counts(baseline, window, GROUPS)
    filled = filled_bins(old, new)
    p, q = smoothed_shares(old, filled), smoothed_shares(new, filled)
    index = np.sum(special.rel_entr(q, p) + special.rel_entr(p, q), axis=-1)
    factor = variance_factor(baseline, window)
    law = cell_cumulants(old, new, partial(_cell, added=0.5 * float((old > 0).sum())))
    p_value = exact_tail(old, new, index, law.tail(index / factor))
    return Measurement(index, noise_from_p_value(index, p_value, law.quantile() * factor), p_value=p_value)


def _cell(old: Values, new: Values, n: Values, m: Values, added: float) -> Values:
    p, q = (old + 0.5) / (n + added), (new + 0.5) / (m + added)
    return np.where(old + new > 0, special.rel_entr(q, p) + special.rel_entr(p, q), 0.0)


def _terms(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return terms whose sum is the index."""
    filled = filled_bins(old, new)
    p, q = smoothed_shares(old, filled), smoothed_shares(new, filled)
    return np.asarray(special.rel_entr(q, p) + special.rel_entr(p, q))


DETECTOR = Detector(
    name="psi",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric", "categorical"}),
    threshold=0.2,
    floor=0.01,
    unit="1",
    title="population stability index",
    citation="Lewis 1994; Yurdakul and Naranjo 2020",
    cells=partial(sum_over_groups, groups=GROUPS, terms=_terms),
)
