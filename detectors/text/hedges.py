"""Hedges of an English answer: statements about the speaker's knowledge instead of facts."""

from __future__ import annotations

from detectors.signals.patterns import compile_linear

MOST_HEDGES = 20
"""Largest number of hedges per answer."""
_I = r"\b(?:i|we)\b"
_NOT = r"(?:\bnot|n ?'? ?t|\bt|\bnever|\bcannot)\b"
_AUXILIARY = (
    r"(?: ?'? ?(?:m|am|re|are|ve|have|do|did|was|were|had|can|could|ca|would|will|won|wo|haven|don|didn|wasn|couldn))?"
    r"[ ']*"
)
_MIND = (
    r"\b(?:know|sure|certain|remember|recall|aware|tell|say|idea|heard|hear|seen|read|familiar|tried|fan|find|have|"
    r"much|many)\b"
)
_UP_TO = r"[^.!?;,]{0,60}?(?:,? *(?:but|though|although|however)\b|[.!?;]|$)"
HEDGE = (
    rf"{_I}{_AUXILIARY}{_NOT}[^.!?;]{{0,40}}?{_MIND}{_UP_TO}"
    rf"|{_NOT} +(?:(?:too|so|really|entirely|exactly) +)?(?:sure|certain|much|a +lot|really)\b{_UP_TO}"
    rf"|{_I} +(?:(?:do|did|also|just|only|really|actually|always) +){{0,3}}(?:know|knew|think|thought|believe|guess|"
    r"heard|hear|read|learned|learnt|suppose|understand|remember|recall|bet)\b(?: +that\b)?"
)
"""“I'm not sure, but”, “not much but”, “I do know that”: nothing that a context could support. In the syntax of RE2."""


def hedges(text: str) -> list[tuple[int, int]]:
    """Return the half-open ranges of hedges, in code points.

    Limits
    ------
    English only, and the first twenty hedges, each of at most sixty characters.

    Examples
    --------
    >>> text = "I'm not sure when it opened, but I do know that it sold bread."
    >>> [text[start:end] for start, end in hedges(text)]
    ["I'm not sure when it opened, but", 'I do know that']
    >>> hedges("It was not sold.")
    []
    """
    plain = text.replace("’", "'") if "’" in text else text
    read = plain.encode("utf-8", "replace")
    spans: list[tuple[int, int]] = []
    for match in compile_linear(HEDGE, ignore_case=True).finditer(read):
        start, end = match.span()
        spans.append((start, end) if plain.isascii() else (len(read[:start].decode()), len(read[:end].decode())))
        if len(spans) == MOST_HEDGES:
            break
    return spans
