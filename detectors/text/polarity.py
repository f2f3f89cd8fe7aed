"""Negations that only an answer or only its context has.

A negation applies to the first following word that is not a function word. For a word of the answer, the occurrences in
the context with most of its neighbours determine whether the context negates it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.text.lexicon import FILLER, NEGATION
from detectors.text.positions import around
from detectors.text.reading import TokenizedText

REACH = 6
"""Largest number of words between a negation and the negated word."""
BESIDE = 8
"""Number of words on each side that are the neighbours of a word."""
MOST_NEIGHBOURS = 12


def find_negated(text: TokenizedText) -> np.ndarray:
    """Return a mask of the negated words of a text, bool of shape (words,).

    Examples
    --------
    >>> from detectors.text.lexicon import lexicon
    >>> from detectors.text.reading import read
    >>> find_negated(read("It is not very big. They didn't open.", lexicon())).tolist()
    [False, False, False, False, True, False, False, True]
    """
    flags = text.lexicon.flags[text.ids]
    negated = np.zeros(len(flags), dtype=bool)
    at = np.flatnonzero(flags & NEGATION)
    if not len(at):
        return negated
    content = np.flatnonzero(flags & FILLER == 0)
    following = np.searchsorted(content, at, side="right")
    at, following = at[following < len(content)], following[following < len(content)]
    target = content[following]
    negated[target[(target - at <= REACH) & (text.sentence[target] == text.sentence[at])]] = True
    return negated


def best_places(places: int, neighbours: Sequence[int]) -> tuple[int, float]:
    """Return the positions with most neighbours, and the share of the neighbours there.

    Examples
    --------
    >>> best_places(0b100000000000000000001, [0b10, 0])
    (1, 0.5)
    """
    levels, reach = [places], around(places, BESIDE)
    for other in neighbours:
        if other & reach:  # otherwise no position has a neighbour
            near = around(other, BESIDE) & places
            levels.append(0)
            for level in range(len(levels) - 1, 0, -1):
                levels[level] |= levels[level - 1] & near
    while not levels[-1] and len(levels) > 1:
        levels.pop()
    return levels[-1], (len(levels) - 1) / max(1, len(neighbours))
