"""Lexicon: each distinct word is analysed once per process; texts are arrays of word numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from detectors.text import forms
from detectors.text.synonyms import is_verb, senses

MOST_WORDS = 100_000
"""Largest number of distinct words, with 75 MB of data; beyond it a new lexicon is created."""
MOST_PIECES = 300_000
"""Largest number of cached pieces, which are runs of characters between white space."""
MOST_TOKENS = 6
"""Largest number of words and signs of a cached piece."""
DIMENSIONS = 64
"""Number of components of a word's vector that are used; the first ones are the most informative."""
HEAVIEST = 16.0
"""Length of the vector of an informative word."""

OWN, RELATED, OPPOSED = 12, 24, 16
"""Largest number of senses of each kind per word."""

BREAK, WORD, NAME, NUMBER, MAGNITUDE, NEGATION, LIMIT, TALK, SIGN, THING, FILLER, VERB = (
    1 << place for place in range(12)
)
"""Flags of a word."""

_TALK = frozenset(forms.stem(word) for word in forms.SMALL_TALK)
_CAPITAL = re.compile(r"[^\W\d_]*[A-ZÀ-ÖØ-ÞΑ-ΩА-Я]")


class Lexicon:
    """Numbers of words, and arrays of their properties by number.

    Attributes
    ----------
    stem
        int32: words with the same stem have the same number here.
    weight
        float32 in (0, 1]: informativeness of the word, by the length of its static vector: the vectors were trained so
        that the mean over a text represents its topic, which makes the vectors of function words short.
    vector
        float64 of shape (words, 64), of length 1.
    value
        float64, of a number or of a magnitude; NaN for another word.
    flags
        int16, of the bits above.
    group
        int16: twice the number of a pair of antonym groups, plus the side; -1 for none.
    own, related, opposed
        int32 of shape (words, 12), (words, 24) and (words, 16): numbers of senses, see `senses`; 0 for none.
    cut
        int32 of shape (pieces, 6): words and signs of each cached piece, by its number; -1 for none.
    sizes
        int64 of shape (pieces,): their number.
    """

    stem: np.ndarray
    weight: np.ndarray
    vector: np.ndarray
    value: np.ndarray
    flags: np.ndarray
    group: np.ndarray
    own: np.ndarray
    related: np.ndarray
    opposed: np.ndarray

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self.pieces: dict[str, int] = {"": 0}  # reserve 0 for the piece without words
        self.cut = np.full((4096, MOST_TOKENS), -1, dtype=np.int32)
        self.sizes = np.zeros(4096, dtype=np.int64)
        self._stems: dict[str, int] = {}
        self._opposite = {
            word: 2 * place + side
            for place, pair in enumerate(forms.OPPOSITES)
            for side, group in enumerate(pair)
            for word in group
        }
        self._grow(4096)

    def _grow(self, size: int) -> None:
        old = len(self.of)
        for name, kind, shape in (
            ("stem", np.int32, ()),
            ("weight", np.float32, ()),
            ("vector", np.float64, (DIMENSIONS,)),
            ("value", np.float64, ()),
            ("flags", np.int16, ()),
            ("group", np.int16, ()),
            ("own", np.int32, (OWN,)),
            ("related", np.int32, (RELATED,)),
            ("opposed", np.int32, (OPPOSED,)),
        ):
            fresh = np.zeros((size, *shape), dtype=kind)
            if old:
                fresh[:old] = getattr(self, name)[:old]
            setattr(self, name, fresh)

    def learn(self, words: Sequence[str]) -> None:
        """Add words that are not in the lexicon yet."""
        fresh = list(dict.fromkeys(word for word in words if word not in self.of))
        if not fresh:
            return
        total = len(self.of) + len(fresh)
        if total > len(self.stem):
            self._grow(max(2 * len(self.stem), total))
        for word in fresh:
            self._describe(word, len(self.of))
        first = len(self.of) - len(fresh)
        self.vector[first : first + len(fresh)], self.weight[first : first + len(fresh)] = _vectors(fresh)

    def hold(self, piece: str, words: Sequence[int]) -> bool:
        """Cache the words of a piece, and return whether it is cached; one of many words is not."""
        if len(words) > MOST_TOKENS:
            return False
        place = len(self.pieces)
        if place == len(self.cut):
            self.cut = np.concatenate([self.cut, np.full_like(self.cut, -1)])
            self.sizes = np.concatenate([self.sizes, np.zeros_like(self.sizes)])
        self.cut[place, : len(words)] = words
        self.sizes[place] = len(words)
        self.pieces[piece] = place
        return True

    def _describe(self, word: str, place: int) -> None:
        self.of[word] = place
        lower = word.casefold()
        value = forms.number(lower)
        flags = WORD
        if value is not None:
            flags |= NUMBER
        elif lower in forms.MAGNITUDES:
            flags |= MAGNITUDE
            value = forms.MAGNITUDES[lower]
        if lower in forms.NEGATIONS or lower.endswith(("n't", "n’t")) or word == "t":
            flags |= NEGATION
        if flags & NEGATION or lower in forms.LIMITS:
            flags |= LIMIT
        if forms.stem(lower) in _TALK or word in forms.CLITICS:
            flags |= TALK
        if lower in forms.FILLERS or flags & NEGATION or word in forms.CLITICS:
            flags |= FILLER
        if _CAPITAL.match(word):
            flags |= NAME
        if not word[0].isalnum():
            flags = SIGN if word[0] in "%$€£¥" else BREAK
        meant = senses(lower)
        for table, meanings in ((self.own, meant.own), (self.related, meant.related), (self.opposed, meant.opposed)):
            few = meanings[: table.shape[1]]
            table[place, : len(few)] = few
        if meant.thing and flags & WORD and not flags & (NUMBER | TALK):
            flags |= THING
        if flags & WORD and not flags & (FILLER | NUMBER) and is_verb(lower):
            flags |= VERB
        key = f"#{value:g}" if flags & NUMBER else forms.stem(lower)
        self.stem[place] = self._stems.setdefault(key, len(self._stems))
        self.value[place] = np.nan if value is None else value
        self.flags[place] = flags
        self.group[place] = self._opposite.get(lower, -1)


def _vectors(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of words and their weights, from the spelling with the fewest tokens."""
    from detectors.embedding import vectors

    table = vectors()
    spelt = [(word.casefold()[: forms.LONGEST_WORD], word.casefold()[: forms.LONGEST_WORD].title()) for word in words]
    # One by one: few words are new at a time, and a batch would start a thread pool.
    cut = [table.tokenizer.encode(form, add_special_tokens=False) for pair in spelt for form in pair]
    vectors_of_words = np.zeros((len(words), DIMENSIONS))
    weight = np.zeros(len(words), dtype=np.float32)
    for place in range(len(words)):
        ids = min(cut[2 * place].ids, cut[2 * place + 1].ids, key=len)
        if not ids:
            continue
        rows = table.weights[ids].astype(np.float64)
        vectors_of_words[place] = rows[:, :DIMENSIONS].mean(axis=0)
        weight[place] = np.linalg.norm(rows, axis=1).max()
    length = np.linalg.norm(vectors_of_words, axis=1, keepdims=True)
    return vectors_of_words / np.maximum(length, np.finfo(np.float64).tiny), np.minimum(weight / HEAVIEST, 1.0)


@cache
def _load() -> list[Lexicon]:
    return [Lexicon()]


def lexicon() -> Lexicon:
    """Return the lexicon of this process."""
    loaded = _load()
    if len(loaded[0].of) > MOST_WORDS or len(loaded[0].pieces) > MOST_PIECES:
        loaded[0] = Lexicon()
    return loaded[0]
