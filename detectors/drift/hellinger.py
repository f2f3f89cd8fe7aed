"""Hellinger distance."""

from __future__ import annotations

import numpy as np

from detectors.base import Detector, Measurement
from detectors.drift.bins import chi_square_tail, filled_bins, paired_counts, shares, variance_factor
from detectors.stack import Counted

GROUPS = 20
RESTLESS, MOST_RESTLESS = 25.0, 0.7
"""With ``e`` expected counts a cell has up to ``1 + min(0.7, 25 / e²)`` times the tail that a chi-square says."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Square root of one minus the overlap ``sum(sqrt(p q))``: 0 when equal, 1 when disjoint.

    Over twenty groups of equal baseline mass, or over categories. Without a change, ``8 nm / (n + m)`` times
    its square is close to a chi-square of bins - 1 degrees of freedom; cells with few expected counts reach
    up to 1.7 times as far (found by simulation), and the noise floor is raised for them.

    Limits
    ------
    Blind to changes inside a twentieth of the mass, and to how far mass has moved. Many rare categories make
    a small window look distant, and its noise floor high.

    References
    ----------
    Hellinger, *Neue Begründung der Theorie quadratischer Formen von unendlichvielen Veränderlichen*, Journal
    für die reine und angewandte Mathematik 136, 1909; null law: Pardo, *Statistical Inference Based on
    Divergence Measures*, 2006.

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.layout import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_categorical(Counter(yes=90, no=10))
    >>> old = Profile.of(Column.of(["yes"] * 90 + ["no"] * 10), layout)
    >>> new = Profile.of(Column.of(["yes"] * 50 + ["no"] * 50), layout)
    >>> round(measure(old, new).statistic, 3)
    0.325
    """
    old, new = paired_counts(baseline, window, GROUPS)
    filled, factor = filled_bins(old, new), variance_factor(baseline, window)
    squared = np.sum((np.sqrt(shares(old)) - np.sqrt(shares(new))) ** 2, axis=-1) / 2
    expected = shares(old + new) / np.expand_dims(np.asarray(factor), -1)
    extra = np.where(filled, np.minimum(MOST_RESTLESS, RESTLESS / np.maximum(1.0, expected) ** 2), 0.0)
    extra = extra.sum(axis=-1) / np.maximum(1, filled.sum(axis=-1))
    noise = chi_square_tail(filled) * factor / 8 * (1 + extra)
    return Measurement(np.sqrt(squared), np.sqrt(noise))


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
)
