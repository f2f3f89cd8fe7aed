"""User-defined patterns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detectors.scan.base import MOST_SPANS, Span, readable

MOST_PATTERNS = 200
LONGEST_PATTERN = 2000


class PatternError(ValueError):
    """Invalid pattern, with the reason."""


class Patterns:
    r"""Named patterns in RE2 syntax, searched in linear time for any pattern and text.

    Parameters
    ----------
    patterns
        Name to pattern; the name is the type of the findings.

    Raises
    ------
    PatternError
        If a pattern does not compile or is too large, or there are too many.

    Examples
    --------
    >>> Patterns({"ticket": r"TCK-\d{4,}"}).scan("see TCK-12345")
    [Span(type='ticket', start=4, end=13)]
    >>> Patterns({"x": r"(?<=a)b"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    detectors.scan.patterns.PatternError: the pattern 'x' cannot be used: ...
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        if len(patterns) > MOST_PATTERNS:
            raise PatternError(f"{len(patterns)} patterns are too many; at most {MOST_PATTERNS} are searched.")
        self._compiled = {name: compile_pattern(name, pattern) for name, pattern in patterns.items()}

    def scan(self, text: str) -> list[Span]:
        """Return every non-empty match, in the order of the text."""
        read = readable(text)
        spans: list[Span] = []
        for name, pattern in self._compiled.items():
            for match in pattern.finditer(read):
                start, end = match.span()
                if end > start:
                    spans.append(Span(name, start, end))
                if len(spans) >= MOST_SPANS:
                    break
        return sorted(spans, key=lambda span: (span.start, span.end))


def compile_pattern(name: str, pattern: str) -> Any:  # noqa: ANN401
    """Compile a user's pattern; raises :class:`PatternError` with the reason."""
    import re2

    if len(pattern) > LONGEST_PATTERN:
        raise PatternError(
            f"the pattern {name!r} has {len(pattern)} characters; at most {LONGEST_PATTERN} are allowed."
        )
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 16 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        message = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        raise PatternError(
            f"the pattern {name!r} cannot be used: {message}. Patterns are RE2's: no look-around and no "
            "back-references, see https://github.com/google/re2/wiki/Syntax."
        ) from None
