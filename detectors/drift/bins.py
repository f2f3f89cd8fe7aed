"""What the distances share: coarser bins, smoothed shares, and how large pure noise gets."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Values
from detectors.stack import Counted


def paired_counts(baseline: Counted, window: Counted, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of both sides, numeric bins joined to about ``groups`` of equal baseline mass.

    The grouping depends on the baseline alone, so one outlier in the window cannot move it. Categories are
    not joined; bins that are empty everywhere are left out.
    """
    old, new = baseline.counts, window.counts
    if baseline.layout.kind == "numeric":
        starts = group_starts(old, groups)
        old, new = np.add.reduceat(old, starts, axis=-1), np.add.reduceat(new, starts, axis=-1)
    filled = (old + new).reshape(-1, old.shape[-1]).any(axis=0)
    return old[..., filled], new[..., filled]


def filled_bins(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Say which bins hold anything on either side, for each window."""
    return np.asarray((old + new) > 0)


def shares(counts: np.ndarray) -> np.ndarray:
    """Turn counts into shares over the last axis."""
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def group_starts(counts: np.ndarray, groups: int) -> np.ndarray:
    """Return where each group of neighbouring bins begins, by the mass to the left of the bin's middle."""
    mass = counts / max(1, counts.sum())
    middle = np.cumsum(mass) - mass / 2
    number = np.minimum((middle * groups).astype(np.int64), groups - 1)
    return np.flatnonzero(np.diff(number, prepend=-1) > 0)


def smoothed_shares(counts: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Turn counts into shares with half a count added to each filled bin, so that no share of theirs is 0."""
    return shares(counts + 0.5 * filled)


def variance_factor(baseline: Counted, window: Counted) -> Values:
    """Return ``1/n + 1/m``, by which every distance's noise shrinks."""
    return 1 / np.maximum(1, baseline.n) + 1 / np.maximum(1, window.n)


def chi_square_tail(filled: np.ndarray) -> Values:
    """Return what a chi-square of one degree less than filled bins exceeds with probability NULL_TAIL."""
    return special.chdtri(np.maximum(1, filled.sum(axis=-1) - 1), NULL_TAIL)
