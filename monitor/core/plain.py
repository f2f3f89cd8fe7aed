"""Plain data for JSON, and plain text for people: without the characters that steer a terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from typing import Any

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0, DEL and C1, what changes the direction of text or breaks a line, and half a surrogate pair."""


def visible(text: str, keep: str = "\n\t") -> str:
    r"""Show control characters by their code, except those to keep: a value from a log must not steer a terminal.

    Examples
    --------
    >>> print(visible("v2\x1b[2J\u202e"))
    v2\x1b[2J\u202e
    """
    return CONTROL.sub(lambda match: match[0] if match[0] in keep else _code(match[0]), text)


def _code(character: str) -> str:
    return f"\\x{ord(character):02x}" if ord(character) <= 0xFF else f"\\u{ord(character):04x}"  # noqa: PLR2004


def escape_json(text: str) -> str:
    """Escape in JSON what the standard library leaves raw; newlines between values stay."""
    return CONTROL.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return what JSON can say: times as ISO 8601, rows as mappings, what is not finite as null."""
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
