"""Compute statistics of a column from a sample of its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors.binning import LONGEST_CATEGORY
from monitor.config.source import TEXT_ROLES, Source
from monitor.sources.base import ColumnInfo, ColumnType
from monitor.sources.dialects.base import DatabaseColumn
from monitor.sources.screen import personal_types, unfit_numbers, unfit_texts
from monitor.sources.values import clean


def summarize_column(
    role: str, info: DatabaseColumn, values: list[Any], source: Source, *, weak: bool, middle: float | None = None
) -> ColumnInfo:
    """Return the statistics of a column from values in order of time.

    ``weak``: whether the database does not enforce declared types. ``middle``: median event time in seconds since 1970.
    """
    cleaned = [clean(value, source.text_limit) for value in values]
    present = [value for value in cleaned if value is not None]
    kind = _looks_like(info, present) if weak else info.type
    texts = [str(value) for value in present]
    numbers = [value for value in present if isinstance(value, int | float)]
    return ColumnInfo(
        name=role,
        column=info.name,
        database_type=info.database_type or "untyped",
        type=kind,
        role=role if role in source.columns else None,
        sampled=len(values),
        null_share=1 - len(present) / len(values) if values else 0.0,
        distinct=len(set(texts)),
        mean_length=sum(map(len, texts)) / len(texts) if texts and kind == "text" else None,
        typical=float(np.median(numbers)) if numbers and kind == "numeric" else None,
        unfit=unfit(info.name, kind, present, middle) if role not in TEXT_ROLES else None,
        personal=personal(kind, texts) if role not in TEXT_ROLES else (),
    )


def unfit(name: str, kind: ColumnType, present: Sequence[Any], middle: float | None) -> str | None:
    """Return why values in order of time are not suitable as a feature, if so; see :mod:`monitor.sources.screen`."""
    if kind == "numeric":
        return unfit_numbers(name, [float(value) for value in present], middle)
    return unfit_texts([str(value) for value in present]) if kind == "text" else None


def personal(kind: ColumnType, texts: Sequence[str]) -> tuple[str, ...]:
    """Return the types of personal data in the values of a text column."""
    return tuple(personal_types(text[:LONGEST_CATEGORY] for text in texts)) if kind == "text" else ()


def _looks_like(info: DatabaseColumn, present: list[Any]) -> ColumnType:
    """Return the type of a SQLite column: the declared one, unless the values are of another type."""
    if not present:
        return info.type
    numbers = sum(isinstance(value, int | float) for value in present)
    if info.type in ("boolean", "time", "json"):
        return info.type
    if numbers == len(present):
        return "numeric"
    return "text" if numbers == 0 else "unknown"
