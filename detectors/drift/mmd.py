"""Maximum mean discrepancy between two joint distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from detectors.base import Detector, Measurement, noise_from_p_value
from detectors.binning import QUANTILE_BINS
from detectors.drift.bins import variance_factor
from detectors.drift.laws import chance_of_hits, pearson_quantile, pearson_tail
from detectors.joint import FEATURES, pair_count, waves
from detectors.profile import SCALE
from detectors.stack import Counted

FARTHEST = 2.0**0.5
"""Approximate upper limit of the distance."""
SCORES = float(np.mean(special.ndtri((np.arange(1, QUANTILE_BINS + 1) + 0.5) / (QUANTILE_BINS + 2)) ** 2))
"""Variance of the normal scores of a column without ties."""
TINY = float(np.finfo(np.float64).tiny)
COLUMNS = 8
"""Assumed number of independent columns of an embedding."""
FARTHEST_SCORE = 3.0
"""Limit of the fitted centres and variances; normal scores of bins lie within."""
LEAST_VARIANCE = 1e-9
TIE = 0.05
"""Weight of the usual centre and variance of a column, against 1 of the mean of a feature."""
STEPS = 50


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Maximum mean discrepancy: distance of the means of random Fourier features; 0 if equal, at most about 1.4.

    Uses a Gaussian kernel, with the typical distance of two records as its width, over normal scores of numeric columns
    and random signs of categories.

    Limits
    ------
    Insensitive to a change of one among many columns, which the checks of single columns detect. The p-value is that of
    normal columns with the baseline's correlations, and the centres and variances that reproduce the means of the
    features; an embedding is treated as eight columns that vary alike.

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
    layout = baseline.layout
    means = np.asarray(baseline.counts / SCALE / max(1, baseline.n), dtype=np.float64)
    variance, *shape = _cumulants(len(layout.vocabulary), layout.paired, means.tobytes())
    # A constant column has no variance: assume one additional row with another value.
    usual = (variance + FARTHEST**2 / (baseline.n + window.n)) * variance_factor(baseline, window)
    distance = np.sqrt(squared)
    in_variances = squared / np.maximum(variance * variance_factor(baseline, window), TINY)
    p_value = np.maximum(
        pearson_tail(in_variances, 1.0, *shape),
        chance_of_hits(baseline, window, window.n * distance / FARTHEST),
    )
    noise = noise_from_p_value(distance, p_value, np.sqrt(usual * pearson_quantile(1.0, *shape)))
    return Measurement(distance, noise, p_value=p_value)


@lru_cache(maxsize=256)
def _cumulants(names: int, paired: int, means: bytes) -> tuple[float, float, float]:
    """Return the variance of the features of a record, and the cumulants 2 and 3 of the squared distance, in means.

    In unchanged windows the squared distance is a sum of squares of normal variables with the covariance of the
    features. The columns are taken as normal, with the baseline's correlations, and the centres and variances that
    reproduce its features. A baseline is measured against every window, so the last results are kept.
    """
    columns, parts = names or COLUMNS, np.frombuffer(means)
    law, features = NormalColumns(*waves(columns), _correlations(parts, columns, paired)), parts[-FEATURES:]
    if names:
        centres, variances = _fit(law, features)
    else:
        centres, variances = np.zeros(columns), _spread_alike(law, 1.0 - float(np.sum(features**2)) * 2 / FEATURES)
    covariance = law.covariance(centres, variances) * 2 / FEATURES
    total = max(float(np.trace(covariance)), TINY)
    relative = covariance / total
    return total, 2 * float(np.sum(relative**2)), 8 * float(np.sum(relative @ relative * relative))


@dataclass(frozen=True)
class NormalColumns:
    """Normal columns with given correlations, and their random features."""

    frequencies: np.ndarray
    phases: np.ndarray
    correlations: np.ndarray

    def means(self, centres: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the means of the features, and their derivatives by the centres and the variances."""
        scaled = np.sqrt(variances)[:, None] * self.frequencies
        mixed = self.correlations @ scaled
        sizes = np.exp(-np.sum(scaled * mixed, axis=0) / 2)
        angles = self.phases + centres @ self.frequencies
        by_centre = -sizes * np.sin(angles) * self.frequencies
        by_variance = -sizes * np.cos(angles) * self.frequencies * mixed / (2 * np.sqrt(variances)[:, None])
        return sizes * np.cos(angles), np.vstack([by_centre, by_variance]).T

    def covariance(self, centres: np.ndarray, variances: np.ndarray) -> np.ndarray:
        """Return the covariance of the features."""
        scaled = np.sqrt(variances)[:, None] * self.frequencies
        gram = scaled.T @ self.correlations @ scaled
        own, angles = np.diag(gram), self.phases + centres @ self.frequencies
        mean = np.exp(-own / 2) * np.cos(angles)
        differences = np.exp(gram - np.add.outer(own, own) / 2) * np.cos(np.subtract.outer(angles, angles))
        sums = np.exp(-gram - np.add.outer(own, own) / 2) * np.cos(np.add.outer(angles, angles))
        return np.asarray((differences + sums) / 2 - np.outer(mean, mean))


def _fit(law: NormalColumns, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres and variances of the columns that reproduce the means of the features, by least squares.

    Weak ties to those of a column without equal values decide where many columns leave a choice.
    """
    usual = np.repeat([0.0, SCORES], len(law.correlations))

    def miss(point: np.ndarray) -> np.ndarray:
        return np.concatenate([law.means(*np.split(point, 2))[0] - means, TIE * (point - usual)])

    def slopes(point: np.ndarray) -> np.ndarray:
        return np.vstack([law.means(*np.split(point, 2))[1], TIE * np.eye(len(usual))])

    lowest = np.repeat([-FARTHEST_SCORE, LEAST_VARIANCE], len(law.correlations))
    fitted = optimize.least_squares(miss, usual, slopes, (lowest, FARTHEST_SCORE), max_nfev=STEPS)
    centres, variances = np.split(fitted.x, 2)
    return centres, variances


def _spread_alike(law: NormalColumns, total: float) -> np.ndarray:
    """Return variances of the columns of an embedding, all alike, with which the features have a total variance."""
    columns = len(law.correlations)

    def excess(variance: float) -> float:
        each = np.full(columns, variance)
        return float(np.trace(law.covariance(np.zeros(columns), each))) * 2 / FEATURES - total

    if excess(LEAST_VARIANCE) >= 0:
        return np.full(columns, LEAST_VARIANCE)
    return np.full(columns, SCORES if excess(SCORES) <= 0 else optimize.brentq(excess, LEAST_VARIANCE, SCORES))


def _correlations(means: np.ndarray, columns: int, paired: int) -> np.ndarray:
    """Return the correlations of the normal scores of paired columns; 0 for others."""
    correlations = np.zeros((columns, columns))
    correlations[np.triu_indices(paired, 1)] = np.clip(means[1 : 1 + pair_count(paired)] / SCORES, -1.0, 1.0)
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
