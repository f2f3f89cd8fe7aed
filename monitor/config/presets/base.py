"""Preset: a known log, as columns over its tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from monitor.config.presets.sql import Sql

SINCE = "{since}"
"""Placeholder of the start of a read, a bound for joined tables; a time long ago if there is no start."""
Unit = Literal["s", "ms", "us", "ns"]
Narrow = Callable[[Collection[str]], str]
"""Writes a preset's query for some of its columns."""


@dataclass(frozen=True)
class PresetColumn:
    """Definition of a column: SQL over the main table, which has the alias ``r``, and the columns that it requires.

    Parameters
    ----------
    sql
        An expression. It may select from another table by a subquery with at most one value per record.
    needs
        Columns by name, those of another table as ``table.column``.
    unit
        Unit of a numeric timestamp.
    """

    sql: str
    needs: tuple[str, ...]
    unit: Unit | None = None


Columns = Mapping[str, PresetColumn | Sequence[PresetColumn]]
"""Canonical name to its definitions, in order of preference."""


@dataclass(frozen=True)
class Names:
    """Values of another table that become columns, such as the names of scores, read from its newest rows.

    ``newest_by`` should have an index, as this is queried whenever a source is opened.
    """

    table: str
    column: str
    newest_by: str
    where: str = "1 = 1"
    needs: tuple[str, ...] = ()
    most: int = 8


Found = Mapping[str, Sequence[str]]
"""Values of each of the preset's :class:`Names`."""


@dataclass(frozen=True)
class PresetCondition:
    """SQL condition on records, applied if the columns that it requires exist."""

    sql: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Join:
    """Another table, aggregated to one row per record, for databases without correlated subqueries."""

    table: str
    sql: str


@dataclass(frozen=True)
class Preset:
    """Log of a known tool.

    Parameters
    ----------
    table
        Default name of the main table.
    marks
        Columns that identify the main table.
    about
        One-line description.
    key
        Columns that together identify a record; with the time, they define the order of pages.
    columns
        By dialect, and by the values of ``names``.
    sides
        Other tables, in the schema of the main one.
    chat
        Columns with chat messages in JSON, of which the text is read.
    final
        Whether rows of the main table have several versions, so that ClickHouse's FINAL is required.
    settle
        Typical delay of rows.
    clients
        Columns of the main table that identify the client of a record, used to count clients.
    has_roles
        Whether a column `traffic` has the role of records that are not served traffic.
    advice
        Canonical name to instructions for logging it.
    """

    name: str
    table: str
    marks: tuple[str, ...]
    about: str
    columns: Callable[[Sql, Found], Columns]
    key: tuple[str, ...] = ("id",)
    dialects: tuple[str, ...] = ("postgresql", "sqlite")
    sides: tuple[str, ...] = ()
    names: Mapping[str, Names] = field(default_factory=dict)
    where: Callable[[Sql], Sequence[PresetCondition]] = lambda _sql: ()
    joins: Callable[[Sql, Found], Sequence[Join]] = lambda _sql, _column: ()
    chat: tuple[str, ...] = ("question", "response")
    final: bool = False
    settle: str = "30s"
    clients: tuple[str, ...] = ()
    has_roles: bool = False
    advice: Mapping[str, str] = field(default_factory=dict)


def plain(name: str, column: str | None = None) -> PresetColumn:
    """Return an unchanged column of the main table."""
    column = column or name
    return PresetColumn(f'r."{column}"', (column,))


def empty_as_missing(name: str) -> PresetColumn:
    """Return a text column whose empty texts are missing."""
    return PresetColumn(f"nullif(r.\"{name}\", '')", (name,))


def score_column(name: str) -> str:
    """Return the name of the column of a score.

    Examples
    --------
    >>> score_column("Relevance to Query")
    'score_relevance_to_query'
    """
    return "score_" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
