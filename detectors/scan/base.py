"""Building blocks of scanners: rules that one pass over the text selects, and the spans that they match."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

from detectors.scan.matches import Ranges, compile_with_memory, options, range_finder

MOST_SPANS = 1000
"""Largest number of findings of one rule in one text; more would not change a verdict."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_DIGIT = bytes(point for point in range(256) if not 48 <= point <= 57)
MEMORY = 64 << 20
"""Memory limit of RE2 for the automata of one pattern, in bytes; automata grow with the text."""
FEW = 32
CONTEXT_BEFORE = 60
CONTEXT_AFTER = 24
EMBEDDED_TYPE = "embedded_instruction"
"""Type of instructions to a model in retrieved text; scanned for only if named."""
PERSON = "person"
"""Type of the names of people."""
NameFinder = Callable[[str], list[tuple[int, int]]]
"""Maps a text to the half-open ranges of people's names. driftd ships no model for it."""


class Span(NamedTuple):
    """Finding: type and range.

    Parameters
    ----------
    type
        Type, such as ``email_address``.
    start, end
        Half-open range of code points.
    """

    type: str
    start: int
    end: int


Trim = Callable[[str, int, int], "tuple[int, int] | None"]
"""Maps a candidate in its text to the range of the finding, or None if it is not one."""
Each = Callable[[str, int, int], "list[tuple[int, int]]"]
"""Maps a candidate in its text to the ranges of the findings in it."""


@dataclass(frozen=True, slots=True)
class PatternRule:
    """Pattern, with the conditions on its matches.

    Parameters
    ----------
    type
        Of its findings.
    pattern
        RE2 syntax; the finding is its first group, or the whole match without groups.
    trim
        Validates a candidate, and may shorten it.
    near
        RE2 pattern of context words, of which one is required within 60 code points before or 24 after; empty for none.
    hint
        RE2 pattern of the first pass; by default ``near``, or ``pattern``.
    each
        Replaces ``trim`` if a candidate may contain several findings.
    """

    type: str
    pattern: str
    trim: Trim | None = None
    near: str = ""
    hint: str = ""
    each: Each | None = None

    def within(self, text: str, start: int, end: int) -> list[Span]:
        """Return the findings in a candidate after validation."""
        if self.each:
            return [Span(self.type, *limits) for limits in self.each(text, start, end)]
        limits = self.trim(text, start, end) if self.trim else (start, end)
        return [Span(self.type, *limits)] if limits is not None and limits[1] > limits[0] else []


class RuleSet:
    """Rules that are searched together: one pass selects those that can match, which are then matched individually.

    All patterns are RE2's, so the time is linear in any text. Patterns are compiled on the first scan.

    Parameters
    ----------
    rules
        In order of precedence: of overlapping findings, the earlier rule's is returned.
    also
        RE2 patterns of another scanner of the same text, which the first pass reports too.

    References
    ----------
    Cox, *Regular expression matching in the wild*, 2010 (RE2).
    """

    def __init__(self, rules: Iterable[PatternRule], also: Iterable[str] = ()) -> None:
        self.rules = tuple(rules)
        self._also = tuple(also)

    @cached_property
    def _compiled(self) -> tuple[Any, list[_Exact]]:
        import re2

        hints = re2.Set.SearchSet(options(MEMORY))
        for rule in self.rules:
            hints.Add(rule.hint or (near_pattern(rule.near) if rule.near else rule.pattern))
        for pattern in self._also:
            hints.Add(pattern)
        hints.Compile()
        return hints, [_Exact.of(rule) for rule in self.rules]

    def scan(self, text: str) -> list[Span]:
        """Return the findings of the rules, in the order of the text, without overlaps."""
        return self.read(text)[0]

    def read(self, text: str) -> tuple[list[Span], bool]:
        """Return the findings of the rules, and whether a pattern of ``also`` matches."""
        hints, exact = self._compiled
        raw = utf8(text)
        hits = hints.Match(raw)
        if not hits:
            return [], False
        spans: list[Span] = []
        for place in sorted(hits):
            if place < len(exact):
                exact[place].add(text, raw, spans)
        return without_overlaps(spans), max(hits) >= len(exact)


def readable(text: str) -> str | bytes:
    """Return a text that RE2 can read, with the same number of code points.

    Bytes spare RE2 the counting of code points, and are the same in ASCII; unpaired surrogates, which have no UTF-8,
    are replaced.
    """
    return text.encode() if text.isascii() else _SURROGATE.sub("\ufffd", text)


def utf8(text: str) -> bytes:
    """Return the UTF-8 bytes for RE2, with as many code points as the text."""
    return text.encode() if text.isascii() else _SURROGATE.sub("\ufffd", text).encode()


def near_pattern(words: str) -> str:
    """Return the pattern of context words: case-insensitive, starting at a word boundary."""
    return rf"(?i)(?:\b|_)(?:{words})"


@dataclass(frozen=True, slots=True)
class _Exact:
    """Rule with its compiled patterns."""

    rule: PatternRule
    find: Ranges
    near: Ranges | None

    @classmethod
    def of(cls, rule: PatternRule) -> _Exact:
        near = range_finder(compile_with_memory(near_pattern(rule.near), MEMORY)) if rule.near else None
        return cls(rule, range_finder(compile_with_memory(rule.pattern, MEMORY)), near)

    def add(self, text: str, raw: bytes, spans: list[Span]) -> None:
        """Append the findings of the rule, except those that an earlier rule covers, which are not validated."""
        places: list[tuple[int, int]] | None = None
        if self.near is not None:
            places = in_points(self.near(raw), text, raw)
            if not places:
                return
        ranges = self.find(raw)
        if len(raw) != len(text):
            ranges = in_points(ranges, text, raw)
        rule = self.rule
        trim, each = rule.trim, rule.each
        earlier = spans[:] if len(spans) <= FEW else []
        most = len(spans) + MOST_SPANS
        for start, end in ranges:
            if places is not None and not is_near(places, start, end):
                continue
            for _, begin, stop in earlier:
                if begin <= start and end <= stop:
                    break
            else:
                if each:
                    spans += rule.within(text, start, end)
                else:
                    limits = trim(text, start, end) if trim else (start, end)
                    if limits is None or limits[1] <= limits[0]:
                        continue
                    spans.append(Span(rule.type, limits[0], limits[1]))
                if len(spans) >= most:
                    del spans[most:]
                    return


def in_points(ranges: list[tuple[int, int]], text: str, raw: bytes) -> list[tuple[int, int]]:
    """Convert ranges of UTF-8 to ranges of code points, in one pass; they are the same in ASCII."""
    if len(raw) == len(text) or not ranges:
        return ranges
    counted = []
    byte = point = 0
    for start, end in ranges:
        begin = point + len(raw[byte:start].decode())
        byte, point = end, begin + len(raw[start:end].decode())
        counted.append((begin, point))
    return counted


class Words:
    """Set of words to search in a short text, compiled on first use."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    @cached_property
    def _search(self) -> Any:  # noqa: ANN401
        import re2

        return re2.compile(self._pattern).search

    def found_in(self, piece: str) -> bool:
        """Return whether one of them is in the text."""
        return self._search(readable(piece)) is not None


def is_near(places: list[tuple[int, int]], start: int, end: int) -> bool:
    """Return whether one of the context words, in the order of the text, is close to a candidate.

    Examples
    --------
    >>> is_near([(0, 3), (500, 503)], 10, 20), is_near([(0, 3), (500, 503)], 200, 210)
    (True, False)
    """
    last = bisect_left(places, (end + CONTEXT_AFTER, -1)) - 1
    return last >= 0 and places[last][1] > start - CONTEXT_BEFORE


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Remove spans that overlap an earlier one of the list, and sort by position.

    Examples
    --------
    >>> without_overlaps([Span("card", 4, 20), Span("phone", 6, 18), Span("email", 0, 4)])
    [Span(type='email', start=0, end=4), Span(type='card', start=4, end=20)]
    """
    listed = list(spans)
    if len(listed) <= 1:
        return listed
    in_place = sorted(listed, key=_place)
    reached = 0
    for _, start, end in in_place:
        if start < reached:
            break
        reached = end
    else:
        return in_place
    separate: list[Span] = []
    taken: list[tuple[int, int, int]] = []
    for order, span in enumerate(listed):
        at = bisect_left(taken, (span.start, -1, -1))
        if at < len(taken) and taken[at][0] < span.end:
            continue
        if at and taken[at - 1][1] > span.start:
            continue
        insort(taken, (span.start, span.end, order))
        separate.append(span)
    return sorted(separate, key=_place)


_place = itemgetter(1, 2)


def whole(check: Callable[[str], bool]) -> Trim:
    """Convert a validator of the candidate's text to a :data:`Trim`."""

    def trim(text: str, start: int, end: int) -> tuple[int, int] | None:
        return (start, end) if check(text[start:end]) else None

    return trim


def only_digits(text: str) -> str:
    """Return the ASCII digits of a text.

    Examples
    --------
    >>> only_digits("+1 (212) 555-0100")
    '12125550100'
    """
    return text.encode("ascii", "ignore").translate(None, _NO_DIGIT).decode()
