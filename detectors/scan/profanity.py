"""Vulgar words, insults and slurs in ten languages, including common obfuscated spellings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from detectors.scan.base import MEMORY, MOST_SPANS, Span, in_points, utf8
from detectors.scan.matches import Ranges, options, range_finder

TYPES = frozenset({"profanity", "toxicity"})
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "tr")
_DISGUISES = {
    "a": "a4@*",
    "b": "b8",
    "c": "c(",
    "e": "e3*",
    "g": "g9",
    "i": "i1!*|",
    "l": "l1|",
    "o": "o0*",
    "s": "s5$z",
    "t": "t7+",
    "u": "u*",
    "z": "z2",
}
_ENDINGS = frozenset(("", "s", "es", "ed", "er", "ers", "ing", "in", "y"))
_SHORT_ENDINGS = frozenset(("", "s"))
_MAY_BE_APART = r"(?:^|[^\pL])\pL[ ._*-]{1,2}\pL[ ._*-]{1,2}\pL(?:[^\pL]|$)"
_APART = re.compile(r"(?<![\w!$@*])[^\W\d_](?:[ ._*-]{1,2}[^\W\d_]){2,20}(?![^\W_])")


def words(language: str) -> list[tuple[str, str]]:
    """Return the type and the stem of every word of a language's list.

    Examples
    --------
    >>> ("profanity", "bullshit*") in words("en")
    True
    """
    file = resources.files("detectors.data").joinpath("profanity", f"{language}.txt")
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    listed = [line for line in lines if line and not line.startswith("#")]
    return [("toxicity" if line.startswith("~") else "profanity", line.lstrip("~")) for line in listed]


def _pattern(stem: str) -> str:
    """Return the pattern of a stem with repeated letters and lookalike signs; a space matches any short gap."""
    return "".join(
        r"[\s_-]{1,3}" if letter in " -" else _letter(letter, first=place == 0) for place, letter in enumerate(stem)
    )


def _letter(letter: str, *, first: bool) -> str:
    signs = _DISGUISES.get(letter, letter)
    # A word starts with its letter, or with a digit or sign that rarely starts other words.
    allowed = signs[0] + signs[1:].translate(str.maketrans("", "", "*!|+(1")) if first else signs
    return "[" + "".join(rf"\{sign}" if not sign.isalnum() else sign for sign in allowed) + "]+"


@dataclass(frozen=True)
class _Lists:
    """Compiled lists of some languages: the first pass, and the exact patterns.

    For each type there are stems with any ending, and words without one.
    """

    hints: Any
    exact: list[tuple[str, bool, Ranges]]


@cache
def _lists(languages: tuple[str, ...]) -> _Lists:
    import re2

    chosen = options(MEMORY)
    chosen.case_sensitive = False
    listed = {word for language in languages for word in words(language)}
    hints, exact = re2.Set.SearchSet(chosen), []
    for kind in sorted(TYPES):
        for open_ended in (False, True):
            stems = (stem for group, stem in listed if group == kind and stem.endswith("*") == open_ended)
            spelled = "|".join(_pattern(s.rstrip("*")) for s in sorted(stems, key=lambda stem: (-len(stem), stem)))
            pattern = rf"(?:^|[^0-9A-Za-z])({spelled})"
            hints.Add(pattern)
            exact.append((kind, open_ended, range_finder(re2.compile(pattern, chosen))))
    hints.Add(_MAY_BE_APART)
    hints.Compile()
    return _Lists(hints, exact)


def scan(text: str, languages: Iterable[str] = LANGUAGES) -> list[Span]:
    """Find the words of the lists; the type of an insult or slur is ``toxicity``.

    Handles repeated letters, digits and signs for letters, and single letters separated by spaces or dots.

    Limits
    ------
    Matches words, not meaning: a quotation counts, and malice in polite words does not. A word that is vulgar in one of
    the languages and harmless in another (``kak``, ``culo``) counts; pass the languages to check.

    References
    ----------
    On the limits of lists: Davidson et al., *Automated hate speech detection and the problem of offensive language*,
    ICWSM 2017. The lists are driftd's own.

    Examples
    --------
    >>> [span.type for span in scan("What the f u c k, this is bullsh1t, you moron")]
    ['profanity', 'profanity', 'toxicity']
    >>> scan("Scunthorpe's assessment class at Essex")
    []
    """
    lists = _lists(tuple(sorted(languages)))
    spans, apart = _find_words(text, lists)
    if apart:
        closed, places = _close_up(text)
        within, _ = _find_words(closed, lists)
        spans |= {Span(span.type, places[span.start], places[span.end - 1] + 1) for span in within}
    return sorted(spans, key=lambda span: (span.start, span.end))[:MOST_SPANS]


def _find_words(text: str, lists: _Lists) -> tuple[set[Span], bool]:
    """Return the words of a text, and whether it may have separated letters."""
    raw = utf8(text)
    hits = lists.hints.Match(raw)
    spans: set[Span] = set()
    if not hits:
        return spans, False
    for kind, open_ended, ranges in (lists.exact[hit] for hit in hits if hit < len(lists.exact)):
        for start, end in in_points(ranges(raw), text, raw):
            word = text[start:end]
            if (start and text[start - 1].isalnum()) or sum(sign.isalpha() for sign in word) * 2 < len(word):
                continue
            stop = end
            while stop < len(text) and text[stop].isalnum():
                stop += 1
            allowed = _ENDINGS if end - start > 4 else _SHORT_ENDINGS  # noqa: PLR2004
            if not open_ended and text[end:stop].lower() not in allowed:
                continue
            spans.add(Span(kind, start, stop))
            if len(spans) >= MOST_SPANS:
                break
    return spans, max(hits) == len(lists.exact)


def _close_up(text: str) -> tuple[str, list[int]]:
    """Join separated letters to words, and return the position of each letter."""
    letters: list[str] = []
    places: list[int] = []
    for match in _APART.finditer(text):
        letters.append(" ")
        places.append(match.start())
        for place in range(*match.span()):
            if text[place].isalnum():
                letters.append(text[place])
                places.append(place)
    return "".join(letters), places
