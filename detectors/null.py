"""Nulls: what a statistic does on the windows of an unchanged baseline, as a rarity that all statistics share.

A rarity is the logarithm of how many windows one waits for a value at least as large. Scores are a statistic in
units of its sampling noise and of what the population wanders by itself, so that windows of any size share one null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BODY = 0.9
"""Share of the null that lies below the start of its tail."""
WIDE = 0.98
"""The quantile of a null that its own wander must cover."""
SHOWN = (0.5, 0.9, 0.99, 1.0)
TINY = float(np.finfo(np.float64).tiny)
LARGEST = 1e300
"""The largest squared score: what is rarer cannot be told apart, and what is infinite cannot be reckoned with."""
NOISE_RARITY = math.log(1000)
"""How rare sampling noise alone makes a statistic of its own size."""
LEAST_SCALE = 0.05
"""The tail of a squared score of pure noise in units of its own 1e-3 point, for statistics of many bins."""


@dataclass(frozen=True)
class Null:
    """How one statistic behaves on windows of the baseline.

    Parameters
    ----------
    wander
        What the population itself does, in the statistic's unit, beyond the sampling noise.
    start, share, scale
        The tail: squared scores above ``start`` (a ``share`` of all) are exponential with mean ``scale``.
    quantiles
        Of the statistic over the baseline's windows, at 50, 90, 99 and 100 %.
    windows
        Windows that do not overlap, on which all this rests.
    noise
        The sampling noise of the median window.
    expected
        False pages a week that come of this statistic alone at the monitor's limit.
    """

    wander: float
    start: float
    share: float
    scale: float
    quantiles: tuple[float, ...]
    windows: float
    noise: float = 0.0
    expected: float = 0.0

    def rarity(self, statistic: Any, noise: Any) -> Any:  # noqa: ANN401
        """Return the log of the number of windows that one waits for a statistic of this size.

        Parameters
        ----------
        statistic, noise
            Of one window, or float64 of shape (windows,): the effect, and what pure sampling noise exceeds in
            one of 1,000 windows of its size.
        """
        with np.errstate(over="ignore"):  # a null that never moved has no noise: anything is then infinitely rare
            squared = np.square(statistic) / np.maximum(np.square(noise) + self.wander**2, TINY)
            alone = np.square(statistic) / np.maximum(np.square(noise), TINY)
        squared, alone = np.minimum(squared, LARGEST), np.minimum(alone, LARGEST)
        waited = -math.log(self.share)
        body = waited * np.minimum(squared, self.start) / max(self.start, TINY)
        learnt = np.where(squared < self.start, body, waited + (squared - self.start) / self.scale)
        return np.minimum(learnt, _of_noise(alone))

    def threshold(self, rarity: float, noise: Any) -> Any:  # noqa: ANN401
        """Return the statistic that is as rare as asked, for a window with this sampling noise."""
        waited = -math.log(self.share)
        squared = self.start * rarity / waited if rarity < waited else self.start + self.scale * (rarity - waited)
        learnt = squared * (np.square(noise) + self.wander**2)
        return np.sqrt(np.maximum(learnt, _in_noise(rarity) * np.square(noise)))

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "quantiles": list(self.quantiles)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Null:
        """Read what :meth:`to_json` wrote."""
        return cls(**{**data, "quantiles": tuple(data["quantiles"])})


@dataclass(frozen=True)
class Calibrated:
    """A null and the rarity that pages."""

    null: Null
    limit: float

    def threshold(self, noise: float) -> float:
        """Return the statistic that pages in a window with this sampling noise."""
        return float(self.null.threshold(self.limit, noise))

    def p_value(self, statistic: float, noise: float) -> float:
        """Return the share of unchanged windows with a statistic at least as large."""
        return min(1.0, math.exp(-float(self.null.rarity(max(0.0, statistic), noise))))


def learn_null(statistic: np.ndarray, noise: np.ndarray, windows: float) -> Null | None:
    """Learn the null of one statistic from the baseline's windows.

    Parameters
    ----------
    statistic, noise
        float64, shape (windows,), in the order of time; NaN where a window could not be measured.
    windows
        How many of them do not overlap.

    Returns
    -------
    Null or None
        None when no window could be measured.

    Limits
    ------
    Assumes that windows of another size differ by their sampling noise only, not in their wander.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = np.full(2000, 3.29)
    >>> null = learn_null(np.abs(rng.normal(size=2000)), noise, 2000)
    >>> null.wander, bool(2.9 < null.threshold(np.log(1000), 3.29) < 3.7)
    (0.0, True)
    """
    seen = np.isfinite(statistic) & np.isfinite(noise)
    if not seen.any():
        return None
    value, floor = np.maximum(statistic[seen], 0.0), np.maximum(noise[seen], 0.0)
    wander = _wander(value, floor)
    squared = np.square(value) / np.maximum(np.square(floor) + wander**2, TINY)
    start = float(np.quantile(squared, BODY))
    beyond = squared[squared > start] - start
    peaks = max(1.0, (1 - BODY) * windows)
    # So few peaks know their mean to one part in the root of their number; the doubt goes on the quiet side.
    scale = (float(beyond.mean()) if len(beyond) else 0.0) * (1 + 1 / math.sqrt(peaks))
    quantiles = tuple(float(q) for q in np.quantile(value, SHOWN))
    return Null(
        wander, start, 1 - BODY, max(scale, LEAST_SCALE), quantiles, float(windows), float(np.median(floor))
    )  # fmt: skip


def _of_noise(squared: Any) -> Any:  # noqa: ANN401
    """Return the greatest rarity that sampling noise leaves: a short baseline that was lucky cannot know better."""
    return np.where(squared < 1, NOISE_RARITY * squared, NOISE_RARITY + (squared - 1) / LEAST_SCALE)


def _in_noise(rarity: float) -> float:
    """Return the squared score, in units of the noise, that :func:`_of_noise` finds as rare."""
    return rarity / NOISE_RARITY if rarity < NOISE_RARITY else 1 + LEAST_SCALE * (rarity - NOISE_RARITY)


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
        An effect below this never pages, so its rarity is -inf.
    """
    rarity = np.full(len(statistic), -np.inf)
    for fold in folds:
        others = statistic.copy()
        others[fold] = np.nan
        null = learn_null(others, noise, windows * (1 - 1 / len(folds)))
        if null is None:
            continue
        seen, sway = statistic[fold], noise[fold]
        counts = np.isfinite(seen) & np.isfinite(sway) & (seen >= floor)
        rarity[fold][counts] = null.rarity(seen[counts], sway[counts])
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


def _wander(statistic: np.ndarray, noise: np.ndarray) -> float:
    """Return the least wander by which no more than 2 % of the windows exceed their noise and wander."""
    excess = np.square(statistic) - np.square(noise)
    return math.sqrt(max(0.0, float(np.quantile(excess, WIDE))))
