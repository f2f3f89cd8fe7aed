"""Nulls: what a statistic does on the windows of an unchanged baseline, as a rarity that all statistics share.

A rarity is the logarithm of how many windows one waits for a value at least as large. A statistic in units of its
sampling noise is a normal score, whose rarity is known; the baseline's own windows say how much the population adds
to that noise, and how much heavier than the normal law the tail is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special

BODY = 0.9
"""Share of the null that lies below the start of its tail."""
WIDE = 0.98
"""The quantile of a null that its own wander must cover."""
SHOWN = (0.5, 0.9, 0.99, 1.0)
TINY = float(np.finfo(np.float64).tiny)
NOISE_TAIL = 1e-3
"""How often sampling noise alone makes a statistic of its own size."""
NOISE_SCORE = float(-special.ndtri(NOISE_TAIL / 2))
PRIOR_PEAKS = 20.0
"""A tail is not lighter than normal as firmly as if so many of its peaks had been seen."""
LIGHTEST = 0.5
"""Least scale of a tail, in units of the normal one."""
UNEVEN = 2.0
"""From this ratio of variances on, thin and thick windows can tell noise of the rows from wander of the population."""
MIXTURES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the excess variance that may be noise of the rows, which shrinks with the size of the window."""
MOST_EXTREME = 1e4
"""Rarities end here: nothing depends on how much rarer than this something is."""


def rarity_of_score(squared: Any) -> Any:  # noqa: ANN401
    """Return how rare a squared normal score is, in units of the square that NOISE_TAIL of the windows exceed.

    Examples
    --------
    >>> round(float(np.exp(-rarity_of_score(1.0))), 6)
    0.001
    """
    score = NOISE_SCORE * np.sqrt(np.minimum(squared, MOST_EXTREME))
    return np.minimum(MOST_EXTREME, -(math.log(2) + special.log_ndtr(-score)))


def score_of_rarity(rarity: Any) -> Any:  # noqa: ANN401
    """Return the squared score that is as rare as asked: the inverse of :func:`rarity_of_score`."""
    score = -special.ndtri_exp(-np.maximum(rarity, 0.0) - math.log(2))
    return np.square(np.maximum(score, 0.0) / NOISE_SCORE)


@dataclass(frozen=True)
class NullDistribution:
    """How one statistic behaves on windows of the baseline.

    Parameters
    ----------
    wander
        What the population itself does, in the statistic's unit, beyond the sampling noise.
    start, share, scale
        The tail: rarities of the score above ``start`` (a ``share`` of all) are exponential with mean ``scale``.
    quantiles
        Of the statistic over the baseline's windows, at 50, 90, 99 and 100 %.
    windows
        Windows that do not overlap, on which all this rests.
    noise
        The sampling noise of the median window.
    expected
        False alerts a week that come of this statistic alone at its limit.
    inflation
        By how much the variance of the rows exceeds that of independent ones; shrinks with the size of a window.
    limit
        The rarity that alerts, where the monitor's own does not hold for this statistic.
    clusters
        The same inflation as the column's other values show it, for a statistic that is hardly ever above 0.
    """

    wander: float
    start: float
    share: float
    scale: float
    quantiles: tuple[float, ...]
    windows: float
    noise: float = 0.0
    expected: float = 0.0
    inflation: float = 1.0
    limit: float | None = None
    clusters: float = 1.0

    def rarity(self, statistic: Any, noise: Any) -> Any:  # noqa: ANN401
        """Return the log of the number of windows that one waits for a statistic of this size.

        Parameters
        ----------
        statistic, noise
            Of one window, or float64 of shape (windows,): the effect, and what pure sampling noise exceeds in
            one of 1,000 windows of its size.
        """
        with np.errstate(over="ignore", divide="ignore"):  # without noise and wander anything is as rare as can be
            squared = np.square(np.maximum(statistic, 0.0))
            scored = rarity_of_score(squared / np.maximum(self._variance(noise), TINY))
            alone = rarity_of_score(squared / np.maximum(self.clusters * np.square(noise), TINY))
        waited = -math.log(self.share)
        body = waited * np.minimum(scored, self.start) / max(self.start, TINY)
        learnt = np.where(scored < self.start, body, waited + (scored - self.start) / self.scale)
        return np.minimum(learnt, alone)

    def threshold(self, rarity: float, noise: Any) -> Any:  # noqa: ANN401
        """Return the statistic that is as rare as asked, for a window with this sampling noise."""
        waited = -math.log(self.share)
        scored = self.start * rarity / waited if rarity < waited else self.start + self.scale * (rarity - waited)
        learnt = score_of_rarity(scored) * self._variance(noise)
        return np.sqrt(np.maximum(learnt, score_of_rarity(rarity) * self.clusters * np.square(noise)))

    def _variance(self, noise: Any) -> Any:  # noqa: ANN401
        return self.clusters * self.inflation * np.square(noise) + self.wander**2

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "quantiles": list(self.quantiles)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NullDistribution:
        """Read what :meth:`to_json` wrote."""
        return cls(**{**data, "quantiles": tuple(data["quantiles"])})


@dataclass(frozen=True)
class CalibratedNull:
    """A null and the rarity that alerts."""

    null: NullDistribution
    limit: float

    def threshold(self, noise: float) -> float:
        """Return the statistic that alerts in a window with this sampling noise."""
        return float(self.null.threshold(self.limit, noise))

    def p_value(self, statistic: float, noise: float) -> float:
        """Return the share of unchanged windows with a statistic at least as large."""
        return min(1.0, math.exp(-float(self.null.rarity(max(0.0, statistic), noise))))


def learn_null(statistic: np.ndarray, noise: np.ndarray, windows: float) -> NullDistribution | None:
    """Learn the null of one statistic from the baseline's windows.

    Parameters
    ----------
    statistic, noise
        float64, shape (windows,), in the order of time; NaN where a window could not be measured.
    windows
        How many of them do not overlap.

    Returns
    -------
    NullDistribution or None
        None when no window could be measured.

    Limits
    ------
    Where all windows are about equally large, what exceeds the sampling noise is taken for a wander of the population,
    which does not shrink in larger windows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = np.full(2000, 3.29)
    >>> null = learn_null(np.abs(rng.normal(size=2000)), noise, 2000)
    >>> null.wander, bool(2.9 < null.threshold(np.log(1000), 3.29) < 3.7)
    (0.0, True)
    """
    measured = np.isfinite(statistic) & np.isfinite(noise)
    if not measured.any():
        return None
    value, floor = np.maximum(statistic[measured], 0.0), np.maximum(noise[measured], 0.0)
    wander, inflation = _excess(value, floor)
    scored = rarity_of_score(np.square(value) / np.maximum(inflation * np.square(floor) + wander**2, TINY))
    start = float(np.quantile(scored, BODY))
    beyond = scored[scored > start] - start
    peaks = max(1.0, (1 - BODY) * windows)
    own = float(beyond.mean()) if len(beyond) else 0.0
    # Some noise laws are approximations: a heavier tail than normal is believed at once, a lighter one slowly.
    scale = max(own, (peaks * own + PRIOR_PEAKS) / (peaks + PRIOR_PEAKS))
    quantiles = tuple(float(q) for q in np.quantile(value, SHOWN))
    return NullDistribution(
        wander,
        start,
        1 - BODY,
        max(scale, LIGHTEST),
        quantiles,
        float(windows),
        float(np.median(floor)),
        inflation=inflation,
    )


def held_out_rarity(
    statistic: np.ndarray, noise: np.ndarray, folds: Sequence[slice], floor: float, windows: float
) -> np.ndarray:
    """Return the rarity of each window under the null that all other folds give.

    Under its own null the largest value of a baseline never looks as surprising as the next week's will.

    Parameters
    ----------
    folds
        Stretches of windows that together are all of them.
    floor
        An effect below this never alerts, so its rarity is -inf.
    """
    rarity = np.full(len(statistic), -np.inf)
    for fold in folds:
        others = statistic.copy()
        others[fold] = np.nan
        null = learn_null(others, noise, windows * (1 - 1 / len(folds)))
        if null is None:
            continue
        value, sway = statistic[fold], noise[fold]
        counts = np.isfinite(value) & np.isfinite(sway) & (value >= floor)
        rarity[fold][counts] = null.rarity(value[counts], sway[counts])
    return rarity


def independent(statistic: np.ndarray, length: int) -> float:
    """Return how many of the windows tell something new: fewer than do not overlap where values wander slowly.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> slow = np.repeat(rng.normal(size=100), 10)
    >>> 45 < independent(slow, 5) < 80
    True
    """
    measured = np.where(np.isfinite(statistic), statistic, np.nan)
    centred = measured - np.nanmean(measured) if np.isfinite(measured).any() else measured
    apart = np.nanmean(centred[length:] * centred[:-length]) if np.isfinite(centred).sum() > length else 0.0
    spread = np.nanmean(centred**2) if np.isfinite(centred).any() else 0.0
    alike = min(max(float(apart / spread), 0.0), 0.95) if spread > 0 and np.isfinite(apart) else 0.0
    return float(np.isfinite(statistic).sum() / length * (1 - alike) / (1 + alike))


def _excess(statistic: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """Return the least wander and inflation of the noise by which no more than 2 % of the windows exceed both.

    Clustered rows inflate the noise, which shrinks with the size of a window; a wander of the population does not.
    Where thin and thick windows can be told apart, the mixture is taken under which both stand out as often.
    """
    sway = np.square(noise)
    middle = float(np.median(sway))
    excess = max(0.0, float(np.quantile(np.square(statistic) - sway, WIDE)))
    thin = sway > middle
    if excess == 0 or (sway == 0).any() or not thin.any():
        return math.sqrt(excess), 1.0
    if np.median(sway[thin]) < UNEVEN * np.median(sway[~thin]):
        return math.sqrt(excess), 1.0
    chosen, least = (math.sqrt(excess), 1.0), math.inf
    for mixture in MIXTURES:
        wander, inflation = _split_excess(np.square(statistic), sway, mixture)
        scored = np.square(statistic) / (inflation * sway + wander**2 + TINY)
        uneven = abs(math.log((np.quantile(scored[thin], WIDE) + TINY) / (np.quantile(scored[~thin], WIDE) + TINY)))
        if uneven < least:
            chosen, least = (wander, inflation), uneven
    return chosen


def _split_excess(squared: np.ndarray, sway: np.ndarray, mixture: float) -> tuple[float, float]:
    """Return wander and inflation that cover the excess, a share of it (at the median window) by the inflation."""
    middle = float(np.median(sway))
    shape = mixture * sway / middle + (1 - mixture)
    excess = max(0.0, float(np.quantile((squared - sway) / shape, WIDE)))
    return math.sqrt((1 - mixture) * excess), 1.0 + mixture * excess / middle
