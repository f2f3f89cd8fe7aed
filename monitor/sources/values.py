"""Convert values of database drivers to columns: NULL and NaN are distinguished, texts are truncated and cleaned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np

from detectors.records import Column

NUMBERS = (bool, int, float)


def make_column(values: Sequence[Any], limit: int) -> Column:
    """Convert values to a column; numbers become float64, other values are kept or become text."""
    kinds = set(map(type, values))
    missing = np.zeros(len(values), dtype=bool)
    if type(None) in kinds:
        kinds.remove(type(None))
        missing = np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    if kinds and kinds <= {int, float, Decimal}:
        return Column(_numbers(values, kinds), missing)
    data = np.empty(len(values), dtype=object)
    data[:] = [clean(value, limit) for value in values]
    return Column(data, missing)


def _numbers(values: Sequence[Any], kinds: set[type]) -> np.ndarray:
    if kinds in ({float}, {int}):
        with suppress(OverflowError):
            return np.array(values, dtype=np.float64)  # None is NaN
    return np.array([np.nan if value is None else _number(value) for value in values])


def _number(value: float | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def clean(value: Any, limit: int) -> Any:  # noqa: ANN401
    """Return a storable value: texts truncated and without NUL and lone surrogates, others as numbers or text."""
    if type(value) is not str:
        if value is None or isinstance(value, NUMBERS):
            return value
        if isinstance(value, Decimal):
            return _number(value)
        value = _as_text(value)
    text: str = value if len(value) <= limit else value[:limit]
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _as_text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)
