"""Calibrated interval of an estimate without labels, from the errors of earlier estimates.

An estimate without labels has three sources of error: sampling of the labels; variation of the calibration between
windows, and its drift over time; and extrapolation to rows unlike the baseline's. The first is computed from the
window. The others are estimated from the *residuals* (truth minus estimate) of windows with labels: those of the
baseline, each estimated from the rest, and later ones.

The residuals follow a local level model: a level that moves over time, a slope for the share of new rows, variation
between windows, and the sampling error. The rates of movement and reversion of the level, the variation between windows
and the slope are unknown; a grid of their values is weighted by the likelihood of the past residuals. Few windows
therefore give heavy tails, a long horizon gives a wide interval, and a lasting bias shifts it.

As a model may be wrong, the coverage of the interval is controlled. When labels arrive, the interval that was stated
for their window is checked: a miss widens all later ones by a tenth, a hit narrows them by a nineteenth of that. In the
long run the interval therefore misses at the nominal rate for any process, as long as labels arrive.

Guarantee
---------
With labels that arrive ``lag`` windows late, over T windows, ``|share of misses - 0.05|`` is at most ``(range + RATE *
lag) / (RATE * T)`` where ``range`` is the difference of the largest and the smallest logarithm of the width factor. The
guarantee is about the long run, not about one window. Without labels after the baseline there is none: the interval is
valid as far as the future varies as the baseline did, and concept drift without labels is not detected.

References
----------
Harvey, *Forecasting, structural time series models and the Kalman filter*, 1989 (local level model); West, Harrison,
*Bayesian forecasting and dynamic models*, 1997 (a grid of models weighted by their forecasts); Gelman, *Prior
distributions for variance parameters in hierarchical models*, Bayesian Analysis 1, 2006 (half-Cauchy); Gibbs, Candès,
*Adaptive conformal inference under distribution shift*, NeurIPS 2021, and Angelopoulos, Candès, Tibshirani, *Conformal
PID control for time series prediction*, NeurIPS 2023 (the width is adjusted by hits and misses).
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
"""Nominal share of windows whose true value is outside of the interval."""
RATE = 0.1
"""Change of the log width after a miss."""
LONGEST = 200
"""Largest number of windows of a record."""
FORGETTING = 0.98
"""Forgetting factor of the log-likelihood of the grid per window, as the process may change."""

MOVES = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Grid of movements of the level between windows, in sampling errors of a typical window."""
WANDERS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Grid of deviations of a window from the level, in the same unit."""
RETURNS = (1.0, 0.8)
"""Grid of autoregression coefficients of the level per window: 1 is a random walk."""
MISJUDGED = (0.0, 0.05, 0.15, 0.5)
"""Grid of errors for new rows, in units of the metric."""
TYPICAL = (0.25, 0.5, 0.1)
"""Scales of the half-Cauchy priors of movement, deviation and error for new rows."""
HALVINGS = 30
ROUNDING = 1e-6
MOST = 2.5
"""Logarithm of the largest width factor, beyond which normal scores overflow."""
SMALLEST = 1e-6
"""Sampling error, in spans, that replaces 0."""
Z = float(special.ndtri(1 - MISSES / 2))


class Residual(NamedTuple):
    """Time and residual of one window, with the predictors of its error.

    ``at`` is in windows, ``residual`` and ``error`` (the standard error of sampling) in units of the metric, ``new`` is
    the share of rows whose predictions lie where the baseline had fewer.
    """

    at: float
    residual: float
    error: float
    new: float = 0.0


@dataclass(frozen=True)
class ResidualHistory:
    """Labelled windows of one metric, in the order of time.

    Parameters
    ----------
    residuals
        The windows; those of the baseline first.
    span
        Scale of the metric: 1 for a share, the baseline's own value for a loss.
    """

    residuals: tuple[Residual, ...] = ()
    span: float = 1.0

    def __add__(self, later: Sequence[Residual]) -> ResidualHistory:
        """Add windows; those that are not later are ignored, and only the newest 200 are retained."""
        last = self.residuals[-1].at if self.residuals else -math.inf
        return ResidualHistory(
            (*self.residuals, *(one for one in later if one.at > last + ROUNDING))[-LONGEST:], self.span
        )

    @property
    def most_new(self) -> float:
        """Return the largest share of new rows of any window; 0 if there is none."""
        return max((one.new for one in self.residuals), default=0.0)

    def until(self, at: float) -> ResidualHistory:
        """Return the history up to and including a time."""
        return ResidualHistory(tuple(one for one in self.residuals if one.at <= at + ROUNDING), self.span)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"span": self.span, "seen": [list(one) for one in self.residuals]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ResidualHistory:
        """Read the output of :meth:`to_json`."""
        return cls(tuple(Residual(*one) for one in data["seen"]), data["span"])


class CalibratedInterval(NamedTuple):
    """Interval of truth minus estimate: centre and limits, and the width factor."""

    middle: float
    low: float
    high: float
    stretch: float


def calibrate_interval(
    record: ResidualHistory, at: float, error: float, new: float = 0.0, lag: float = 1.0
) -> CalibratedInterval:
    """Return the 95 % interval of truth minus estimate, in units of the metric.

    Parameters
    ----------
    record
        Windows whose labels are available; if empty, the interval is that of sampling alone.
    at, error, new
        Of the estimated window, as in :class:`Residual`.
    lag
        Delay of labels in windows: each window of the record is forecast from those at least this much earlier.

    Limits
    ------
    Errors are assumed to be normal about the level. Takes 0.1 ms per window of the record, the first time.

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
    """Return the calibrated intervals of consecutive windows, with labels of a given delay, or without any (None).

    Parameters
    ----------
    record
        Labelled windows at the start, at least one.
    later
        Later windows, in the order of time.

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
    """Mixture of normal distributions: weights, means, standard deviations, each of shape (grid,)."""

    weights: np.ndarray
    means: np.ndarray
    spreads: np.ndarray

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Return normal scores of values: their distances in standard errors if the mixture were normal."""
        away = (values[:, None] - self.means) / self.spreads
        below, above = special.ndtr(away) @ self.weights, special.ndtr(-away) @ self.weights
        return np.asarray(np.where(below < above, special.ndtri(below), -special.ndtri(above)))

    def quantiles(self, scores: np.ndarray) -> np.ndarray:
        """Return the quantiles at given normal scores, by bisection."""
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
    """Posterior of level and slope after some windows, for each point of the grid; arrays (grid,).

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
        """Return the predictive distribution of the residual of a window at or after this state."""
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
        """Return the posterior after a window's residual (Kalman update)."""
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
    """Return the variance of the level's movement over a gap, in variances of one step."""
    geometric = (1 - returns ** (2 * gap)) / np.where(returns < 1, 1 - returns**2, 1.0)
    return np.where(returns < 1, geometric, gap)


def _start(unit: float, windows: int, span: float, at: float) -> _State:
    """Return the prior over the grid; the level is centred on the windows from which its estimates were learnt."""
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
    """Return the probability of the cell around each value."""
    edges = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [np.inf]])
    return np.diff(2 / np.pi * np.arctan(edges / scale))


@lru_cache(maxsize=512)
def _now(record: ResidualHistory, lag: float) -> tuple[_State, float]:
    """Return the posterior at the end of a record; cached, as many windows use it before the record grows."""
    states, steps = _follow(record, lag)
    return states[-1], steps[-1]


def _follow(record: ResidualHistory, lag: float, centred: int | None = None) -> tuple[list[_State], list[float]]:
    """Filter a record from its first window: posteriors, and log width factors, before and after each.

    The predictive distribution of a window uses only those at least ``lag`` before it. ``centred`` is the number of
    windows from which the estimates were learnt.
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
