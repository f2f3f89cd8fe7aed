"""Linear-time patterns, and the packaged phrase lists."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

LARGEST_PROGRAM = 64 << 20
"""Memory limit of a compiled pattern and its states, in bytes."""


@lru_cache(maxsize=256)
def compile_linear(pattern: str, *, ignore_case: bool = False) -> Any:  # noqa: ANN401
    r"""Compile an RE2 pattern, which takes linear time in the text; groups do not capture.

    Raises
    ------
    ValueError
        If the pattern is invalid or needs features that RE2 lacks: look-around and back-references.

    References
    ----------
    Cox, *Regular expression matching in the wild*, 2010; https://github.com/google/re2/wiki/Syntax.

    Examples
    --------
    >>> compile_linear(r"^id-\d+", ignore_case=True).search("ID-7") is not None
    True
    >>> compile_linear("(?=x)")
    Traceback (most recent call last):
    ...
    ValueError: the pattern '(?=x)' is not one of RE2: invalid perl operator: (?=. Look-around and ...
    """
    import re2

    options = re2.Options()
    options.log_errors, options.never_capture, options.case_sensitive = False, True, not ignore_case
    options.max_mem = LARGEST_PROGRAM
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        message = error.args[0] if error.args else "it cannot be compiled"
        message = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
        raise ValueError(
            f"the pattern {pattern!r} is not one of RE2: {message}. Look-around and back-references do not exist there."
        ) from None


@lru_cache(maxsize=16)
def load_phrases(name: str) -> dict[str, Any]:
    """Load a packaged phrase list: language to kind to patterns.

    Examples
    --------
    >>> sorted(load_phrases("refusal")["en"])
    ['complies', 'declines', 'turns', 'unknown']
    """
    read = json.loads(files("detectors.data").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return {language: kinds for language, kinds in read.items() if isinstance(kinds, dict)}


@lru_cache(maxsize=16)
def phrases(name: str, kind: str) -> Any:  # noqa: ANN401
    """Return one case-insensitive pattern of all phrases of a kind in every language."""
    listed = [phrase for kinds in load_phrases(name).values() for phrase in kinds.get(kind, ())]
    return compile_linear("|".join(f"(?:{phrase})" for phrase in listed), ignore_case=True)


def utf8(text: str) -> bytes:
    """Return a text as bytes for RE2, with straight apostrophes; offsets then count bytes.

    Examples
    --------
    >>> utf8("don\u2019t " + chr(0xD800))
    b"don't ?"
    """
    if text.isascii():
        return text.encode("ascii")
    return text.replace("\u2019", "'").encode("utf-8", "replace")
