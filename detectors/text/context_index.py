"""Index of a context, computed once for all answers to it."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from detectors.text.forms import OPPOSITES
from detectors.text.lexicon import LIMIT, NUMBER, Lexicon
from detectors.text.polarity import find_negated
from detectors.text.positions import around, bits
from detectors.text.reading import TokenizedText, read_all
from detectors.text.roles import passive
from detectors.text.synonyms import MEANINGS

SAYS = 0.25
"""Smallest weight of an informative word."""
MOST_WINDOWS = 2_000
BESIDE_LIMIT = 3
"""Number of words around a negation or a limit that are certainly in its scope."""


class ContextIndex:
    """Index of a context, computed once for all answers to it.

    Parameters
    ----------
    text
        The tokenized text.
    words
        int, shape (distinct words,).
    """

    def __init__(self, text: TokenizedText, words: np.ndarray) -> None:
        self.text, self.words = text, words

    @cached_property
    def stems(self) -> np.ndarray:
        """Return the stem of each word of the text."""
        return np.asarray(self.text.lexicon.stem[self.text.ids])

    @cached_property
    def windows(self) -> int:
        """Return the number of blocks of sentences."""
        return min(self.text.sentences, MOST_WINDOWS)

    @cached_property
    def blocks(self) -> np.ndarray:
        """Return the block of each word of the text."""
        if self.text.sentences <= MOST_WINDOWS:
            return self.text.sentence
        return np.asarray(self.text.sentence.astype(np.int64) * MOST_WINDOWS // self.text.sentences)

    @cached_property
    def own(self) -> np.ndarray:
        """Return the senses of the words."""
        meanings = self.text.lexicon.own[self.words]
        return np.asarray(meanings[meanings > 0])

    @property
    def telling(self) -> np.ndarray:
        """Return the vectors of the informative words, float64 of shape (64, words); not cached because of its size."""
        lexicon = self.text.lexicon
        return np.asarray(lexicon.vector[self.words[lexicon.weight[self.words] > SAYS]].T)

    @cached_property
    def numbers(self) -> list[float]:
        """Return the numbers, sorted."""
        return list(np.sort(_values(self.text)).tolist())

    @cached_property
    def limits(self) -> int:
        """Return the positions near a negation or a limit."""
        return around(bits(self.text.lexicon.flags[self.text.ids] & LIMIT > 0), 6)

    @cached_property
    def denied(self) -> int:
        """Return the positions of negated words."""
        return bits(self._denied)

    @cached_property
    def denied_words(self) -> tuple[set[int], set[int]]:
        """Return the stems of negated words, and their senses."""
        lexicon, words = self.text.lexicon, self.text.ids[self._denied]
        return set(lexicon.stem[words].tolist()), set(lexicon.own[words].ravel().tolist()) - {0}

    @cached_property
    def _denied(self) -> np.ndarray:
        return find_negated(self.text)

    @cached_property
    def negated(self) -> int:
        """Return the positions of negated words, and of those directly next to a negation or a limit."""
        return self.denied | around(bits(self.text.lexicon.flags[self.text.ids] & LIMIT > 0), BESIDE_LIMIT)

    @cached_property
    def passive(self) -> int:
        """Return the positions where a verb would be passive."""
        return bits(passive(self.text))

    @cached_property
    def groups(self) -> np.ndarray:
        """Return a mask of the groups of antonyms with a word here; the last element, for no group, is true."""
        theirs = np.zeros(2 * len(OPPOSITES) + 1, dtype=bool)
        theirs[self.text.lexicon.group[self.words]] = True
        return theirs


def read_contexts(texts: Sequence[str], lexicon: Lexicon) -> list[ContextIndex]:
    """Index contexts in one pass."""
    read = read_all(texts, lexicon)
    size = len(lexicon.stem)
    record = np.repeat(np.arange(len(texts)), np.diff(read.bounds))
    keys = np.sort(record * size + read.ids)
    keys = keys[np.diff(keys, prepend=-1) > 0]
    bounds = np.searchsorted(keys, np.arange(len(texts) + 1) * size).tolist()
    words = keys % size
    return [ContextIndex(read[place], words[bounds[place] : bounds[place + 1]]) for place in range(len(texts))]


def value_at(text: TokenizedText, at: list[int]) -> np.ndarray:
    """Return the numbers at these words, multiplied by the magnitudes that follow."""
    lexicon, places = text.lexicon, np.array(at, dtype=np.int64)
    value = lexicon.value[text.ids[places]]
    following = text.ids[np.minimum(places + 1, len(text.ids) - 1)]
    times = lexicon.value[following]
    scaled = (places + 1 < len(text.ids)) & (lexicon.flags[following] & NUMBER == 0) & ~np.isnan(times)
    return np.asarray(np.where(scaled, value * times, value))


def _values(text: TokenizedText) -> np.ndarray:
    at = np.flatnonzero(text.lexicon.flags[text.ids] & NUMBER).tolist()
    return value_at(text, at) if at else np.zeros(0)


def among(value: float, numbers: list[float]) -> bool:
    """Return whether a value is among sorted numbers."""
    room = 1e-9 * abs(value)
    place = bisect_left(numbers, value - room)
    return place < len(numbers) and numbers[place] <= value + room


_MARKS = threading.local()


def meanings_marked() -> np.ndarray:
    """Return a mask over all senses, which callers must reset after use, as it is too long to allocate each time.

    One per thread, as baselines are learnt concurrently with buckets.
    """
    if not hasattr(_MARKS, "row"):
        _MARKS.row = np.zeros(MEANINGS, dtype=bool)
    row: np.ndarray = _MARKS.row
    return row


def any_in_rows(rows: np.ndarray) -> np.ndarray:
    """Return whether any element of each row is true; the width must be a multiple of four."""
    return np.asarray(np.bitwise_or.reduce(rows.view(np.uint32), axis=1) != 0)
