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
