"""Forecast of the spending of a day or a month: simulated paths of exponential smoothing, with an interval.

Simple exponential smoothing with multiplicative errors and a seasonal factor, ETS(M,N,M), is continued with errors that
are resampled from its past errors. The interval therefore reflects past forecast errors, including tails and level
shifts, and grows with the remaining length of the period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

PATHS = 2000
FEWEST = 14
"""Fewest days of history for a forecast of a month."""
FEWEST_DAYS = 3
"""Fewest earlier days from which a day's errors are drawn."""
COVERAGE = 0.8
SMOOTHING = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
RUN = 3
"""Length of the runs of the block bootstrap, in units, which preserves effects that last a few days."""
BURN_IN = 7
"""Burn-in of the smoothing, in units; its errors are not drawn."""
PRIOR_UNITS = 4.0
"""Weight of shrinkage of seasonal factors towards 1, in units: two Sundays are little evidence."""


@dataclass(frozen=True)
class Forecast:
    """Forecast of a period: the median, and an 80 % interval."""

    low: float
    middle: float
    high: float

    def detail(self) -> dict[str, float]:
        """Return the forecast as plain data."""
        return {"forecast_low": self.low, "forecast": self.middle, "forecast_high": self.high}


@dataclass(frozen=True)
class Rhythm:
    """Seasonality of the units of time.

    Parameters
    ----------
    cycle, fewest
        Period in units, and fewest units of history for a forecast.
    together
        Units, such as the hours of a day, whose errors are drawn together, from the same position of an earlier day; by
        default errors are drawn in runs of :data:`RUN`, from any position.
    """

    cycle: int = 7
    fewest: int = FEWEST
    together: int | None = None


DAILY = Rhythm()
"""Daily units with a weekly season."""


def paths(
    history: np.ndarray,
    seasons: np.ndarray,
    ahead: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    rhythm: Rhythm = DAILY,
    seed: int = 0,
) -> np.ndarray | None:
    """Simulate the sum of future units.

    Parameters
    ----------
    history
        Cost of each past unit (a day, an hour), oldest first, shape (units,), without gaps; 0 without traffic.
    seasons
        Season of each, a small integer: its weekday, its hour.
    ahead
        Seasons of the future units.
    weights
        Remaining share of each future unit, by default all of it.
    rhythm
        Seasonality of the units.
    seed
        Seed of the simulation.

    Returns
    -------
    numpy.ndarray or None
        :data:`PATHS` sums; None if the history is too short or without cost.

    Limits
    ------
    Uses the past only: planned launches, price changes and new holidays are unknown. Linear growth is followed only as
    far as past errors are skewed by it.

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
    if len(history) < rhythm.fewest or not np.isfinite(history).all() or history.sum() <= 0:
        return None
    weights = np.ones(len(ahead)) if weights is None else weights
    return _simulate(history, seasons, ahead, weights, rhythm, seed) if len(ahead) else np.zeros(PATHS)


def _simulate(
    history: np.ndarray,
    seasons: np.ndarray,
    ahead: np.ndarray,
    weights: np.ndarray,
    rhythm: Rhythm,
    seed: int,
) -> np.ndarray | None:
    together = rhythm.together
    factors = seasonal(history, seasons, rhythm.cycle, int(max([*seasons, *ahead])) + 1)
    level, smoothing, errors = _smooth(history, factors[seasons])
    starts = np.arange(len(errors))
    if together is not None:  # earlier days, from the hour of the first future unit
        starts = np.arange(len(errors) % together, len(errors) - len(ahead) + 1, together)
        if len(starts) < FEWEST_DAYS:
            return None
    run = RUN if together is None else len(ahead)
    places = _places(np.random.default_rng(seed), starts, run, len(ahead)) % len(errors)
    total = _extend(level, smoothing, _widen(errors, len(history))[places], factors[ahead], weights)
    return total if together is None else _spread_few(total, len(starts))


def _spread_few(total: np.ndarray, days: int) -> np.ndarray:
    """Widen sums drawn from a few days: the interval of n draws covers (n - 1) / (n + 1) of its nominal share.

    The interpolated quantiles p and 1 - p of n draws are (n - 1)(1 - 2p) ranks apart, and a new draw falls into each of
    the n + 1 gaps with the same probability; the factor corrects for this, exactly for a normal distribution.
    """
    share = COVERAGE * (days - 1) / (days + 1)
    middle = float(np.median(total))
    factor = ndtri(0.5 + COVERAGE / 2) / ndtri(0.5 + max(share, 0.1) / 2)
    return np.asarray(np.maximum(middle + (total - middle) * factor, 0.0))


def _extend(level: float, smoothing: float, drawn: np.ndarray, factors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    levels, total = np.full(PATHS, level), np.zeros(PATHS)
    for place, factor in enumerate(factors):
        total += weights[place] * levels * drawn[:, place] * factor
        levels *= 1 + min(smoothing * factor, 1.0) * (drawn[:, place] - 1)
    return total


def forecast(so_far: float, parts: list[np.ndarray | None], coverage: float = COVERAGE) -> Forecast | None:
    """Add the amount spent to the simulated future sums; None if any of them is unknown."""
    complete = [part for part in parts if part is not None]
    if len(complete) < len(parts) or not complete:
        return None
    ends = so_far + np.sum(complete, axis=0)
    low, middle, high = np.quantile(ends, [(1 - coverage) / 2, 0.5, (1 + coverage) / 2]).tolist()
    return Forecast(low, middle, high)


def seasonal(history: np.ndarray, seasons: np.ndarray, cycle: int, size: int) -> np.ndarray:
    """Return the factor of each season: the mean of its units over the moving mean around them, shrunk towards 1.

    Shape (size,); a season without data is 1. The moving mean covers a whole cycle, so that growth and level shifts do
    not appear as seasons.
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
    """Return the share of the units' variance that the seasons do not explain, from 0 to 1."""
    spread = float(np.var(ratio))
    return min(1.0, float(np.mean((ratio - means[seasons]) ** 2)) / spread) if spread > 0 else 0.0


def _moving_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the centred moving mean, and that of the first or last full width at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.clip(np.arange(len(values)) - width // 2, 0, len(values) - width)
    return np.asarray((sums[first + width] - sums[first]) / width)


def _smooth(history: np.ndarray, factors: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Smooth the level with the parameter of the smallest forecast errors; return level, parameter and relative errors.

    A unit is weighted by its seasonal factor: a night with hardly any cost has little information about the level.
    """
    values = history / factors
    start = max(float(history[:7].sum() / factors[:7].sum()), float(history.mean()) * 1e-3)
    levels = np.full(len(SMOOTHING), start)
    ratios = np.empty((len(values), len(SMOOTHING)))
    for place, value in enumerate(values):
        ratios[place] = value / levels
        moves = np.minimum(SMOOTHING * factors[place], 1.0)
        levels = np.maximum(levels * (1 + moves * (ratios[place] - 1)), start * 1e-6)
    # The score is the error of the log forecast, with an offset so that an empty unit has a finite error.
    wrong = np.average(np.abs(np.log((ratios[BURN_IN:] + 0.05) / 1.05)), axis=0, weights=factors[BURN_IN:])
    best = int(np.argmin(wrong))
    return float(levels[best]), float(SMOOTHING[best]), ratios[BURN_IN:, best]


def _widen(errors: np.ndarray, units: int) -> np.ndarray:
    """Widen the errors slightly, as they are those of the best of several parameters, over a short history."""
    centre = float(errors.mean())
    return np.asarray(np.maximum(centre + (errors - centre) * math.sqrt((units + 1) / (units - 9)), 0.0))


def _places(rng: np.random.Generator, starts: np.ndarray, run: int, units: int) -> np.ndarray:
    """Draw indices of errors, shape (PATHS, units): consecutive runs, each from a random start."""
    firsts = rng.choice(starts, (PATHS, -(-units // run)))
    return np.asarray((firsts[:, :, None] + np.arange(run)).reshape(PATHS, -1)[:, :units])
