"""Change of the correlation of two numeric columns."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import variance_factor
from detectors.drift.laws import chance_of_hits
from detectors.joint import pair_count, product_pairs
from detectors.profile import SCALE
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Largest change, relative to its standard error, of the normal-score correlation of a pair of columns.

    Detects a changed dependence of two columns whose own distributions have not changed.

    Limits
    ------
    Covers the first 32 numeric columns. Dependences other than correlation are covered by `mmd`. The p-value assumes
    independent pairs and is conservative.

    References
    ----------
    van der Waerden, *Order tests for the two-sample problem and their power*, 1952; Fisher 1915; Lugannani, Rice,
    *Saddle point approximation for the distribution of the sum of independent random variables*, Advances in Applied
    Probability 12, 1980.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.joint import JOINT, learn_joint, project
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> def two(rho):
    ...     x = rng.normal(size=5000)
    ...     y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=5000)
    ...     return {"x": Column.floats(x), "y": Column.floats(y)}
    >>> layout = learn_numeric(rng.normal(size=5000), -4.0, 4.0)
    >>> layouts = {"x": layout, "y": layout}
    >>> layouts[JOINT] = learn_joint(layouts)
    >>> old, new = (Profile.of(project(two(rho), layouts), layouts[JOINT]) for rho in (0.6, -0.6))
    >>> result = measure(old, new)
    >>> round(result.statistic, 1), result.detail["pair"]
    (1.1, 'x, y')
    """
    pairs = pair_count(baseline.layout.paired)
    if pairs == 0:
        return Measurement(0.0)
    old, new = _means(baseline, pairs), _means(window, pairs)
    gap = new - old
    variance = np.maximum(
        0.0, np.asarray(baseline.counts[..., 1 + pairs : 1 + 2 * pairs]) / SCALE / baseline.n - old**2
    )
    sway = np.sqrt(variance * np.expand_dims(variance_factor(baseline, window), -1))
    with np.errstate(over="ignore"):  # a standard error near 0 would make any gap the largest
        worst = np.abs(gap / np.maximum(sway, np.finfo(np.float64).tiny)).argmax(axis=-1)
    at = np.expand_dims(worst, -1)
    change = np.take_along_axis(gap, at, -1)[..., 0]
    noise = np.take_along_axis(np.broadcast_to(sway, gap.shape), at, -1)[..., 0]
    tail = -special.ndtri(NULL_TAIL / 2 / pairs)
    detail: dict[str, object] = {"change": change}
    if np.ndim(change) == 0:
        detail["pair"] = ", ".join(product_pairs(baseline.layout)[int(worst)])
    one = _product_tail(
        np.abs(change), noise, np.take_along_axis(np.broadcast_to(old, gap.shape), at, -1)[..., 0], window.n
    )
    squares = np.asarray(window.counts[..., 1 + pairs : 1 + 2 * pairs]) / SCALE / np.expand_dims(window.n, -1)
    hits = window.n * change**2 / np.maximum(np.take_along_axis(squares, at, -1)[..., 0], np.finfo(np.float64).tiny)
    p_value = np.minimum(1.0, np.maximum(pairs * one, chance_of_hits(baseline, window, hits)))
    usual = tail * np.maximum(noise, np.sqrt(variance_factor(baseline, window) / (baseline.n + window.n)))
    return Measurement(
        np.abs(change), noise_from_p_value(np.abs(change), p_value, usual), p_value=p_value, detail=detail
    )


def _product_tail(change: Values, spread: Values, correlation: Values, size: Values) -> Values:
    """Return the two-sided probability that the mean product of ``size`` pairs of normal scores deviates by ``change``.

    The product is half the difference of the squares of sum and difference: two gamma laws, combined by the saddlepoint
    approximation.
    """
    rho, m = np.clip(correlation, -0.99, 0.99), np.asarray(size, dtype=np.float64)
    score = np.divide(change, spread, where=np.asarray(spread) > 0, out=np.zeros_like(np.asarray(change, dtype=float)))
    far = np.maximum(score, 1e-3) * np.sqrt((1 + rho**2) / m)
    return np.minimum(1.0, sum(_saddle(far, sign * rho, m) for sign in (1, -1)))


def _saddle(far: Values, rho: Values, m: Values) -> Values:
    """Return the tail probability of a mean of ``m`` products over their correlation (Lugannani and Rice)."""
    value, less = rho + far, 1 - rho**2
    bent = less + 2 * rho * value
    at = 2 * far / (bent + np.sqrt(np.maximum(0.0, bent**2 + 4 * value * less * far)))
    inside = np.maximum(1 - 2 * rho * at - less * at**2, np.finfo(np.float64).tiny)
    slope = (less * inside + 2 * (rho + less * at) ** 2) / inside**2
    root = np.sqrt(np.maximum(0.0, 2 * m * (at * value + np.log(inside) / 2)))
    return special.ndtr(-root) + np.exp(-(root**2) / 2) / np.sqrt(2 * np.pi) * (
        1 / (at * np.sqrt(m * slope)) - 1 / root
    )


def _means(side: Counted, pairs: int) -> np.ndarray:
    return np.asarray(side.counts[..., 1 : 1 + pairs] / SCALE / np.expand_dims(side.n, -1))


DETECTOR = Detector(
    name="correlation",
    check="drift",
    measure=measure,
    kinds=frozenset({"vector"}),
    threshold=0.2,
    floor=0.08,
    unit="correlation",
    title="change of a correlation",
    citation="van der Waerden 1952",
)
