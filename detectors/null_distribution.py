"""Null distribution of a statistic over the windows of an unchanged baseline, on a common scale of rarity.

The rarity of a value is the logarithm of its return period in windows. A statistic in units of its sampling noise is a
normal score with a known rarity; the baseline's windows show the additional variance of the population, and how much
heavier than normal the tail is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special

BODY = 0.9
"""Probability below the start of the tail."""
WIDE = 0.98
"""Quantile of the null from which the population's variation is estimated."""
SHOWN = (0.5, 0.9, 0.99, 1.0)
TINY = float(np.finfo(np.float64).tiny)
NOISE_TAIL = 1e-3
"""Probability that the statistic of an unchanged window exceeds its noise floor."""
NOISE_SCORE = float(-special.ndtri(NOISE_TAIL / 2))
PRIOR_PEAKS = 20.0
"""Number of pseudo-observations of a normal tail, which keep an estimated tail from being too light."""
LIGHTEST = 0.5
"""Smallest scale of a tail, relative to the normal one."""
UNEVEN = 2.0
"""Ratio of variances of small to large windows from which on row noise and population variation are separable."""
MIXTURES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Candidate shares of row noise, which decreases with the window's size, in the excess variance."""
MOST_EXTREME = 1e4
"""Upper limit of rarities."""


def rarity_of_score(squared: Any) -> Any:  # noqa: ANN401
    """Return the rarity of a squared normal score, in units of the square that NOISE_TAIL of the windows exceed.

    Examples
    --------
    >>> round(float(np.exp(-rarity_of_score(1.0))), 6)
    0.001
    """
    score = NOISE_SCORE * np.sqrt(np.minimum(squared, MOST_EXTREME))
    return np.minimum(MOST_EXTREME, -(math.log(2) + special.log_ndtr(-score)))


def score_of_rarity(rarity: Any) -> Any:  # noqa: ANN401
    """Return the squared score of a given rarity: the inverse of :func:`rarity_of_score`."""
    score = -special.ndtri_exp(-np.maximum(rarity, 0.0) - math.log(2))
    return np.square(np.maximum(score, 0.0) / NOISE_SCORE)


@dataclass(frozen=True)
class NullDistribution:
    """Null distribution of one statistic over the windows of the baseline.

    Parameters
    ----------
    wander
        Variation of the population beyond the sampling noise, in the statistic's unit.
    start, share, scale
        Tail: rarities of the score above ``start`` (a ``share`` of all) are exponential with mean ``scale``.
    quantiles
        Of the statistic over the baseline's windows, at 50, 90, 99 and 100 %.
    windows
        Number of non-overlapping windows behind the estimate.
    noise
        Sampling noise of the median window.
    expected
        Expected false alerts per week of this statistic at its limit.
    inflation
        Ratio of the variance of the rows to that of independent rows; its effect decreases with the size of a window.
    limit
        Rarity that alerts, if it differs from the monitor's.
    clusters
        The same ratio estimated from the other values of the column, for a statistic that is rarely above 0.
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
        """Return the rarity of a statistic: the logarithm of its return period in windows.

        Parameters
        ----------
        statistic, noise
            Of one window, or float64 of shape (windows,): the effect, and its noise floor, which sampling noise alone
            exceeds in one of 1,000 windows of that size.
        """
        with np.errstate(over="ignore"):  # without noise, any effect has the largest rarity
            squared = np.square(np.maximum(statistic, 0.0))
            scored = rarity_of_score(squared / np.maximum(self._variance(noise), TINY))
            alone = rarity_of_score(squared / np.maximum(self.clusters * np.square(noise), TINY))
            body = -math.log(self.share) * np.minimum(scored / max(self.start, TINY), 1.0)
        return np.minimum(body + np.maximum(scored - self.start, 0.0) / self.scale, alone)

    def threshold(self, rarity: float, noise: Any) -> Any:  # noqa: ANN401
        """Return the statistic of a given rarity for a window with this sampling noise."""
        waited = -math.log(self.share)
        scored = self.start * min(rarity / waited, 1.0) + self.scale * max(rarity - waited, 0.0)
        learnt = score_of_rarity(scored) * self._variance(noise)
        return np.sqrt(np.maximum(learnt, score_of_rarity(rarity) * self.clusters * np.square(noise)))

    def _variance(self, noise: Any) -> Any:  # noqa: ANN401
        return self.clusters * self.inflation * np.square(noise) + self.wander**2

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "quantiles": list(self.quantiles)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NullDistribution:
        """Read the output of :meth:`to_json`."""
        return cls(**{**data, "quantiles": tuple(data["quantiles"])})


@dataclass(frozen=True)
class CalibratedNull:
    """Null distribution with the rarity that alerts."""

    null: NullDistribution
    limit: float

    def threshold(self, noise: float) -> float:
        """Return the threshold for a window with this sampling noise."""
        return float(self.null.threshold(self.limit, noise))

    def p_value(self, statistic: float, noise: float) -> float:
        """Return the probability of a statistic at least as large in an unchanged window."""
        return math.exp(-float(self.null.rarity(statistic, noise)))


def learn_null(statistic: np.ndarray, noise: np.ndarray, windows: float) -> NullDistribution | None:
    """Estimate the null distribution of one statistic from the baseline's windows.

    Parameters
    ----------
    statistic, noise
        float64, shape (windows,), in the order of time; NaN for windows that could not be measured.
    windows
        Number of non-overlapping windows.

    Returns
    -------
    NullDistribution or None
        None if no window could be measured.

    Limits
    ------
    If all windows are of about the same size, variance beyond the sampling noise is attributed to the population, and
    so does not decrease in larger windows.

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
    # Some noise laws are approximations: few peaks suffice for a heavier tail than normal, a lighter one needs many.
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
    """Return the cross-validated rarity of each window: under the null estimated from all other folds.

    Under its own null the largest value of a baseline would be less rare than a new value of the same size.

    Parameters
    ----------
    folds
        Stretches that partition the windows.
    floor
        Effects below this never alert; their rarity is -inf.
    """
    rarity = np.full(len(statistic), -np.inf)
    for fold in folds:
        others = learn_null(np.delete(statistic, fold), np.delete(noise, fold), windows * (1 - 1 / len(folds)))
        value, sway = statistic[fold], noise[fold]
        counts = np.isfinite(value) & np.isfinite(sway) & (value >= floor)
        if others is not None:
            rarity[fold][counts] = others.rarity(value[counts], sway[counts])
    return rarity


def independent(statistic: np.ndarray, length: int) -> float:
    """Return the effective number of independent windows: less than that of non-overlapping ones under autocorrelation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> slow = np.repeat(rng.normal(size=100), 10)
    >>> 45 < independent(slow, 5) < 80
    True
    """
    measured = np.isfinite(statistic)
    windows = float(measured.sum() / length)
    if measured.sum() <= length:
        return windows
    centred = np.where(measured, statistic - statistic[measured].mean(), np.nan)
    pairs, squares = centred[length:] * centred[:-length], np.square(centred[measured])
    paired = np.isfinite(pairs)
    if not paired.any() or not squares.any():
        return windows
    alike = min(max(float(pairs[paired].mean() / squares.mean()), 0.0), 0.95)
    return windows * (1 - alike) / (1 + alike)


def _excess(statistic: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """Return the smallest variation and noise inflation that at most 2 % of the windows exceed.

    Clustered rows inflate the noise, which decreases with the size of a window; the population's variation does not.
    Where small and large windows allow it, the mixture is chosen for which both exceed equally often.
    """
    squared, sway = np.square(statistic), np.square(noise)
    thin = sway > np.median(sway)
    excess = max(0.0, float(np.quantile(squared - sway, WIDE)))
    if excess == 0 or not sway.all() or not thin.any() or np.median(sway[thin]) < UNEVEN * np.median(sway[~thin]):
        return math.sqrt(excess), 1.0

    def unevenness(split: tuple[float, float]) -> float:
        wander, inflation = split
        scored = squared / (inflation * sway + wander**2)
        return abs(math.log((np.quantile(scored[thin], WIDE) + TINY) / (np.quantile(scored[~thin], WIDE) + TINY)))

    return min((_split_excess(squared, sway, mixture) for mixture in MIXTURES), key=unevenness)


def _split_excess(squared: np.ndarray, sway: np.ndarray, mixture: float) -> tuple[float, float]:
    """Return variation and inflation that cover the excess, of which ``mixture`` is inflation in the median window."""
    middle = float(np.median(sway))
    shape = mixture * sway / middle + (1 - mixture)
    excess = max(0.0, float(np.quantile((squared - sway) / shape, WIDE)))
    return math.sqrt((1 - mixture) * excess), 1.0 + mixture * excess / middle
