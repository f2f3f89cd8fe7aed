"""Convert values to JSON types, and escape control characters in text."""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from typing import Any

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0, DEL and C1 controls, bidirectional and line separators, and lone surrogates."""


def visible(text: str, keep: str = "\n\t") -> str:
    r"""Replace control characters except ``keep`` by their codes, so that logged values cannot control a terminal.

    Examples
    --------
    >>> print(visible("v2\x1b[2J\u202e"))
    v2\x1b[2J\u202e
    """
    return CONTROL.sub(lambda match: match[0] if match[0] in keep else _code(match[0]), text)


def _code(character: str) -> str:
    return f"\\x{ord(character):02x}" if ord(character) <= 0xFF else f"\\u{ord(character):04x}"  # noqa: PLR2004


def find_place(error: BaseException) -> str:
    """Return where an error was raised, for logs: its text may quote a secret or a text of a user.

    Examples
    --------
    >>> try:
    ...     len(None)
    ... except TypeError as error:
    ...     print(find_place(error))
    <doctest monitor.core.plain.find_place[0]>:2
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"


def escape_json(text: str) -> str:
    """Escape control characters that ``json.dumps`` leaves unescaped; newlines between values are not changed."""
    return CONTROL.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def plain(value: Any) -> Any:  # noqa: ANN401
    """Convert a value to JSON types: times to ISO 8601, durations to seconds, NaN and infinities to None."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return plain(vars(value))
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return value
