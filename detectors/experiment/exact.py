"""Exact, vectorised sums of doubles: independent of order, and previously added terms can be subtracted.

A sum is stored as limbs, integers in base 2^32, from 2^-224 to 2^352. The sum of a window equals the sum of its buckets
to the last bit, and a recomputed bucket replaces its previous contribution.
"""

from __future__ import annotations

import numpy as np

LOWEST = -7
"""Weight of the first limb, as a power of 2^32."""
LIMBS = 18
BASE = 2.0**32
MASK = np.int64(0xFFFFFFFF)
LARGEST = 1e45
"""Largest value; terms up to its square can be summed, 4 billion of them."""
TOGETHER = 1 << 20
"""Rows per pass: a double is exact for 2^20 terms below 2^32."""


def sum_groups(terms: np.ndarray, groups: np.ndarray, size: int) -> np.ndarray:
    """Sum terms by group.

    Parameters
    ----------
    terms
        float64 of shape (rows,), each at most 1e90 and finite; digits below 2^-224 are truncated.
    groups
        int64 of shape (rows,), the group of each.
    size
        Number of groups.

    Returns
    -------
    numpy.ndarray
        int64 of shape (size, 18).

    Examples
    --------
    >>> terms = np.array([1e16, 1.0, -1e16])
    >>> float(terms.sum()), float(to_doubles(sum_groups(terms, np.zeros(3, dtype=np.int64), 1))[0])
    (0.0, 1.0)
    """
    total = np.zeros((size, LIMBS), dtype=np.int64)
    for first in range(0, len(terms), TOGETHER):
        rest, whose = terms[first : first + TOGETHER].copy(), groups[first : first + TOGETHER]
        place = min(LIMBS - 1, int(np.frexp(np.abs(rest).max(initial=0.0))[1]) // 32 - LOWEST)
        while place >= 0 and rest.any():
            weight = BASE ** (LOWEST + place)
            part = np.trunc(rest / weight)
            total[:, place] += np.bincount(whose, part, minlength=size).astype(np.int64)
            rest -= part * weight
            place -= 1
    return normalise_limbs(total)


def normalise_limbs(limbs: np.ndarray) -> np.ndarray:
    """Return the canonical form, in which equal sums are equal: all limbs but the last are between 0 and 2^32."""
    if not (limbs[..., :-1] >> 32).any():
        return limbs
    limbs = limbs.copy()
    for place in range(LIMBS - 1):
        limbs[..., place + 1] += limbs[..., place] >> 32
        limbs[..., place] &= MASK
    return limbs


def to_doubles(limbs: np.ndarray) -> np.ndarray:
    """Return the sums as doubles, over the last axis."""
    negative = limbs[..., -1:] < 0
    size = normalise_limbs(np.where(negative, -limbs, limbs))
    value = np.zeros(limbs.shape[:-1])
    for place in np.flatnonzero(size.reshape(-1, LIMBS).any(axis=0)):
        value += size[..., place] * BASE ** (LOWEST + place)
    return np.where(negative[..., 0], -value, value)
