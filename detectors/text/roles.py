"""Who does what to whom: things on the two sides of a verb that have changed places."""

from __future__ import annotations

import numpy as np

from detectors.text.lexicon import NUMBER
from detectors.text.positions import after, before
from detectors.text.reading import TokenizedText

REACH = 7
"""Words between a verb and what it is said of, at most."""
PASSIVE = 3
"""Words between a verb and the “by” that makes it passive, at most."""


def passive(text: TokenizedText) -> np.ndarray:
    """Return the words at most three words before a “by” that names who did it, bool of shape (words,).

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
    """Say whether what stands on the two sides of a verb has changed sides wherever the verb is said of both.

    Parameters
    ----------
    verb, left, right
        Places of the verb, and of what stands before and after it in the answer.
    turned
        Places where the verb is passive, if it is active in the answer, or the other way round.

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
