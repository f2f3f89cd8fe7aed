"""PCA reconstruction error: changes of the correlation structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.drilldown.samples import two_sides

EXPLAINED = 0.65
WIDEST = 10.0
"""Standardised values are clipped to this value, so that an outlier does not rotate an axis."""


@dataclass(frozen=True)
class Subspace:
    """Leading principal axes of standardised columns.

    Parameters
    ----------
    centre, scale
        Mean and standard deviation of each column, shape (columns,); a constant column has scale 1.
    axes
        Orthonormal rows, shape (axes, columns), the one with the largest variance first.
    explained
        Share of the variance explained by the axes.
    """

    centre: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    explained: float


@dataclass(frozen=True)
class Reconstruction:
    """Reconstruction error of a window's rows in the baseline's subspace.

    Parameters
    ----------
    before, now
        Mean distance of the baseline's held-out rows, and of the window's, from the subspace, in standard deviations of
        a column.
    shift
        ``now - before`` in standard deviations of the held-out distances.
    p_value
        Two-sided p-value of Welch's test on the distances.
    axes, explained
        Dimension of the subspace, and the share of the baseline's variance in it.
    excess
        Increase of each column's mean squared residual, shape (columns,).
    telling
        Indices of the columns, the one with the largest change of the residual first.
    """

    before: float
    now: float
    shift: float
    p_value: float
    axes: int
    explained: float
    excess: np.ndarray
    telling: tuple[int, ...]


def learn_subspace(sample: np.ndarray, explained: float = EXPLAINED) -> Subspace:
    """Standardise the columns and return the smallest number of principal axes that explain a share of the variance.

    At least one axis is used, and with two or more columns never all, as the whole space has no reconstruction error.

    Parameters
    ----------
    sample
        float64, shape (rows, columns); missing values are replaced by the column's mean.
    explained
        Share of the variance to explain, above 0 and at most 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> first = rng.normal(size=(500, 1))
    >>> subspace = learn_subspace(np.hstack([first, -3 * first, rng.normal(size=(500, 1))]))
    >>> subspace.axes.shape, round(subspace.explained, 2)
    ((1, 3), 0.67)
    """
    is_finite = np.isfinite(sample)
    counts = np.maximum(1, is_finite.sum(axis=0))
    _, exponent = np.frexp(np.max(np.abs(sample), axis=0, where=is_finite, initial=0.0))
    unit = np.ldexp(1.0, exponent - 1)  # a power of two: exact, and squares of the rest cannot overflow
    relative = np.where(is_finite, sample / unit, 0.0)
    mean = relative.sum(axis=0) / counts
    centre = mean * unit
    spread = np.sqrt((np.where(is_finite, relative - mean, 0.0) ** 2).sum(axis=0) / counts) * unit
    scale = np.where(spread > 0, spread, 1.0)
    values = _standardise(sample, centre, scale)
    _, singular, axes = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    shares = np.cumsum(singular**2) / max(float(np.sum(singular**2)), np.finfo(np.float64).tiny)
    count = int(np.searchsorted(shares, explained - 1e-12)) + 1
    count = max(1, min(count, sample.shape[1] - 1))
    return Subspace(centre, scale, axes[:count], float(shares[count - 1]))


def residuals(subspace: Subspace, sample: np.ndarray) -> np.ndarray:
    """Return the residual of each row outside of the subspace, float64, shape (rows, columns), in column deviations.

    Examples
    --------
    >>> flat = Subspace(np.zeros(2), np.ones(2), np.array([[1.0, 0.0]]), 0.9)
    >>> residuals(flat, np.array([[5.0, 0.0], [5.0, 2.0]])).tolist()
    [[0.0, 0.0], [0.0, 2.0]]
    """
    values = _standardise(sample, subspace.centre, subspace.scale)
    return np.asarray(values - values @ subspace.axes.T @ subspace.axes)


def _standardise(sample: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # clip values that overflow
        values = (sample - centre) / scale
    return np.asarray(np.clip(np.nan_to_num(values, nan=0.0), -WIDEST, WIDEST))


def reconstruction(
    baseline: np.ndarray, window: np.ndarray, explained: float = EXPLAINED, seed: int = 0
) -> Reconstruction:
    """Fit a subspace to one half of the baseline, and compare the distances of the other half and of the window.

    Holding out one half makes the comparison unbiased, as fitted rows are always closer. A changed correlation
    increases the distance although no single column changes; it may also decrease it.

    Parameters
    ----------
    baseline, window
        float64, shapes (rows, columns) and (other rows, columns); NaN is missing.
    explained
        Share of the baseline's variance in the subspace.
    seed
        Selection of the held-out half.

    Limits
    ------
    Changes inside the subspace, such as a shift along the first axis, and non-linear dependence are not detected.
    Missing values are replaced by the mean, so an increase of them appears as better agreement. Values are clipped to
    10 standard deviations.

    References
    ----------
    Jolliffe, *Principal Component Analysis*, 2002, section 10.1 (statistics of the last axes); Jackson, Mudholkar,
    *Control procedures for residuals associated with principal component analysis*, Technometrics 21, 1979.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> together = rng.normal(size=(2000, 1)) + 0.3 * rng.normal(size=(2000, 3))
    >>> apart = together[:500].copy()
    >>> apart[:, 2] = rng.permutation(apart[:, 2])  # the same values, in other rows
    >>> result = reconstruction(together, apart)
    >>> result.shift > 1, result.p_value < 1e-6, result.telling[0]
    (True, True, 2)
    """
    old, new = two_sides(baseline, window)
    order = np.random.default_rng(seed).permutation(len(old))
    fitted, held_out = old[order[: len(old) // 2]], old[order[len(old) // 2 :]]
    subspace = learn_subspace(fitted, explained)
    left = [residuals(subspace, side) for side in (held_out, new)]
    before, now = (np.sqrt(np.sum(side**2, axis=1)) for side in left)
    excess = np.mean(left[1] ** 2, axis=0) - np.mean(left[0] ** 2, axis=0)
    spread = float(before.std(ddof=1))
    moved = float(now.mean() - before.mean())
    return Reconstruction(
        float(before.mean()),
        float(now.mean()),
        moved / spread if spread > 0 else float(np.sign(moved)),
        welch(before, now),
        len(subspace.axes),
        subspace.explained,
        excess,
        tuple(np.argsort(-np.abs(excess), kind="stable").tolist()),
    )


def welch(first: np.ndarray, second: np.ndarray) -> float:
    """Return the two-sided p-value of Welch's test for equal means; 1 for equal constant samples.

    Examples
    --------
    >>> round(welch(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])), 3)
    0.288
    """
    parts = [side.var(ddof=1) / len(side) for side in (first, second)]
    total, apart = float(sum(parts)), float(abs(first.mean() - second.mean()))
    if total == 0:
        return 1.0 if apart == 0 else 0.0
    freedom = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (first, second), strict=True))
    return float(2 * special.stdtr(freedom, -apart / np.sqrt(total)))
