"""What every scanner is made of: rules that one pass over the text selects, and spans that they find."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MOST_SPANS = 1000
"""Findings of one rule in one text that are kept; more would not change a verdict."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_DIGIT = dict.fromkeys(point for point in range(128) if not 48 <= point <= 57)
FEW = 32
CONTEXT_BEFORE = 60
CONTEXT_AFTER = 24


@dataclass(frozen=True, slots=True, order=True)
class Span:
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


@dataclass(frozen=True)
class Rule:
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
    """

    type: str
    pattern: str
    trim: Trim | None = None
    near: str = ""
    hint: str = ""


class RuleSet:
    """Rules that are searched together: one pass tells which can match, and only those are looked at closely.

    All patterns are RE2's, so the time is linear in the text whatever it holds. Nothing is compiled until
    the first scan.

    Parameters
    ----------
    rules
        In order of precedence: where findings overlap, the earlier rule wins.

    References
    ----------
    Cox, *Regular expression matching in the wild*, 2010 (RE2).
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)

    @cached_property
    def _compiled(self) -> tuple[Any, list[_Exact]]:
        import re2

        options = re2.Options()
        options.max_mem = 64 << 20
        options.log_errors = False
        hints = re2.Set.SearchSet(options)
        for rule in self.rules:
            hints.Add(rule.hint or (near_pattern(rule.near) if rule.near else rule.pattern))
        hints.Compile()
        exact = [_Exact.of(rule, options) for rule in self.rules]
        return hints, exact

    def scan(self, text: str) -> list[Span]:
        """Return what the rules find, in order of appearance, without overlaps."""
        hints, exact = self._compiled
        read = readable(text)
        hits = hints.Match(read)
        if not hits:
            return []
        found: list[Span] = []
        for place in sorted(hits):
            found.extend(_matches(exact[place], text, read, found if len(found) <= FEW else ()))
        return without_overlaps(found)

    def may_match(self, text: str) -> bool:
        """Say whether a closer look can find anything at all."""
        return bool(self._compiled[0].Match(readable(text)))


def readable(text: str) -> str | bytes:
    """Return a text as RE2 can read it, code point by code point.

    Bytes spare RE2 the counting of code points, and in ASCII both are the same; half of a surrogate pair has no UTF-8.
    """
    return text.encode() if text.isascii() else _SURROGATE.sub("\ufffd", text)


def near_pattern(words: str) -> str:
    """Return the pattern of context words: any case, beginning where a word begins."""
    return rf"(?i)(?:\b|_)(?:{words})"


@dataclass(frozen=True)
class _Exact:
    """A rule with its compiled patterns."""

    rule: Rule
    find: Callable[[str | bytes], Iterable[Any]]
    group: int
    near: Callable[[str | bytes], Iterable[Any]] | None

    @classmethod
    def of(cls, rule: Rule, options: Any) -> _Exact:  # noqa: ANN401
        import re2

        pattern = re2.compile(rule.pattern, options)
        near = re2.compile(near_pattern(rule.near), options).finditer if rule.near else None
        return cls(rule, pattern.finditer, 1 if pattern.groups else 0, near)


def _matches(exact: _Exact, text: str, read: str | bytes, earlier: Sequence[Span]) -> list[Span]:
    rule = exact.rule
    places = [match.span() for match in exact.near(read)] if exact.near is not None else None
    found: list[Span] = []
    for match in exact.find(read):
        start, end = match.span(exact.group)
        if places is not None and not is_near(places, start, end):
            continue
        if earlier and any(span.start <= start and end <= span.end for span in earlier):
            continue  # an earlier rule has it; not worth a closer look
        kept = rule.trim(text, start, end) if rule.trim else (start, end)
        if kept is not None and kept[1] > kept[0]:
            found.append(Span(rule.type, *kept))
            if len(found) >= MOST_SPANS:
                break
    return found


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
    return sorted(kept, key=lambda span: (span.start, span.end))


def whole(check: Callable[[str], bool]) -> Trim:
    """Make a validator of the candidate's text into a :data:`Trim`."""

    def trim(text: str, start: int, end: int) -> tuple[int, int] | None:
        return (start, end) if check(text[start:end]) else None

    return trim


def digits_of(text: str) -> str:
    """Return the ASCII digits of a text.

    Examples
    --------
    >>> digits_of("+1 (212) 555-0100")
    '12125550100'
    """
    if text.isascii():
        return text.translate(_NO_DIGIT)
    return "".join(character for character in text if "0" <= character <= "9")
