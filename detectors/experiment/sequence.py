"""Confidence that holds at every look: how wide an interval must be so that nobody who peeks is fooled.

An ordinary 95 % interval holds at the one moment that was fixed before. A confidence sequence holds at all moments at
once with that probability, so an experiment may be looked at every five minutes and stopped at any of them.
"""

from __future__ import annotations

import numpy as np
from scipy import special

PLANNED = 20_000
"""Rows at which a sequence is tightest that has no smallest effect to plan for."""
SPENT_BEFORE = 0.7
"""Share of alpha that is spent until the planned information is there; the rest guards all that comes early or late."""
POWER = 0.8
"""How often the planned information is to show the smallest effect that matters, by a test that looks once."""


def reach(n: np.ndarray | float, alpha: float, planned: float = PLANNED) -> np.ndarray:
    """Return how many standard errors an asymptotic confidence sequence reaches to either side.

    The normal mixture boundary; it is tightest at ``planned`` rows and holds everywhere.

    Parameters
    ----------
    n
        Rows that the estimate rests on, or any other measure of information.
    alpha
        Probability with which the sequence may ever miss.
    planned
        Rows that are expected, in the same measure.

    Limits
    ------
    Asymptotic: of a few hundred rows with heavy tails it may miss more often, which is what a burn-in is for.

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
    """Return the mixture's scale that is tightest at a number of rows."""
    return float((-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / planned)


def evidence(z: np.ndarray | float, n: np.ndarray | float, alpha: float, planned: float = PLANNED) -> np.ndarray:
    """Return the evidence against no difference: an asymptotic e-value, which is 1 / alpha where |z| equals the reach.

    Examples
    --------
    >>> round(float(evidence(reach(5000, 0.05), 5000, 0.05)), 6)
    20.0
    """
    size = np.asarray(n, dtype=np.float64) * _tune_mixture(alpha, planned)
    log = np.square(z) / 2 * size / (1 + size) - np.log1p(size) / 2
    return np.asarray(np.exp(np.minimum(log, 700.0)))


def planned_information(alpha: float, power: float = POWER) -> float:
    """Return the information, in units of the effect, with which a test that looks once sees an effect so often.

    Examples
    --------
    >>> round(planned_information(0.05), 2)
    7.85
    """
    return float((special.ndtri(1 - alpha / 2) + special.ndtri(power)) ** 2)


def interval_reach(fraction: np.ndarray | float, alpha: float) -> np.ndarray:
    """Return how many standard errors an interval reaches, where it is known how much information will be asked for.

    Two boundaries hold together, each with its share of ``alpha``. Up to the planned information one is a constant
    for the sum of what was seen (O'Brien and Fleming's, looked at all the time): at the plan's end it is hardly wider
    than a test that looks once. The other is the normal mixture: it tells large effects early, and goes on for ever.

    Parameters
    ----------
    fraction
        Information so far (one over the variance of the estimate), as a share of what is planned.
    alpha
        Probability with which the sequence may ever miss.

    Limits
    ------
    Asymptotic, as :func:`reach` is. The information may be measured on the way, as long as it does not depend on the
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
    """Return how many times the present rows make an interval reach as little as wanted; infinite beyond a million.

    Parameters
    ----------
    target
        Wanted distance of either end from the estimate.
    error
        Standard error now, which falls with the root of the rows.
    fraction
        Information now, as a share of what is planned.

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
    """Return the evidence that traffic is not split as it was meant to be: an e-value, over the last axis.

    Reaching ``1 / alpha`` at any look has a probability of at most ``alpha`` while the split is right.

    Parameters
    ----------
    counts
        Independent units of each arm so far, shape (..., arms).
    shares
        What was meant, shape (arms,), summing to 1.
    weight
        How close to the meant split a wrong one is looked for: a Dirichlet prior of so many units around it.

    Limits
    ------
    Counts must be of independent units. Where a user brings many rows, compare the arms' shares by groups instead.

    References
    ----------
    Lindon, Malek, *Anytime-valid inference for multinomial count data*, NeurIPS 2022 (arXiv 2011.03567).

    Examples
    --------
    >>> even = np.array([0.5, 0.5])
    >>> found = split_evidence(np.array([[5000, 5050], [51_000, 49_000]]), even)
    >>> bool(found[0] < 1), bool(found[1] > 1000)
    (True, True)
    """
    counts = np.asarray(counts, dtype=np.float64)
    prior = weight * np.asarray(shares, dtype=np.float64)
    total = counts.sum(axis=-1)
    log = special.gammaln(weight) - special.gammaln(weight + total)
    log = log + np.sum(special.gammaln(prior + counts) - special.gammaln(prior) - counts * np.log(shares), axis=-1)
    return np.asarray(np.exp(np.minimum(log, 700.0)))
