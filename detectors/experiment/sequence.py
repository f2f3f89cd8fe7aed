"""Confidence sequences: intervals that are valid at every look.

An ordinary 95 % interval is valid at one time that was fixed in advance. A confidence sequence contains the true value
at all times simultaneously with that probability, so an experiment may be examined every five minutes and stopped at
any time.
"""

from __future__ import annotations

import numpy as np
from scipy import special

PLANNED = 20_000
"""Number of rows at which a sequence without a smallest relevant effect is tightest."""
SPENT_BEFORE = 0.7
"""Share of alpha of the boundary up to the planned information; the rest is that of the mixture at all times."""
POWER = 0.8
"""Power of a fixed-sample test of the smallest relevant effect at the planned information."""


def reach(n: np.ndarray | float, alpha: float, planned: float = PLANNED) -> np.ndarray:
    """Return the half-width of an asymptotic confidence sequence, in standard errors.

    Uses the normal mixture boundary, which is tightest at ``planned`` rows and valid at any number.

    Parameters
    ----------
    n
        Number of rows of the estimate, or another measure of information.
    alpha
        Probability that the sequence ever excludes the true value.
    planned
        Expected number of rows, in the same measure.

    Limits
    ------
    Asymptotic: with a few hundred heavy-tailed rows it may miss more often, hence the burn-in.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, *Time-uniform central limit theory and asymptotic confidence
    sequences*, Annals of Statistics 52, 2024 (arXiv 2103.06476), equation 7 and section B.2; Robbins 1970.

    Examples
    --------
    >>> [round(float(reach(n, 0.05, planned=10_000)), 2) for n in (1000, 10_000, 100_000)]
    [3.86, 3.04, 3.24]
    """
    size = np.maximum(np.asarray(n, dtype=np.float64), 1e-12) * _tune_mixture(alpha, planned)
    return np.asarray(np.sqrt((size + 1) / size * (np.log1p(size) - 2 * np.log(alpha))))


def _tune_mixture(alpha: float, planned: float) -> float:
    """Return the scale of the mixture that is tightest at a number of rows."""
    return float((-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / planned)


def evidence(z: np.ndarray | float, n: np.ndarray | float, alpha: float, planned: float = PLANNED) -> np.ndarray:
    """Return the evidence against no difference: an asymptotic e-value, which is 1 / alpha if |z| equals the reach.

    Examples
    --------
    >>> round(float(evidence(reach(5000, 0.05), 5000, 0.05)), 6)
    20.0
    """
    size = np.asarray(n, dtype=np.float64) * _tune_mixture(alpha, planned)
    log = np.square(z) / 2 * size / (1 + size) - np.log1p(size) / 2
    return np.asarray(np.exp(np.minimum(log, 700.0)))


def planned_information(alpha: float, power: float = POWER) -> float:
    """Return the information, in units of the effect, at which a fixed-sample test has the given power.

    Examples
    --------
    >>> round(planned_information(0.05), 2)
    7.85
    """
    return float((special.ndtri(1 - alpha / 2) + special.ndtri(power)) ** 2)


def interval_reach(fraction: np.ndarray | float, alpha: float) -> np.ndarray:
    """Return the half-width of an interval with planned information, in standard errors.

    Combines two boundaries, each with a share of ``alpha``. Up to the planned information one is constant on the scale
    of the sum (O'Brien-Fleming with continuous monitoring): at the planned information it is hardly wider than a
    fixed-sample test. The other is the normal mixture, which detects large effects early and remains valid
    indefinitely.

    Parameters
    ----------
    fraction
        Information so far (one over the variance of the estimate), as a fraction of the planned information.
    alpha
        Probability that the sequence ever excludes the true value.

    Limits
    ------
    Asymptotic, as :func:`reach`. The information may be estimated during the experiment if it does not depend on the
    effect. Just beyond the plan the interval is wider than just before it.

    References
    ----------
    O'Brien, Fleming, *A multiple testing procedure for clinical trials*, Biometrics 35, 1979; Mehta, Tsiatis,
    *Flexible sample size considerations using information-based interim monitoring*, Drug Information Journal 35,
    2001. The constant is that of the reflection principle: a Brownian motion leaves (-c, c) before 1 with a
    probability of at most 4 (1 - Phi(c)).

    Examples
    --------
    >>> [round(float(interval_reach(part, 0.05)), 2) for part in (0.1, 0.5, 1.0, 1.01, 5.0)]
    [3.52, 3.36, 2.38, 3.53, 3.72]
    """
    part = np.maximum(np.asarray(fraction, dtype=np.float64), 1e-12)
    limit = special.ndtri(1 - SPENT_BEFORE * alpha / 4)
    until = np.where(part <= 1, limit / np.sqrt(part), np.inf)
    return np.asarray(np.minimum(until, reach(part, (1 - SPENT_BEFORE) * alpha, 0.25)))


def growth_until(target: float, error: float, fraction: float, alpha: float) -> float:
    """Return the factor by which the rows must grow for an interval of the target width; infinite beyond a million.

    Parameters
    ----------
    target
        Target half-width.
    error
        Current standard error, which decreases with the square root of the rows.
    fraction
        Current information, as a fraction of the planned information.

    Examples
    --------
    >>> growth = growth_until(0.01, 0.01, 0.5, 0.05)
    >>> round(float(interval_reach(0.5 * growth, 0.05) * 0.01 / np.sqrt(growth)), 3)
    0.01
    """
    if not (target > 0 and error > 0 and np.isfinite(error)):
        return 1.0 if error == 0 else float("inf")
    grid = np.logspace(0, 6, 3000)
    narrow = interval_reach(grid * fraction, alpha) * error / np.sqrt(grid) <= target
    return float(grid[int(np.argmax(narrow))]) if narrow.any() else float("inf")


def split_evidence(counts: np.ndarray, shares: np.ndarray, weight: float = 10_000.0) -> np.ndarray:
    """Return the evidence of a sample ratio mismatch: an e-value, over the last axis.

    While the split is as planned, the probability of ever reaching ``1 / alpha`` is at most ``alpha``.

    Parameters
    ----------
    counts
        Independent units of each arm so far, shape (..., arms).
    shares
        Planned split, shape (arms,), with sum 1.
    weight
        Concentration of the Dirichlet prior of the alternative around the planned split, in units.

    Limits
    ------
    Counts must be of independent units. If users have several rows, compare the arms' shares by groups instead.

    References
    ----------
    Lindon, Malek, *Anytime-valid inference for multinomial count data*, NeurIPS 2022 (arXiv 2011.03567).

    Examples
    --------
    >>> even = np.array([0.5, 0.5])
    >>> result = split_evidence(np.array([[5000, 5050], [51_000, 49_000]]), even)
    >>> bool(result[0] < 1), bool(result[1] > 1000)
    (True, True)
    """
    counts = np.asarray(counts, dtype=np.float64)
    prior = weight * np.asarray(shares, dtype=np.float64)
    total = counts.sum(axis=-1)
    log = special.gammaln(weight) - special.gammaln(weight + total)
    log = log + np.sum(special.gammaln(prior + counts) - special.gammaln(prior) - counts * np.log(shares), axis=-1)
    return np.asarray(np.exp(np.minimum(log, 700.0)))
