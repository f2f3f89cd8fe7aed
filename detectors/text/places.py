"""Places of words as the bits of whole numbers: order and distance are shifts, linear in the text and fast."""

from __future__ import annotations

import numpy as np

FAR = 6
"""Doublings of the distance between two words after which they have nothing to do with each other."""
STEMS_AT_ONCE = 256


def bits(places: np.ndarray) -> int:
    """Return a row of booleans as a whole number, the first one its lowest bit.

    Examples
    --------
    >>> bits(np.array([True, False, True]))
    5
    """
    return int.from_bytes(np.packbits(places, bitorder="little").tobytes(), "little")


def places_of(hits: np.ndarray, at: np.ndarray, stems: int) -> list[int]:
    """Return the places of each stem: of the words at ``at``, ``hits`` says which stem each is."""
    found: list[int] = []
    for start in range(0, stems, STEMS_AT_ONCE):
        size = min(STEMS_AT_ONCE, stems - start)
        rows = np.zeros((size, len(hits)), dtype=bool)
        few = at[(hits[at] >= start) & (hits[at] < start + size)]
        rows[hits[few] - start, few] = True
        packed = np.packbits(rows, axis=1, bitorder="little")
        found += [int.from_bytes(row.tobytes(), "little") for row in packed]
    return found


def after(places: int, words: int) -> int:
    """Return the places up to so many words after the given ones."""
    spread, width = places << 1, 1
    while width < words:
        step = min(width, words - width)
        spread |= spread << step
        width += step
    return spread


def around(places: int, words: int) -> int:
    """Return the places up to so many words before and after the given ones, themselves among them.

    Examples
    --------
    >>> bin(around(0b10000, 1))
    '0b111000'
    """
    return after(places, 2 * words + 1) >> (words + 1)


def level(one: int, two: int, gap: int) -> int:
    """Return how often the gap must double until it joins both words; the wrong order costs one doubling more."""
    if not one or not two:
        return FAR
    behind, before, width = after(one, gap), after(two, gap), gap
    if behind & two:
        return 0
    for doubled in range(1, FAR):
        if before & one:
            return doubled
        behind |= behind << width
        before |= before << width
        width *= 2
        if behind & two:
            return doubled
    return FAR
