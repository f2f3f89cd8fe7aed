"""What a metric is reported as: a value with its interval; and the sums that means are taken from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from detectors.exact import ExactSum

CONFIDENCE = 0.95
RECORD = 19
"""Windows that an interval's record is made of: the fewest that can tell one in twenty."""


class Estimate(NamedTuple):
    """A metric, its 95 % interval, and how many rows it rests on; NaN where the rows do not define it."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def undefined(cls, n: int = 0) -> Estimate:
        """Return the answer when there is none, such as the precision when nothing was predicted positive."""
        return cls(math.nan, math.nan, math.nan, n)

    @classmethod
    def normal(cls, mean: float, variance: float, n: int, confidence: float = CONFIDENCE) -> Estimate:
        """Return a mean of ``n`` values of this variance, with the interval of the normal law."""
        reach = normal_quantile(confidence) * math.sqrt(variance / n)
        return cls(mean, mean - reach, mean + reach, n)


def doubt(misses: np.ndarray, confidence: float = CONFIDENCE) -> float:
    """Return by what an interval must be widened to have held as often as it says: its record so far.

    An interval from one window knows chance, not how far the world wanders between windows. Windows whose labels have
    come tell that, and so do the windows of a labelled reference, each estimated from the others.

    Parameters
    ----------
    misses
        Shape (windows,), newest last: distance of the estimate from the truth, in half widths of its interval. The
        last 19 count, so the largest of them decides once there are that many; NaN is left out.

    Returns
    -------
    factor
        At least 1: an interval is never narrowed.

    Limits
    ------
    Exact, on average, when the windows come in no particular order; while things move on in one direction it lags
    by the time that labels take.

    References
    ----------
    Vovk, Gammerman, Shafer, *Algorithmic learning in a random world*, 2005 (conformal prediction); Gibbs, Candès,
    *Adaptive conformal inference under distribution shift*, NeurIPS 2021.

    Examples
    --------
    >>> doubt(np.array([0.2, 0.9, 1.7, 0.4])), doubt(np.zeros(0))
    (1.7, 1.0)
    """
    known = np.sort(misses[np.isfinite(misses)][-RECORD:])
    if not len(known):
        return 1.0
    rank = min(len(known), math.ceil((len(known) + 1) * confidence - 1e-9))
    return max(1.0, float(known[rank - 1]))


def miss(seen: Estimate, truth: float) -> float:
    """Return how far the truth lay from an estimate, in half widths of its interval on that side.

    Examples
    --------
    >>> miss(Estimate(4.0, 3.0, 6.0, 10), 8.0)
    2.0
    """
    reach = seen.high - seen.value if truth > seen.value else seen.value - seen.low
    return abs(truth - seen.value) / reach if reach > 0 else math.nan


def widened(seen: Estimate, factor: float) -> Estimate:
    """Stretch an interval about its value.

    Examples
    --------
    >>> widened(Estimate(4.0, 3.0, 6.0, 10), 2.0)
    Estimate(value=4.0, low=2.0, high=8.0, n=10)
    """
    low, high = (seen.value + factor * (end - seen.value) for end in (seen.low, seen.high))
    return seen._replace(low=low, high=high)


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """Return how many standard errors an interval of this confidence reaches to either side."""
    return float(special.ndtri((1 + confidence) / 2))


def wilson(successes: float, trials: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's interval of a proportion; (0, 1) when there were no trials.

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


@dataclass(frozen=True)
class Moments:
    """How many values, their exact sum and the exact sum of their squares; adds up in any order.

    Examples
    --------
    >>> import numpy as np
    >>> Moments.of(np.array([1.0, 3.0])) + Moments.of(np.array([2.0])) == Moments.of(np.array([1.0, 2.0, 3.0]))
    True
    """

    n: int = 0
    total: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def of(cls, values: np.ndarray) -> Moments:
        """Sum values, shape (n,), that are finite and no larger than 1e150, where their squares still are."""
        return cls(len(values), ExactSum.of(values), ExactSum.of(np.square(values)))

    def __add__(self, other: Moments) -> Moments:
        """Add up two disjoint sets of values."""
        return Moments(self.n + other.n, self.total + other.total, self.squares + other.squares)

    @property
    def variance(self) -> float:
        """Return the unbiased variance, NaN below two values; good to 1e-16 of the mean square."""
        if self.n < 2:
            return math.nan
        total = self.total.fraction()
        return max(0.0, float((self.squares.fraction() - total * total / self.n) / (self.n - 1)))

    def mean(self, confidence: float = CONFIDENCE) -> Estimate:
        """Return the mean with its normal interval, whose ends are NaN below two values."""
        if not self.n:
            return Estimate.undefined()
        return Estimate.normal(float(self.total.fraction() / self.n), self.variance, self.n, confidence)

    def to_json(self) -> dict[str, Any]:
        """Serialise without loss."""
        return {"n": self.n, "total": self.total.to_json(), "squares": self.squares.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Moments:
        """Read what :meth:`to_json` wrote."""
        return cls(int(data["n"]), ExactSum.from_json(data["total"]), ExactSum.from_json(data["squares"]))


def root(squared: Estimate) -> Estimate:
    """Return the root of an estimate of squares, such as an RMSE from an MSE; what lies below 0 becomes 0.

    Examples
    --------
    >>> root(Estimate(4.0, -1.0, 9.0, 10))
    Estimate(value=2.0, low=0.0, high=3.0, n=10)
    """
    value, low, high = (end if math.isnan(end) else math.sqrt(max(0.0, end)) for end in squared[:3])
    return Estimate(value, low, high, squared.n)
