"""What buckets come to is in one table."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

BATCH = 500
"""Rows that are converted at a time: what is in memory does not grow with the store."""
Row = Mapping[str, object]
Convert = Callable[[sa.Connection, Sequence[sa.Row[tuple[object, ...]]]], Iterable[Row]]


def upgrade() -> None:
    """Create the table, move the sums into it, and drop the tables that they were in."""
    op.create_table(
        "aggregates",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("definition", sa.String(length=32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "kind", "name", "start", name="pk_aggregates"),
        comment="what the records of a bucket (of savings: of a day) come to; computed again, it is replaced",
    )
    _copy_stored_bytes()
    _convert("buckets", ("monitor", "start", "facts"), _facts)
    _convert("ledger", ("monitor", "start", *SPENT), _bills)
    _convert("objectives", ("monitor", "signal", "start", "total", "bad"), _events)
    _convert("savings", ("monitor", "plan", "day", "definition", "counted_at", "sums"), _days)
    for column in ("layout", "facts", "profiles"):
        op.drop_column("buckets", column)
    for table in ("ledger_parts", "ledger", "objectives", "savings", "tallies"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.create_table_comment("buckets", "one row a bucket: who works on it, and how it ended")
        op.create_table_comment("ledger_hours", "what every hour cost: derived from the aggregates of its buckets")


def downgrade() -> None:
    """Make the tables of before, empty: what a store has learnt is brought back from its backup."""
    for name, column in (("layout", sa.String(length=32)), ("facts", Json), ("profiles", sa.LargeBinary())):
        op.add_column("buckets", sa.Column(name, column, nullable=True))
    spent = (("amount", sa.Float()), ("requests", sa.Integer()), ("unpriced", sa.Integer()))
    unknown = sa.Column("unknown", sa.Integer(), server_default="0", nullable=False)
    _create("ledger", ("monitor", "start"), spent, unknown)
    _create("ledger_parts", ("monitor", "column", "start", "value"), spent)
    _create("objectives", ("monitor", "signal", "start"), (("total", sa.Integer()), ("bad", sa.Float())))
    _create("tallies", ("monitor", "kind", "name", "start"), (("sums", sa.LargeBinary()),))
    savings = (("definition", sa.String(length=32)), ("counted_at", Utc()), ("sums", sa.LargeBinary()))
    _create("savings", ("monitor", "plan", "day"), savings)
    op.drop_table("aggregates")


def _create(
    name: str,
    key: Sequence[str],
    values: Sequence[tuple[str, sa.types.TypeEngine[object]]],
    *more: sa.Column[int],
) -> None:
    keys = [sa.Column(one, TYPES.get(one) or sa.String(length=256), nullable=False) for one in key]
    columns = [sa.Column(one, kind, nullable=False) for one, kind in values]
    op.create_table(name, *keys, *columns, *more, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"))


COLUMNS = ("monitor", "kind", "name", "start", "definition", "data")
SPENT = ("amount", "requests", "unpriced", "unknown")
TYPES: Mapping[str, sa.types.TypeEngine[object]] = {
    "start": Utc(),
    "day": Utc(),
    "counted_at": Utc(),
    "facts": Json,
    "data": sa.LargeBinary(),
}


def _table(name: str, columns: Iterable[str]) -> sa.TableClause:
    return sa.table(name, *(sa.column(column, TYPES.get(column)) for column in columns))


def _copy_stored_bytes() -> None:
    """Move what is stored as bytes already: profiles, and the sums of experiments and shadows."""
    aggregates = _table("aggregates", COLUMNS)
    buckets = _table("buckets", ("monitor", "start", "layout", "profiles"))
    profiles = sa.select(
        buckets.c.monitor, sa.literal("profile"), sa.literal(""), buckets.c.start, buckets.c.layout, buckets.c.profiles
    ).where(buckets.c.profiles.is_not(None), buckets.c.layout.is_not(None))
    op.execute(aggregates.insert().from_select(COLUMNS, profiles))
    tallies = _table("tallies", ("monitor", "kind", "name", "start", "sums"))
    comparisons = _table("comparisons", ("monitor", "kind", "name", "definition"))
    same = sa.and_(*(tallies.c[name] == comparisons.c[name] for name in ("monitor", "kind", "name")))
    sums = sa.select(
        tallies.c.monitor, tallies.c.kind, tallies.c.name, tallies.c.start, comparisons.c.definition, tallies.c.sums
    ).select_from(tallies.join(comparisons, same))
    op.execute(aggregates.insert().from_select(COLUMNS, sums))


def _convert(name: str, columns: Sequence[str], convert: Convert) -> None:
    """Write the aggregates that the rows of a table come to, a batch at a time."""
    connection, aggregates, table = op.get_bind(), _table("aggregates", COLUMNS), _table(name, columns)
    query = sa.select(table).order_by(*(table.c[column] for column in columns[:2]))
    with connection.execute(query, execution_options={"yield_per": BATCH}) as result:
        for rows in result.partitions():
            if made := [dict(row) for row in convert(connection, rows)]:
                connection.execute(aggregates.insert(), made)


def _facts(_connection: sa.Connection, rows: Sequence[sa.Row[tuple[object, ...]]]) -> Iterator[Row]:
    for row in rows:
        if row.facts is not None:
            yield _row(row.monitor, "facts", "", row.start, "1", _pack(row.facts))


def _bills(connection: sa.Connection, rows: Sequence[sa.Row[tuple[object, ...]]]) -> Iterator[Row]:
    """Put what a bucket cost in all and by value together."""
    parts = _table("ledger_parts", ("monitor", "column", "start", "value", *SPENT[:3]))
    found: dict[tuple[str, datetime], list[list[object]]] = {}
    for monitor in {row.monitor for row in rows}:
        starts = [row.start for row in rows if row.monitor == monitor]
        query = sa.select(parts).where(
            parts.c.monitor == monitor, parts.c.start >= min(starts), parts.c.start <= max(starts)
        )
        for part in connection.execute(query):
            sums = [part.column, part.value, part.amount, part.requests, part.unpriced, 0]
            found.setdefault((monitor, part.start), []).append(sums)
    for row in rows:
        whole = ["", "", *(getattr(row, name) for name in SPENT)]
        bill = {"parts": [whole, *found.get((row.monitor, row.start), ())], "tokens": [], "rates": []}
        yield _row(row.monitor, "cost", "", row.start, "1", _pack(bill))


def _events(_connection: sa.Connection, rows: Sequence[sa.Row[tuple[object, ...]]]) -> Iterator[Row]:
    for row in rows:
        yield _row(row.monitor, "events", row.signal, row.start, "1", struct.pack("<qd", row.total, row.bad))


def _days(_connection: sa.Connection, rows: Sequence[sa.Row[tuple[object, ...]]]) -> Iterator[Row]:
    for row in rows:
        cells = json.loads(zlib.decompress(row.sums))
        day = {"counted_at": row.counted_at.astimezone(UTC).isoformat(), "cells": cells}
        yield _row(row.monitor, "savings", row.plan, row.day, row.definition, _pack(day))


def _row(*values: object) -> Row:
    return dict(zip(COLUMNS, values, strict=True))


def _pack(data: object) -> bytes:
    return zlib.compress(json.dumps(data, allow_nan=False, separators=(",", ":")).encode(), 3)
