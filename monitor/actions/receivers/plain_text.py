"""Logged values as text that is safe to show: no control characters, one line, a limited length."""

from __future__ import annotations

import re

MARK = " …"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters except tab and newline, and characters that change the text direction."""
SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: object) -> str:
    """Return a text without control characters and halves of characters."""
    return SURROGATES.sub("\ufffd", UNSAFE.sub("", str(text)))


def one_line(text: object, most: int) -> str:
    """Return a text as one line of at most ``most`` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else line[: most - len(MARK)] + MARK
