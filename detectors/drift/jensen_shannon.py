"""Jensen-Shannon distance."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import special

from detectors.base import Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import paired_counts, shares, sum_over_groups, variance_factor
from detectors.drift.laws import cell_cumulants, exact_tail
from detectors.stack import Counted

GROUPS = 20


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Jensen-Shannon distance: square root of the divergence in bits; 0 if equal, 1 if disjoint.

    Computed over twenty groups of equal baseline mass, or over categories. Empty bins need no smoothing. Without a
    change, the divergence times ``8 ln 2 nm / (n + m)`` is close to a chi-square with bins - 1 degrees of freedom;
    where expected counts are small, the p-value uses the exact cumulants.

    Limits
    ------
    Changes within one group, a twentieth of the mass, are not detected, nor does the distance depend on how far mass
    has moved.

    References
    ----------
    Lin, *Divergence measures based on the Shannon entropy*, IEEE Transactions on Information Theory 37, 1991;
    Endres, Schindelin, *A new metric for probability distributions*, ibid. 49, 2003.

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.binning import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_categorical(Counter(yes=90, no=10))
    >>> old = Profile.of(Column.of(["yes"] * 90 + ["no"] * 10), layout)
    >>> new = Profile.of(Column.of(["yes"] * 50 + ["no"] * 50), layout)
    >>> round(measure(old, new).statistic, 3)
    0.383
    """
    old, new = paired_counts(baseline, window, GROUPS)
    p, q = shares(old), shares(new)
    middle = (p + q) / 2
    nats = np.sum(special.rel_entr(p, middle) + special.rel_entr(q, middle), axis=-1) / 2
    distance, factor = np.sqrt(np.maximum(0.0, nats / np.log(2))), variance_factor(baseline, window)
    law = cell_cumulants(old, new, _cell)
    p_value = exact_tail(old, new, distance, law.tail(8 * nats / factor))
    usual = np.sqrt(law.quantile() * factor / (8 * np.log(2)))
    return Measurement(distance, noise_from_p_value(distance, p_value, usual), p_value=p_value)


def _cell(old: Values, new: Values, n: Values, m: Values) -> Values:
    p, q = old / n, new / m
    return 4 * (special.rel_entr(p, (p + q) / 2) + special.rel_entr(q, (p + q) / 2))


def _terms(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return terms that sum to the square of the distance."""
    p, q = shares(old), shares(new)
    middle = (p + q) / 2
    return np.asarray((special.rel_entr(p, middle) + special.rel_entr(q, middle)) / 2 / np.log(2))


DETECTOR = Detector(
    name="jensen_shannon",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric", "categorical"}),
    threshold=0.1,
    floor=0.03,
    unit="1",
    title="Jensen-Shannon distance",
    citation="Lin 1991; Endres and Schindelin 2003",
    cells=partial(sum_over_groups, groups=GROUPS, terms=_terms),
)
