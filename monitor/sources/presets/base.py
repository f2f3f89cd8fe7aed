"""What a preset is: names and SQL, no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Expressions = dict[str, tuple[frozenset[str], str]]
"""Canonical name to the columns that it needs, and the SQL that makes it."""


@dataclass(frozen=True)
class Preset:
    """One known log table.

    Parameters
    ----------
    table
        Its usual name.
    expressions, where
        By dialect: what to select, and the condition (with its WHERE, or empty).
    roles
        Which of the names are roles; the others are plain columns.
    unit
        By dialect: the unit of a numeric timestamp, None when it is a time.
    """

    name: str
    table: str
    roles: tuple[str, ...]
    expressions: Callable[[str], Expressions]
    where: Callable[[str], str] = lambda _dialect: ""
    unit: Callable[[str], Literal["s", "ms", "us", "ns"] | None] = lambda _dialect: None
