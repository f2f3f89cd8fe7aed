"""Deobfuscation: markup between letters, signs for letters, spelled digits, separated letters, reversed text, rot13.

Each view is an alternative reading of the whole text, with offsets into the original.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_TELLING = (
    *("forget", "ignore", "disregard", "instruction", "password", "restriction", "jailbreak", "previous"),
    *("anweisung", "vorherige", "ignoriere", "vergiss", "passwort", "consigne", "oublie", "instrucciones", "olvida"),
    *("contraseña", "istruzioni", "dimentica", "instruções", "instructies", "negeer"),
)
"""Words of injections and of requests for secrets, which have no meaning reversed or in rot13."""


def _alternatives(words: Iterable[str]) -> str:
    return "(?i)" + "|".join(sorted(set(words)))


_BETWEEN = r"[A-Za-z0-9](?:</?[A-Za-z!][^<>]*>|[*~`\\])+[A-Za-z0-9]"
HINTS = (
    rf"{_BETWEEN}[^\n]*{_BETWEEN}",
    r"(?i)(?:\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|null|eins|zwei|drei|vier|fünf|sechs|sieben|"
    r"acht|neun|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|un|deux|trois|quatre|cinq|sept|huit|neuf)"
    r"[ ,;.-]{1,3}){6}",
    r"[A-Za-z][ .*_-][A-Za-z][ .*_-][A-Za-z][ .*_-][A-Za-z][ .*_-][A-Za-z][ .*_-][A-Za-z]",
    r"[a-zA-Z][013457@$]{1,2}[a-zA-Z][^\n]*[a-zA-Z][013457@$]{1,2}[a-zA-Z]",
    _alternatives(codecs.encode(word, "rot13") for word in _TELLING),
    _alternatives(word[::-1] for word in _TELLING),
)
"""RE2 patterns, of which at least one matches any text with alternative readings."""

_MARKUP = re.compile(r"(?<=[A-Za-z0-9])(?:</?[A-Za-z!][^<>]{0,200}>|[*~`\\])+(?=[A-Za-z0-9_])")
_DIGITS = {
    word: str(digit)
    for words in (
        "zero one two three four five six seven eight nine",
        "null eins zwei drei vier fünf sechs sieben acht neun",
        "cero uno dos tres cuatro cinco seis siete ocho nueve",
        "oh un deux trois quatre cinq six sept huit neuf",
    )
    for digit, word in enumerate(words.split())
}
_NUMBER_WORD = rf"(?:{'|'.join(sorted(_DIGITS, key=len, reverse=True))})"
_SAID = re.compile(rf"\b{_NUMBER_WORD}(?:[ ,;.-]{{1,3}}{_NUMBER_WORD}){{6,60}}\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_APART = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9](?:[ .*_-]{1,3}[A-Za-z0-9@]){5,400}(?![A-Za-z0-9])")
_TOKEN = re.compile(r"[A-Za-z013457@$]+")
_LETTER, _SIGN = re.compile(r"[A-Za-z]"), re.compile(r"[013457@$]")
_PLAIN = str.maketrans("013457@$", "oieastas")
_ROT13 = re.compile(HINTS[4], re.IGNORECASE)
_BACKWARDS = re.compile(HINTS[5], re.IGNORECASE)
LONGEST = 50_000
"""Number of code points that are deobfuscated."""


@dataclass(frozen=True)
class DeobfuscatedText:
    """Alternative reading of a text.

    Parameters
    ----------
    text
        The reading.
    starts, ends
        For each of its code points, start and end in the original; None if they are the same.
    """

    text: str
    starts: list[int] | None = None
    ends: list[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original that corresponds to a range of the reading."""
        if self.starts is None or self.ends is None:
            return start, end
        return min(self.starts[start], self.starts[end - 1]), max(self.ends[start], self.ends[end - 1])


def deobfuscate(text: str) -> Iterator[DeobfuscatedText]:
    """Yield the alternative readings of a text; most texts have none.

    Limits
    ------
    One obfuscation at a time, in the first 50,000 code points.

    Examples
    --------
    >>> [view.text for view in deobfuscate("call four one one one, one one one one")]
    ['call 41111111']
    >>> [view.text for view in deobfuscate("1gn0re prev1ous rules")]
    ['ignore previous rules']
    """
    read = text[:LONGEST]
    yield from _replace_views(read, _MARKUP, lambda _: [])
    yield from _replace_views(read, _SAID, _spoken_digits)
    yield from _replace_views(read, _APART, _close_letters)
    plain = _TOKEN.sub(_without_signs, read)
    if plain != read:
        yield DeobfuscatedText(plain)
    if _ROT13.search(read):
        yield DeobfuscatedText(codecs.decode(read, "rot13"))
    if _BACKWARDS.search(read):
        places = list(range(len(read)))[::-1]
        yield DeobfuscatedText(read[::-1], places, [place + 1 for place in places])


def _without_signs(word: re.Match[str]) -> str:
    """Replace signs by letters in words with both."""
    token = word.group()
    return token.translate(_PLAIN) if _SIGN.search(token) and _LETTER.search(token) else token


Part = tuple[str, int, int]
"""Code point of a view, with start and end in the original."""


def _spoken_digits(match: re.Match[str]) -> list[Part]:
    """Replace spelled digits by digits."""
    return [
        (_DIGITS[word.group().lower()], match.start() + word.start(), match.start() + word.end())
        for word in _WORD.finditer(match.group())
    ]


def _close_letters(match: re.Match[str]) -> list[Part]:
    """Join separated letters; a gap other than the usual one separates words."""
    gaps = Counter(re.findall(r"[ .*_-]+", match.group()))
    usual = max(gaps, key=gaps.__getitem__)
    parts: list[Part] = []
    for place in range(*match.span()):
        character = match.string[place]
        if character.isalnum() or character == "@":
            if parts and match.string[parts[-1][2] : place] != usual:
                parts.append((" ", parts[-1][2], place))
            parts.append((character, place, place + 1))
    return parts


def _replace_views(
    text: str, pattern: re.Pattern[str], parts_of: Callable[[re.Match[str]], list[Part]]
) -> Iterator[DeobfuscatedText]:
    made: list[Part] = []
    done = 0
    for match in pattern.finditer(text):
        made += [(text[place], place, place + 1) for place in range(done, match.start())]
        made += parts_of(match)
        done = match.end()
    if done:
        made += [(text[place], place, place + 1) for place in range(done, len(text))]
        yield DeobfuscatedText(
            "".join(part[0] for part in made), [part[1] for part in made], [part[2] for part in made]
        )
