"""Wilson interval of a proportion."""

from __future__ import annotations

import math

from scipy import special

CONFIDENCE = 0.95


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """Return the half-width of a two-sided normal interval in standard errors."""
    return float(special.ndtri((1 + confidence) / 2))


def wilson(successes: float, trials: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson interval of a proportion; (0, 1) without trials.

    References
    ----------
    Wilson, *Probable inference, the law of succession, and statistical inference*, Journal of the American
    Statistical Association 22, 1927.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if trials <= 0:
        return 0.0, 1.0
    z = normal_quantile(confidence)
    share = successes / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))
