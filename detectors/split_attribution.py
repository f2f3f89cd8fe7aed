"""Attribute an effect to the rows that show it: which division of the rows separates the affected from the others.

Each row has a score, which is larger the more it departs from the baseline. A *split* divides the rows of the baseline
and of a window into those that a possible cause concerns and the rest. The sum of squares between the two groups, in
units of the variance, states how well it separates the scores. It is comparable between splits of the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

REJECTED = 9.0
"""A split explains an effect worse than another if it is worse by this, in variances: three standard deviations."""
NOISE = 3.0
"""A change of a share of fewer standard deviations is noise."""
ENOUGH = 0.9
"""A split that separates at least this part of what the best one does is not told apart from it."""


@dataclass(frozen=True)
class Scores:
    """Number of rows, sum of their scores and of the squares of these, of the baseline (first) and of each bucket.

    Parameters
    ----------
    n, total, squares
        float64, shape (1 + buckets,).
    """

    n: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    def since(self, first: int) -> tuple[float, float]:
        """Return rows and sum from a bucket on."""
        return float(self.n[first:].sum()), float(self.total[first:].sum())

    def variance_since(self, first: int) -> float:
        """Return the variance of the scores from a bucket on."""
        rows, total = self.since(first)
        return max(0.0, float(self.squares[first:].sum()) / rows - (total / rows) ** 2) if rows else 0.0

    def scaled(self, shares: np.ndarray) -> Scores:
        """Return the scores of a part of the rows of each bucket, taken at random."""
        return Scores(self.n * shares, self.total * shares, self.squares * shares)


@dataclass(frozen=True)
class Split:
    """What a possible cause explains.

    Parameters
    ----------
    gain
        Sum of squares between the groups, in units of the variance; 0 if its rows depart less than the rest.
    first
        Index of the first bucket that it concerns.
    gains
        The gain from each bucket on, the first of them at index 0.
    """

    gain: float
    first: int
    gains: tuple[float, ...] = ()

    def scaled(self, factor: float) -> Split:
        """Return the split with its gains in another unit of variance."""
        return Split(self.gain * factor, self.first, tuple(gain * factor for gain in self.gains))

    @property
    def latest(self) -> int:
        """Return the latest first bucket that explains the effect no worse than by chance."""
        return max(
            (place for place, one in enumerate(self.gains, 1) if self.gain - one <= REJECTED), default=self.first
        )


def measure_score(old: np.ndarray, new: np.ndarray, *, ordered: bool) -> np.ndarray:
    """Return the score of each bin: of a few ways to depart from the baseline, the one that is clearest in the window.

    The ways are a shift (ranks in the baseline), a change of spread (distances of the ranks from the median), more rows
    in the first, the last or the missing bin, and the changes of the shares that exceed noise. Each has one degree of
    freedom, so that rows that did not change have no score by chance.

    Parameters
    ----------
    old, new
        Counts, shape (bins + 1,); the last bin are rows without a usable value.
    ordered
        Whether the bins are those of a number.

    Examples
    --------
    >>> measure_score(np.array([500.0, 480.0, 0.0]), np.array([30.0, 70.0, 0.0]), ordered=False).round(2)
    array([-0.21,  0.21,  0.  ])
    """
    ways, z = _measure_ways(old, new, ordered=ordered)
    best = int(np.argmax(np.abs(z)))
    score: np.ndarray = ways[best] * np.sign(z[best])
    return score


def measure_departure(old: np.ndarray, new: np.ndarray, *, ordered: bool) -> float:
    """Return by how many standard errors the window departs from the baseline, in the clearest way."""
    return float(np.abs(_measure_ways(old, new, ordered=ordered)[1]).max())


def _measure_ways(old: np.ndarray, new: np.ndarray, *, ordered: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of each way, shape (ways, bins + 1), and its standard errors, shape (ways,)."""
    before, now = old / max(1.0, float(old.sum())), new / max(1.0, float(new.sum()))
    share = (old + new) / max(1.0, float(old.sum() + new.sum()))
    sizes = 1 / max(1.0, float(old.sum())) + 1 / max(1.0, float(new.sum()))
    noise = np.sqrt(share * (1 - share) * sizes)
    ways = [np.where(np.abs(now - before) >= NOISE * noise, now - before, 0.0), np.eye(len(old))[-1]]
    if ordered:
        ranks = np.append(np.cumsum(before[:-1]) - before[:-1] / 2 - before[:-1].sum() / 2, 0.0)
        ways += [ranks, np.append(np.abs(ranks[:-1]), 0.0), np.eye(len(old))[0], np.eye(len(old))[-2]]
    table = np.array(ways)
    away = table @ (now - before)
    spread = np.sqrt(np.maximum(table**2 @ share - (table @ share) ** 2, 0.0) * sizes)
    return table, np.divide(away, spread, out=np.zeros_like(away), where=spread > 0)


def score_rows(counts: Sequence[np.ndarray], scores: np.ndarray, weights: Sequence[float]) -> Scores:
    """Return the scores of the baseline and of each bucket, each weighted.

    Parameters
    ----------
    counts
        Of the baseline and of each bucket, each of shape (bins,).
    weights
        Of the rows of each; so that a long baseline counts as much as the window.
    """
    table = np.asarray(counts, dtype=np.float64) * np.asarray(weights, dtype=np.float64)[:, None]
    return Scores(table.sum(axis=1), table @ scores, table @ scores**2)


def variance_of_rows(counts: Sequence[np.ndarray], scores: np.ndarray, weights: Sequence[float]) -> float:
    """Return the variance of the scores of all rows."""
    table = np.asarray(counts, dtype=np.float64) * np.asarray(weights, dtype=np.float64)[:, None]
    rows, share = float(table.sum()), table.sum(axis=0) / max(1.0, float(table.sum()))
    return max(0.0, float(share @ scores**2 - (share @ scores) ** 2)) if rows else 0.0


def unexplained(best: float, whole: Scores, affected: float, variance: float) -> float:
    """Return the part of the variance that the best split leaves within its groups.

    Parameters
    ----------
    affected
        Variance of the scores of its affected rows. It may be larger than that of the others, for example of a flag
        that was rare, and it is these rows that tell splits apart.
    variance
        Of all rows.
    """
    left = 1 - best / max(1.0, float(whole.n.sum()))
    return max(1e-3, left, affected / variance if variance > 0 else 0.0)


def gain(rows: float, total: float, whole: Scores, variance: float) -> float:
    """Return how well rows with a sum of scores are separated from the rest, see :class:`Split`.

    Examples
    --------
    >>> whole = Scores(np.array([100.0, 100.0]), np.array([0.0, 50.0]), np.array([0.0, 50.0]))
    >>> gain(100.0, 50.0, whole, 0.25), gain(100.0, 20.0, whole, 0.25)
    (50.0, 0.0)
    """
    n, y = float(whole.n.sum()), float(whole.total.sum())
    away = total - rows * y / max(1.0, n)
    if away <= 0 or rows <= 0 or rows >= n or variance <= 0:
        return 0.0
    return away**2 * n / (rows * (n - rows)) / variance


def split_since(part: Scores, whole: Scores, variance: float) -> Split:
    """Return the best split of the rows of a part from some bucket on."""
    gains = tuple(gain(*part.since(first), whole, variance) for first in range(1, len(part.n)))
    best = int(np.argmax(gains))
    return Split(gains[best], best + 1, gains)


def measure_beyond(part: Scores, whole: Scores, first: int) -> float:
    """Return by how many variances the rows of a part depart farther than the other rows since a bucket, else 0.

    It is the effect of the part that remains if all rows since that bucket have the same effect.

    Examples
    --------
    >>> whole = Scores(np.array([100.0, 50.0, 100.0]), np.array([0.0, 25.0, 70.0]), np.array([0.0, 25.0, 70.0]))
    >>> part = Scores(np.array([0.0, 0.0, 50.0]), np.array([0.0, 0.0, 45.0]), np.array([0.0, 0.0, 45.0]))
    >>> round(measure_beyond(part, whole, 1), 1), measure_beyond(part.scaled(np.array([1, 1, 0.5])), whole, 3)
    (23.0, 0.0)
    """
    rows, total = part.since(first)
    everything = whole.since(first)
    others = everything[0] - rows
    if rows <= 0 or others <= 0:
        return 0.0
    away = total / rows - (everything[1] - total) / others
    spread = whole.variance_since(first) * (1 / rows + 1 / others)
    return away**2 / spread if away > 0 and spread > 0 else 0.0


def explained(gains: Mapping[str, float], best: float) -> dict[str, float]:
    """Return which part of what the best split separates each of some splits does, from 0 to 1.

    A split that is not worse than the best one by more than chance explains at least :data:`ENOUGH`.
    """
    shares = {name: one / best if best > 0 else 0.0 for name, one in gains.items()}
    return {name: max(share, ENOUGH) if best - gains[name] <= REJECTED else share for name, share in shares.items()}
