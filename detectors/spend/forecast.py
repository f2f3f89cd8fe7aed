"""Where a day's or a month's spending will end: simulated paths of an exponential smoothing, with an interval.

A level that follows the past (simple exponential smoothing with multiplicative errors and a seasonal factor,
ETS(M,N,M)) is carried on with errors drawn from its own past, so that the interval is as wide as the spending was hard
to foresee, tails and shifts of level included, and grows with what is left of the period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

PATHS = 2000
FEWEST = 14
"""Days of history below which nothing is said of a month."""
COVERAGE = 0.8
SMOOTHING = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
RUN = 3
"""Units that follow one another in the past follow one another in a path, so that what lasts a few days lasts."""
PRIOR_UNITS = 4.0
"""Units of the common level that a season's factor is drawn towards: two Sundays say little of Sundays."""


@dataclass(frozen=True)
class Forecast:
    """What a period comes to: the middle, and an interval that holds it four times in five."""

    low: float
    middle: float
    high: float

    def detail(self) -> dict[str, float]:
        """Return it as plain data."""
        return {"forecast_low": self.low, "forecast": self.middle, "forecast_high": self.high}


def paths(
    history: np.ndarray,
    seasons: np.ndarray,
    ahead: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    cycle: int = 7,
    fewest: int = FEWEST,
    seed: int = 0,
) -> np.ndarray | None:
    """Simulate the sum of the units to come.

    Parameters
    ----------
    history
        What each past unit (a day, an hour) cost, oldest first, shape (units,), without gaps; 0 without traffic.
    seasons
        The season of each, a small whole number: its weekday, its hour.
    ahead
        Seasons of the units to come.
    weights
        How much of each is still to come, by default all of it.
    cycle
        Units until the seasons begin again.
    fewest
        Units of history below which nothing is said.
    seed
        Makes two calls alike.

    Returns
    -------
    numpy.ndarray or None
        :data:`PATHS` sums; None when the history is too short, or nothing was spent in it.

    Limits
    ------
    The past is all that it knows: no launch that is planned, no price of tomorrow, no holiday that it has not seen.
    Seasons are factors; what grows by an amount a week is followed only as far as its errors lean to one side.

    References
    ----------
    Hyndman, Koehler, Ord & Snyder, *Forecasting with Exponential Smoothing*, 2008, chapters 4 and 6 (multiplicative
    errors, intervals by simulation); Kunsch, 1989 (drawing runs instead of single values).

    Examples
    --------
    >>> spent = np.tile([10.0, 10, 10, 10, 10, 2, 2], 8)
    >>> days = np.arange(56) % 7
    >>> forecast(5.0, [paths(spent, days, np.arange(14) % 7)]).middle
    113.0
    """
    history, seasons = np.asarray(history, dtype=np.float64), np.asarray(seasons)
    if len(history) < fewest or not np.isfinite(history).all() or history.sum() <= 0:
        return None
    return _carried_on(history, seasons, ahead, np.ones(len(ahead)) if weights is None else weights, cycle, seed)


def _carried_on(
    history: np.ndarray, seasons: np.ndarray, ahead: np.ndarray, weights: np.ndarray, cycle: int, seed: int
) -> np.ndarray:
    factors = seasonal(history, seasons, cycle, int(max([*seasons, *ahead])) + 1)
    level, smoothing, errors = _smooth(history / factors[seasons])
    drawn = _widened(errors, len(history))[_runs(np.random.default_rng(seed), len(errors), len(ahead))]
    levels = np.full(PATHS, level)
    total = np.zeros(PATHS)
    for place, season in enumerate(ahead):
        total += weights[place] * levels * drawn[:, place] * factors[season]
        levels *= 1 + smoothing * (drawn[:, place] - 1)
    return total


def forecast(so_far: float, parts: list[np.ndarray | None], coverage: float = COVERAGE) -> Forecast | None:
    """Add what is spent to the simulated sums of what is to come; None when any of them is unknown."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return None
    ends = so_far + np.sum(known, axis=0)
    low, middle, high = np.quantile(ends, [(1 - coverage) / 2, 0.5, (1 + coverage) / 2]).tolist()
    return Forecast(low, middle, high)


def seasonal(history: np.ndarray, seasons: np.ndarray, cycle: int, size: int) -> np.ndarray:
    """Return each season's factor: the mean of its units over that of the units around them, drawn towards 1.

    Shape (size,); a season that has not been seen is 1. The mean around a unit is that of a whole cycle, so that growth
    and shifts of level do not look like seasons.
    """
    around = _moving_mean(history, min(cycle, len(history)))
    ratio = np.divide(history, around, out=np.ones_like(history), where=around > 0)
    counts = np.bincount(seasons, minlength=size)
    sums = np.bincount(seasons, weights=ratio, minlength=size)
    means = np.divide(sums, counts, out=np.ones(size), where=counts > 0)
    drawn = PRIOR_UNITS * _noise(ratio, seasons, means)
    factors = np.divide(sums + drawn, counts + drawn, out=np.ones(size), where=counts > 0)
    return np.asarray(np.maximum(factors / max(float(factors[seasons].mean()), 1e-12), 1e-6))


def _noise(ratio: np.ndarray, seasons: np.ndarray, means: np.ndarray) -> float:
    """Return how much of the units' spread the seasons do not explain, from 0 to 1."""
    spread = float(np.var(ratio))
    return min(1.0, float(np.mean((ratio - means[seasons]) ** 2)) / spread) if spread > 0 else 0.0


def _moving_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of the units around each, of the first or last full width at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.clip(np.arange(len(values)) - width // 2, 0, len(values) - width)
    return np.asarray((sums[first + width] - sums[first]) / width)


def _smooth(values: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Follow the level with the smoothing that foresaw best; return level, smoothing and the relative errors."""
    start = max(float(values[:7].mean()), float(values.mean()) * 1e-3)
    levels = np.full(len(SMOOTHING), start)
    ratios = np.empty((len(values), len(SMOOTHING)))
    for place, value in enumerate(values):
        ratios[place] = value / levels
        levels = np.maximum(levels * (1 + SMOOTHING * (ratios[place] - 1)), start * 1e-6)
    # The score is that of the log of what was foreseen, softened so that an empty unit is not infinitely wrong.
    wrong = np.abs(np.log((ratios[7:] + 0.05) / 1.05)).mean(axis=0)
    best = int(np.argmin(wrong))
    return float(levels[best]), float(SMOOTHING[best]), ratios[7:, best]


def _widened(errors: np.ndarray, units: int) -> np.ndarray:
    """Spread the errors a little more: they were the smallest of several smoothings, over a past that is short."""
    centre = float(errors.mean())
    return np.asarray(np.maximum(centre + (errors - centre) * math.sqrt((units + 1) / (units - 9)), 0.0))


def _runs(rng: np.random.Generator, errors: int, units: int) -> np.ndarray:
    """Draw places of errors, shape (PATHS, units): runs that follow one another, from random starts."""
    firsts = rng.integers(0, errors, (PATHS, -(-units // RUN)))
    places = (firsts[:, :, None] + np.arange(RUN)) % errors
    return np.asarray(places.reshape(PATHS, -1)[:, :units])
