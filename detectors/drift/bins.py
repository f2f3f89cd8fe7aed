"""Helpers of the distances: joined bins, smoothed shares, quantiles and standard sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.base import Cells, Values
from detectors.binning import Binning
from detectors.profile import Profile
from detectors.stack import Counted

FEWEST_KNOWN = 2.0
"""Fewest remaining counts of a vocabulary whose categories are expected to recur."""


def paired_counts(baseline: Counted, window: Counted, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of both samples, with numeric bins joined into about ``groups`` groups of equal baseline mass.

    The groups depend on the baseline only, so an outlier in the window does not change them. Categories are not joined.
    Bins that are empty in all samples are dropped.
    """
    old, new = expected_counts(baseline), window.counts
    if baseline.layout.kind == "numeric":
        starts = group_starts(old, groups)
        old, new = np.add.reduceat(old, starts, axis=-1), np.add.reduceat(new, starts, axis=-1)
    filled = (old + new).reshape(-1, old.shape[-1]).any(axis=0)
    return old[..., filled], new[..., filled]


def expected_counts(baseline: Counted) -> np.ndarray:
    """Return the counts of a baseline as expected in further rows, corrected for the cut of the vocabulary.

    If the vocabulary keeps only the most frequent categories, some of them are in it by chance, and about one count of
    each belongs to ``(other)``. The expected number of such counts follows from the frequencies next to the cut (Good
    and Turing).

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.binning import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> identifiers = [str(i) for i in range(1000)]
    >>> profile = Profile.of(Column.of(identifiers), learn_categorical(Counter(identifiers), size=10))
    >>> expected_counts(profile).tolist()[-3:]
    [0.0, 0.0, 1000.0]
    """
    counts = baseline.counts
    if baseline.layout.kind != "categorical" or baseline.layout.complete or not counts[:-1].any():
        return counts
    usual = counts[:-1].astype(np.float64)
    least = float(usual[usual > 0].min())
    at_the_cut, above = float((usual == least).sum()), float((usual == least + 1).sum())
    alike = at_the_cut + counts[-1] if least == 1 else max(at_the_cut, above)
    lost = least * at_the_cut + (1 - at_the_cut / alike) * (least + 1) * above
    weights = np.minimum(usual, least + 1)
    taken = weights * min(1.0, lost / weights.sum())
    left = np.where(usual - taken > 1e-9, usual - taken, 0.0)  # noqa: PLR2004 - rounding is no count
    if left.sum() < FEWEST_KNOWN:
        left = np.zeros_like(left)
    return np.append(left, counts.sum() - left.sum())


def filled_bins(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return a mask of the bins that are not empty in both samples, for each window."""
    return np.asarray((old + new) > 0)


def shares(counts: np.ndarray) -> np.ndarray:
    """Normalise counts over the last axis."""
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def group_starts(counts: np.ndarray, groups: int) -> np.ndarray:
    """Return the index of the first bin of each group, by the cumulative mass at the middle of each bin."""
    mass = counts / max(1, counts.sum())
    middle = np.cumsum(mass) - mass / 2
    number = np.minimum((middle * groups).astype(np.int64), groups - 1)
    return np.flatnonzero(np.diff(number, prepend=-1) > 0)


def smoothed_shares(counts: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Normalise counts after adding half a count to each filled bin, so that none of their shares is 0."""
    return shares(counts + 0.5 * filled)


def variance_factor(baseline: Counted, window: Counted) -> Values:
    """Return ``1/n + 1/m``, to which the variance of every distance is proportional."""
    return 1 / np.maximum(1, baseline.n) + 1 / np.maximum(1, window.n)


def bin_values(edges: np.ndarray) -> np.ndarray:
    """Return a representative value of each bin: its middle, or its only edge for the two outermost bins.

    A bin that is one double wide holds a point mass and is represented by that value.

    Examples
    --------
    >>> bin_values(np.array([0.0, 1.0, 3.0])).tolist()
    [0.0, 0.5, 2.0, 3.0]
    """
    if not len(edges):
        return np.zeros(1)
    low, high = edges[:-1], edges[1:]
    middle = np.where(np.nextafter(low, np.inf) == high, low, low / 2 + high / 2)
    return np.concatenate([edges[:1], middle, edges[-1:]])


def winsorised_values(layout: Binning) -> np.ndarray:
    """Return :func:`bin_values` relative to the layout's origin and scale, clipped to the outermost quantile edges.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> values = winsorised_values(learn_numeric(np.append(np.arange(99.0), 1e9), 0.0, 1e9, bins=10))
    >>> round(float(values.min()), 2), round(float(values.max()), 2)
    (-0.45, 0.44)
    """
    values = bin_values(layout.edges)
    if len(layout.edges) >= 4:
        values = np.clip(values, layout.edges[1], layout.edges[-2])
    return np.asarray(values / layout.scale - layout.origin / layout.scale)


def middle_ranks(baseline: Counted) -> tuple[np.ndarray, float]:
    """Return the mid-rank of each bin as a share of the baseline, and the variance of a baseline value's mid-rank."""
    mass = shares(baseline.counts)
    ranks = np.cumsum(mass) - mass / 2
    return ranks, float(mass @ (ranks - 0.5) ** 2)


def quantiles(profile: Counted, levels: np.ndarray) -> np.ndarray:
    """Estimate quantiles from the counts, clipped to the outermost quantile edges.

    Parameters
    ----------
    levels
        Shape (levels,), or (..., levels) with the leading axes of the counts. Clipped to 0 and 1.

    Returns
    -------
    numpy.ndarray
        The column's unit, shape (..., levels).

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> values = np.arange(1001.0)
    >>> profile = Profile.of(Column.floats(values), learn_numeric(values, 0.0, 1000.0))
    >>> [float(level) for level in np.round(quantiles(profile, np.array([0.0, 0.25, 0.5])))]
    [7.0, 250.0, 500.0]
    """
    edges = profile.layout.edges
    left, right = np.append(edges[:1], edges), np.append(edges, edges[-1:])
    lead = np.broadcast_shapes(profile.counts.shape[:-1], levels.shape[:-1])
    below = np.broadcast_to(np.cumsum(profile.counts, axis=-1), (*lead, profile.counts.shape[-1]))
    counts = np.broadcast_to(profile.counts, below.shape)
    wanted = np.clip(np.broadcast_to(levels, (*lead, levels.shape[-1])), 0, 1) * below[..., -1:]
    place = np.stack([(below >= wanted[..., [k]]).argmax(axis=-1) for k in range(levels.shape[-1])], axis=-1)
    inside = np.take_along_axis(counts, place, axis=-1)
    into = 1 - (np.take_along_axis(below, place, axis=-1) - wanted) / np.maximum(1, inside)
    into = np.clip(into, 0, 1)
    interpolated = left[place] * (1 - into) + right[place] * into
    return np.asarray(np.clip(interpolated, edges[1], edges[-2]) if len(edges) >= 4 else interpolated)


def sum_over_groups(
    baseline: Profile, window: Profile, groups: int, terms: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Cells:
    """Return the terms of a statistic of two tables of counts, with numeric bins joined by :func:`paired_counts`."""
    numeric = baseline.layout.kind == "numeric"
    starts = group_starts(baseline.counts, groups) if numeric else np.arange(baseline.layout.bins)
    old, new = (np.add.reduceat(side.counts, starts) for side in (baseline, window))
    return Cells(starts, np.asarray(terms(old, new)))


def change_of_mean(baseline: Profile, window: Profile, weights: np.ndarray) -> Cells:
    """Return the terms of the change of the mean of a function that has one value per bin."""
    change = shares(window.counts) - shares(baseline.counts)
    return Cells(np.arange(len(change)), change * weights)


def size_of_change(baseline: Profile, window: Profile, heights: np.ndarray) -> Cells:
    """Return the terms of the absolute change of the mean of a function that has one value per bin."""
    change = shares(window.counts) - shares(baseline.counts)
    return Cells(np.arange(len(change)), change * heights * np.sign(change @ heights))
