"""A text as it is read once: its words as numbers, and where its sentences end."""

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
"""Words, numbers, ideographs on their own, and what ends a sentence; a run of signs is tried once, from its begin."""
LINE = " \ue000 "
"""Stands for a line break, which ends a sentence."""
LONGEST_PIECE = 40
"""Characters between white space that are remembered."""
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
    """The words of a text.

    Parameters
    ----------
    lexicon
        Whose numbers the words have.
    ids
        int32 of shape (words,).
    sentence
        int32 of shape (words,), the number of the sentence that each word stands in, without gaps.
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
    """The words of several texts behind one another.

    Parameters
    ----------
    lexicon, ids, sentence
        As of a reading; the sentences of each text are counted from 0.
    bounds
        int64 of shape (texts + 1,): where each text begins, and where the last one ends.
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
    """Cut a text into words and sentences, in linear time."""
    return read_all([text], lexicon)[0]


def read_all(texts: Sequence[str], lexicon: Lexicon) -> Readings:
    """Cut texts into words and sentences, in linear time, all of them in one pass.

    What stands between white space is cut once a process, so that reading is looking up.

    Examples
    --------
    >>> from detectors.text.lexicon import lexicon
    >>> found = read_all(["It closed. It opened.", "", "In 2010."], lexicon())
    >>> found.bounds.tolist(), found.sentence.tolist()
    ([0, 4, 4, 6], [0, 0, 1, 1, 0, 0])
    """
    ids, bounds = _tokens(texts, lexicon)
    flags = lexicon.flags[ids]
    kept = flags > BREAK
    words = _sums(kept)[bounds]
    number = (flags == BREAK).cumsum(dtype=np.int32)[kept]
    fresh = np.zeros(len(number), dtype=np.int32)
    if len(number):
        np.cumsum(number[1:] != number[:-1], out=fresh[1:])
        fresh -= np.repeat(fresh[np.minimum(words[:-1], len(fresh) - 1)], np.diff(words))
    return Readings(lexicon, ids[kept], fresh, words)


def _sums(sizes: np.ndarray) -> np.ndarray:
    """Return the sum of what stands before each place, and of all."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _tokens(texts: Sequence[str], lexicon: Lexicon) -> tuple[np.ndarray, np.ndarray]:
    """Return words and signs of texts, and where each text begins among them."""
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
    """Learn the missing pieces; return the words of those that are too long to be held."""
    fresh = {piece: tokenize(piece) for piece in {pieces[place]: None for place in missing}}
    lexicon.learn([token for tokens in fresh.values() for token in tokens])
    long = {}
    for piece, tokens in fresh.items():
        numbers = [lexicon.of[token] for token in tokens]
        if len(piece) > LONGEST_PIECE or not lexicon.hold(piece, numbers):
            long[piece] = numbers
    return long


def tokenize(piece: str) -> list[str]:
    """Cut a piece; the full stop of an abbreviation or of an initial ends no sentence."""
    tokens = TOKEN.findall(piece)
    if (
        len(tokens) > 1
        and tokens[-1].startswith(".")
        and (len(tokens[-2]) == 1 or tokens[-2].casefold() in ABBREVIATIONS)
    ):
        return tokens[:-1]
    return tokens


def spans(text: str, lexicon: Lexicon) -> list[tuple[int, int]]:
    """Return where each word of a text that has been read stands in it, as half-open ranges of code points.

    Examples
    --------
    >>> from detectors.text.lexicon import lexicon
    >>> text, held = "It closed, e.g. in 2010.", lexicon()
    >>> words = read(text, held)
    >>> [text[start:end] for start, end in spans(text, held)]
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
