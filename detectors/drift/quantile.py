"""Largest shift of a quantile."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import quantiles, variance_factor
from detectors.drift.laws import at_most
from detectors.stack import Counted

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
CONFIDENCE = 0.95


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Largest absolute shift of five quantiles, divided by the baseline's 5-to-95 % range.

    Quantiles are estimated from the counts: linear within a bin, exact for point masses, and clipped to the outermost
    quantile edges. ``quantile`` is the level of the largest shift; ``from`` and ``to`` are its values in the unit of
    the column; ``low`` and ``high`` are the 95 % limits of its signed shift, from the order statistics of both samples.
    The p-value is the sum over the five levels of the exact probabilities that so few values lie below or above the
    quantile.

    Limits
    ------
    The interval does not account for the choice of the largest shift: its coverage is 92 to 95 %. Quantiles are clipped
    at the outermost edges, so in windows of 20 rows of a skewed or heavy-tailed column the largest shift is often the
    one to that edge, whose probability is a few percent: smaller p-values do not occur. In a gap between two modes a
    quantile can move by the width of the gap without a relevant change; the noise floor is then as wide, and another
    method is a better choice.

    References
    ----------
    David, Nagaraja, *Order Statistics*, 3rd edition, 2003, section 7.1; Wilson, *Probable inference, the law
    of succession, and statistical inference*, Journal of the American Statistical Association 22, 1927.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.exponential(1.0, 20000), rng.exponential(1.5, 20000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> result = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> result.detail["quantile"], round(result.statistic, 1)
    (0.95, 0.5)
    """
    levels, scale = np.array(LEVELS), baseline.layout.scale
    factor = np.expand_dims(np.asarray(variance_factor(baseline, window)), -1)
    old, new = quantiles(baseline, levels), quantiles(window, levels)
    shift = (new - old) / scale
    most = np.abs(shift).argmax(axis=-1)[..., None]
    margin = -special.ndtri((1 - CONFIDENCE) / 2) * np.sqrt(levels * (1 - levels) * factor)
    low, high = ((quantiles(window, levels + side * margin) - old) / scale for side in (-1, 1))
    reach = [np.abs(quantiles(baseline, level) - old).max(axis=-1) / scale for level in _noisy(levels, factor)]
    largest = np.abs(shift).max(axis=-1)
    p_value = _chance(baseline, window, old, largest * scale)
    return Measurement(
        largest,
        noise_from_p_value(largest, p_value, np.maximum(*reach)),
        p_value=p_value,
        detail={
            "quantile": levels[most[..., 0]],
            "from": old[most[..., 0]],
            "to": np.take_along_axis(new, most, axis=-1)[..., 0],
            "low": np.take_along_axis(low, most, axis=-1)[..., 0],
            "high": np.take_along_axis(high, most, axis=-1)[..., 0],
        },
    )


def _chance(baseline: Counted, window: Counted, old: np.ndarray, far: Values) -> Values:
    """Return the probability that any of the quantiles moves as far: that too few values lie on its other side."""
    edges, below = baseline.layout.edges, np.cumsum(baseline.counts)[:-1].astype(np.float64)
    if not len(edges):
        return np.ones(np.shape(far))
    n, m = float(baseline.n), np.expand_dims(np.asarray(window.n, dtype=np.float64), -1)
    least = 1e-9 * baseline.layout.scale + 4 * np.spacing(np.abs(edges).max())
    reach = edges[[1, -2]] if len(edges) >= 4 else edges[[0, -1]]  # noqa: PLR2004
    tails = []
    for side, levels in ((1, np.array(LEVELS)), (-1, 1 - np.array(LEVELS))):
        at = old + side * (np.expand_dims(np.asarray(far), -1) - least)
        count = np.interp(at, edges, below)
        beyond = count if side > 0 else n - count
        hits = np.ceil(levels * m - 1e-9) - 1 if side > 0 else np.floor(levels * m + 1e-9)
        inside = (at <= reach[1]) if side > 0 else (at >= reach[0])
        tails.append(np.where(inside, at_most(hits, beyond + hits, m, n + m), 0.0))
    return np.where(np.asarray(far) > 0, np.minimum(1.0, np.sum(tails, axis=(0, -1))), 1.0)[()]


def _noisy(levels: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the baseline levels between which the quantiles of an unchanged window lie (Wilson interval)."""
    squared = special.ndtri(NULL_TAIL / (2 * len(LEVELS))) ** 2 * factor
    middle = (levels + squared / 2) / (1 + squared)
    half = np.sqrt(levels * (1 - levels) * squared + squared**2 / 4) / (1 + squared)
    return middle - half, middle + half


DETECTOR = Detector(
    name="quantile",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.1,
    floor=0.02,
    unit="baseline 5-95 % range",
    title="largest shift of a quantile",
    citation="David and Nagaraja 2003; Wilson 1927",
)
