"""Where a day's or a month's spending will end: simulated paths of an exponential smoothing, with an interval.

A level that follows the past (simple exponential smoothing with multiplicative errors and a seasonal factor,
ETS(M,N,M)) is carried on with errors drawn from its own past, so that the interval is as wide as the spending was hard
to foresee, tails and shifts of level included, and grows with what is left of the period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

PATHS = 2000
FEWEST = 14
"""Days of history below which nothing is said of a month."""
FEWEST_DAYS = 3
"""Earlier days that a day's errors must be drawn from."""
COVERAGE = 0.8
SMOOTHING = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
RUN = 3
"""Units that follow one another in the past follow one another in a path, so that what lasts a few days lasts."""
BURN_IN = 7
"""Units by which a level has found its place; the errors before are not drawn from."""
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


@dataclass(frozen=True)
class Rhythm:
    """How units of time come again.

    Parameters
    ----------
    cycle, fewest
        Units until the seasons begin again, and units of history below which nothing is said.
    together
        Units, such as the hours of a day, whose errors are drawn as one, from the same place of an earlier day; by
        default errors are drawn in runs of :data:`RUN`, from anywhere.
    """

    cycle: int = 7
    fewest: int = FEWEST
    together: int | None = None


DAILY = Rhythm()
"""The days of a week."""


def paths(
    history: np.ndarray,
    seasons: np.ndarray,
    ahead: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    rhythm: Rhythm = DAILY,
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
    rhythm
        How the units come again.
    seed
        Makes two calls alike.

    Returns
    -------
    numpy.ndarray or None
        :data:`PATHS` sums; None when the history is too short, or nothing was spent in it.

    Limits
    ------
    The past is all that it knows: no launch that is planned, no price of tomorrow, no holiday that it has not seen.
    What grows by an amount a week is followed only as far as its errors lean to one side.

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
    if together is not None:  # earlier days, from the hour of the first unit to come
        starts = np.arange(len(errors) % together, len(errors) - len(ahead) + 1, together)
        if len(starts) < FEWEST_DAYS:
            return None
    run = RUN if together is None else len(ahead)
    places = _places(np.random.default_rng(seed), starts, run, len(ahead)) % len(errors)
    total = _extend(level, smoothing, _widen(errors, len(history))[places], factors[ahead], weights)
    return total if together is None else _spread_few(total, len(starts))


def _spread_few(total: np.ndarray, days: int) -> np.ndarray:
    """Spread sums that were drawn from a few days: n of them hold (n - 1) / (n + 1) of their share.

    The interpolated quantiles p and 1 - p of n draws lie (n - 1)(1 - 2p) ranks apart, and a new draw falls into each of
    the n + 1 gaps alike; the factor is what makes it whole for a normal distribution.
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
    """Add what is spent to the simulated sums of what is to come; None when any of them is unknown."""
    complete = [part for part in parts if part is not None]
    if len(complete) < len(parts) or not complete:
        return None
    ends = so_far + np.sum(complete, axis=0)
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


def _smooth(history: np.ndarray, factors: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Follow the level with the smoothing that foresaw best; return level, smoothing and the relative errors.

    A unit moves the level as much as its season weighs: of a night that costs next to nothing there is little to learn.
    """
    values = history / factors
    start = max(float(history[:7].sum() / factors[:7].sum()), float(history.mean()) * 1e-3)
    levels = np.full(len(SMOOTHING), start)
    ratios = np.empty((len(values), len(SMOOTHING)))
    for place, value in enumerate(values):
        ratios[place] = value / levels
        moves = np.minimum(SMOOTHING * factors[place], 1.0)
        levels = np.maximum(levels * (1 + moves * (ratios[place] - 1)), start * 1e-6)
    # The score is that of the log of what was foreseen, softened so that an empty unit is not infinitely wrong.
    wrong = np.average(np.abs(np.log((ratios[BURN_IN:] + 0.05) / 1.05)), axis=0, weights=factors[BURN_IN:])
    best = int(np.argmin(wrong))
    return float(levels[best]), float(SMOOTHING[best]), ratios[BURN_IN:, best]


def _widen(errors: np.ndarray, units: int) -> np.ndarray:
    """Spread the errors a little more: they were the smallest of several smoothings, over a past that is short."""
    centre = float(errors.mean())
    return np.asarray(np.maximum(centre + (errors - centre) * math.sqrt((units + 1) / (units - 9)), 0.0))


def _places(rng: np.random.Generator, starts: np.ndarray, run: int, units: int) -> np.ndarray:
    """Draw places of errors, shape (PATHS, units): runs that follow one another, each from a start chosen by lot."""
    firsts = rng.choice(starts, (PATHS, -(-units // run)))
    return np.asarray((firsts[:, :, None] + np.arange(run)).reshape(PATHS, -1)[:, :units])
