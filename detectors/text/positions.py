"""Places of words as the bits of whole numbers: order and distance are shifts, linear in the text and fast."""

from __future__ import annotations

import numpy as np

FAR = 6
"""Doublings of the distance between two words after which they have nothing to do with each other."""

_BITS = np.left_shift(1, np.arange(8)).astype(np.uint8)


def bits(places: np.ndarray) -> int:
    """Return a row of booleans as a whole number, the first one its lowest bit.

    Examples
    --------
    >>> bits(np.array([True, False, True]))
    5
    """
    return int.from_bytes(np.packbits(places, bitorder="little").tobytes(), "little")


def at_places(places: int, words: int) -> np.ndarray:
    """Return the places in a text of so many words as numbers.

    Examples
    --------
    >>> at_places(0b1101, 3).tolist()
    [0, 2]
    """
    raw = np.frombuffer(places.to_bytes(places.bit_length() // 8 + 1, "little"), dtype=np.uint8)
    return np.unpackbits(raw, bitorder="little")[:words].nonzero()[0]


def stem_places(hits: np.ndarray, at: np.ndarray, stems: int, words: int) -> list[int]:
    """Return the places of each stem in a text of so many words: the words at ``at`` have the stems ``hits``."""
    places = [0] * stems
    present = np.bincount(hits, minlength=stems) > 0
    width = (words + 7) // 8
    row_of = np.cumsum(present) - 1
    stems_present = present.nonzero()[0].tolist()
    rows = np.zeros(len(stems_present) * width, dtype=np.uint8)
    np.add.at(rows, row_of[hits] * width + (at >> 3), _BITS[at & 7])
    raw = rows.tobytes()
    for row, stem in enumerate(stems_present):
        places[stem] = int.from_bytes(raw[row * width : (row + 1) * width], "little")
    return places


def after(places: int, words: int) -> int:
    """Return the places up to so many words after the given ones."""
    spread, width = places << 1, 1
    while 2 * width <= words:
        spread |= spread << width
        width *= 2
    return spread | spread << (words - width) if width < words else spread


def before(places: int, words: int) -> int:
    """Return the places up to so many words before the given ones."""
    return after(places, words) >> (words + 1)


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
