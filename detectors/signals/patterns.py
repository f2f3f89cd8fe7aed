"""Patterns in linear time, and the packaged phrase lists that are made of them."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

LARGEST_PROGRAM = 64 << 20
"""Bytes that a compiled pattern and its states may take."""


@lru_cache(maxsize=256)
def compile_linear(pattern: str, *, ignore_case: bool = False) -> Any:  # noqa: ANN401
    r"""Compile a pattern of RE2, whose time is linear in the text whatever the pattern; groups are not kept.

    Raises
    ------
    ValueError
        When the pattern is wrong, or needs what RE2 has not: look-around and back-references.

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
    """Return a packaged phrase list: language to kind to patterns.

    Examples
    --------
    >>> sorted(load_phrases("refusal")["en"])
    ['complies', 'declines', 'turns', 'unknown']
    """
    read = json.loads(files("detectors.data").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return {language: kinds for language, kinds in read.items() if isinstance(kinds, dict)}


@lru_cache(maxsize=16)
def phrases(name: str, kind: str) -> Any:  # noqa: ANN401
    """Return one pattern of all phrases of a kind in every language, without regard to case."""
    listed = [phrase for kinds in load_phrases(name).values() for phrase in kinds.get(kind, ())]
    return compile_linear("|".join(f"(?:{phrase})" for phrase in listed), ignore_case=True)


def utf8(text: str) -> bytes:
    """Return a text as bytes that RE2 can search, curly apostrophes straight; offsets count bytes then.

    Examples
    --------
    >>> utf8("don\u2019t " + chr(0xD800))
    b"don't ?"
    """
    if text.isascii():
        return text.encode("ascii")
    return text.replace("\u2019", "'").encode("utf-8", "replace")
