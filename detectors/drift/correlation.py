"""Correlation: the pair of numeric columns whose dependence has changed most."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement
from detectors.drift.bins import variance_factor
from detectors.joint import pair_count, pairs_of
from detectors.profile import SCALE
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Change of the normal-score correlation of the pair that stands out most from its own noise.

    Sees a dependence that turns around while every single column stays as it was.

    Limits
    ------
    Numeric columns only, the first 32; a dependence that is no correlation is left to `mmd`. The noise floor
    takes the pairs as independent, which errs on the quiet side, and products as normal, which does not.

    References
    ----------
    van der Waerden, *Order tests for the two-sample problem and their power*, 1952; Fisher 1915.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.joint import JOINT, learn_joint, project
    >>> from detectors.layout import learn_numeric
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
    >>> seen = measure(old, new)
    >>> round(seen.statistic, 1), seen.detail["pair"]
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
    with np.errstate(over="ignore"):  # next to no sway makes any gap the largest
        worst = np.abs(gap / np.maximum(sway, np.finfo(np.float64).tiny)).argmax(axis=-1)
    at = np.expand_dims(worst, -1)
    change = np.take_along_axis(gap, at, -1)[..., 0]
    noise = np.take_along_axis(np.broadcast_to(sway, gap.shape), at, -1)[..., 0]
    tail = -special.ndtri(NULL_TAIL / 2 / pairs)
    detail: dict[str, object] = {"change": change}
    if np.ndim(change) == 0:
        detail["pair"] = ", ".join(pairs_of(baseline.layout)[int(worst)])
    return Measurement(np.abs(change), tail * noise, detail=detail)


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
