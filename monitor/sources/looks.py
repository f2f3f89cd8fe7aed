"""What a sample says of a column."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from monitor.settings.source import Source
from monitor.sources.base import ColumnInfo, ColumnType
from monitor.sources.dialects.base import Found
from monitor.sources.values import clean


def described(role: str, info: Found, values: list[Any], source: Source, *, weak: bool) -> ColumnInfo:
    """Describe a column by its values in the order of time; ``weak`` means that declared types bind nobody."""
    cleaned = [clean(value, source.text_limit) for value in values]
    present = [value for value in cleaned if value is not None]
    kind = _looks_like(info, present) if weak else info.type
    texts = [str(value) for value in present]
    numbers = [value for value in present if isinstance(value, int | float)]
    rising = len(numbers) == len(present) > 1 and all(first <= second for first, second in pairwise(numbers))
    return ColumnInfo(
        name=role,
        column=info.name,
        database_type=info.database_type or "untyped",
        type=kind,
        role=role if role in source.columns else None,
        sampled=len(values),
        null_share=1 - len(present) / len(values) if values else 0.0,
        distinct=len(set(texts)),
        increasing=rising,
        mean_length=sum(map(len, texts)) / len(texts) if texts and kind == "text" else None,
        typical=float(np.median(numbers)) if numbers and kind == "numeric" else None,
    )


def _looks_like(info: Found, present: list[Any]) -> ColumnType:
    """Return the type of a SQLite column: the declared one, unless the values say otherwise."""
    if not present:
        return info.type
    numbers = sum(isinstance(value, int | float) for value in present)
    if info.type in ("boolean", "time", "json"):
        return info.type
    if numbers == len(present):
        return "numeric"
    return "text" if numbers == 0 else "unknown"
