"""Maximum mean discrepancy between two joint distributions."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import Detector, Measurement, noise_from_p_value
from detectors.binning import QUANTILE_BINS
from detectors.drift.bins import variance_factor
from detectors.drift.laws import chance_of_hits, pearson_quantile, pearson_tail
from detectors.joint import FEATURES, pair_count, waves
from detectors.profile import SCALE
from detectors.stack import Counted

FARTHEST = 2.0**0.5
"""Approximate upper limit of the distance."""
HALVINGS = 30
SCORES = float(np.mean(special.ndtri((np.arange(1, QUANTILE_BINS + 1) + 0.5) / (QUANTILE_BINS + 2)) ** 2))
"""Variance of the normal scores of a column without ties."""
TINY = float(np.finfo(np.float64).tiny)
COLUMNS = 8
"""Assumed number of independent columns of an embedding."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Maximum mean discrepancy: distance of the means of random Fourier features; 0 if equal, at most about 1.4.

    Uses a Gaussian kernel, with the typical distance of two records as its width, over normal scores of numeric columns
    and random signs of categories.

    Limits
    ------
    Insensitive to a change of one among many columns, which the checks of single columns detect. The p-value is that of
    normal columns with the baseline's correlations, in the number that reproduces the variance of the features; an
    embedding is treated as eight columns.

    References
    ----------
    Gretton et al., Journal of Machine Learning Research 13, 2012; Rahimi, Recht, NIPS 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.joint import JOINT, learn_joint, project
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> layout = learn_numeric(rng.normal(size=5000), -4.0, 4.0)
    >>> layouts = {"x": layout, "y": layout}
    >>> layouts[JOINT] = learn_joint(layouts)
    >>> def pair(shift):
    ...     return {name: Column.floats(rng.normal(shift, 1.0, 5000)) for name in ("x", "y")}
    >>> old, same, new = (Profile.of(project(pair(s), layouts), layouts[JOINT]) for s in (0.0, 0.0, 0.5))
    >>> [measure(old, side).statistic > measure(old, side).noise for side in (same, new)]
    [False, True]
    """
    old, new = (side.counts[..., -FEATURES:] / SCALE / np.expand_dims(side.n, -1) for side in (baseline, window))
    squared = np.sum((new - old) ** 2, axis=-1) * 2 / FEATURES
    variance = max(0.0, 1.0 - float(np.sum(old**2) * 2 / FEATURES))
    # A constant column has no variance: assume one additional row with another value.
    usual = (variance + FARTHEST**2 / (baseline.n + window.n)) * variance_factor(baseline, window)
    distance, (second, third) = np.sqrt(squared), _shape(baseline, variance)
    in_variances = squared / np.maximum(variance * variance_factor(baseline, window), TINY)
    p_value = np.maximum(
        pearson_tail(in_variances, 1.0, second, third),
        chance_of_hits(baseline, window, window.n * distance / FARTHEST),
    )
    noise = noise_from_p_value(distance, p_value, np.sqrt(usual * pearson_quantile(1.0, second, third)))
    return Measurement(distance, noise, p_value=p_value)


def _shape(baseline: Counted, variance: float) -> tuple[float, float]:
    """Return the second and third cumulants of the squared distance divided by its mean.

    The squared distance is a sum of squares of normal variables with the covariance of the features. That covariance is
    modelled by normal columns, correlated as in the baseline, and constant ones, in the numbers that reproduce the
    features' variance.
    """
    columns = len(baseline.layout.vocabulary) or COLUMNS
    frequencies, phases = waves(columns)
    correlations = _correlations(baseline, columns)
    low, high = 0.0, float(columns)
    for _ in range(HALVINGS):
        moving = (low + high) / 2
        reached = _mean_variance(frequencies, phases, correlations, moving)
        low, high = (moving, high) if reached < variance else (low, moving)
    parts = np.linalg.eigvalsh(_covariance(frequencies, phases, correlations, high))
    parts = parts / max(float(parts.sum()), TINY)
    return float(2 * np.sum(parts**2)), float(8 * np.sum(parts**3))


def _covariance(frequencies: np.ndarray, phases: np.ndarray, correlations: np.ndarray, moving: float) -> np.ndarray:
    """Return the covariance of the features of normal columns, of which only the first ``moving`` vary."""
    scaled = _scale(frequencies, moving)
    gram = scaled.T @ correlations @ scaled
    own = np.diag(gram)
    mean = np.exp(-own / 2) * np.cos(phases)
    differences = np.exp(gram - np.add.outer(own, own) / 2) * np.cos(np.subtract.outer(phases, phases))
    sums = np.exp(-gram - np.add.outer(own, own) / 2) * np.cos(np.add.outer(phases, phases))
    return np.asarray((differences + sums) / 2 - np.outer(mean, mean))


def _mean_variance(frequencies: np.ndarray, phases: np.ndarray, correlations: np.ndarray, moving: float) -> float:
    """Return twice the mean of the diagonal of :func:`_covariance`, without computing the rest."""
    scaled = _scale(frequencies, moving)
    own = np.sum(scaled * (correlations @ scaled), axis=0)
    variances = (1 + np.exp(-2 * own) * np.cos(2 * phases)) / 2 - np.exp(-own) * np.cos(phases) ** 2
    return float(np.sum(variances) * 2 / FEATURES)


def _scale(frequencies: np.ndarray, moving: float) -> np.ndarray:
    """Return the frequencies in standard deviations of the columns; those of the constant last columns are 0."""
    widths = np.sqrt(SCORES * np.clip(moving - np.arange(len(frequencies)), 0.0, 1.0))
    return np.asarray(widths[:, None] * frequencies)


def _correlations(baseline: Counted, columns: int) -> np.ndarray:
    """Return the correlations of the normal scores of paired columns; 0 for others."""
    correlations, paired = np.zeros((columns, columns)), baseline.layout.paired
    products = baseline.counts[1 : 1 + pair_count(paired)] / SCALE / max(1, baseline.n)
    correlations[np.triu_indices(paired, 1)] = np.clip(products / SCORES, -1.0, 1.0)
    return correlations + correlations.T + np.eye(columns)


DETECTOR = Detector(
    name="mmd",
    check="drift",
    measure=measure,
    kinds=frozenset({"vector"}),
    threshold=0.15,
    floor=0.03,
    unit="1",
    title="maximum mean discrepancy",
    citation="Gretton et al. 2012",
)
