"""A text as it is read once: its words as numbers, and where its sentences end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

import numpy as np

from detectors.text.lexicon import BREAK, Lexicon

_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
TOKEN = re.compile(
    rf"\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?(?![^\W\d_])|\d+(?:[.,]\d+)*|[{_IDEOGRAPHS}]"
    rf"|[^\W\d_{_IDEOGRAPHS}]+(?:['’][^\W\d_]+)*|[.!?…]+(?=[\s\"'”’)\]]|$)|[。！？؟।]|\ue000|[%$€£¥]"
)
"""Words, numbers, ideographs on their own, and what ends a sentence."""
LINE = " \ue000 "
"""Stands for a line break, which ends a sentence."""
LONGEST_PIECE = 40
"""Characters between white space that are remembered."""
ABBREVIATIONS = frozenset(
    (
        "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "vs", "etc", "inc", "ltd", "co", "corp", "no", "fig",
        "dept", "gen", "col", "sgt", "capt", "lt", "gov", "sen", "rep", "rev", "hon", "jan", "feb", "mar", "apr",
        "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "approx", "ca", "cf", "e.g", "i.e", "al", "u.s",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
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


def read(text: str, lexicon: Lexicon) -> Reading:
    """Cut a text into words and sentences, in linear time.

    What stands between white space is cut once a process, so that reading is looking up.
    """
    ids = _tokens(text, lexicon)
    flags = lexicon.flags[ids]
    ends = flags == BREAK
    kept = flags > BREAK
    number = ends.cumsum(dtype=np.int32)[kept]
    fresh = np.zeros(len(number), dtype=np.int32)
    if len(number):
        np.cumsum(number[1:] != number[:-1], out=fresh[1:])
    return Reading(lexicon, ids[kept], fresh)


def count(text: str, lexicon: Lexicon) -> int:
    """Return the number of words of a text.

    Examples
    --------
    >>> from detectors.text.lexicon import lexicon
    >>> count("It closed, e.g. in 2010.", lexicon())
    6
    """
    return int(np.count_nonzero(lexicon.flags[_tokens(text, lexicon)] > BREAK))


def _tokens(text: str, lexicon: Lexicon) -> np.ndarray:
    """Return words and signs of a text."""
    pieces = (text.replace("\n", LINE) if "\n" in text else text).split()
    try:
        return _held(pieces, lexicon)
    except KeyError:
        return _cut(pieces, lexicon)


def _held(pieces: list[str], lexicon: Lexicon) -> np.ndarray:
    rows = lexicon.cut[np.fromiter(map(lexicon.pieces.__getitem__, pieces), dtype=np.int32, count=len(pieces))]
    return np.asarray(rows[rows >= 0])


def _cut(pieces: list[str], lexicon: Lexicon) -> np.ndarray:
    """Return the words of all pieces, learning what is new; a long piece is not held."""
    fresh = {piece: tokens_of(piece) for piece in pieces if piece not in lexicon.pieces}
    lexicon.learn([token for tokens in fresh.values() for token in tokens])
    numbers = {piece: [lexicon.of[token] for token in tokens] for piece, tokens in fresh.items()}
    for piece, words in numbers.items():
        if len(piece) <= LONGEST_PIECE:
            lexicon.hold(piece, words)
    if all(piece in lexicon.pieces for piece in fresh):
        return _held(pieces, lexicon)
    each = (numbers[piece] if piece in numbers else _held([piece], lexicon).tolist() for piece in pieces)
    return np.fromiter(chain.from_iterable(each), dtype=np.int32)


def tokens_of(piece: str) -> list[str]:
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
    found: list[tuple[int, int]] = []
    place = 0
    for piece in text.split():
        start = text.index(piece, place)
        place, inside = start + len(piece), 0
        for token in tokens_of(piece):
            inside = piece.index(token, inside)
            if token != LINE.strip() and flags[of[token]] > BREAK:
                found.append((start + inside, start + inside + len(token)))
            inside += len(token)
    return found
