"""Convert a preset to a query over the tables and columns that exist in an installation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.config.presets import PRESETS
from monitor.config.presets.base import Names, Narrow, Preset, PresetColumn
from monitor.config.presets.sql import DIALECTS as SPEECH
from monitor.config.presets.sql import Sql
from monitor.config.source import ROLES, ColumnSpec, Source
from monitor.sources.base import SourceError
from monitor.sources.dialects.base import Dialect
from monitor.sources.schema import Origin, tables
from monitor.sources.session import session

NEWEST = 5000


@dataclass(frozen=True)
class PresetSource:
    """A preset for a database: the equivalent source, and the reason for each column that is not available.

    ``narrow`` returns the query for a subset of the columns; None if `where:` may refer to any column.
    """

    source: Source
    lacking: Mapping[str, str]
    narrow: Narrow | None


def write_out(source: Source, engine: sa.Engine, dialect: Dialect) -> PresetSource:
    """Inspect the tables of a preset and convert it to a source with a query."""
    preset = PRESETS[str(source.preset)]
    if dialect.name not in preset.dialects:
        engine.dispose()
        supported = ", ".join(preset.dialects)
        raise SourceError("configuration", f"the preset {preset.name} supports {supported}, not {dialect.name}.")
    try:
        with session(engine, dialect, source) as connection:
            there = _Tables(connection, dialect, source, preset)
            return _write(source, preset, SPEECH[dialect.name], there, dialect)
    except SourceError:
        engine.dispose()
        raise


def recognise(connection: Connection, dialect: Dialect) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the presets whose main table exists, with its name, and the names of all tables and views.

    Other schemas are searched if the default schema has none; their tables are named with the schema.
    """
    names = tables(connection)
    matches = [(preset, name) for name in names for preset in _fitting(connection, dialect, dialect.quoted(name), name)]
    for schema in [] if matches else dialect.other_schemas(connection):
        for name in tables(connection, schema):
            quoted = f"{dialect.quoted(schema)}.{dialect.quoted(name)}"
            matches += [(preset, f"{schema}.{name}") for preset in _fitting(connection, dialect, quoted, name)]
            names.append(f"{schema}.{name}")
    return matches, names


def _fitting(connection: Connection, dialect: Dialect, quoted: str, name: str) -> list[str]:
    """Return the presets that a table matches; the default table name decides between similar ones."""
    has = {column.name for column in dialect.columns(connection, quoted)}
    fitting = [p for p in PRESETS.values() if dialect.name in p.dialects and set(p.marks) <= has]
    return [preset.name for preset in [p for p in fitting if p.table == name] or fitting]


class _Tables:
    """The existing tables of a preset: quoted names, columns, and values that are converted to columns."""

    def __init__(self, connection: Connection, dialect: Dialect, source: Source, preset: Preset) -> None:
        origin = Origin(source.model_copy(update={"table": source.table or preset.table, "query": None}), dialect)
        self.main = origin.resolve(connection)
        schema, dot, _ = self.main.rpartition(".")
        self.names = {side: f"{schema}{dot}{dialect.quoted(side)}" for side in preset.sides}
        self.has = {column.name for column in origin.columns(connection, self.main)}
        self.closed: set[str] = set()
        for side, name in self.names.items():
            if not dialect.exists(connection, name):
                continue
            if not dialect.readable(connection, name):
                self.closed.add(side)
            else:
                self.has |= {f"{side}.{column.name}" for column in dialect.columns(connection, name)}
        self.values = {
            kind: self._values(connection, dialect, names)
            for kind, names in preset.names.items()
            if {f"{names.table}.{column}" for column in (names.column, names.newest_by, *names.needs)} <= self.has
        }

    def _values(self, connection: Connection, dialect: Dialect, names: Names) -> Sequence[str]:
        column, order = dialect.quoted(names.column), dialect.quoted(names.newest_by)
        table = self.names[names.table]
        where = names.where.replace("{" + names.table + "}", table)
        newest = f"SELECT {column} AS value FROM {table} WHERE {where} ORDER BY {order} DESC LIMIT {NEWEST}"
        counted = f"SELECT value FROM ({newest}) AS newest GROUP BY value ORDER BY count(*) DESC, value"
        rows = connection.exec_driver_sql(f"{counted} LIMIT {names.most}").scalars()
        return [str(value) for value in rows if value is not None]


def _write(source: Source, preset: Preset, sql: Sql, tables: _Tables, dialect: Dialect) -> PresetSource:
    columns: dict[str, PresetColumn] = {}
    lacking: dict[str, str] = {}
    for name, ways in preset.columns(sql, tables.values).items():
        listed = [ways] if isinstance(ways, PresetColumn) else list(ways)
        made = next((way for way in listed if set(way.needs) <= tables.has), None)
        if made is not None:
            columns[name] = made
        else:
            lacking[name] = _why([need for need in listed[0].needs if need not in tables.has], tables, preset)
    if "timestamp" not in columns:
        raise SourceError("missing_column", f"this is not a table of {preset.name}: {lacking['timestamp']}.")

    def narrow(names: Collection[str]) -> str:
        few = {name: column for name, column in columns.items() if name in names}
        return _query(source, preset, sql, tables, few, dialect)

    roles = {name: ColumnSpec(column=name, chat=name in preset.chat) for name in columns if name in ROLES}
    roles["timestamp"] = ColumnSpec(column="timestamp", unit=columns["timestamp"].unit)
    update = {
        "preset": None,
        "table": None,
        "where": None,
        "query": narrow(columns),
        "key": [name for name in preset.key if name in columns],
        "columns": {**roles, **source.columns},
    }
    return PresetSource(source.model_copy(update=update), lacking, None if source.where else narrow)


def _query(
    source: Source, preset: Preset, sql: Sql, tables: _Tables, columns: Mapping[str, PresetColumn], dialect: Dialect
) -> str:
    """Return a SELECT whose filters can be pushed down to the main table and its indexes."""
    used = {need.partition(".")[0] for column in columns.values() for need in column.needs if "." in need}
    listed = ", ".join(f"{column.sql} AS {dialect.quoted(name)}" for name, column in columns.items())
    joins = "".join(f" {join.sql}" for join in preset.joins(sql, tables.values) if join.table in used)
    conditions = [one.sql for one in preset.where(sql) if set(one.needs) <= tables.has]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    final = " FINAL" if preset.final else ""
    query = f"SELECT {listed} FROM {tables.main} AS r{final}{joins}{where}"
    for side, name in tables.names.items():
        query = query.replace("{" + side + "}", name)
    return query if source.where is None else f"SELECT * FROM ({query}) AS records WHERE {source.where}"


def _why(needs: Sequence[str], tables: _Tables, preset: Preset) -> str:
    closed = sorted({need.partition(".")[0] for need in needs} & tables.closed)
    if closed:
        return f"this role may not read the table {closed[0]}; grant SELECT on it"
    full = [need if "." in need else f"{preset.table}.{need}" for need in needs]
    return f"there is no column {' and no '.join(full)}"
