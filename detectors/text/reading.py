"""Tokenized text: words as numbers, and sentence boundaries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from detectors.text.lexicon import BREAK, Lexicon

_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
TOKEN = re.compile(
    rf"\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?(?![^\W\d_])|\d+(?:[.,]\d+)*|[{_IDEOGRAPHS}]"
    rf"|[^\W\d_{_IDEOGRAPHS}]+(?:['’][^\W\d_]+)*|(?<![.!?…])[.!?…]++(?=[\s\"'”’)\]]|$)|[。！？؟।]|\ue000|[%$€£¥]"
)
"""Words, numbers, single ideographs, and ends of sentences; a run of signs is tried once, from its start."""
LINE = " \ue000 "
"""Token of a line break, which ends a sentence."""
LONGEST_PIECE = 40
"""Largest length of a cached piece, in characters."""
ABBREVIATIONS = frozenset(
    (
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "sr",
        "jr",
        "st",
        "vs",
        "etc",
        "inc",
        "ltd",
        "co",
        "corp",
        "no",
        "fig",
        "dept",
        "gen",
        "col",
        "sgt",
        "capt",
        "lt",
        "gov",
        "sen",
        "rep",
        "rev",
        "hon",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "approx",
        "ca",
        "cf",
        "e.g",
        "i.e",
        "al",
        "u.s",
    )
)


@dataclass(frozen=True)
class TokenizedText:
    """Words of a text.

    Parameters
    ----------
    lexicon
        Lexicon of the word numbers.
    ids
        int32 of shape (words,).
    sentence
        int32 of shape (words,), the sentence of each word, numbered without gaps.
    """

    lexicon: Lexicon
    ids: np.ndarray
    sentence: np.ndarray

    @property
    def sentences(self) -> int:
        """Return the number of sentences."""
        return int(self.sentence[-1]) + 1 if len(self.sentence) else 0


@dataclass(frozen=True)
class Readings:
    """Words of several texts, concatenated.

    Parameters
    ----------
    lexicon, ids, sentence
        As in :class:`TokenizedText`; the sentences of each text are counted from 0.
    bounds
        int64 of shape (texts + 1,): start of each text, and the end of the last one.
    """

    lexicon: Lexicon
    ids: np.ndarray
    sentence: np.ndarray
    bounds: np.ndarray

    def __getitem__(self, text: int) -> TokenizedText:
        """Return one text."""
        start, end = self.bounds[text], self.bounds[text + 1]
        return TokenizedText(self.lexicon, self.ids[start:end], self.sentence[start:end])


def read(text: str, lexicon: Lexicon) -> TokenizedText:
    """Tokenize a text into words and sentences, in linear time."""
    return read_all([text], lexicon)[0]


def read_all(texts: Sequence[str], lexicon: Lexicon) -> Readings:
    """Tokenize texts into words and sentences, in linear time and one pass.

    Each distinct piece between white space is tokenized once per process and then looked up.

    Examples
    --------
    >>> from detectors.text.lexicon import lexicon
    >>> result = read_all(["It closed. It opened.", "", "In 2010."], lexicon())
    >>> result.bounds.tolist(), result.sentence.tolist()
    ([0, 4, 4, 6], [0, 0, 1, 1, 0, 0])
    """
    ids, bounds = _tokens(texts, lexicon)
    flags = lexicon.flags[ids]
    is_word = flags > BREAK
    words = _sums(is_word)[bounds]
    number = (flags == BREAK).cumsum(dtype=np.int32)[is_word]
    fresh = np.zeros(len(number), dtype=np.int32)
    if len(number):
        np.cumsum(number[1:] != number[:-1], out=fresh[1:])
        fresh -= np.repeat(fresh[np.minimum(words[:-1], len(fresh) - 1)], np.diff(words))
    return Readings(lexicon, ids[is_word], fresh, words)


def _sums(sizes: np.ndarray) -> np.ndarray:
    """Return the cumulative sums before each element, and the total."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _tokens(texts: Sequence[str], lexicon: Lexicon) -> tuple[np.ndarray, np.ndarray]:
    """Return words and signs of texts, and the start of each text."""
    cut = [(text.replace("\n", LINE) if "\n" in text else text).split() for text in texts]
    pieces = list(chain.from_iterable(cut))
    rows = np.fromiter(map(lexicon.pieces.get, pieces, repeat(0)), dtype=np.int32, count=len(pieces))
    missing = np.flatnonzero(rows == 0).tolist()
    long = _learn(pieces, missing, lexicon)
    rows[missing] = [lexicon.pieces.get(pieces[place], 0) for place in missing]
    words = lexicon.cut[rows]
    ids, sizes = words[words >= 0], lexicon.sizes[rows]
    if long:
        at = [place for place in missing if pieces[place] in long]
        each = [long[pieces[place]] for place in at]
        before = (_sums(sizes)[at]).repeat([len(tokens) for tokens in each])
        ids = np.insert(ids, before, list(chain.from_iterable(each)))
        sizes[at] = [len(tokens) for tokens in each]
    return ids, _sums(sizes)[_sums(np.array([len(few) for few in cut]))]


def _learn(pieces: list[str], missing: list[int], lexicon: Lexicon) -> dict[str, list[int]]:
    """Tokenize the missing pieces; return the words of those that are too long to be cached."""
    fresh = {piece: tokenize(piece) for piece in {pieces[place]: None for place in missing}}
    lexicon.learn([token for tokens in fresh.values() for token in tokens])
    long = {}
    for piece, tokens in fresh.items():
        numbers = [lexicon.of[token] for token in tokens]
        if len(piece) > LONGEST_PIECE or not lexicon.hold(piece, numbers):
            long[piece] = numbers
    return long


def tokenize(piece: str) -> list[str]:
    """Tokenize a piece; the full stop of an abbreviation or an initial does not end a sentence."""
    tokens = TOKEN.findall(piece)
    if (
        len(tokens) > 1
        and tokens[-1].startswith(".")
        and (len(tokens[-2]) == 1 or tokens[-2].casefold() in ABBREVIATIONS)
    ):
        return tokens[:-1]
    return tokens


def spans(text: str, lexicon: Lexicon) -> list[tuple[int, int]]:
    """Return the range of each word of a tokenized text, half-open in code points.

    Examples
    --------
    >>> from detectors.text.lexicon import lexicon
    >>> text, words_of = "It closed, e.g. in 2010.", lexicon()
    >>> words = read(text, words_of)
    >>> [text[start:end] for start, end in spans(text, words_of)]
    ['It', 'closed', 'e', 'g', 'in', '2010']
    """
    flags, of = lexicon.flags, lexicon.of
    bounds: list[tuple[int, int]] = []
    place = 0
    for piece in text.split():
        start = text.index(piece, place)
        place, inside = start + len(piece), 0
        for token in tokenize(piece):
            inside = piece.index(token, inside)
            if token != LINE.strip() and flags[of[token]] > BREAK:
                bounds.append((start + inside, start + inside + len(token)))
            inside += len(token)
    return bounds
