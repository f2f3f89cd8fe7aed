"""Confidence that holds at every look: how wide an interval must be so that nobody who peeks is fooled.

An ordinary 95 % interval holds at the one moment that was fixed before. A confidence sequence holds at all moments at
once with that probability, so an experiment may be looked at every five minutes and stopped at any of them.
"""

from __future__ import annotations

import numpy as np
from scipy import special

PLANNED = 20_000
"""Rows of both arms at which the interval is tightest, when nobody says how many are expected."""


def reach(n: np.ndarray | float, alpha: float, planned: float = PLANNED) -> np.ndarray:
    """Return how many standard errors an asymptotic confidence sequence reaches to either side.

    The normal mixture boundary; it is tightest at ``planned`` rows and holds everywhere.

    Parameters
    ----------
    n
        Rows that the estimate rests on.
    alpha
        Probability with which the sequence may ever miss.
    planned
        Rows that are expected.

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
    rows = np.maximum(1.0, np.asarray(n, dtype=np.float64))
    tuned = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / planned
    return np.asarray(np.sqrt((rows * tuned + 1) / (rows * tuned) * (np.log(rows * tuned + 1) - 2 * np.log(alpha))))


def rows_for(half_width: float, spread: float, alpha: float, planned: float = PLANNED) -> float:
    """Return how many rows make the sequence as narrow as wanted; infinite where no number below 10^15 does.

    Parameters
    ----------
    half_width
        Wanted distance of either end from the estimate.
    spread
        Standard error of the estimate times the root of its rows, which stays about the same.

    Examples
    --------
    >>> n = rows_for(0.01, 0.5, 0.05)
    >>> round(float(reach(n, 0.05) * 0.5 / np.sqrt(n)), 3)
    0.01
    """
    if not (half_width > 0 and np.isfinite(spread)):
        return float("inf")
    grid = np.logspace(0, 15, 2000)
    narrow = reach(grid, alpha, planned) * spread / np.sqrt(grid) <= half_width
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
