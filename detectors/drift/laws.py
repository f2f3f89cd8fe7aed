"""Null distributions of the drift statistics, for any sample size and column.

Both samples are independent draws from one unknown population. For rare or new values the normal and the chi-square law
are inaccurate; every law here has the correct skewness, and that of two distinct values is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Values
from detectors.drift.bins import shares, variance_factor
from detectors.stack import Counted

BEFORE = 2.0
"""Smallest count of a value that the baseline lacks: it is rare, not impossible."""
RARE = 20.0
"""Below this expected count, moments of a cell are exact sums over its counts."""
SUPPORT = 60
"""Number of counts of a cell in exact sums: the rest has a probability below 1e-9."""
ALIKE = 16.0
"""Cells with more counts than this that differ by less than a sixteenth share one law."""
REACH = 5.0
"""Range of the sums over a cell with many counts, in standard deviations."""
FEW = 16
"""Up to this many distinct values, a maximum over them is bounded by the sum of their exact tails."""
NORMAL_HALF = (2 / np.pi) ** 0.5
"""Third moment of one half of a normal law; a tail with a larger one is heavy."""
STRAIGHT = 1e-3
"""Laws with less skewness than this are treated as normal."""
TINY = 1e-100
"""Smallest variance that is not treated as 0; its cube does not underflow."""


def pearson_tail(value: Values, mean: Values, variance: Values, third: Values) -> Values:
    """Return the survival function of the shifted gamma law with the first three cumulants (Pearson type III).

    Examples
    --------
    >>> round(float(pearson_tail(16.27, 3.0, 6.0, 24.0)), 4)  # chi-square of three degrees of freedom
    0.001
    """
    spread = np.sqrt(np.maximum(variance, TINY))
    score, skewness = (np.asarray(value) - mean) / spread, third / spread**3
    straight = np.abs(skewness) < STRAIGHT
    bent = np.where(straight, 1.0, skewness)
    shape = np.minimum(4 / bent**2, 4 / STRAIGHT**2)
    at = np.maximum(0.0, shape + np.sign(bent) * score * np.sqrt(shape))
    gamma = np.where(bent > 0, special.gammaincc(shape, at), special.gammainc(shape, at))
    tail = np.where(straight, special.ndtr(-score), gamma)
    return np.where(np.asarray(variance) > TINY, tail, np.asarray(value) <= np.asarray(mean) * (1 + 1e-9))[()]


def pearson_quantile(mean: Values, variance: Values, third: Values) -> Values:
    """Return the upper NULL_TAIL quantile of the law of :func:`pearson_tail`, skewed to the right."""
    spread = np.sqrt(np.maximum(variance, TINY))
    shape = 4 / np.clip(third / spread**3, STRAIGHT, 1e3) ** 2
    return np.asarray(mean + spread * (special.gammainccinv(shape, NULL_TAIL) - shape) / np.sqrt(shape))[()]


def both_above(first: Values, second: Values, correlation: float) -> Values:
    """Return the probability that two correlated statistics are both in their upper tails (Gaussian copula).

    Parameters
    ----------
    first, second
        Probabilities of the tails, taken as less than one half.
    correlation
        From 0 to 1.

    References
    ----------
    Owen, *Tables for computing bivariate normal probabilities*, Annals of Mathematical Statistics 27, 1956.

    Examples
    --------
    >>> [round(float(both_above(0.01, 0.01, rho)), 5) for rho in (0.0, 0.5, 0.9, 1.0)]
    [0.0001, 0.00129, 0.00542, 0.01]
    """
    high, other = (-special.ndtri(np.clip(p, TINY, 0.4999)) for p in (first, second))
    rest = max(1 - correlation**2, STRAIGHT**2) ** 0.5
    split = [
        special.owens_t(at, (beside - correlation * at) / (np.maximum(at, TINY) * rest))
        for at, beside in ((high, other), (other, high))
    ]
    return np.maximum(0.0, (special.ndtr(-high) + special.ndtr(-other)) / 2 - split[0] - split[1])[()]


def at_least(hits: Values, total: Values, size: Values, whole: Values) -> Values:
    """Return the hypergeometric probability of at least ``hits`` of ``total`` marks among ``size`` of ``whole``.

    Uses Wise's binomial approximation, which is exact in the limit of rare marked values.

    References
    ----------
    Wise, *A quickly convergent expansion for cumulative hypergeometric probabilities*, Biometrika 41, 1954.

    Examples
    --------
    >>> from scipy import stats
    >>> bool(abs(at_least(9, 120, 400, 12_400) / stats.hypergeom(12_400, 120, 400).sf(8) - 1) < 0.01)
    True
    """
    whole = np.asarray(whole, dtype=np.float64)
    # Wise's approximation needs few draws and few marked values; otherwise use the complement.
    most_marked, most_drawn = total > whole / 2, size > whole / 2
    marked = np.where(most_marked, whole - total, total)
    hits = np.where(most_marked, size - np.asarray(hits, dtype=np.float64), hits)
    drawn, hits = np.where(most_drawn, whole - size, size), np.where(most_drawn, marked - hits, hits)
    upper = most_marked == most_drawn
    trials, pool = np.minimum(marked, drawn), np.maximum(marked, drawn)
    middle = np.where(upper, hits - 1, hits) / 2
    chance = np.clip((pool - middle) / np.maximum(0.5, whole - (trials - 1) / 2), 0.0, 1.0)
    first, second = np.where(upper, hits, trials - hits), np.where(upper, trials - hits + 1, hits + 1)
    tail = special.betainc(np.maximum(first, TINY), np.maximum(second, TINY), np.where(upper, chance, 1 - chance))
    return np.where(first <= 0, 1.0, np.where(second <= 0, 0.0, tail))[()]


def at_most(hits: Values, total: Values, size: Values, whole: Values) -> Values:
    """Return the hypergeometric probability of at most ``hits``; see :func:`at_least`."""
    return at_least(total - np.asarray(hits), total, whole - np.asarray(size), whole)  # the complement


def exact_tail(baseline: np.ndarray, window: np.ndarray, statistic: Values, p_value: Values) -> Values:
    """Replace the approximate p-value by the exact two-sided one where only two values occur.

    Every distance is then a function of the count of one of them. A distance of 0 is the smallest possible: its p-value
    is 1.

    Parameters
    ----------
    baseline, window
        Counts over the last axis.
    """
    pooled = np.asarray(baseline + window)
    filled = (pooled > 0).sum(axis=-1)
    p_value = np.where(np.asarray(statistic) > 0, p_value, 1.0)[()]
    if (filled > 2).all():  # noqa: PLR2004
        return p_value
    place = np.expand_dims(np.where(pooled > 0, pooled, np.iinfo(np.int64).max).argmin(axis=-1), -1)
    total = np.take_along_axis(pooled, place, -1)[..., 0].astype(np.float64)
    hits = np.take_along_axis(np.broadcast_to(window, pooled.shape), place, -1)[..., 0].astype(np.float64)
    size, whole = window.sum(axis=-1), pooled.sum(axis=-1)
    both = 2 * np.minimum(at_least(hits, total, size, whole), at_most(hits, total, size, whole))
    exact = np.where((filled < 2) | (np.asarray(statistic) <= 0), 1.0, np.minimum(1.0, both))  # noqa: PLR2004
    return np.where(filled <= 2, exact, p_value)[()]  # noqa: PLR2004


@dataclass(frozen=True)
class Linear:
    """Null distribution of a difference of two means of scores.

    Parameters
    ----------
    variance, up, down
        Variance under the pooled sample, and the third cumulants of the upper and the lower tail; the mean is 0. A
        column with few extreme values at both ends has heavy tails without skewness.
    step
        Continuity correction: half of the step of a discrete difference.
    usual
        Standard deviation if one row had the most extreme score: above 0 also for constant columns.
    """

    variance: Values
    up: Values
    down: Values
    step: Values
    usual: Values

    @classmethod
    def of(cls, scores: np.ndarray, baseline: Counted, window: Counted) -> Linear:
        """Estimate the law from the pooled sample.

        Parameters
        ----------
        scores
            One per bin.
        """
        centred = scores - float(shares(baseline.counts) @ scores)
        powers = np.stack([centred, centred**2, centred**3, centred**4, np.abs(centred) ** 3], axis=-1)
        pooled = shares(baseline.counts + window.counts)
        first, second, third, fourth, far = np.moveaxis(pooled @ powers, -1, 0)
        variance = np.maximum(0.0, second - first**2)
        cubes = third - 3 * first * second + 2 * first**3
        fours = np.maximum(0.0, fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4)
        n, m = np.maximum(1.0, baseline.n), np.maximum(1.0, np.asarray(window.n, dtype=np.float64))
        jump = np.sqrt(fours / np.maximum(variance, TINY)) * np.sum(pooled**2, axis=-1)
        factor = variance_factor(baseline, window)
        farthest = float(np.abs(centred).max(initial=0.0)) ** 2 / (n + m)
        return cls(
            variance * factor * (n + m) / np.maximum(1, n + m - 1),
            _skewness(cubes, (far + third) / 2, variance) * (1 / m**2 - 1 / n**2),
            _skewness(-cubes, (far - third) / 2, variance) * (1 / m**2 - 1 / n**2),
            np.where(variance > TINY, jump / np.minimum(n, m) / 2, 0.0),
            np.sqrt((variance + farthest) * factor),
        )

    def times(self, share: Values) -> Linear:
        """Return the law for a number of terms that is multiplied by ``share``."""
        return replace(self, variance=self.variance * share, up=self.up * share, down=self.down * share)

    def above(self, value: Values) -> Values:
        """Return the probability of a difference of at least ``value``."""
        return pearson_tail(value - self.step, 0.0, self.variance, self.up)

    def below(self, value: Values) -> Values:
        """Return the probability of a difference of at most ``-value``."""
        return pearson_tail(value - self.step, 0.0, self.variance, self.down)

    def either(self, value: Values) -> Values:
        """Return the probability of an absolute difference of at least ``value``."""
        return np.minimum(1.0, self.above(value) + self.below(value))


def _skewness(whole: Values, half: Values, variance: Values) -> Values:
    """Return the third cumulant of a tail: that of its own half where that is heavier than a normal law's."""
    normal = NORMAL_HALF * np.maximum(variance, TINY) ** 1.5
    heavy = np.clip(2 * (half / normal - 1), 0.0, 1.0)
    return whole + heavy * np.maximum(0.0, half - normal - whole)


@dataclass(frozen=True)
class Cumulants:
    """First three cumulants of a statistic, and half of its step if it is discrete."""

    mean: Values
    variance: Values
    third: Values
    step: Values = 0.0

    def tail(self, value: Values) -> Values:
        """Return the probability of at least ``value``."""
        return pearson_tail(value - self.step, self.mean, self.variance, self.third)

    def quantile(self) -> Values:
        """Return the upper NULL_TAIL quantile of a non-negative statistic."""
        return np.maximum(0.0, pearson_quantile(self.mean, self.variance, self.third))


Cell = Callable[[Values, Values, Values, Values], Values]
"""Contribution of a cell to a distance, as a function of its counts in both samples and of their sizes; one with many
counts contributes ``1/n + 1/m`` times the square of a normal score."""


def cell_cumulants(baseline: np.ndarray, window: np.ndarray, cell: Cell) -> Cumulants:
    """Return the cumulants of a sum over cells for windows of given sizes, from the baseline's counts.

    The count of a cell with ``o`` baseline counts is negative binomial about ``o``. The counts add up to the window's
    size, which removes the common variation of the cells. If a window has counts where the baseline has none, one cell
    is added with the number of baseline singletons (Good and Turing), at least two.

    Parameters
    ----------
    baseline, window
        Counts over the same cells, which are the last axis.

    References
    ----------
    Morris, *Central limit theorems for multinomial sums*, Annals of Statistics 3, 1975; Good, *The population
    frequencies of species and the estimation of population parameters*, Biometrika 40, 1953.
    """
    fresh = window[..., baseline == 0].any(axis=-1)
    sizes = np.maximum(1.0, window.sum(axis=-1))
    low, high = float(np.min(sizes)), float(np.max(sizes))
    grid = np.geomspace(low, high, min(8, 2 + int(np.log2(high / low)))) if high > low else np.array([low])
    without = _on_grid(baseline, grid, cell, unseen=0.0)
    parts = [np.interp(np.log(sizes), np.log(grid), part) for part in without]
    if fresh.any():
        also = _on_grid(baseline, grid, cell, unseen=max(BEFORE, float((baseline == 1).sum())))
        more = [np.interp(np.log(sizes), np.log(grid), part) for part in also]
        parts = [np.where(fresh, new, old) for new, old in zip(more, parts, strict=True)]
    return Cumulants(*parts)


def _on_grid(baseline: np.ndarray, grid: np.ndarray, cell: Cell, unseen: float) -> tuple[np.ndarray, ...]:
    n, m = float(baseline.sum()), grid[:, None, None]
    occupied = baseline[baseline > 0].astype(np.float64)
    near = np.maximum(1.0, occupied // ALIKE)
    counts, alike = np.unique(np.where(occupied < ALIKE, occupied, np.rint(occupied / near) * near), return_counts=True)
    share = counts / (n + unseen)
    if unseen:
        counts, alike, share = np.append(counts, 0.0), np.append(alike, 1), np.append(share, unseen / (n + unseen))
    expected = grid[:, None] * share
    hits, law = _counts(np.maximum(counts, 1.0), expected, grid / n)
    added = cell(counts[:, None], hits, n, m) / (1 / n + 1 / m)
    mean = np.sum(law * added, axis=-1)
    # The contribution without a change, for example by smoothing.
    still = cell(counts[:, None], expected[..., None], n, m)[..., 0] / (1 / n + 1 / grid[:, None])
    apart, moved = added - mean[..., None], hits - np.sum(law * hits, axis=-1, keepdims=True)
    of_hits, shared = np.sum(law * moved**2, axis=-1), np.sum(law * apart * moved, axis=-1)
    spread = np.sum(alike * of_hits, axis=-1)
    slope = np.sum(alike * shared, axis=-1) / spread
    straight, free = shared**2 / np.maximum(of_hits, TINY), alike * (1 - share)
    bent = np.sum(law * apart**2, axis=-1) - straight
    variance = np.maximum(0.0, np.sum(alike * straight + free * bent, axis=-1) - slope**2 * spread)
    left = apart - slope[:, None, None] * moved
    third = np.maximum(0.0, np.sum(free * np.sum(law * left**3, axis=-1), axis=-1))
    # The counts add up to the window's size: the most frequent cell is the remainder.
    others = np.where(expected > RARE, 0.0, alike * expected)
    few = np.sum(others, axis=-1) - np.where(expected > RARE, 0.0, expected).max(axis=-1)
    step = third / np.maximum(variance, TINY) / 2 * np.exp(-few) * (few > TINY)
    return np.sum(alike * still + free * (mean - still), axis=-1), variance, third, step


def _counts(before: np.ndarray, expected: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the possible counts of cells and their probabilities, shape (sizes, cells, SUPPORT)."""
    mean, size = expected[..., None], before[:, None]
    hits = np.arange(SUPPORT, dtype=np.float64)
    rare = np.minimum(mean, RARE)
    law = np.exp(
        special.gammaln(hits + size)
        - special.gammaln(size)
        - special.gammaln(hits + 1)
        + size * np.log(size / (size + rare))
        + special.xlogy(hits, rare / (size + rare))
    )
    score = np.linspace(-REACH, REACH, SUPPORT)
    spread = np.sqrt(mean * (1 + ratio[:, None, None]))
    many = np.maximum(0.0, mean + spread * score + (score**2 - 1) / 6)  # skewness of a Poisson count
    hits, law = np.where(mean > RARE, many, hits), np.where(mean > RARE, np.exp(-(score**2) / 2), law)
    return hits, law / law.sum(axis=-1, keepdims=True)


def gap_cumulants(
    baseline: Counted, window: Counted, nodes: slice, weights: np.ndarray, pooled: np.ndarray
) -> Cumulants:
    """Return the cumulants of a weighted sum of squared gaps between the distribution functions, over ``1/n + 1/m``.

    Parameters
    ----------
    nodes
        Bins whose upper edges are the nodes.
    weights, pooled
        Weight and pooled distribution function of each node, over the last axis.
    """
    under, over = pooled, 1 - pooled
    spread = weights * under * over
    low, high = np.cumsum(weights * under**2, axis=-1), _from_the_right(weights * over**2)
    mean = spread.sum(axis=-1)
    # The gaps are a Brownian bridge, whose covariance min(F, G) (1 - max(F, G)) needs running sums only.
    squares = np.sum(2 * weights * over**2 * low - spread**2, axis=-1)
    around = (low - weights * under**2 / 2) * (high - weights * over**2 / 2)
    cubes = np.sum(6 * spread * around - spread**3 / 2, axis=-1)
    single = np.zeros_like(np.asarray(baseline.counts + window.counts, dtype=np.float64))
    first = nodes.start or 0
    count = pooled.shape[-1]
    single[..., first + 1 : first + 1 + count] += low
    single[..., first + 1 + count :] += low[..., -1:]
    single[..., : first + 1] += high[..., :1]
    single[..., first + 1 : first + count] += high[..., 1:]
    mass = shares(baseline.counts + window.counts)
    apart = single - np.sum(mass * single, axis=-1, keepdims=True)
    n, m = float(baseline.n), np.asarray(window.n, dtype=np.float64)
    factor = 1 / n + 1 / m
    of_one = np.sum(mass * apart**2, axis=-1) * (1 / m**3 + 1 / n**3) / factor**2
    of_three = np.maximum(0.0, np.sum(mass * apart**3, axis=-1)) * (1 / m**5 + 1 / n**5) / factor**3
    # Interpolates between many values and one rare value, for which the factor is 22.
    between = (14 + 8 * np.sum(mass**2, axis=-1)) * np.sqrt(np.maximum(0.0, cubes) * of_three)
    step = of_three / np.maximum(of_one, TINY) * np.sum(mass**2, axis=-1) / 2
    return Cumulants(mean, 2 * squares + of_one, 8 * cubes + between + of_three, step)


def _from_the_right(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.cumsum(values[..., ::-1], axis=-1)[..., ::-1])


def chance_of_gap(old: np.ndarray, new: np.ndarray, gap: Values) -> Values:
    """Return the p-value of the largest gap between the distribution functions of two tables of counts."""
    root = 1 / np.sqrt(1 / np.maximum(1, old.sum()) + 1 / np.maximum(1, new.sum(axis=-1)))
    corrected = root + 0.12 + 0.11 / root
    return np.minimum(special.kolmogorov(corrected * gap), _at_the_edges(old, new, gap))


def _at_the_edges(old: np.ndarray, new: np.ndarray, gap: Values) -> Values:
    """Return the sum of the exact probabilities of a gap at each edge, an upper bound; 1 if there are many edges."""
    filled = (old + new).reshape(-1, old.shape[-1]).any(axis=0)
    if filled.sum() > FEW:
        return 1.0
    n, m = max(1.0, float(old.sum())), np.maximum(1.0, new.sum(axis=-1, keepdims=True))
    total = np.cumsum((old + new)[..., filled], axis=-1)[..., :-1].astype(np.float64)
    far = np.expand_dims(np.asarray(gap), -1) - 1e-12
    most, least = np.ceil((total / n + far) * n * m / (n + m)), np.floor((total / n - far) * n * m / (n + m))
    tails = at_least(most, total, m, n + m) + at_most(least, total, m, n + m)
    return np.where(np.asarray(gap) > 0, np.minimum(1.0, np.sum(tails, axis=-1)), 1.0)


def chance_of_hits(baseline: Counted, window: Counted, hits: Values) -> Values:
    """Return the probability that the window has at least ``hits`` rows of a kind that the baseline lacks.

    This many rows must differ to shift the mean of a column that is constant in the baseline.
    """
    return (window.n / (baseline.n + window.n)) ** np.clip(hits, 0.0, window.n)
