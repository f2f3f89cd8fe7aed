"""What every scanner is made of: rules that one pass over the text selects, and spans that they find."""

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
"""Findings of one rule in one text that are kept; more would not change a verdict."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_DIGIT = bytes(point for point in range(256) if not 48 <= point <= 57)
MEMORY = 64 << 20
"""Bytes that RE2 may use for the automata of one pattern; they grow with what is read."""
FEW = 32
CONTEXT_BEFORE = 60
CONTEXT_AFTER = 24
EMBEDDED_TYPE = "embedded_instruction"
"""Type of orders to a model in retrieved text, which only those who ask for it by name look for."""
PERSON = "person"
"""Type of the names of people."""
NameFinder = Callable[[str], list[tuple[int, int]]]
"""Finds names of people: from a text to half-open ranges. driftd has no model of its own for it."""


class Span(NamedTuple):
    """A finding: what stands where.

    Parameters
    ----------
    type
        What it is, such as ``email_address``.
    start, end
        Half-open range of code points.
    """

    type: str
    start: int
    end: int


Trim = Callable[[str, int, int], "tuple[int, int] | None"]
"""Looks at a candidate in its text: where the finding begins and ends, or None when it is none."""
Each = Callable[[str, int, int], "list[tuple[int, int]]"]
"""Looks at a candidate in its text: where each of the findings in it begins and ends."""


@dataclass(frozen=True, slots=True)
class PatternRule:
    """A pattern, and what must hold of what it matches.

    Parameters
    ----------
    type
        Of its findings.
    pattern
        RE2 syntax; its first group is the finding, or the whole match when it has none.
    trim
        Validates a candidate, and may shorten it.
    near
        RE2 pattern of words, one of which must stand within 60 code points before or 24 after; empty for none.
    hint
        RE2 pattern of the first pass; by default ``near``, or ``pattern`` itself.
    each
        Instead of ``trim``, where a candidate may hold several findings.
    """

    type: str
    pattern: str
    trim: Trim | None = None
    near: str = ""
    hint: str = ""
    each: Each | None = None

    def within(self, text: str, start: int, end: int) -> list[Span]:
        """Return what is left of a candidate after a closer look."""
        if self.each:
            return [Span(self.type, *kept) for kept in self.each(text, start, end)]
        kept = self.trim(text, start, end) if self.trim else (start, end)
        return [Span(self.type, *kept)] if kept is not None and kept[1] > kept[0] else []


class RuleSet:
    """Rules that are searched together: one pass tells which can match, and only those are looked at closely.

    All patterns are RE2's, so the time is linear in the text whatever it holds. Nothing is compiled until
    the first scan.

    Parameters
    ----------
    rules
        In order of precedence: where findings overlap, the earlier rule wins.
    also
        RE2 patterns of what somebody else looks for in the same text: the first pass tells of them too.

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
        """Return what the rules find, in order of appearance, without overlaps."""
        return self.read(text)[0]

    def read(self, text: str) -> tuple[list[Span], bool]:
        """Return what the rules find, and whether something of ``also`` is there."""
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
    """Return a text as RE2 can read it, code point by code point.

    Bytes spare RE2 the counting of code points, and in ASCII both are the same; half of a surrogate pair has no UTF-8.
    """
    return text.encode() if text.isascii() else _SURROGATE.sub("\ufffd", text)


def utf8(text: str) -> bytes:
    """Return the bytes that RE2 works on, as many code points as the text has."""
    return text.encode() if text.isascii() else _SURROGATE.sub("\ufffd", text).encode()


def near_pattern(words: str) -> str:
    """Return the pattern of context words: any case, beginning where a word begins."""
    return rf"(?i)(?:\b|_)(?:{words})"


@dataclass(frozen=True, slots=True)
class _Exact:
    """A rule with its compiled patterns."""

    rule: PatternRule
    find: Ranges
    near: Ranges | None

    @classmethod
    def of(cls, rule: PatternRule) -> _Exact:
        near = range_finder(compile_with_memory(near_pattern(rule.near), MEMORY)) if rule.near else None
        return cls(rule, range_finder(compile_with_memory(rule.pattern, MEMORY)), near)

    def add(self, text: str, raw: bytes, spans: list[Span]) -> None:
        """Append what the rule finds, but what an earlier rule has covered: it is not worth a closer look."""
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
                    kept = trim(text, start, end) if trim else (start, end)
                    if kept is None or kept[1] <= kept[0]:
                        continue
                    spans.append(Span(rule.type, kept[0], kept[1]))
                if len(spans) >= most:
                    del spans[most:]
                    return


def in_points(ranges: list[tuple[int, int]], text: str, raw: bytes) -> list[tuple[int, int]]:
    """Turn ranges of UTF-8 into ranges of code points, in one pass; in ASCII they are the same."""
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
    """Words to look for in a short piece of text, compiled when they are first needed."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    @cached_property
    def _search(self) -> Any:  # noqa: ANN401
        import re2

        return re2.compile(self._pattern).search

    def found_in(self, piece: str) -> bool:
        """Say whether one of them is there."""
        return self._search(readable(piece)) is not None


def is_near(places: list[tuple[int, int]], start: int, end: int) -> bool:
    """Say whether one of the context words, in order of appearance, stands close to a candidate.

    Examples
    --------
    >>> is_near([(0, 3), (500, 503)], 10, 20), is_near([(0, 3), (500, 503)], 200, 210)
    (True, False)
    """
    last = bisect_left(places, (end + CONTEXT_AFTER, -1)) - 1
    return last >= 0 and places[last][1] > start - CONTEXT_BEFORE


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Keep of overlapping spans the one that comes first in the list, and sort by place.

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
    kept: list[Span] = []
    taken: list[tuple[int, int, int]] = []
    for order, span in enumerate(listed):
        at = bisect_left(taken, (span.start, -1, -1))
        if at < len(taken) and taken[at][0] < span.end:
            continue
        if at and taken[at - 1][1] > span.start:
            continue
        insort(taken, (span.start, span.end, order))
        kept.append(span)
    return sorted(kept, key=_place)


_place = itemgetter(1, 2)


def whole(check: Callable[[str], bool]) -> Trim:
    """Make a validator of the candidate's text into a :data:`Trim`."""

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
