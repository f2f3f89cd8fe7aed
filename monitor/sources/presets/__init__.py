"""Log tables that teams already have, written out as a query and its roles. To add one: a file and a line."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.sources.failures import explained
from monitor.sources.presets import litellm, otel
from monitor.sources.presets.base import Preset
from monitor.sources.schema import Origin
from monitor.sourcespec import ColumnSpec, Source

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (litellm.PRESET, otel.PRESET)}


def written_out(source: Source, engine: sa.Engine) -> Source:
    """Return a source without a preset: its query over the columns that this installation has."""
    if source.preset is None:
        return source
    preset = PRESETS[source.preset]
    table = source.table or preset.table
    try:
        with engine.connect() as connection:
            origin = Origin(source.model_copy(update={"table": table, "query": None}), engine)
            name = origin.resolve(connection)
            found = {column.name for column in origin.columns(connection, name)}
            connection.rollback()
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise explained(error, source) from error
    parts = preset.expressions(engine.dialect.name)
    kept = {role: sql for role, (needs, sql) in parts.items() if needs <= found}
    quote = engine.dialect.identifier_preparer.quote_identifier
    listed = ", ".join(f"{sql} AS {quote(role)}" for role, sql in kept.items())
    query = f"SELECT {listed} FROM {name}{preset.where(engine.dialect.name)}"
    roles = {role: ColumnSpec(column=role) for role in preset.roles if role in kept}
    roles["timestamp"] = ColumnSpec(column="timestamp", unit=preset.unit(engine.dialect.name))
    columns = {**roles, **source.columns}
    return source.model_copy(update={"preset": None, "table": None, "query": query, "columns": columns})
