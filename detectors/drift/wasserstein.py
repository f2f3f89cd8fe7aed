"""Wasserstein distance in units of the baseline's range."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Cells, Detector, Measurement, Values, noise_from_p_value
from detectors.drift.bins import change_of_mean, shares, variance_factor, winsorised_values
from detectors.drift.laws import TINY, Linear, both_above, exact_tail
from detectors.profile import Profile
from detectors.stack import Counted


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Wasserstein distance: mean distance that mass has moved, divided by the baseline's 5-to-95 % range.

    The integral of the absolute gap between the distribution functions, linear between quantile edges. Values beyond
    the outermost quantile edges are clipped to them, so one outlier changes the result by less than 1/n, and the result
    does not depend on the unit of the column. The p-value combines two: that of a chi law with the mean and the
    variance of the gaps under the baseline's law, and that of the shift of the mean, or of the mean absolute deviation,
    which dominates where rare values appear or disappear. In a skewed column these two rise together, so that their
    probabilities are added without that of both.

    Limits
    ------
    Changes beyond the outermost quantile edges are not detected (`range` and `psi` detect them).

    References
    ----------
    Vallender, *Calculation of the Wasserstein distance between probability distributions on the line*, Theory
    of Probability and Its Applications 18, 1974; del Barrio, Giné, Matrán, *Central limit theorems for the
    Wasserstein distance between the empirical and the true distributions*, Annals of Probability 27, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=20000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> y = rng.normal(0.5, size=20000)
    >>> result = measure(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout))
    >>> round(result.statistic * layout.scale, 1)
    0.5
    """
    edges = baseline.layout.edges / baseline.layout.scale
    inner = slice(1, -1) if len(edges) >= 4 else slice(None)
    widths = np.diff(edges[inner])
    old, new = (np.cumsum(shares(counts), axis=-1)[..., :-1][..., inner] for counts in (baseline.counts, window.counts))
    distance, spread = _integral(np.abs(old - new), widths), np.sqrt(variance_factor(baseline, window))
    mean, variance = _moments(old, (np.append(widths, 0.0) + np.append(0.0, widths)) / 2)
    values = winsorised_values(baseline.layout)
    shift = Linear.of(values, baseline, window)
    usual_shares = shares(baseline.counts)
    apart = np.abs(values - float(usual_shares @ values))
    far = Linear.of(apart, baseline, window)
    of_gaps, of_shift, of_far = (
        _chi_tail(distance / spread, mean, variance),
        shift.either(distance),
        far.above(distance),
    )
    both = both_above(of_shift / 2, of_far, abs(_correlation(usual_shares, values, apart)))
    p_value = np.minimum(1.0, np.maximum(of_gaps + of_shift / 2 + of_far - both, of_shift))
    p_value = exact_tail(baseline.counts, window.counts, distance, p_value)
    usual = np.maximum(mean * spread, -special.ndtri(NULL_TAIL / 2) * shift.usual)
    return Measurement(distance, noise_from_p_value(distance, p_value, usual), p_value=p_value)


def _correlation(weights: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two scores; 0 if one of them is constant."""
    centred, beside = one - float(weights @ one), other - float(weights @ other)
    spread = float(np.sqrt((weights @ centred**2) * (weights @ beside**2)))
    return float(weights @ (centred * beside)) / spread if spread > TINY else 0.0


def _moments(below: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return mean and variance of the integral of a Brownian bridge's absolute value over a distribution function."""
    spread = np.sqrt(below * np.maximum(0.0, 1 - below))
    both = np.outer(spread, spread)
    shared = np.minimum.outer(below, below) - np.outer(below, below)
    together = np.clip(np.divide(shared, both, where=both > 0, out=np.zeros_like(both)), -1.0, 1.0)
    covariance = both * (np.sqrt(1 - together**2) + together * np.arcsin(together) - 1)
    return np.sqrt(2 / np.pi) * float(weights @ spread), 2 / np.pi * float(weights @ covariance @ weights)


def _chi_tail(value: Values, mean: float, variance: float) -> Values:
    """Return the tail probability of a scaled chi variable with the given mean and variance."""
    if variance <= TINY:
        return 0.0
    straight = mean**2 / variance / 2
    freedom = max(0.5, straight + 0.25 - 0.11 / straight)  # within 0.5 %, from one degree of freedom up
    return special.gammaincc(freedom / 2, freedom / 2 * np.square(value) / (mean**2 + variance))


def _integral(heights: np.ndarray, widths: np.ndarray) -> Values:
    return np.sum((heights[..., 1:] + heights[..., :-1]) / 2 * widths, axis=-1)


def cells(baseline: Profile, window: Profile) -> Cells:
    """Return the contribution of each bin to the distance, by the Kantorovich potential, whose mean changes most."""
    edges = baseline.layout.edges / baseline.layout.scale
    p, q = shares(baseline.counts), shares(window.counts)
    inner = slice(1, -1) if len(edges) >= 4 else slice(None)  # noqa: PLR2004
    widths = np.diff(edges[inner])
    lengths = np.zeros(len(edges))
    lengths[inner] = (np.append(widths, 0.0) + np.append(0.0, widths)) / 2
    below = np.append(np.cumsum((lengths * np.sign(np.cumsum(p - q)[:-1]))[::-1])[::-1], 0.0)
    return change_of_mean(baseline, window, p @ below - below)


DETECTOR = Detector(
    name="wasserstein",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=0.08,
    floor=0.015,
    unit="baseline 5-95 % range",
    title="Wasserstein distance",
    citation="Vallender 1974",
    cells=cells,
)
