"""Hellinger distance."""

from __future__ import annotations

from functools import partial

import numpy as np

from detectors.base import Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import paired_counts, shares, sum_over_groups, variance_factor
from detectors.drift.laws import cell_cumulants, exact_tail
from detectors.stack import Counted

GROUPS = 20


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Hellinger distance: square root of one minus ``sum(sqrt(p q))``; 0 if equal, 1 if disjoint.

    Computed over twenty groups of equal baseline mass, or over categories. Without a change, ``8 nm / (n + m)`` times
    its square is close to a chi-square with bins - 1 degrees of freedom; where expected counts are small, the p-value
    uses the exact cumulants.

    Limits
    ------
    Changes within one group, a twentieth of the mass, are not detected, nor does the distance depend on how far mass
    has moved. Many rare categories increase the distance of small windows, and the noise floor.

    References
    ----------
    Hellinger, *Neue Begründung der Theorie quadratischer Formen von unendlichvielen Veränderlichen*, Journal
    für die reine und angewandte Mathematik 136, 1909; null law: Pardo, *Statistical Inference Based on
    Divergence Measures*, 2006.

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
    0.325
    """
    old, new = paired_counts(baseline, window, GROUPS)
    squared = np.sum((np.sqrt(shares(old)) - np.sqrt(shares(new))) ** 2, axis=-1) / 2
    factor = variance_factor(baseline, window)
    law = cell_cumulants(old, new, _cell)
    p_value = exact_tail(old, new, squared, law.tail(8 * squared / factor))
    usual = np.sqrt(law.quantile() * factor / 8)
    return Measurement(np.sqrt(squared), noise_from_p_value(np.sqrt(squared), p_value, usual), p_value=p_value)


def _cell(old: Values, new: Values, n: Values, m: Values) -> Values:
    return 4 * (np.sqrt(old / n) - np.sqrt(new / m)) ** 2


def _terms(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return terms that sum to the square of the distance."""
    return np.asarray((np.sqrt(shares(old)) - np.sqrt(shares(new))) ** 2 / 2)


DETECTOR = Detector(
    name="hellinger",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric", "categorical"}),
    threshold=0.1,
    floor=0.02,
    unit="1",
    title="Hellinger distance",
    citation="Hellinger 1909; Pardo 2006",
    cells=partial(sum_over_groups, groups=GROUPS, terms=_terms),
)
