"""Two arms, one metric: how much they differ, at any look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from detectors.experiment.sequence import PLANNED, reach
from detectors.experiment.tally import CC, YC, C, N, Tally, X, Y, value_of, variance_of

BURN_IN = 500
"""Rows of either arm before anything is said: the sequence is asymptotic."""


class Interval(NamedTuple):
    """An estimate with the ends of its confidence sequence; NaN where it is not known."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """How a treatment differs from its control.

    Parameters
    ----------
    control, treatment
        The metric in each arm.
    absolute
        Treatment minus control, with its confidence sequence.
    relative
        The same as a share of the control: 0.02 is 2 % more. NaN unless both metrics are above 0.
    rows
        Of both arms.
    spread
        Standard error of the absolute difference times the root of the rows.
    """

    control: float
    treatment: float
    absolute: Interval
    relative: Interval
    rows: int
    spread: float


def difference(
    control: Tally, treatment: Tally, alpha: float = 0.05, planned: float = PLANNED, burn_in: int = BURN_IN
) -> Difference:
    """Compare two arms.

    Parameters
    ----------
    control, treatment
        Sums of the same metric.
    alpha
        Probability with which the sequence may ever miss the truth.
    planned
        Rows of both arms that are expected: there the interval is tightest.
    burn_in
        Rows of either arm below which both intervals are the whole line.

    Limits
    ------
    Arms must be independent: a user belongs to one of them. A covariate, where there is one in both arms, is used
    (CUPED) for plain means; it must have been known before the experiment began.

    References
    ----------
    Waudby-Smith et al. 2024; Deng, Xu, Kohavi, Walker, *Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data*, WSDM 2013.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> old, new = (Tally.of(rng.random(40_000) < rate) for rate in (0.2, 0.23))
    >>> found = difference(old, new)
    >>> [round(end, 3) for end in found.absolute], found.relative.low > 0
    ([0.031, 0.022, 0.04], True)
    """
    sums = np.stack([control.sums, treatment.sums])
    values, variances = adjusted(sums)
    rows = control.n + treatment.n
    error = float(np.sqrt(variances.sum()))
    spread = error * math.sqrt(rows) if rows else math.inf
    if min(control.n, treatment.n) < burn_in or not math.isfinite(error):
        nothing = Interval(math.nan, -math.inf, math.inf)
        return Difference(float(values[0]), float(values[1]), nothing, nothing, rows, spread)
    times = float(reach(rows, alpha, planned))
    gap = float(values[1] - values[0])
    absolute = Interval(gap, gap - times * error, gap + times * error)
    relative = Interval(*(float(one) for one in lift(values, variances, times)))
    return Difference(float(values[0]), float(values[1]), absolute, relative, rows, spread)


def lift(
    values: np.ndarray, variances: np.ndarray, times: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lift of the second of two metrics over the first, and its ends, by way of logarithms.

    Parameters
    ----------
    values, variances
        Shape (..., 2): control and treatment; the lift is not known (NaN, and ends that say nothing) unless both
        values are above 0.
    times
        Standard errors that an interval reaches to either side.

    Examples
    --------
    >>> [float(one.round(3)) for one in lift(np.array([0.2, 0.22]), np.array([1e-6, 1e-6]), 3.0)]
    [0.1, 0.078, 0.123]
    """
    known = (values > 0).all(axis=-1) & np.isfinite(variances).all(axis=-1)
    safe = np.where(np.expand_dims(known, -1), values, 1.0)
    error = np.where(
        known, times * np.sqrt(np.sum(np.where(np.isfinite(variances), variances, 0.0) / safe**2, axis=-1)), 50.0
    )
    log, error = np.log(safe[..., 1] / safe[..., 0]), np.minimum(error, 50.0)
    low, high = np.expm1(log - error), np.expm1(log + error)
    whole = known & (error < 50)
    return (
        np.where(known, np.expm1(log), np.nan),
        np.where(whole, low, np.where(known, -1.0, -np.inf)),
        np.where(whole, high, np.inf),
    )


def adjusted(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and variance of each arm, with what a covariate explains taken out.

    Parameters
    ----------
    sums
        Shape (arms, groups, 9).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> before = rng.normal(size=5000)
    >>> after = Tally.of(before + 0.1 * rng.normal(size=5000), covariate=before)
    >>> plain, less = after.variance, adjusted(np.stack([after.sums, after.sums]))[1][0]
    >>> round(float(less / plain), 2)
    0.01
    """
    values, variances = value_of(sums), variance_of(sums)
    total = sums.sum(axis=1)
    n = total[:, N]
    if not total[:, CC].all() or not np.array_equal(total[:, X], n) or n.min() < 2:
        return values, variances
    means = total[:, C] / n
    if sums.shape[1] == 1:
        inner = total[:, CC] - n * means**2
        cross = total[:, YC] - n * means * values
        slope = cross.sum() / inner.sum() if inner.sum() > 0 else 0.0
        kept = np.maximum(0.0, variances - (2 * slope * cross - slope**2 * inner) / n / np.maximum(1, n - 1))
    else:
        off_y = sums[..., Y] - values[:, None] * sums[..., N]
        off_c = sums[..., C] - means[:, None] * sums[..., N]
        slope = np.sum(off_y * off_c) / np.sum(off_c**2) if np.any(off_c) else 0.0
        units = np.sum(sums[..., N] > 0, axis=1)
        kept = np.sum((off_y - slope * off_c) ** 2, axis=1) / n**2 * units / np.maximum(1, units - 1)
        kept = np.where(np.isfinite(variances), kept, variances)
    centre = total[:, C].sum() / n.sum()
    return values - slope * (means - centre), kept
