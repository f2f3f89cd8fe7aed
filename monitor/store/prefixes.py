"""Find a row by its id or by the first characters of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.rows import read_all

R = TypeVar("R")
FORM = re.compile(r"[0-9a-f-]{4,36}")


def find_by_prefix(connection: Connection, kind: Callable[..., R], table: sa.Table, noun: str, prefix: str) -> R:
    """Return the row whose id begins with a prefix of at least four characters.

    Raises
    ------
    LookupError
        With a sentence, if no row or several have such an id.
    """
    begins = prefix.strip().lower()
    if not FORM.fullmatch(begins):
        raise LookupError(f"{prefix[:40]!r} is no id of an {noun}: give at least its first 4 characters")
    rows = read_all(connection, kind, sa.select(table).where(table.c.id.like(f"{begins}%")).limit(2))
    if len(rows) > 1:
        raise LookupError(f"several {noun}s have an id that begins with {begins!r}; give more characters")
    if not rows:
        raise LookupError(f"there is no {noun} {begins!r}")
    return rows[0]
