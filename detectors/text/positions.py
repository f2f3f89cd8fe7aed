"""Positions of words as bits of integers: order and distance are shifts, in linear time."""

from __future__ import annotations

import numpy as np

FAR = 6
"""Number of doublings of the distance beyond which two words are unrelated."""

_BITS = np.left_shift(1, np.arange(8)).astype(np.uint8)


def bits(places: np.ndarray) -> int:
    """Convert a row of booleans to an integer; the first one is the lowest bit.

    Examples
    --------
    >>> bits(np.array([True, False, True]))
    5
    """
    return int.from_bytes(np.packbits(places, bitorder="little").tobytes(), "little")


def at_places(places: int, words: int) -> np.ndarray:
    """Return the positions in a text of ``words`` words as numbers.

    Examples
    --------
    >>> at_places(0b1101, 3).tolist()
    [0, 2]
    """
    raw = np.frombuffer(places.to_bytes(places.bit_length() // 8 + 1, "little"), dtype=np.uint8)
    return np.unpackbits(raw, bitorder="little")[:words].nonzero()[0]


def stem_places(hits: np.ndarray, at: np.ndarray, stems: int, words: int) -> list[int]:
    """Return the positions of each stem in a text of ``words`` words: those at ``at`` have the stems ``hits``."""
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
    """Return the positions up to ``words`` after the given ones."""
    spread, width = places << 1, 1
    while 2 * width <= words:
        spread |= spread << width
        width *= 2
    return spread | spread << (words - width) if width < words else spread


def before(places: int, words: int) -> int:
    """Return the positions up to ``words`` before the given ones."""
    return after(places, words) >> (words + 1)


def around(places: int, words: int) -> int:
    """Return the positions up to ``words`` before and after the given ones, inclusive.

    Examples
    --------
    >>> bin(around(0b10000, 1))
    '0b111000'
    """
    return after(places, 2 * words + 1) >> (words + 1)


def level(one: int, two: int, gap: int) -> int:
    """Return the number of doublings of the gap that joins two words; the wrong order adds one."""
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
