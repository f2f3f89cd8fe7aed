"""Where the truth will lie, judged by where it lay before: the interval of an estimate from its own record.

An estimate without labels errs in three ways. Chance decides which labels a window draws. The scores' meaning
wanders from window to window and moves on with time. And rows unlike the baseline's are judged by a rule that was
learnt from others. The first is known from the window itself. The others show in the *residuals* (truth less
estimate) of windows whose labels are known: those of the baseline, each estimated from the rest, and those that have
come since.

The residuals are followed by a local level model: a level that moves on with time, a slope for the share of rows
that are new, a wander of each window, and the chance that is known. How fast the level moves, whether it returns, how
far windows wander, and how badly new rows are judged is not known; a grid of answers is weighed by how well each has
foretold the residuals so far. So few windows give wide tails, a far horizon gives a wide interval, and a lasting bias
moves it.

A model may be wrong, so the interval is held to its word. Each time that labels come the interval that was stated for
their window, from what was known when it was stated, is looked up: a miss widens all later ones by a tenth, a hit
narrows them by a nineteenth of that. In the long run it therefore misses as often as it says, whatever the world does,
as long as labels keep coming.

What is promised
----------------
With labels that come ``lag`` windows late, over T windows, ``|share of misses - 0.05|`` is at most
``(range + RATE * lag) / (RATE * T)`` where ``range`` is the distance of the largest from the smallest logarithm of the
stretch. That is a promise about the long run, not about one window. Without labels beyond the
baseline there is no promise: the interval holds as far as the future wanders like the baseline did, and a concept that
changes while no labels come is not seen.

References
----------
Harvey, *Forecasting, structural time series models and the Kalman filter*, 1989 (local level model); West, Harrison,
*Bayesian forecasting and dynamic models*, 1997 (a grid of models weighed by their forecasts); Gelman, *Prior
distributions for variance parameters in hierarchical models*, Bayesian Analysis 1, 2006 (half-Cauchy); Gibbs, Candès,
*Adaptive conformal inference under distribution shift*, NeurIPS 2021, and Angelopoulos, Candès, Tibshirani, *Conformal
PID control for time series prediction*, NeurIPS 2023 (the width is moved by hits and misses).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import special

MISSES = 0.05
"""Share of windows whose truth may lie outside."""
RATE = 0.1
"""By how much a miss widens what follows."""
LONGEST = 200
"""Windows that a record remembers."""
FORGETTING = 0.98
"""Weight of the evidence about the grid, from one window to the next: the world may change its ways."""

MOVES = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""How far the level moves from window to window, in sampling errors of a usual window."""
WANDERS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""How far a window lies from the level, in the same."""
RETURNS = (1.0, 0.8)
"""Share of the level that is left after a window: 1 never returns."""
MISJUDGED = (0.0, 0.05, 0.15, 0.5)
"""By how much rows that are new are misjudged, in units of the metric."""
TYPICAL = (0.25, 0.5, 0.1)
"""Scale of the half-Cauchy law of moves, wanders and misjudgement before anything is seen."""
HALVINGS = 30
ROUNDING = 1e-6
MOST = 2.5
"""Logarithm of the largest width: beyond it a normal score cannot be told from infinity."""
SMALLEST = 1e-6
"""Sampling error, in spans, that stands for none."""
Z = float(special.ndtri(1 - MISSES / 2))


class Residual(NamedTuple):
    """One window: when it was, by how much the truth differed from the estimate, and what was known beforehand.

    ``at`` is in windows, ``residual`` and ``error`` (the standard error of chance) in units of the metric, ``new`` is
    the share of rows whose predictions lie where the baseline had fewer.
    """

    at: float
    residual: float
    error: float
    new: float = 0.0


@dataclass(frozen=True)
class ResidualHistory:
    """The windows of one metric whose labels are known, in the order of time.

    Parameters
    ----------
    residuals
        The windows; those of the baseline first.
    span
        What the metric is measured by: 1 for a share, the baseline's own value for a loss.
    """

    residuals: tuple[Residual, ...] = ()
    span: float = 1.0

    def __add__(self, later: Sequence[Residual]) -> ResidualHistory:
        """Add windows; those that do not come later are passed over, the oldest beyond 200 are forgotten."""
        last = self.residuals[-1].at if self.residuals else -math.inf
        return ResidualHistory(
            (*self.residuals, *(one for one in later if one.at > last + ROUNDING))[-LONGEST:], self.span
        )

    @property
    def most_new(self) -> float:
        """Return the largest share of new rows of any window; 0 for none."""
        return max((one.new for one in self.residuals), default=0.0)

    def until(self, at: float) -> ResidualHistory:
        """Return what was known when no later window than this had its labels."""
        return ResidualHistory(tuple(one for one in self.residuals if one.at <= at + ROUNDING), self.span)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"span": self.span, "seen": [list(one) for one in self.residuals]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ResidualHistory:
        """Read what :meth:`to_json` wrote."""
        return cls(tuple(Residual(*one) for one in data["seen"]), data["span"])


class CalibratedInterval(NamedTuple):
    """Where the truth less the estimate will lie: middle and ends, and by what the ends were stretched."""

    middle: float
    low: float
    high: float
    stretch: float


def calibrate_interval(
    record: ResidualHistory, at: float, error: float, new: float = 0.0, lag: float = 1.0
) -> CalibratedInterval:
    """Return the 95 % interval of the truth less the estimate, in units of the metric.

    Parameters
    ----------
    record
        Windows whose labels are known by now; without any the interval is that of chance alone.
    at, error, new
        Of the window that is estimated, as in :class:`Residual`.
    lag
        Windows that labels take to come: what each window of the record is taken to have been foretold without.

    Limits
    ------
    Errors are taken to be normal about the level. Takes 0.1 ms a window of the record, the first time.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> calm = ResidualHistory(tuple(Residual(float(place), rng.normal(0, 0.01), 0.01) for place in range(40)))
    >>> biased = ResidualHistory(tuple(Residual(one.at, one.residual - 0.05, one.error) for one in calm.residuals))
    >>> [round(number, 2) + 0.0 for number in calibrate_interval(calm, 41.0, 0.01)[:3]]
    [0.0, -0.02, 0.02]
    >>> [round(number, 2) for number in calibrate_interval(biased, 41.0, 0.01)[:3]]
    [-0.04, -0.07, -0.02]
    """
    if not record.residuals:
        return CalibratedInterval(0.0, -Z * error, Z * error, 1.0)
    state, step = _now(record, lag)
    return _reach(state, Residual(at, 0.0, error, new), step)


def follow(record: ResidualHistory, later: Sequence[Residual], lag: float | None) -> list[CalibratedInterval]:
    """Return the calibrated interval of each of many windows, with labels that come so late, or never (None).

    Parameters
    ----------
    record
        Windows whose labels are known at the start, at least one.
    later
        Windows that follow, in the order of time.

    Examples
    --------
    >>> known = ResidualHistory(tuple(Residual(float(place), 0.0, 0.01) for place in range(20)))
    >>> later = [Residual(20.0 + place, 0.3, 0.01) for place in range(10)]
    >>> [max(one.high for one in follow(known, later, lag)) > 0.3 for lag in (2.0, None)]
    [True, False]
    """
    start = len(record.residuals)
    every = record if lag is None else ResidualHistory((*record.residuals, *later), record.span)
    states, steps = _follow(every, 1.0 if lag is None else lag, start)
    times = [one.at for one in every.residuals]
    intervals = []
    for one in later:
        place = start if lag is None else max(start, bisect_right(times, one.at - lag + ROUNDING))
        intervals.append(_reach(states[place], one, steps[place]))
    return intervals


class _Law(NamedTuple):
    """A mixture of normal laws: weights, means, standard deviations, each of shape (grid,)."""

    weights: np.ndarray
    means: np.ndarray
    spreads: np.ndarray

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Return normal scores of values: how many standard errors out they would lie, were the mixture normal."""
        away = (values[:, None] - self.means) / self.spreads
        below, above = special.ndtr(away) @ self.weights, special.ndtr(-away) @ self.weights
        return np.asarray(np.where(below < above, special.ndtri(below), -special.ndtri(above)))

    def quantiles(self, scores: np.ndarray) -> np.ndarray:
        """Return the values of these normal scores, by halving."""
        far = np.abs(scores).max() + 1
        low = np.full(len(scores), (self.means - far * self.spreads).min())
        high = np.full(len(scores), (self.means + far * self.spreads).max())
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = self.scores(middle) < scores
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray((low + high) / 2)


@dataclass(frozen=True)
class _State:
    """What is believed of level and slope after some windows, under each answer of the grid; arrays (grid,).

    ``log_weights`` start from ``prior``; ``level`` and ``slope`` have variances ``level_var`` and ``slope_var`` and the
    covariance ``both``.
    """

    moves: np.ndarray
    wanders: np.ndarray
    returns: np.ndarray
    prior: np.ndarray
    log_weights: np.ndarray
    at: float
    level_var: np.ndarray
    slope_var: np.ndarray
    level: np.ndarray = field(default_factory=lambda: np.zeros(1))
    slope: np.ndarray = field(default_factory=lambda: np.zeros(1))
    both: np.ndarray = field(default_factory=lambda: np.zeros(1))

    def law(self, one: Residual) -> _Law:
        """Return the law of the residual of a window at or after this state."""
        mean, variance, _, _ = self._ahead(one)
        return _Law(np.exp(self.log_weights), mean, np.sqrt(variance))

    def _ahead(self, one: Residual) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return mean and variance of a residual, and its covariances with level and slope."""
        gap = max(0.0, one.at - self.at)
        left = self.returns**gap
        level_var = self.level_var * left**2 + self.moves * _grown(self.returns, gap)
        with_level = level_var + one.new * self.both * left
        with_slope = self.both * left + one.new * self.slope_var
        variance = with_level + one.new * with_slope + self.wanders + one.error**2
        return self.level * left + one.new * self.slope, variance, with_level, with_slope

    def after(self, one: Residual) -> _State:
        """Return what is believed once a window's residual is known (Kalman's update)."""
        mean, variance, with_level, with_slope = self._ahead(one)
        gap = max(0.0, one.at - self.at)
        left = self.returns**gap
        surprise = one.residual - mean
        weights = FORGETTING * self.log_weights + (1 - FORGETTING) * self.prior
        weights = weights - (np.log(variance) + surprise**2 / variance) / 2
        return _State(
            self.moves,
            self.wanders,
            self.returns,
            self.prior,
            weights - special.logsumexp(weights),
            one.at,
            self.level_var * left**2 + self.moves * _grown(self.returns, gap) - with_level**2 / variance,
            self.slope_var - with_slope**2 / variance,
            self.level * left + with_level / variance * surprise,
            self.slope + with_slope / variance * surprise,
            self.both * left - with_level * with_slope / variance,
        )


def _grown(returns: np.ndarray, gap: float) -> np.ndarray:
    """Return how much a level has moved after a gap, in variances of one move."""
    geometric = (1 - returns ** (2 * gap)) / np.where(returns < 1, 1 - returns**2, 1.0)
    return np.where(returns < 1, geometric, gap)


def _start(unit: float, windows: int, span: float, at: float) -> _State:
    """Lay out the grid; a level is centred on the windows that its estimates were learnt from."""
    axes = (MOVES, WANDERS, MISJUDGED)
    chances = [_half_cauchy(np.array(axis), scale) for axis, scale in zip(axes, TYPICAL, strict=True)]
    moves, wanders, misjudged, returns = (
        part.ravel() for part in np.meshgrid(*(np.array(axis) for axis in axes), np.array(RETURNS), indexing="ij")
    )
    prior = np.log(np.einsum("i,j,k,l->ijkl", *chances, np.full(len(RETURNS), 1 / len(RETURNS))).ravel())
    moved = np.square(moves * unit)
    settled = np.where(returns < 1, 1 / np.where(returns < 1, 1 - returns**2, 1.0), windows / 3)
    return _State(
        moved, np.square(wanders * unit), returns, prior, prior, at, moved * settled, np.square(misjudged * span)
    )


def _half_cauchy(values: np.ndarray, scale: float) -> np.ndarray:
    """Return the probability of the cell about each value."""
    edges = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [np.inf]])
    return np.diff(2 / np.pi * np.arctan(edges / scale))


@lru_cache(maxsize=512)
def _now(record: ResidualHistory, lag: float) -> tuple[_State, float]:
    """Return what is believed at the end of a record: it is asked for many windows before it grows."""
    states, steps = _follow(record, lag)
    return states[-1], steps[-1]


def _follow(record: ResidualHistory, lag: float, centred: int | None = None) -> tuple[list[_State], list[float]]:
    """Follow a record from its first window: beliefs, and logarithms of the width, before and after each.

    A window's own law is that of its time, when only those at least ``lag`` before it were known. ``centred`` is how
    many windows the estimates were learnt from.
    """
    residuals = record.residuals
    unit = float(np.median([one.error for one in residuals])) or record.span * SMALLEST
    states = [_start(unit, centred or len(residuals), record.span, residuals[0].at)]
    for one in residuals:
        states.append(states[-1].after(one))
    steps, times = [0.0], [one.at for one in residuals]
    for one in residuals:
        until = bisect_right(times, one.at - lag + ROUNDING)
        score = states[until].law(one).scores(np.array([one.residual]))[0]
        missed = abs(score) > Z * math.exp(steps[until])
        change = RATE * (missed - (not missed) * MISSES / (1 - MISSES))
        steps.append(min(steps[-1] + change, MOST))
    return states, steps


def _reach(state: _State, one: Residual, step: float) -> CalibratedInterval:
    law = state.law(one)
    low, middle, high = law.quantiles(np.array([-1.0, 0.0, 1.0]) * Z * math.exp(step)).tolist()
    return CalibratedInterval(middle, low, high, math.exp(step))
