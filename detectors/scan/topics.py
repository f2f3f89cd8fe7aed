"""Forbidden topics: deny-lists of words and phrases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.scan.base import Span
from detectors.scan.patterns import PatternError, Patterns


class Topics:
    """Forbidden topics with their words, which match at word starts, case-insensitively.

    Parameters
    ----------
    topics
        Name to words or phrases; ``*`` at the end of a word allows any ending.

    Examples
    --------
    >>> Topics({"competitors": ["Acme", "Glob*"]}).scan("Buy from ACME or Globex")
    [Span(type='competitors', start=9, end=13), Span(type='competitors', start=17, end=23)]
    """

    def __init__(self, topics: Mapping[str, Sequence[str]]) -> None:
        for name, words in topics.items():
            if not any(word.strip(" *") for word in words):
                raise PatternError(f"the topic {name!r} has no words.")
        self._patterns = Patterns({name: _either(words) for name, words in topics.items()})

    def scan(self, text: str) -> list[Span]:
        """Return the ranges of the words."""
        spans = []
        for span in self._patterns.scan(text):
            start, end = span.start, span.end
            while start < end and not text[start].isalnum():
                start += 1
            while end > start and not text[end - 1].isalnum():
                end -= 1
            spans.append(Span(span.type, start, end))
        return spans


def _either(words: Sequence[str]) -> str:
    spelled = sorted((_spell(word) for word in words if word.strip(" *")), key=len, reverse=True)
    return rf"(?i)(?:^|[^\pL\pN])(?:{'|'.join(spelled)})(?:[^\pL\pN]|$)"


def _spell(word: str) -> str:
    import re2

    parts = [str(re2.escape(part)) for part in word.strip().rstrip("*").split()]
    return r"\s+".join(parts) + (r"[\pL\pN]*" if word.strip().endswith("*") else "")
