"""Chi-square effect size (Cohen's w)."""

from __future__ import annotations

from functools import partial

import numpy as np

from detectors.base import Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import filled_bins, paired_counts, shares, sum_over_groups, variance_factor
from detectors.drift.laws import cell_cumulants, exact_tail
from detectors.stack import Counted

GROUPS = 10


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Cohen's w: the square root of the chi-square of homogeneity times ``1/n + 1/m``.

    Unlike chi-square, w does not grow with the sample size. The chi-square of the same table is in ``detail``. The
    p-value is that of Pearson's test, with the exact cumulants of chi-square where expected counts are small.

    Limits
    ------
    Rare categories increase w and its noise floor.

    References
    ----------
    Pearson, Philosophical Magazine 50, 1900; Cohen, *Statistical Power Analysis for the Behavioral Sciences*,
    1988, chapter 7 (w: 0.1 small, 0.3 medium).

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.binning import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_categorical(Counter(yes=90, no=10))
    >>> old = Profile.of(Column.of(["yes"] * 90 + ["no"] * 10), layout)
    >>> new = Profile.of(Column.of(["yes"] * 80 + ["no"] * 20), layout)
    >>> result = measure(old, new)
    >>> round(result.statistic, 2), round(result.p_value, 3)
    (0.28, 0.074)
    """
    old, new = paired_counts(baseline, window, GROUPS)
    filled = filled_bins(old, new)
    gap, pooled = shares(old) - shares(new), shares(old + new)
    squared = np.sum(np.divide(gap**2, pooled, where=filled, out=np.zeros_like(pooled)), axis=-1)
    factor = variance_factor(baseline, window)
    freedom = np.maximum(1, filled.sum(axis=-1) - 1)
    chi_square = squared / factor
    law = cell_cumulants(old, new, _cell)
    p_value = exact_tail(old, new, squared, law.tail(chi_square))
    return Measurement(
        np.sqrt(squared),
        noise_from_p_value(np.sqrt(squared), p_value, np.sqrt(law.quantile() * factor)),
        p_value=p_value,
        detail={"chi_square": chi_square, "degrees_of_freedom": freedom},
    )


def _cell(old: Values, new: Values, n: Values, m: Values) -> Values:
    return (old / n - new / m) ** 2 * (n + m) / np.maximum(1, old + new)


def _terms(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return terms that sum to the square of the effect size."""
    gap, pooled = shares(old) - shares(new), shares(old + new)
    return np.asarray(np.divide(gap**2, pooled, where=pooled > 0, out=np.zeros_like(pooled)))


DETECTOR = Detector(
    name="chi_square",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric", "categorical"}),
    threshold=0.2,
    floor=0.04,
    unit="Cohen's w",
    title="chi-square effect size w",
    citation="Pearson 1900; Cohen 1988",
    cells=partial(sum_over_groups, groups=GROUPS, terms=_terms),
)
