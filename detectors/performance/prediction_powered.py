"""Prediction-powered inference: a rate with an interval from many scores and few labels.

A score estimates the probability that an answer is bad; people have labelled some answers. The mean of the scores alone
is an index with the bias of the scores. The labels alone give an unbiased rate with a wide interval. Prediction-powered
inference corrects the labels' rate by the scores of the unlabelled rows: it is unbiased for any scores, and narrower
for better ones.

Limits
------
The labelled rows must be a random sample of all rows of the tally. If labels are rarer in one segment or version than
in another, use one tally for each and do not add them. Scores are from 0 to 1, labels are 0 or 1.

References
----------
Angelopoulos, Bates, Fannjiang, Jordan, Zrnic, *Prediction-powered inference*, Science 382, 2023; Angelopoulos, Duchi,
Zrnic, *PPI++: efficient prediction-powered inference*, arXiv 2311.01453, 2023 (power tuning); Cochran, *Sampling
techniques*, 1977, chapter 12 (double sampling for regression, the same estimator); Wilson 1927.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
from scipy import special

STEPS = 1 << 20
"""Scores are counted as integers in steps of a millionth, so that sums are exact in any order."""
SMALLEST_SHARE = 1e-3
"""Smallest ratio of the variance to that of the labels alone: scores replace at most a thousand times the labels."""


class RateEstimate(NamedTuple):
    """Rate from 0 to 1 with its interval, over ``n`` rows of which ``labels`` are labelled.

    ``kind`` is ``index`` without labels: the value is then the mean score with its sampling interval, and not a rate.
    NaN without rows.
    """

    value: float
    low: float
    high: float
    n: int
    labels: int
    kind: Literal["rate", "index"]


@dataclass(frozen=True)
class RateSums:
    """Sums over all rows, and over the labelled ones, for estimates of rates; they add up exactly, in any order.

    Parameters
    ----------
    n, score, score_squared
        All rows: number, and sums of their scores and of the squares, in steps of 1/2**20 and 1/2**40.
    labels, labelled_score, labelled_squared
        The same of the labelled rows.
    positives, positive_score, positive_squared
        The same of the labelled rows whose label is 1.

    Examples
    --------
    >>> import numpy as np
    >>> first = RateSums.of(np.array([0.5, 0.25]), np.array([1.0, np.nan]))
    >>> both = first + RateSums.of(np.array([1.0]), np.array([0.0]))
    >>> both.n, both.labels, both.positives, both == RateSums.from_json(both.to_json())
    (3, 2, 1, True)
    """

    n: int = 0
    score: int = 0
    score_squared: int = 0
    labels: int = 0
    labelled_score: int = 0
    labelled_squared: int = 0
    positives: int = 0
    positive_score: int = 0
    positive_squared: int = 0

    @classmethod
    def of(cls, scores: np.ndarray, labels: np.ndarray) -> RateSums:
        """Count rows.

        Parameters
        ----------
        scores
            Shape (rows,), 0 to 1; rows with a NaN score are not counted.
        labels
            Shape (rows,): 0, 1, or NaN for none.

        Raises
        ------
        ValueError
            If a score is outside of 0 to 1, or a label is none of the three.
        """
        scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
        scored = ~np.isnan(scores)
        scores, labels = scores[scored], labels[scored]
        if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
            raise ValueError("a score is outside of 0 to 1: rescale the scores to probabilities first.")
        if not np.isin(labels[~np.isnan(labels)], (0.0, 1.0)).all():
            raise ValueError("a label is neither 0 nor 1: define first which labels are positive.")
        steps = np.rint(scores * STEPS).astype(np.int64)
        parts = (np.ones(len(steps), dtype=bool), ~np.isnan(labels), labels == 1)
        return cls(*(value for part in parts for value in _sums(steps[part])))

    def __add__(self, other: RateSums) -> RateSums:
        """Add up two disjoint sets of rows."""
        return RateSums(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def to_json(self) -> dict[str, int]:
        """Return plain integers."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, int]) -> RateSums:
        """Read the output of :meth:`to_json`."""
        return cls(**{part.name: int(data[part.name]) for part in fields(cls)})


def _sums(steps: np.ndarray) -> tuple[int, int, int]:
    """Return number, sum, and sum of squares, exactly: halves of 2**10 squared are below 2**63."""
    high, low = steps >> 10, steps & 1023
    squares = (int((high * high).sum()) << 20) + (int((high * low).sum()) << 11) + int((low * low).sum())
    return len(steps), int(steps.sum()), squares


def rate(tally: RateSums, level: float = 0.95) -> RateEstimate:
    """Estimate the rate of positives among the rows, with a confidence interval.

    The estimate is the labels' rate plus ``power`` times the difference between the mean score of the unlabelled and of
    the labelled rows. The power is that of PPI++, which minimises the variance, shrunk while the labels do not show
    that the scores separate positives from negatives: with few labels it is 0, which uses the labels alone. The
    interval is Wilson's with Student's quantile, for the equivalent number of labels.

    Parameters
    ----------
    tally
        Of the window.
    level
        Confidence level.

    Returns
    -------
    rate
        Without labels an ``index``: the mean score.

    Limits
    ------
    In simulations over rates of 0.02 to 0.5, 10 to 300 labels and scores from worthless to perfect, 95 % intervals
    cover the rate in at least 93 % of the cases, as Wilson's own do. With fewer than 30 labels, good scores gain
    little.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> bad = rng.random(20_000) < 0.19
    >>> scores = np.clip(rng.normal(0.3 + 0.4 * bad, 0.15), 0, 1)
    >>> labels = np.where(np.arange(20_000) < 200, bad, np.nan)
    >>> [round(part, 3) for part in rate(RateSums.of(scores, labels))[:3]]
    [0.195, 0.159, 0.238]
    >>> [round(part, 3) for part in rate(RateSums.of(labels[:200], labels[:200]))[:3]]  # the labels alone
    [0.17, 0.124, 0.229]

    That such intervals hold the truth, out of 200 days with 100 labels each:

    >>> def day():
    ...     bad = rng.random(3000) < 0.19
    ...     scores = np.clip(rng.normal(0.3 + 0.4 * bad, 0.15), 0, 1)
    ...     return rate(RateSums.of(scores, np.where(np.arange(3000) < 100, bad, np.nan)))
    >>> sum(result.low <= 0.19 <= result.high for result in (day() for _ in range(200))) / 200
    0.975
    """
    if not tally.n:
        return RateEstimate(math.nan, math.nan, math.nan, 0, 0, "index")
    if not tally.labels:
        return _index(tally, level)
    positives, labels = tally.positives, tally.labels
    alone = positives / labels
    power, worth = _power(tally)
    unlabelled = tally.n - labels
    gap = (tally.score - tally.labelled_score) / unlabelled - tally.labelled_score / labels if unlabelled else 0.0
    value = min(1.0, max(0.0, alone + power * gap / STEPS))
    low, high = share_interval(value, labels * worth, level, labels - 1)
    return RateEstimate(value, low, high, tally.n, labels, "rate")


def _index(tally: RateSums, level: float) -> RateEstimate:
    """Return the mean score, with the interval of the mean of as many values between 0 and 1."""
    mean = tally.score / tally.n / STEPS
    spread = max(0.0, tally.score_squared / tally.n / STEPS**2 - mean**2)
    reach = _student(level, tally.n - 1) * math.sqrt((spread + 1 / tally.n) / tally.n)
    return RateEstimate(mean, max(0.0, mean - reach), min(1.0, mean + reach), tally.n, 0, "index")


def _power(tally: RateSums) -> tuple[float, float]:
    """Return the weight of the scores, and the equivalent number of labels of one label with scores, at least 1."""
    n, k, unlabelled = tally.labels, tally.positives, tally.n - tally.labels
    if not unlabelled or not 0 < k < n:
        return 0.0, 1.0
    mean, spread = _moments(tally.n, tally.score, tally.score_squared)
    if spread <= 0:
        return 0.0, 1.0
    ones, within_ones = _moments(k, tally.positive_score, tally.positive_squared)
    zeros, within_zeros = _moments(
        n - k, tally.labelled_score - tally.positive_score, tally.labelled_squared - tally.positive_squared
    )
    trust = _trust(abs(ones - zeros), (k, within_ones), (n - k, within_zeros), spread)
    share = k / n
    own = n * share * (1 - share)
    together = own * (ones - zeros)
    scores = k * within_ones + (n - k) * within_zeros + own * (ones - zeros) ** 2
    power = trust * together / scores / (1 + n / unlabelled) if scores > 0 else 0.0
    left = own - 2 * power * together + power**2 * scores
    variance = left / max(n - 2, 1) / n + power**2 * spread / unlabelled
    remaining = min(1.0, max(SMALLEST_SHARE, variance * n * (n - 1) / own))
    return power, 1 / (1 - (1 - remaining) * trust)


def _trust(gap: float, ones: tuple[int, float], zeros: tuple[int, float], spread: float) -> float:
    """Return the share of the gap between the classes' mean scores that remains after subtracting a standard error.

    Two rows with a wide spread are added to each class, as few rows may be equal by chance.
    """
    if gap <= 0:
        return 0.0
    wide = 2 * (spread + gap**2 / 4)
    error = math.sqrt(sum((count * within + wide) / (count + 1) / count for count, within in (ones, zeros)))
    return max(0.0, 1 - error / gap)


def _moments(n: int, total: int, squared: int) -> tuple[float, float]:
    """Return mean and variance of the scores of n rows; integers until the division."""
    return total / n / STEPS, max(0, n * squared - total * total) / (n * n) / STEPS**2


def _student(level: float, freedom: float) -> float:
    return float(special.stdtrit(max(1, freedom), (1 + level) / 2))


def share_interval(value: float, n: float, level: float, freedom: float) -> tuple[float, float]:
    """Return Wilson's interval of a share with the precision of n rows, with Student's quantile.

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(0.1, 100, 0.95, 99)]
    [0.055, 0.175]
    """
    z = _student(level, freedom)
    middle = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, min(value, middle - reach)), min(1.0, max(value, middle + reach))
