"""What the distances share: coarser bins, smoothed shares, and how large pure noise gets."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL
from detectors.profile import Profile


def paired_counts(baseline: Profile, window: Profile, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of both sides, numeric bins joined to about ``groups`` of equal baseline mass.

    The grouping depends on the baseline alone, so one outlier in the window cannot move it. Categories are
    not joined; bins that are empty on both sides are left out.
    """
    old, new = baseline.counts, window.counts
    if baseline.layout.kind == "numeric":
        starts = group_starts(old, groups)
        old, new = np.add.reduceat(old, starts), np.add.reduceat(new, starts)
    filled = (old + new) > 0
    return old[filled], new[filled]


def group_starts(counts: np.ndarray, groups: int) -> np.ndarray:
    """Return where each group of neighbouring bins begins, by the mass to the left of the bin's middle."""
    mass = counts / max(1, counts.sum())
    middle = np.cumsum(mass) - mass / 2
    number = np.minimum((middle * groups).astype(np.int64), groups - 1)
    return np.flatnonzero(np.diff(number, prepend=-1) > 0)


def smoothed_shares(counts: np.ndarray) -> np.ndarray:
    """Turn counts into shares with half a count added to each bin, so that no share is 0."""
    return np.asarray((counts + 0.5) / (counts.sum() + 0.5 * len(counts)))


def variance_factor(baseline: Profile, window: Profile) -> float:
    """Return ``1/n + 1/m``, by which every distance's noise shrinks."""
    return 1 / max(1, baseline.n) + 1 / max(1, window.n)


def chi_square_tail(bins: int) -> float:
    """Return what a chi-square of ``bins - 1`` degrees of freedom exceeds with probability NULL_TAIL."""
    return float(special.chdtri(max(1, bins - 1), NULL_TAIL))
