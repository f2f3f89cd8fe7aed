"""Erase what our database has about one value: a record, a tenant or another person.

Rows about the value are deleted. In other rows, such as the segments of a bucket or the evidence of an incident, the
value is left out or replaced. Sums of all records stay as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import sqlalchemy as sa

from detectors.encoding import SMALL, pack, unpack
from monitor.sources.screen import personal_types
from monitor.store import tables
from monitor.store.database import Connection, Database, DatabaseError
from monitor.store.encoding import unpack_layouts
from monitor.store.kinds import TABLES, TableKind

ERASED = "(erased)"
AT_ONCE = 200
"""Rows that are read by one statement."""
LONG_ENOUGH = 12
"""Shortest value that is replaced in sentences without the name of its column, unless it is personal data."""
OF_RECORDS = {tables.labels: "record", tables.verdicts: "record", tables.evaluation_cases: "case"}
"""Tables of records by id, and the column with the id."""
OF_VALUES = {tables.ledger_hours: "column", tables.changes: "column", tables.versions: "role"}
"""Tables of values by column, and the column with its name; the value is in `value`."""
OF_BREAKERS = (tables.breakers, tables.breaker_transitions)
UNCONCERNED = (tables.hash_keys, tables.tokens, tables.prompts, tables.prompt_tags, tables.deploy_events)
"""Tables of what operators and people of the team write."""
Row = Mapping[str, object]


@dataclass(frozen=True)
class ErasedValue:
    """A value to erase.

    Parameters
    ----------
    column
        Its column, by role or name; ``id`` for the id of a record.
    forms
        How it may be stored: as it is logged, and as its pseudonym.
    breakers
        Names of the breakers with a state for each value of the column.
    """

    column: str
    forms: frozenset[str]
    breakers: frozenset[str] = frozenset()
    identities: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints of the bins that have the value as a category, with those of the same bins without it."""

    @cached_property
    def segments(self) -> frozenset[str]:
        """Return the names of its segment."""
        return frozenset(f"{self.column}={form}" for form in self.forms)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return what finds it in sentences: with the name of its column, or alone if it is no common word."""
        alone = [form for form in self.forms if len(form) >= LONG_ENOUGH or personal_types([form])]
        named = [rf"(?<=\b{re.escape(self.column)}=){re.escape(form)}" for form in self.forms]
        return re.compile("|".join(rf"(?:(?<![\w@]){one}(?![\w@]))" for one in [*named, *map(re.escape, alone)]))

    def names(self, text: str) -> bool:
        """Return whether a text is the name of its segment, or the key of a finding about it."""
        return text in self.segments or any(text.endswith(f"/{segment}") for segment in self.segments)

    def is_in(self, text: str) -> bool:
        """Return whether a serialised row may have it."""
        return any(part in text for part in (*self.forms, *self.identities))


def rewrite(data: object, value: ErasedValue, *, inside: bool = False) -> object:
    """Return plain data without a value.

    Parameters
    ----------
    inside
        Whether the data belong to the column of the value, so that an equal text is the value.

    Examples
    --------
    >>> value = ErasedValue("tenant", frozenset({"acme"}))
    >>> rewrite({"tenant=acme": 3, "tenant=other": 4, "tenant": {"vocabulary": ["acme", "other"]}}, value)
    {'tenant=other': 4, 'tenant': {'vocabulary': ['(erased)', 'other']}}
    >>> rewrite([["tenant", "acme", 12.5], ["tenant", "other", 3.0], "an acme of tenant=acme"], value)
    [['tenant', 'other', 3.0], 'an acme of tenant=(erased)']
    """
    if isinstance(data, str):
        if data in value.identities:
            return value.identities[data]
        return ERASED if inside and data in value.forms else value.pattern.sub(ERASED, data)
    if isinstance(data, dict):
        here = inside or value.column in (item for item in data.values() if isinstance(item, str))
        return {
            key: rewrite(item, value, inside=here or key == value.column)
            for key, item in data.items()
            if not (value.names(key) or (here and key in value.forms))
        }
    if isinstance(data, list):
        return [rewrite(item, value, inside=inside) for item in data if not _is_part(item, value)]
    return data


def _is_part(item: object, value: ErasedValue) -> bool:
    """Return whether an item of a list is about the value: ``[segment, …]`` or ``[column, value, …]``."""
    if not isinstance(item, list) or not item or not isinstance(item[0], str):
        return False
    return value.names(item[0]) or (item[0] == value.column and len(item) > 1 and item[1] in value.forms)


@dataclass
class ErasureCounts:
    """Numbers of rows by kind."""

    deleted: Counter[str] = field(default_factory=Counter)
    rewritten: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, dict[str, int]]:
        """Return the counts by kind."""
        kinds = sorted({*self.deleted, *self.rewritten})
        return {kind: {"deleted": self.deleted[kind], "rewritten": self.rewritten[kind]} for kind in kinds}


def erase(database: Database, value: ErasedValue, *, is_trial: bool) -> ErasureCounts:
    """Erase a value in all tables, in one transaction; return how many rows were concerned.

    A daemon that runs has the baselines in memory; start it again afterwards.

    Parameters
    ----------
    is_trial
        Only count.
    """
    counts = ErasureCounts()
    with database.read() if is_trial else database.write() as connection:
        value = replace(value, identities=_rename_bins(connection, value))
        for kind in TABLES:
            if kind.table in UNCONCERNED:
                continue
            for row in _read_rows(connection, kind.table):
                _erase_row(None if is_trial else connection, kind, row, value, counts)
    return counts


def _rename_bins(connection: Connection, value: ErasedValue) -> dict[str, str]:
    """Return the fingerprints of all bins that change."""
    renamed: dict[str, str] = {}
    for packed in connection.execute(sa.select(tables.baselines.c.layouts)).scalars():
        before = unpack_layouts(packed)
        after = unpack_layouts(pack(rewrite(unpack(packed, dict), value)))
        renamed |= {one.identity: after[name].identity for name, one in before.items() if name in after}
    return {old: new for old, new in renamed.items() if old != new}


def _read_rows(connection: Connection, table: sa.Table) -> Iterator[Row]:
    """Yield all rows of a table, in order of its key."""
    after: Sequence[object] | None = None
    while True:
        rows = _next_rows(connection, table, after)
        yield from rows
        if len(rows) < AT_ONCE:
            return
        after = [rows[-1][column.name] for column in table.primary_key]


def clean_file(database: Database) -> bool:
    """Overwrite what is left of deleted rows in the file of a SQLite store and in its log; return whether it was done.

    It needs the file for itself and as much free room again. PostgreSQL does it by itself (autovacuum).
    """
    if database.dialect != "sqlite":
        return True
    try:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    except DatabaseError:
        return False
    return not busy


def _next_rows(connection: Connection, table: sa.Table, after: Sequence[object] | None) -> Sequence[Row]:
    key = list(table.primary_key)
    query = sa.select(table).order_by(*key).limit(AT_ONCE)
    if after is not None:
        bounds = (sa.literal(bound, column.type) for bound, column in zip(after, key, strict=True))
        query = query.where(sa.tuple_(*key) > sa.tuple_(*bounds))
    return [dict(row) for row in connection.execute(query).mappings()]


def _erase_row(
    connection: Connection | None, kind: TableKind, row: Row, value: ErasedValue, counts: ErasureCounts
) -> None:
    table = kind.table
    here = sa.and_(*(column == row[column.name] for column in table.primary_key))
    if _is_about(table, row, value):
        counts.deleted[kind.kind] += 1
        if connection is not None:
            connection.execute(sa.delete(table).where(here))
    elif changed := dict(_changes(table, row, value)):
        counts.rewritten[kind.kind] += 1
        if connection is not None:
            connection.execute(sa.update(table).where(here).values(**changed))


def _is_about(table: sa.Table, row: Row, value: ErasedValue) -> bool:
    """Return whether a row is about the value alone."""
    if table in OF_RECORDS:
        return value.column == "id" and row[OF_RECORDS[table]] in value.forms
    if table in OF_VALUES:
        return row[OF_VALUES[table]] == value.column and row["value"] in value.forms
    if table in OF_BREAKERS:
        return row["name"] in value.breakers and row["value"] in value.forms
    if table is tables.silences:
        return rewrite(row["matchers"], value) != row["matchers"]
    if table is tables.sessions:
        return row["user_name"] in value.forms
    return table is tables.findings and str(row["segment"]) in value.segments


def _changes(table: sa.Table, row: Row, value: ErasedValue) -> Iterator[tuple[str, object]]:
    """Yield the columns of a row that have the value, each without it."""
    for column in table.columns:
        stored = row[column.name]
        if column.primary_key or stored is None or isinstance(stored, int | float):
            continue
        if isinstance(stored, bytes):
            data = unpack(stored, object)
            if value.is_in(str(data)) and (new := rewrite(data, value)) != data:
                yield column.name, pack(new, SMALL)
        elif isinstance(stored, str | list | dict) and (new := rewrite(stored, value)) != stored:
            yield column.name, new
