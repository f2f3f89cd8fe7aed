"""Fast access to RE2: the ranges of a pattern's matches in UTF-8, without match objects.

The wrapper of ``google-re2`` creates an object for every match and asks the library for the number of groups each time;
for short answers that is two thirds of a scan. The internal interface is not guaranteed by the package, so the wrapper
is used if it differs from what is expected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ranges = Callable[[bytes], list[tuple[int, int]]]
"""Maps UTF-8 to the half-open, non-empty ranges of bytes that match, in the order of the text."""
Fits = Callable[[bytes], bool]
"""Returns whether a pattern matches the whole UTF-8 text."""


def compile_with_memory(pattern: str, memory: int) -> Any:  # noqa: ANN401
    """Compile a pattern with a memory limit in bytes for its automata."""
    import re2

    return re2.compile(pattern, options(memory))


def options(memory: int) -> Any:  # noqa: ANN401
    """Return RE2's options: memory limit, and no logging."""
    import re2

    chosen = re2.Options()
    chosen.max_mem = memory
    chosen.log_errors = False
    return chosen


def range_finder(pattern: Any, *, direct: bool = True) -> Ranges:  # noqa: ANN401
    """Return a function for the ranges of a pattern's first group, or of the whole match without groups.

    Parameters
    ----------
    pattern
        Of :func:`compile_with_memory`; it must not match the empty string.
    direct
        Whether to bypass the wrapper.

    Examples
    --------
    >>> range_finder(compile_with_memory("a(b+)", 1 << 20))(b"ab abbb")
    [(1, 2), (4, 7)]
    """
    import re2

    group = 1 if pattern.groups else 0
    below = getattr(getattr(pattern, "_regexp", None), "Match", None)
    anywhere = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)
    if not direct or below is None or anywhere is None:
        return lambda raw: [match.span(group) for match in pattern.finditer(raw)]

    def ranges(raw: bytes) -> list[tuple[int, int]]:
        matches: list[tuple[int, int]] = []
        place, size = 0, len(raw)
        while place <= size:
            spans = below(anywhere, raw, place, size)
            if spans[0][0] < 0:
                break
            matches.append(spans[group])
            place = spans[0][1]
        return matches

    return ranges


def fits(pattern: Any, *, direct: bool = True) -> Fits:  # noqa: ANN401
    """Return a function that tests whether a pattern matches a whole text.

    Examples
    --------
    >>> number = fits(compile_with_memory("a(b+)", 1 << 20))
    >>> number(b"abb"), number(b"abbc")
    (True, False)
    """
    import re2

    below = getattr(getattr(pattern, "_regexp", None), "Match", None)
    whole = getattr(getattr(re2, "_Anchor", None), "ANCHOR_BOTH", None)
    if not direct or below is None or whole is None:
        return lambda raw: pattern.fullmatch(raw) is not None
    return lambda raw: below(whole, raw, 0, len(raw))[0][0] >= 0
