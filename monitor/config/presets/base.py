"""What a preset is: one known log, as columns over its tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from monitor.config.presets.sql import Sql

SINCE = "{since}"
"""Stands for the start of a read, so that a second table can be bounded by it; long ago where there is no start."""
Unit = Literal["s", "ms", "us", "ns"]
Narrow = Callable[[Collection[str]], str]
"""Writes a preset's query for some of its columns."""


@dataclass(frozen=True)
class PresetColumn:
    """One way to make a column: SQL over the main table, which is called ``r``, and what must be there for it.

    Parameters
    ----------
    sql
        An expression. It may ask a second table by a subquery that gives at most one value a record.
    needs
        Columns by name, those of another table as ``table.column``.
    unit
        For a numeric timestamp: what it counts.
    """

    sql: str
    needs: tuple[str, ...]
    unit: Unit | None = None


Columns = Mapping[str, PresetColumn | Sequence[PresetColumn]]
"""Canonical name to the ways to make it, the best one first."""


@dataclass(frozen=True)
class Names:
    """Values of a second table that become columns, such as the names of scores, found among its newest rows.

    ``newest_by`` should have an index: this is asked whenever a source is opened.
    """

    table: str
    column: str
    newest_by: str
    where: str = "1 = 1"
    needs: tuple[str, ...] = ()
    most: int = 8


Found = Mapping[str, Sequence[str]]
"""What each of the preset's :class:`Names` found."""


@dataclass(frozen=True)
class PresetCondition:
    """SQL that every record must fulfil, used where the columns that it needs are there."""

    sql: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Join:
    """A second table, aggregated to one row a record, for databases that cannot ask it by a subquery."""

    table: str
    sql: str


@dataclass(frozen=True)
class Preset:
    """One known log.

    Parameters
    ----------
    table
        Usual name of the main table.
    marks
        Columns by which the main table is recognised among others.
    about
        One line for people, and the traps that they should know.
    key
        Columns that together name a record; with the time, the order in which pages are read.
    columns
        By dialect, and by the values that ``names`` found.
    sides
        Other tables, looked for in the schema of the main one.
    chat
        Columns that hold JSON of chat messages, of which the words are read.
    final
        Whether rows of the main table have several versions, of which ClickHouse's FINAL gives the last.
    settle
        How late rows come.
    clients
        Columns of the main table that say which client sent a record; they are read to count clients.
    advice
        Canonical name to what makes the logging tool log it.
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
    advice: Mapping[str, str] = field(default_factory=dict)


def plain(name: str, column: str | None = None) -> PresetColumn:
    """Return a column as it stands in the main table."""
    column = column or name
    return PresetColumn(f'r."{column}"', (column,))


def empty_as_missing(name: str) -> PresetColumn:
    """Return a text column whose empty texts stand for nothing."""
    return PresetColumn(f"nullif(r.\"{name}\", '')", (name,))


def score_column(name: str) -> str:
    """Return the column that a score of some name becomes.

    Examples
    --------
    >>> score_column("Relevance to Query")
    'score_relevance_to_query'
    """
    return "score_" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
