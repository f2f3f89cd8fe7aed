"""What the distances share: coarser bins, smoothed shares, and how large pure noise gets."""

from __future__ import annotations

import numpy as np

from detectors.base import Values
from detectors.stack import Counted

FEWEST_KNOWN = 2.0
"""Of a vocabulary of which fewer counts are left than this, nothing is known to come again."""


def paired_counts(baseline: Counted, window: Counted, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of both sides, numeric bins joined to about ``groups`` of equal baseline mass.

    The grouping depends on the baseline alone, so one outlier in the window cannot move it. Categories are
    not joined; bins that are empty everywhere are left out.
    """
    old, new = expected_counts(baseline), window.counts
    if baseline.layout.kind == "numeric":
        starts = group_starts(old, groups)
        old, new = np.add.reduceat(old, starts, axis=-1), np.add.reduceat(new, starts, axis=-1)
    filled = (old + new).reshape(-1, old.shape[-1]).any(axis=0)
    return old[..., filled], new[..., filled]


def expected_counts(baseline: Counted) -> np.ndarray:
    """Return the counts of a baseline as further rows of the same size would have them.

    Where the vocabulary was cut at its most frequent categories, some of those that were just frequent enough were so
    by chance: about one count of each belongs to the others. How many in all, the numbers of categories next to the cut
    say (Good and Turing).

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.layout import learn_categorical
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
    known = counts[:-1].astype(np.float64)
    least = float(known[known > 0].min())
    at_the_cut, above = float((known == least).sum()), float((known == least + 1).sum())
    alike = at_the_cut + counts[-1] if least == 1 else max(at_the_cut, above)
    lost = least * at_the_cut + (1 - at_the_cut / alike) * (least + 1) * above
    weights = np.minimum(known, least + 1)
    taken = weights * min(1.0, lost / weights.sum())
    left = np.where(known - taken > 1e-9, known - taken, 0.0)  # noqa: PLR2004 - rounding is no count
    if left.sum() < FEWEST_KNOWN:
        left = np.zeros_like(left)
    return np.append(left, counts.sum() - left.sum())


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
