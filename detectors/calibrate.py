"""Thresholds to an alert budget: what the baseline's own windows do when nothing has changed.

The user states how many false pages a week are acceptable. Every statistic is first measured on the baseline
itself, each window against the rest, which gives its null distribution with the traffic's real rhythm, wander
and sample sizes. :mod:`detectors.null` turns a statistic into a *rarity*: the logarithm of how many windows one
waits for such a value. Rarities of all columns, segments and methods share one scale, so the largest of a tick
is the monitor's, and :func:`learn_limit` finds the one rarity that the rules reach as often as the budget allows.

The methods are peaks over threshold with a generalised Pareto tail: Davison, Smith, *Models for exceedances
over high thresholds*, Journal of the Royal Statistical Society B 52, 1990; Hosking, Wallis, *Parameter and
quantile estimation for the generalized Pareto distribution*, Technometrics 29, 1987.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from detectors.tail import fit_tail, level, rate_above

FEWEST_WINDOWS = 5
"""Below this many windows that do not overlap, a baseline says too little about its own noise."""
FEWEST_PEAKS = 10
RESAMPLES = 200
STRETCHES = 14
LOWEST = 0.0
"""The peak of a baseline none of whose windows shows an effect that is large enough to matter."""
CAUTION = 0.9
"""Among resampled baselines, the share whose limit lies below the one that is used."""


@dataclass(frozen=True)
class Limit:
    """The rarity at which a monitor keeps its budget.

    Parameters
    ----------
    rarity
        What a finding must reach to count as drifted.
    budget
        Pages a week that were asked for.
    expected, low, high
        Pages a week on an unchanged stream at this rarity, with a 95 % interval by resampling.
    weeks
        Length of the baseline.
    beyond
        How many times longer than the baseline one waits for a page under the budget: above 1 the limit
        is extrapolated.
    shape
        Of the Pareto tail; 0 is exponential.
    """

    rarity: float
    budget: float
    expected: float
    low: float
    high: float
    weeks: float
    beyond: float
    shape: float

    def to_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Watched:
    """What one rule saw over the baseline.

    Parameters
    ----------
    rarity
        float64, shape (windows,): the largest rarity of the findings that it watches; -inf for none.
    bad_for, clean_for
        Windows in a row above the limit before it pages, and below it before the incident ends.
    """

    rarity: np.ndarray
    bad_for: int = 1
    clean_for: int = 2


def episodes(watched: Watched, limit: float) -> int:
    """Count the pages of one rule at a limit, as the judge would: so many bad in a row, so many clean.

    Examples
    --------
    >>> episodes(Watched(np.array([0, 5, 0, 5, 5, 0, 0, 5, 5.0]), bad_for=2), 3)
    2
    """
    pages, bad, clean, firing = 0, 0, 0, False
    for high in (watched.rarity >= limit).tolist():
        if high:
            bad, clean = bad + 1, 0
            if not firing and bad >= watched.bad_for:
                pages, firing = pages + 1, True
        else:
            clean += 1
            if not firing or clean >= watched.clean_for:
                bad, firing = 0, False
    return pages


def learn_limit(rules: Sequence[Watched], budget: float, weeks: float, length: int, seed: int = 0) -> Limit:
    """Find the rarity that all rules together reach as often as the budget allows.

    Parameters
    ----------
    rules
        What each rule saw over the baseline's windows, in the order of time.
    budget
        Pages a week.
    weeks
        Length of the baseline.
    length
        Windows that overlap one another: closer exceedances are one peak.

    Returns
    -------
    Limit
        Never so low that the baseline itself would have broken the budget, or one statistic alone would.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> limit = learn_limit([Watched(rng.exponential(size=4032))], budget=1.0, weeks=4.0, length=1)
    >>> bool(math.log(1008) - 0.5 < limit.rarity < math.log(1008) + 2.5), limit.beyond
    (True, 0.25)
    """
    joint = np.max([rule.rarity for rule in rules], axis=0)
    highest = peaks(joint, length)
    count = min(len(highest), max(FEWEST_PEAKS, len(highest) // 4))
    top = highest[:count]
    start = float(highest[count]) if count < len(highest) else float(top[-1])
    flapping = _flapping(rules, top[: max(1, count // 2)], highest)
    rate = flapping * count / weeks
    drawn = _resampled(top - start, _clustering(joint, length, start), rate, budget, seed)
    shape, scale = fit_tail(top - start)
    kept = _least_kept(rules, highest, budget * weeks)
    alone = math.log(max(1.0, len(joint) / max(1, length) / weeks / budget))
    rarity = max(start + float(np.quantile(drawn[:, 0], CAUTION)), kept, alone)
    rates = [rate_above(rarity - start, r, k, s) for _, r, k, s in drawn]
    low, high = (float(q) for q in np.quantile(rates, [0.025, 0.975]))
    expected = rate_above(rarity - start, rate, shape, scale)
    return Limit(rarity, budget, expected, low, high, weeks, 1 / (budget * weeks), shape)


def expected_pages(highest: np.ndarray, limit: float, weeks: float) -> float:
    """Return how often a week one statistic alone reaches the limit, by the exponential tail of its peaks.

    Parameters
    ----------
    highest
        The first of its :func:`peaks` over the baseline.
    """
    if len(highest) < 2:  # noqa: PLR2004
        return 0.0
    top, start = highest[:-1], float(highest[-1])
    return rate_above(limit - start, len(top) / weeks, 0.0, max(1.0, float(np.mean(top - start))))


def peaks(joint: np.ndarray, length: int) -> np.ndarray:
    """Return the largest rarity of each stretch of ``length`` windows that overlap, highest first."""
    finite = np.where(np.isfinite(joint), joint, -np.inf)
    stretches = np.array_split(finite, max(1, len(finite) // max(1, length)))
    highest = np.array([stretch.max() for stretch in stretches if len(stretch)])
    highest = highest[np.isfinite(highest)]
    return np.sort(highest)[::-1] if len(highest) else np.full(1, LOWEST)


def _flapping(rules: Sequence[Watched], levels: np.ndarray, highest: np.ndarray) -> float:
    """Return how many pages come of one peak near the limit: more where rules overlap or flap, less for `for`."""
    pages = [sum(episodes(rule, float(level)) for rule in rules) for level in levels]
    over = [max(1, int((highest >= level).sum())) for level in levels]
    return max(1.0, sum(pages) / sum(over))


def _least_kept(rules: Sequence[Watched], highest: np.ndarray, allowed: float) -> float:
    """Return the lowest level above which the baseline itself never breaks the budget."""
    kept = float(highest[0]) + 1e-9
    for candidate in highest:
        if sum(episodes(rule, float(candidate)) for rule in rules) > allowed:
            break
        kept = float(candidate)
    return kept


def _clustering(joint: np.ndarray, length: int, start: float) -> float:
    """Return how many peaks come together: the variance of their number in stretches of the baseline, over its mean.

    Where a population wanders slowly its peaks are few episodes seen often, and tell as little.
    """
    parts = np.array_split(np.where(np.isfinite(joint), joint, -np.inf), STRETCHES)
    counts = np.array([(peaks(part, length) > start).sum() for part in parts])
    return max(1.0, float(counts.var(ddof=1) / max(counts.mean(), 1e-9)))


def _resampled(excess: np.ndarray, together: float, rate: float, budget: float, seed: int) -> np.ndarray:
    """Return limit, rate, shape and scale of resampled baselines, shape (RESAMPLES, 4)."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        count = max(2, round(rng.poisson(len(excess) / together) * together))
        shape, scale = fit_tail(rng.choice(excess, count))
        now = rate * count / len(excess)
        drawn.append((level(now / budget, shape, scale), now, shape, scale))
    return np.array(drawn)
