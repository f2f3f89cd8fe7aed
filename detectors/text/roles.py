"""Semantic roles: subjects and objects that are swapped around a verb."""

from __future__ import annotations

import numpy as np

from detectors.text.lexicon import NUMBER
from detectors.text.positions import after, before
from detectors.text.reading import TokenizedText

REACH = 7
"""Largest number of words between a verb and its subject or object."""
PASSIVE = 3
"""Largest number of words between a verb and the “by” that makes it passive."""


def passive(text: TokenizedText) -> np.ndarray:
    """Return a mask of the words at most three words before a “by” with an agent, bool of shape (words,).

    Examples
    --------
    >>> from detectors.text.lexicon import lexicon
    >>> from detectors.text.reading import read
    >>> passive(read("Bought by them.", lexicon())).tolist(), passive(read("It rose by 5.", lexicon())).tolist()
    ([True, False, False], [False, False, False, False])
    """
    lexicon, words = text.lexicon, text.ids
    by = words[:-1] == lexicon.of.get("by", -1)
    by &= lexicon.flags[words[1:]] & NUMBER == 0
    is_passive = np.zeros(len(words), dtype=bool)
    for at in np.flatnonzero(by).tolist():
        is_passive[max(0, at - PASSIVE) : at] = True
    return is_passive


def roles_swapped(verb: int, left: int, right: int, turned: int) -> bool:
    """Return whether subject and object of a verb are swapped in all occurrences of the verb with both.

    Parameters
    ----------
    verb, left, right
        Positions of the verb, and of the words before and after it in the answer.
    turned
        Positions where the verb is passive, if it is active in the answer, or vice versa.

    Examples
    --------
    >>> verb, one, other = 0b0010, 0b0001, 0b0100
    >>> roles_swapped(verb, one, other, 0), roles_swapped(verb, other, one, 0), roles_swapped(verb, other, one, verb)
    (False, True, False)
    """
    here, there = verb & ~turned, verb & turned
    straight, across = (after(left, REACH), before(right, REACH)), (before(left, REACH), after(right, REACH))
    against = here & across[0] & across[1] | there & straight[0] & straight[1]
    if not against:
        return False
    fits = here & (straight[0] | straight[1]) | there & (across[0] | across[1])
    return bool(against & ~fits) and not fits & ~against
