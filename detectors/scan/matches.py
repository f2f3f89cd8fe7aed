"""RE2 without its wrapper's price: where a pattern matches in UTF-8, and nothing else about the match.

The wrapper of ``google-re2`` makes an object of every match and asks the library for the number of groups each time it
is looked at; for short answers that is two thirds of a scan. What lies below it is not promised by the package, so
where it is not as expected, the wrapper does the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ranges = Callable[[bytes], list[tuple[int, int]]]
"""From UTF-8 to the half-open ranges of bytes that match, in order of appearance; none is empty."""
Fits = Callable[[bytes], bool]
"""Whether a pattern matches all of some UTF-8."""


def compile_with_memory(pattern: str, memory: int) -> Any:  # noqa: ANN401
    """Compile a pattern with so many bytes of memory for its automata."""
    import re2

    return re2.compile(pattern, options(memory))


def options(memory: int) -> Any:  # noqa: ANN401
    """Return RE2's options: this much memory, and no log of its own."""
    import re2

    chosen = re2.Options()
    chosen.max_mem = memory
    chosen.log_errors = False
    return chosen


def range_finder(pattern: Any, *, direct: bool = True) -> Ranges:  # noqa: ANN401
    """Return what tells the ranges of a compiled pattern's first group, or of the whole match when it has none.

    Parameters
    ----------
    pattern
        Of :func:`compile_with_memory`; it must not match nothing at all.
    direct
        Whether the wrapper may be gone around.

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
    """Return what tells whether a compiled pattern matches a text from end to end.

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
