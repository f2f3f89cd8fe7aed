"""Difference of two arms in one metric, with a confidence sequence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from detectors.experiment.sequence import interval_reach, planned_information
from detectors.experiment.tally import CC, YC, C, N, Tally, X, Y, divide_sums, ratio_variance

BURN_IN = 500
"""Burn-in: fewest rows of either arm, as the confidence sequence is asymptotic."""


class Interval(NamedTuple):
    """Estimate with the limits of its confidence sequence; NaN if unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Difference of a treatment from its control.

    Parameters
    ----------
    control, treatment
        Value of the metric in each arm.
    absolute
        Treatment minus control, with its confidence sequence.
    relative
        The same relative to the control: 0.02 is 2 % more. NaN unless both values are above 0.
    rows
        Of both arms.
    error
        Standard error of the relative difference; of its logarithm if both values are above 0.
    fraction
        Information so far, as a fraction of that required for the smallest relevant effect.
    """

    control: float
    treatment: float
    absolute: Interval
    relative: Interval
    rows: int
    error: float
    fraction: float


def difference(
    control: Tally,
    treatment: Tally,
    alpha: float = 0.05,
    minimum: float = 0.02,
    planned: float | None = None,
    burn_in: int = BURN_IN,
) -> Difference:
    """Compare a metric in two arms.

    Parameters
    ----------
    control, treatment
        Sums of the same metric.
    alpha
        Probability that the confidence sequence ever excludes the true value.
    minimum
        Smallest relevant effect, relative to the control: the interval is tightest where a fixed-sample test of it has
        a power of 80 %.
    planned
        Number of rows of both arms at which it is tightest instead.
    burn_in
        With fewer rows in either arm, both intervals are unbounded.

    Limits
    ------
    Arms must be independent: each user belongs to one of them. A covariate that both arms have is used (CUPED) for
    means; it must be measured before the experiment. For arms of different sizes the variance is that of
    :func:`larger_variances`. For heavy-tailed metrics the interval is wide and the error rate far below ``alpha``, as
    future rows may dominate the mean.

    References
    ----------
    Waudby-Smith et al. 2024; Deng, Xu, Kohavi, Walker, *Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data*, WSDM 2013.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> old, new = (Tally.of(rng.random(40_000) < rate) for rate in (0.2, 0.23))
    >>> result = difference(old, new)
    >>> [round(end, 3) for end in result.absolute], result.relative.low > 0
    ([0.031, 0.021, 0.041], True)
    """
    sums = np.stack([control.sums, treatment.sums])
    values, variances = adjust_for_covariate(sums)
    variances = larger_variances(values, variances, sums[..., X].sum(axis=-1))
    rows = control.n + treatment.n
    error = float(relative_error(values, variances))
    target = math.log1p(minimum) if (values > 0).all() else minimum
    fraction = rows / planned if planned else float(information(error, target, alpha))
    sides = float(values[0]), float(values[1])
    if min(control.n, treatment.n) < burn_in or not np.isfinite(variances).all():
        nothing = Interval(math.nan, -math.inf, math.inf)
        return Difference(*sides, nothing, nothing, rows, error, fraction)
    times = float(interval_reach(fraction, alpha))
    gap, width = sides[1] - sides[0], times * float(np.sqrt(variances.sum()))
    relative = Interval(*(float(one) for one in lift(values, variances, times)))
    return Difference(*sides, Interval(gap, gap - width, gap + width), relative, rows, error, fraction)


def larger_variances(values: np.ndarray, variances: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the variances of two arms, or those with the spreads of the arms exchanged, if their sum is larger.

    Mean and variance of a heavy-tailed sample are both too low until rare large values occur, which takes longer in a
    small arm: its interval is too narrow while its mean is too low. The large arm has a better estimate of the tail.
    With exchanged spreads the sum of the variances is that of a randomisation test, under which the difference of a
    small from a large arm is never further below its mean than a normal variable; the arms' own variances cover the
    other side. For arms of equal size the own variances are always larger.

    Parameters
    ----------
    values, variances
        Shape (..., 2): control and treatment. If both values are above 0, the spread taken from the other arm is the
        variance over the squared mean, which is invariant under scaling, or, in the arm with the larger mean, the
        variance over the mean, which is invariant under a change of a count or a rate.
    sizes
        Shape (..., 2): sizes to which the variances are inversely proportional, such as rows.

    References
    ----------
    Ding, *A paradox from randomization-based causal inference*, Statistical Science 32, 2017 (the two variances);
    Kearns, Saul, *Large deviation methods for approximate probabilistic inference*, UAI 1998 (the lower tail).

    Examples
    --------
    >>> rows = np.array([9000.0, 1000.0])
    >>> larger_variances(np.ones(2), np.array([4.0, 1.0]) / rows, rows) * rows
    array([1., 4.])
    >>> larger_variances(np.ones(2), np.array([1.0, 4.0]) / rows, rows) * rows
    array([1., 4.])
    """
    scale = np.where((values > 0).all(axis=-1, keepdims=True), values, 1.0)
    own = variances / scale**2
    usable = (sizes > 0).all(axis=-1, keepdims=True) & np.isfinite(own).all(axis=-1, keepdims=True)
    ratio = np.divide(sizes[..., ::-1], sizes, where=usable, out=np.ones(np.shape(own)))
    exchanged = np.where(usable, own, 0.0)[..., ::-1] * ratio * np.minimum(1.0, scale[..., ::-1] / scale)
    more = usable & (exchanged.sum(axis=-1, keepdims=True) > own.sum(axis=-1, keepdims=True))
    return np.asarray(np.where(more, exchanged * scale**2, variances))


def relative_error(values: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Return the standard error of the relative difference, over arrays of shape (..., 2): control and treatment.

    Of the logarithm of the lift if both values are above 0, else of the difference relative to the control.
    """
    whole = np.broadcast_to((values > 0).all(axis=-1, keepdims=True), values.shape)
    scale = np.where(whole, values, np.abs(values[..., :1]))
    scale = np.where(scale > 0, scale, 1.0)
    return np.asarray(np.sqrt(np.sum(variances / scale**2, axis=-1)))


def information(error: np.ndarray | float, target: np.ndarray | float, alpha: float) -> np.ndarray:
    """Return the information so far, as a fraction of that required for a fixed-sample test with a power of 80 %.

    Examples
    --------
    >>> round(float(information(0.01, 0.028, 0.05)), 2)
    1.0
    """
    ratio = np.divide(target, error, where=np.asarray(error) > 0, out=np.full(np.shape(error), 1e6))
    return np.asarray(np.minimum(ratio, 1e6) ** 2 / planned_information(alpha))


def lift(
    values: np.ndarray, variances: np.ndarray, times: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lift of the second of two metrics over the first, with its limits, computed on the log scale.

    Parameters
    ----------
    values, variances
        Shape (..., 2): control and treatment; the lift is NaN, with infinite limits, unless both values are above 0.
    times
        Half-width of the interval in standard errors.

    Examples
    --------
    >>> [float(one.round(3)) for one in lift(np.array([0.2, 0.22]), np.array([1e-6, 1e-6]), 3.0)]
    [0.1, 0.078, 0.123]
    """
    is_defined = (values > 0).all(axis=-1) & np.isfinite(variances).all(axis=-1)
    safe = np.where(np.expand_dims(is_defined, -1), values, 1.0)
    error = np.where(
        is_defined, times * np.sqrt(np.sum(np.where(np.isfinite(variances), variances, 0.0) / safe**2, axis=-1)), 50.0
    )
    log, error = np.log(safe[..., 1] / safe[..., 0]), np.minimum(error, 50.0)
    low, high = np.expm1(log - error), np.expm1(log + error)
    whole = is_defined & (error < 50)
    return (
        np.where(is_defined, np.expm1(log), np.nan),
        np.where(whole, low, np.where(is_defined, -1.0, -np.inf)),
        np.where(whole, high, np.inf),
    )


def adjust_for_covariate(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and variance of each arm after regression adjustment for a covariate (CUPED).

    Parameters
    ----------
    sums
        Shape (..., arms, groups, 9).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> before = rng.normal(size=5000)
    >>> after = Tally.of(before + 0.1 * rng.normal(size=5000), covariate=before)
    >>> plain, less = after.variance, adjust_for_covariate(np.stack([after.sums, after.sums]))[1][0]
    >>> round(float(less / plain), 2)
    0.01
    """
    values, variances = divide_sums(sums), ratio_variance(sums)
    total = sums.sum(axis=-2)
    n = total[..., N]
    usable = (total[..., CC] > 0) & (total[..., X] == n) & (n > 1)
    if not usable.any():
        return values, variances
    safe = np.maximum(1.0, n)
    means = total[..., C] / safe
    if sums.shape[-2] == 1:
        inner = total[..., CC] - n * means**2
        cross = total[..., YC] - n * means * values
        slope = _slope(cross, inner, usable)
        remaining = np.maximum(0.0, variances - (2 * slope * cross - slope**2 * inner) / safe / np.maximum(1, n - 1))
    else:
        off_y = sums[..., Y] - values[..., None] * sums[..., N]
        off_c = sums[..., C] - means[..., None] * sums[..., N]
        slope = _slope(np.sum(off_y * off_c, axis=-1), np.sum(off_c**2, axis=-1), usable)
        units = np.sum(sums[..., N] > 0, axis=-1)
        spread = np.sum((off_y - slope[..., None] * off_c) ** 2, axis=-1)
        remaining = np.where(np.isfinite(variances), spread / safe**2 * units / np.maximum(1, units - 1), variances)
    centre = total[..., C].sum(axis=-1, keepdims=True) / safe.sum(axis=-1, keepdims=True)
    return values - slope * (means - centre), np.where(slope == 0, variances, remaining)


def _slope(cross: np.ndarray, inner: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the regression coefficient of the metric on the covariate, common to all arms, shape (..., 1)."""
    above, below = cross.sum(axis=-1, keepdims=True), inner.sum(axis=-1, keepdims=True)
    is_defined = usable.all(axis=-1, keepdims=True) & (below > 0)
    return np.asarray(np.divide(above, below, where=is_defined, out=np.zeros_like(above)))
