"""Calibrate thresholds to an alert budget from the null distribution of the baseline's own windows.

The user sets the accepted number of false alerts per week. Every statistic is measured on the baseline, each window
against the rest (leave-window-out). This gives its null distribution, including seasonality, autocorrelation and sample
sizes of the traffic. :mod:`detectors.null_distribution` converts a statistic to its *rarity*: the logarithm of its
return period in windows. Rarities of all columns, segments and methods have the same scale, and :func:`spend` gives
each column an equal share of the budget, or a larger one to columns of consequence. The tail is estimated from all
ordinary statistics together; those of equal shares have one limit. A statistic whose peaks do not fit that tail is
treated separately: it has a higher limit, at which it does not exceed its share, and does not affect the limit of the
others.

The tail is that of peaks over a threshold: Davison, Smith, *Models for exceedances over high thresholds*, Journal of
the Royal Statistical Society B 52, 1990. Shares add up to the budget by Bonferroni's inequality, which needs no
assumption on the dependence of columns.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from scipy import special

FEWEST_WINDOWS = 5
"""Fewest non-overlapping windows of a baseline that can be calibrated."""
RESAMPLES = 200
SEED = 0
STRETCHES = 14
"""Number of blocks of the block bootstrap, which preserves autocorrelation."""
CAUTION = 0.9
"""Quantile of the limits of resampled baselines that is used as the limit."""
HIGHEST = 40.0
"""Upper limit of a peak's rarity in the pooled tail."""
TOP = 0.05
"""Share of all peaks from which the pooled tail is estimated."""
FEWEST_PEAKS = 50
UNFIT = 0.1
"""Expected number of ordinary statistics that are treated separately by chance."""
HARDLY = 3.0
"""Highest peak of a nearly constant statistic, which does not follow its null."""
ROUNDS = 8
LARGEST_SHARE = 10.0
"""Largest share of the budget of a column of consequence, in shares of another column."""
RESERVED = 0.25
"""Part of the budget that columns of consequence have together, unless equal shares give them more. So the limit of the
others rises by at most 0.29 times the scale of the tail."""


@dataclass(frozen=True)
class RarityLimit:
    """Rarity at which a monitor meets its alert budget.

    Parameters
    ----------
    rarity
        Smallest rarity of a drifted finding.
    budget
        Accepted false alerts per week.
    expected, low, high
        Expected alerts per week without a change at this rarity, with a 95 % bootstrap interval.
    weeks
        Length of the baseline.
    beyond
        Ratio of the mean time between alerts under the budget to the length of the baseline: above 1 the limit is
        extrapolated.
    """

    rarity: float
    budget: float
    expected: float
    low: float
    high: float
    weeks: float
    beyond: float

    def to_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, float]) -> RarityLimit:
        """Read the output of :meth:`to_json`, also that of earlier versions, which contained more about the tail."""
        return cls(**{each.name: data[each.name] for each in fields(cls)})


@dataclass(frozen=True)
class Peaks:
    """Largest rarities of one statistic under one rule.

    Parameters
    ----------
    group
        Unit that receives one share of the budget: a column of a segment under a rule.
    heights
        float64, shape (stretches,): see :func:`peaks`.
    is_headline
        Whether the column is of consequence: its group has a larger share.
    """

    group: Hashable
    heights: np.ndarray
    is_headline: bool = False


@dataclass(frozen=True)
class BudgetShares:
    """Allocation of an alert budget.

    Parameters
    ----------
    limit
        Common limit of all ordinary statistics.
    own
        Limits of the statistics with another one, by name: a lower one in columns of consequence, a higher one where
        a statistic is treated separately.
    """

    limit: RarityLimit
    own: Mapping[str, float]


def episodes(high: np.ndarray, bad_for: int = 1, clean_for: int = 2) -> int:
    """Count the alerts of a run of windows under a rule with ``bad_for`` and ``clean_for``.

    Examples
    --------
    >>> episodes(np.array([0, 1, 0, 1, 1, 0, 0, 1, 1]), bad_for=2)
    2
    """
    alerts, bad, clean, firing = 0, 0, 0, False
    for each in high.tolist():
        if each:
            bad, clean = bad + 1, 0
            if not firing and bad >= bad_for:
                alerts, firing = alerts + 1, True
        else:
            clean += 1
            if not firing or clean >= clean_for:
                bad, firing = 0, False
    return alerts


def peaks(rarity: np.ndarray, length: int, bad_for: int = 1, of: int | None = None) -> np.ndarray:
    """Return the largest rarity of each stretch of ``length`` overlapping windows, 0 for none, in order of time.

    Parameters
    ----------
    bad_for
        Number of consecutive windows that must be as rare.
    of
        Number of consecutive windows among which so many must be as rare; by default all of them.

    Examples
    --------
    >>> peaks(np.array([1.0, 5, 2, 3, -np.inf, 4]), 2).tolist(), peaks(np.array([1.0, 5, 2, 3]), 2, bad_for=2).tolist()
    ([5.0, 3.0, 4.0], [1.0, 2.0])
    >>> peaks(np.array([0.0, 5, 0, 3, 0, 0]), 6, bad_for=2, of=3).tolist()
    [3.0]
    """
    span = of or bad_for
    lasting = np.maximum(rarity, 0.0)
    padded = np.concatenate([np.zeros(span - 1), lasting])
    windows = np.lib.stride_tricks.sliding_window_view(padded, span)
    lasting = windows.min(axis=1) if span == bad_for else np.partition(windows, span - bad_for)[:, span - bad_for]
    stretches = max(1, len(lasting) // max(1, length))
    return np.array([stretch.max() for stretch in np.array_split(lasting, stretches)])


def spend(statistics: Mapping[str, Sequence[Peaks]], budget: float, weeks: float) -> BudgetShares:
    """Allocate an alert budget to statistics.

    Parameters
    ----------
    statistics
        Name to the peaks of the statistic in the baseline under each rule that uses it, all over the same stretches.
    budget
        Alerts per week.
    weeks
        Length of the baseline.

    Returns
    -------
    BudgetShares
        The limit is at least the one at which statistics that follow their null exactly meet the budget.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> calm = {f"c{i}": [Peaks(f"c{i}", rng.exponential(size=(336, 12)).max(axis=1))] for i in range(20)}
    >>> wild = {"odd": [Peaks("odd", 50 * rng.exponential(size=336))]}
    >>> alone, beside = spend(calm, 1.0, 2.0), spend(calm | wild, 1.0, 2.0)
    >>> bool(beside.limit.rarity < alone.limit.rarity + 0.3), list(beside.own)
    (True, ['odd'])
    """
    watched = [(name, each) for name, several in statistics.items() for each in several]
    if not watched:
        return BudgetShares(_limits(np.zeros((1, 1)), np.zeros(1, dtype=bool), budget, weeks)[0], {})
    heights = np.array([each.heights for _, each in watched])
    offsets = _offsets(heights, budget, weeks)
    groups: dict[Hashable, list[np.ndarray]] = {}
    for place, (_, each) in enumerate(watched):
        groups.setdefault(each.group, []).append(heights[place] - offsets[place])
    headlines = {each.group for _, each in watched if each.is_headline}
    highest = np.array([np.max(several, axis=0) for several in groups.values()])
    limit, lower = _limits(highest, np.array([group in headlines for group in groups]), budget, weeks)
    own: dict[str, float] = {}
    for place in np.argsort(offsets).tolist():
        name, each = watched[place]
        if offsets[place] or each.group in headlines:
            base = lower if each.group in headlines else limit.rarity
            own[name] = max(own.get(name, 0.0), base + float(offsets[place]))
    return BudgetShares(limit, own)


@dataclass(frozen=True)
class _Tail:
    """Tail shared by several statistics: weekly rate of each at ``start``, and the mean excess above it."""

    start: float
    rate: float
    scale: float

    @classmethod
    def of(cls, start: float, count: float, excess: float, weeks: float) -> _Tail:
        """Return the tail of this number of peaks above ``start``, with this total excess, in all statistics' weeks."""
        peaks = max(1.0, count)
        return cls(start, peaks / weeks, max(1.0, excess / peaks))

    def level(self, rate: float) -> float:
        """Return the level that one of the statistics exceeds at this weekly rate."""
        return self.start + self.scale * math.log(max(1.0, self.rate / rate))

    def rate_above(self, level: float) -> float:
        """Return the weekly rate at which one of the statistics exceeds a level."""
        return self.rate * math.exp(-max(0.0, level - self.start) / self.scale)


def expected_alerts(heights: np.ndarray, limit: float, weeks: float) -> float:
    """Return the weekly rate at which one statistic reaches the limit, by the exponential tail of its peaks."""
    top = np.sort(heights[heights > 0])[::-1][: FEWEST_PEAKS // 5 + 1]
    if len(top) < 2:  # noqa: PLR2004
        return 0.0
    start = float(top[-1])
    return _Tail.of(start, len(top) - 1, float(np.sum(top - start)), weeks).rate_above(limit)


def _pool(heights: np.ndarray, weeks: float) -> _Tail:
    """Return the common tail of all statistics, heights of shape (statistics, stretches)."""
    capped = np.minimum(heights, HIGHEST)
    place = max(0, capped.size - 1 - max(FEWEST_PEAKS, int(TOP * capped.size)))
    start = max(1.0, float(np.partition(capped, place, axis=None)[place]))
    excess = capped[capped > start] - start
    return _Tail.of(start, len(excess), float(excess.sum()), len(heights) * weeks)


def _offsets(heights: np.ndarray, budget: float, weeks: float) -> np.ndarray:
    """Return the difference of the limit of each statistic from that of the ordinary ones; 0 for ordinary statistics.

    A statistic is treated separately if its highest peak, or the mean of its peaks, does not fit the tail of the
    others. The tail is first that of the lower half, then that of all which fit it; nearly constant statistics are
    ignored.
    """
    share, highest = budget / len(heights), heights.max(axis=1)
    moving = highest >= min(HARDLY, float(highest.max()))
    ordinary = highest <= np.median(highest[moving])
    for _ in range(ROUNDS):
        tail = _pool(heights[ordinary & moving], weeks)
        above = heights > tail.start
        count = np.maximum(1, above.sum(axis=1))
        scale = np.where(above, heights - tail.start, 0.0).sum(axis=1) / count
        chance = weeks * tail.rate * np.exp((tail.start - highest) / tail.scale)
        heavier = special.gammaincc(count, count * scale / tail.scale)  # maximum of that many exponential excesses
        fits = np.minimum(chance, heavier) >= UNFIT / len(heights)
        if (fits == ordinary).all() or not (fits & moving).any():
            break
        ordinary = fits
    own = tail.start + scale * (1 + 1 / np.sqrt(count)) * np.log(count / weeks / share)
    return np.where(ordinary, 0.0, np.maximum(0.0, np.maximum(own, highest) - tail.level(share)))


def _weights(headlines: np.ndarray) -> np.ndarray:
    """Return the shares of the groups, 1 for those that are not of consequence.

    Examples
    --------
    >>> _weights(np.arange(100) < 3)[[0, 99]].round(1).tolist(), _weights(np.array([True, False])).tolist()
    ([10.0, 1.0], [1.0, 1.0])
    """
    few, others = headlines.sum(), (~headlines).sum()
    larger = np.clip(RESERVED / (1 - RESERVED) * others / max(1, few), 1.0, LARGEST_SHARE)
    return np.where(headlines, larger, 1.0)


def _limits(heights: np.ndarray, headlines: np.ndarray, budget: float, weeks: float) -> tuple[RarityLimit, float]:
    """Return the limit at which all groups together, heights of shape (groups, stretches), meet the budget.

    The second result is the limit of the groups of consequence.
    """
    weights = _weights(headlines)
    shares = budget * weights / weights.sum()
    tail = _pool(heights, weeks)
    parts = np.array_split(np.minimum(heights, HIGHEST), min(STRETCHES, heights.shape[1]), axis=1)
    above = np.array([[(part > tail.start).sum(), np.maximum(part - tail.start, 0.0).sum()] for part in parts])
    drawn = np.random.default_rng(SEED).integers(0, len(parts), (RESAMPLES, len(parts)))
    summed = above[drawn].sum(axis=1).tolist()
    tails = [_Tail.of(tail.start, count, excess, len(heights) * weeks) for count, excess in summed]

    def rarest(share: float) -> float:
        cautious = float(np.quantile([each.level(share) for each in tails], CAUTION))
        return max(cautious, math.log(heights.shape[1] / weeks / share))

    rarity, lower = rarest(float(shares.min())), rarest(float(shares.max()))
    counted = ((rarity, int((~headlines).sum())), (lower, int(headlines.sum())))

    def expected(each: _Tail) -> float:
        return sum(groups * each.rate_above(limit) for limit, groups in counted)

    low, high = np.quantile([expected(each) for each in tails], [0.025, 0.975]).tolist()
    return RarityLimit(rarity, budget, expected(tail), low, high, weeks, 1 / (budget * weeks)), lower
