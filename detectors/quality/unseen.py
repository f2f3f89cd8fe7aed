"""Rise of the share of values in categories that the baseline lacks."""

from __future__ import annotations

import numpy as np

from detectors.base import Cells, Detector, Measurement
from detectors.drift.bins import change_of_mean, expected_counts
from detectors.profile import Profile
from detectors.quality.shares import rise
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Rise of the share of values in categories that the baseline lacks, in points.

    New categories are those outside the vocabulary, and those in it without counts in the baseline, such as the
    categories of its last day when the days before are the baseline. The expected number of new values is that of the
    baseline's singletons (Good and Turing), as an open vocabulary has some every day.

    Limits
    ------
    If the baseline had more categories than the vocabulary, its tail and new categories are counted together, so only
    the rise counts.

    References
    ----------
    Good, *The population frequencies of species and the estimation of population parameters*, Biometrika 40, 1953.

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.binning import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_categorical(Counter(a=1, b=1))
    >>> old, new = Column.of(["a", "b"] * 5), Column.of(["a", "b", "c", "d"])
    >>> measure(Profile.of(old, layout), Profile.of(new, layout)).statistic
    0.5
    """
    old, new = baseline.counts[:-1], window.counts[..., :-1]
    expected = expected_counts(baseline)[-1] if not baseline.layout.complete else baseline.other + (old == 1).sum()
    return rise(expected, baseline.n, window.other + np.where(old == 0, new, 0).sum(axis=-1), window.n)


def cells(baseline: Profile, window: Profile) -> Cells:
    """Return the rise of the values outside the vocabulary."""
    return change_of_mean(baseline, window, np.append(np.zeros(baseline.layout.bins - 1), 1.0))


DETECTOR = Detector(
    name="unseen",
    check="unseen",
    measure=measure,
    kinds=frozenset({"categorical"}),
    threshold=0.02,
    floor=0.005,
    unit="share of values",
    title="share of unseen categories",
    citation="Good 1953; Agresti and Caffo 2000",
    cells=cells,
)
