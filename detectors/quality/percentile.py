"""Latency: percentiles of durations against a target or against the baseline."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values, noise_from_p_value
from detectors.binning import Binning
from detectors.drift.bins import quantiles, variance_factor
from detectors.drift.laws import at_most
from detectors.stack import Counted

TIMES = ("latency", "time_to_first_token", "time_per_output_token", "queue_time")
"""Columns in seconds, by their names in presets."""
LEVELS = (0.5, 0.9, 0.95, 0.99)
SHORTEST, LONGEST = 1e-4, 1e5
FINE, COARSE = 1.02, 1.2
"""Ratio of consecutive edges: within the baseline's range, extended by a factor of eight; and elsewhere."""
TAIL = 8.0
"""The slope of a tail is measured between a percentile and the one that eight times as many rows exceed."""
LEAST = np.finfo(np.float64).tiny


def learn_times(sample: np.ndarray) -> Binning:
    """Return the layout of durations: edges 2 % apart, from a quarter of the median to eight times the maximum.

    The baseline's quantile edges do not resolve its maximum; these do. Further out, from 0.1 ms to 28 h, edges are 20 %
    apart.

    Parameters
    ----------
    sample
        Finite values of the baseline, shape (n,).

    Examples
    --------
    >>> learn_times(np.random.default_rng(0).lognormal(0, 1, 1000)).bins
    467
    """
    low, middle, high, slowest = np.quantile(sample, [0.05, 0.5, 0.95, 0.999]) if len(sample) else (1.0,) * 4
    first, last = (float(np.clip(end, SHORTEST, LONGEST)) for end in (low / 4, slowest * 8))
    edges = np.concatenate([_steps(SHORTEST, first, COARSE), _steps(first, last, FINE), _steps(last, LONGEST, COARSE)])
    scale = next((float(size) for size in (high - low, abs(middle)) if size > 0), 1.0)
    return Binning(kind="numeric", edges=np.unique(edges), scale=scale, origin=float(middle))


def _steps(first: float, last: float, ratio: float) -> np.ndarray:
    count = int(np.ceil(np.log(last / first) / np.log(ratio)))
    return first * (last / first) ** (np.arange(count + 1) / max(1, count))


def percentile(level: float, side: Counted, tail: float = 0.025) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a percentile and its confidence limits, each over the last axis, in the column's unit.

    The limits are the values at the levels that bound the percentile's order statistic, by the normal approximation of
    the binomial; ``tail`` is the probability on each side.

    Examples
    --------
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> seconds = np.random.default_rng(0).lognormal(0, 1, 20_000)
    >>> [round(float(one), 1) for one in percentile(0.95, Profile.of(Column.floats(seconds), learn_times(seconds)))]
    [5.1, 5.0, 5.3]
    """
    n = np.maximum(1, np.asarray(side.n, dtype=np.float64))
    reach = -special.ndtri(tail) * np.sqrt(level * (1 - level) / n)
    levels = np.stack([np.full(n.shape, level), level - reach, level + reach], axis=-1)
    values = quantiles(side, levels)
    return values[..., 0], values[..., 1], values[..., 2]


def against_target(level: float, baseline: Counted, window: Counted) -> Measurement:
    """Measure a percentile in seconds, for comparison with a target.

    ``detail`` has the percentile with its 95 % interval, and the baseline's.

    Limits
    ------
    Accurate to 2 % up to eight times the baseline's maximum, to 20 % up to 28 h. Rows without a duration, such as
    failed requests, are left out: a service that is fast because it rejects requests looks fast, so monitor its errors
    too.

    References
    ----------
    Wilks, *Determination of sample sizes for setting tolerance limits*, Annals of Mathematical Statistics 12, 1941.

    Examples
    --------
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_times(np.ones(1))
    >>> old, new = (Profile.of(Column.floats(np.full(200, s)), layout) for s in (1.0, 3.0))
    >>> round(against_target(0.95, old, new).statistic, 1)
    3.0
    """
    before, *_ = percentile(level, baseline)
    value, low, high = percentile(level, window)
    return Measurement(value, high - value, detail=_describe(level, before, value, low, high))


def against_baseline(level: float, baseline: Counted, window: Counted) -> Measurement:
    """Log ratio of a percentile to the baseline's.

    Limits
    ------
    As of :func:`against_target`. A negative statistic is an improvement. The p-value is the exact probability that so
    few values lie below the percentile. The p99 of 20 rows is their maximum, whose distribution only few rows of the
    baseline determine: the p-value then takes few values, and none below about 20 divided by the baseline's rows.

    References
    ----------
    Wilks, *Determination of sample sizes for setting tolerance limits*, Annals of Mathematical Statistics 12, 1941.

    Examples
    --------
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> layout = learn_times(np.ones(1))
    >>> old, new = (Profile.of(Column.floats(np.full(200, s)), layout) for s in (1.0, 3.0))
    >>> round(float(np.exp(against_baseline(0.95, old, new).statistic)), 1)
    3.0
    """
    value, low, high = percentile(level, window)
    before, *_ = percentile(level, baseline)
    change = np.log(np.maximum(value, LEAST) / np.maximum(before, LEAST))
    usual = _noise(level, baseline, np.asarray(variance_factor(baseline, window)))
    p_value = _chance(level, baseline, window, value)
    noise = noise_from_p_value(change, p_value, usual, sides=1)
    return Measurement(change, noise, p_value=p_value, detail=_describe(level, before, value, low, high))


def _chance(level: float, baseline: Counted, window: Counted, value: Values) -> Values:
    """Return the probability that so few values of a window lie below the percentile."""
    edges, below = baseline.layout.edges, np.cumsum(baseline.counts)[:-1].astype(np.float64)
    if not len(edges):
        return np.ones(np.shape(value))
    count = np.interp(np.asarray(value) * (1 - 1e-12), edges, below)
    hits = np.ceil(level * np.asarray(window.n, dtype=np.float64) - 1e-9) - 1
    return at_most(hits, count + hits, window.n, baseline.n + window.n)


def _noise(level: float, baseline: Counted, factor: np.ndarray) -> np.ndarray:
    """Return the noise floor of a percentile, as a logarithm.

    It is the change of the baseline's quantiles over the sampling noise of the level. Beyond the range of small samples
    the tail is extrapolated as a power law with the slope before the percentile.
    """
    deviations = -special.ndtri(NULL_TAIL)
    levels = np.stack([np.broadcast_to(step, factor.shape) for step in (level, 1 - TAIL * (1 - level))], axis=-1)
    reached = np.minimum(1.0, level + deviations * np.sqrt(level * (1 - level) * factor))
    usual = np.log(np.maximum(quantiles(baseline, np.concatenate([levels, reached[..., None]], axis=-1)), LEAST))
    spread: np.ndarray = np.abs(usual[..., 2] - usual[..., 0])
    if levels[..., 1].min() <= 0:
        return spread
    slope = (usual[..., 0] - usual[..., 1]) / np.log(TAIL)
    beyond = slope * deviations * np.sqrt(factor / (level * (1 - level)))
    return np.asarray(np.maximum(spread, beyond))


def _describe(
    level: float, before: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray
) -> dict[str, object]:
    return {"value": value, "low": low, "high": high, "baseline_value": before, "quantile": level}


def percentile_name(level: float) -> str:
    """Return the name of a percentile, such as p95.

    Examples
    --------
    >>> percentile_name(0.999)
    'p99.9'
    """
    return f"p{round(100 * level, 1):g}"


def _detector(level: float, rise: bool) -> Detector:  # noqa: FBT001
    name = percentile_name(level)
    return Detector(
        name=f"{name}_rise" if rise else name,
        check="latency",
        measure=partial(against_baseline if rise else against_target, level),
        kinds=frozenset({"numeric"}),
        threshold=float(np.log(1.5)) if rise else np.inf,
        floor=float(np.log(1.1)) if rise else 0.0,
        unit="log ratio" if rise else "s",
        title=f"rise of the {name}" if rise else name,
        citation="Wilks 1941",
        follows="up",
    )


TARGETS: dict[str, Detector] = {percentile_name(level): _detector(level, rise=False) for level in LEVELS}
"""Percentiles in seconds, compared with a target."""
RISES: dict[str, Detector] = {f"{percentile_name(level)}_rise": _detector(level, rise=True) for level in LEVELS}
"""Percentiles compared with the baseline's, with calibrated thresholds."""
