"""Does driftd grow with its age? `make bench-soak`.

Monitors run by the daemon's own jobs over simulated days: the clock is an argument of the jobs and advances by a bucket
of 5 minutes at a time. Each bucket is computed, what it plans is delivered to a webhook on loopback, and the metrics
are exported; the retention runs every hour. Each monitor has an hour a day in which failures rise, so that incidents
begin, alert and resolve. Records are written an hour ahead and deleted a day later.

    make bench-soak                                         40 monitors for a day
    make bench-soak ARGS="--monitors 1 --days 30"

Prints every few hours the resident memory, open descriptors, threads, objects of the garbage collector, and the bytes
of the store. The growth of each is the slope over the second half, by least squares, with its standard error;
neighbouring samples are not independent, so it is multiplied by the root of the autocorrelation time. Ends with 1 if
descriptors or threads grow, or memory by more than two standard errors and more than a tenth of its size until the end.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.jobs.retention import apply_retention
from monitor.metrics.export import StateCollector
from monitor.store import migrate, sizes, tables
from monitor.store.database import Database
from tests.support.hand import Hand
from tests.support.memory import MEMORY, has_room
from tests.support.receiver import Receiver, listening

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
BUCKET, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
LEARNT = timedelta(hours=6)
"""Range of the baselines."""
ROWS = 30
"""Records of a bucket of a monitor."""
FAILED, WORSE = 0.02, 0.4
"""Share of records that fail, and in the bad hour of a day."""
SECRET = "whsec_" + "c29hay1zb2FrLXNvYWstc29hay1zb2FrLXNvYWs="
SAMPLES = 48
"""Samples of a run."""
SETTLED = 0.5
"""Share of the samples that are left out, in which caches fill and baselines begin."""
ERRORS, TENTH = 2.0, 0.1


@dataclass(frozen=True)
class Sample:
    """What the process and its store have at one moment."""

    megabytes: float
    descriptors: int
    threads: int
    objects: int
    store_megabytes: float


def make_log(monitors: int) -> tuple[sa.MetaData, list[sa.Table]]:
    """Return a table of records for each monitor."""
    metadata = sa.MetaData()
    made = [
        sa.Table(
            f"records_{place}",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("at", sa.DateTime, index=True),
            sa.Column("tenant", sa.String(20)),
            sa.Column("model", sa.String(20)),
            sa.Column("failed", sa.Boolean),
            sa.Column("amount", sa.Float),
        )
        for place in range(monitors)
    ]
    return metadata, made


def write_hour(engine: sa.Engine, logs: list[sa.Table], start: datetime, rng: np.random.Generator) -> None:
    """Write the records of an hour, and delete those of the day before."""
    count = HOUR // BUCKET * ROWS
    with engine.begin() as connection:
        for place, log in enumerate(logs):
            share = WORSE if start.hour == place % 24 and start >= BEGIN + LEARNT else FAILED
            seconds = np.sort(rng.uniform(0, HOUR.total_seconds(), count))
            rows = zip(
                [(start + timedelta(seconds=float(one))).replace(tzinfo=None) for one in seconds],
                rng.choice(["alpha", "beta", "gamma"], count, p=[0.6, 0.3, 0.1]).tolist(),
                (rng.random(count) < share).tolist(),
                rng.lognormal(3, 0.5, count).tolist(),
                strict=True,
            )
            connection.execute(
                sa.insert(log),
                [
                    {"at": at, "tenant": tenant, "model": "v1", "failed": failed, "amount": amount}
                    for at, tenant, failed, amount in rows
                ],
            )
            connection.execute(sa.delete(log).where(log.c.at < (start - DAY).replace(tzinfo=None)))


def configure(source: str, hook: str, monitors: int) -> Config:
    """Return the configuration of monitors that alert a webhook."""
    each = [
        {
            "name": f"app-{place}",
            "source": {
                "url": source,
                "table": f"records_{place}",
                "columns": {"timestamp": "at", "model_version": "model"},
            },
            "settle": "0s",
            "segments": ["tenant"],
            "features": ["tenant", "failed", "amount"],
            "baseline": {"from": BEGIN.isoformat(), "to": (BEGIN + LEARNT).isoformat()},
            "rules": [{"when": ["drift.failed", "rate"], "resolve_for": 2, "do": ["people"]}],
        }
        for place in range(monitors)
    ]
    return Config.model_validate(
        {"monitors": each, "receivers": {"people": {"kind": "webhook", "url": hook, "secret": SECRET}}}
    )


def take_sample(database: Database) -> Sample:
    """Measure this process and its store."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    with database.read() as connection:
        stored = sum(size.bytes for size in sizes.measure(connection))
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return Sample(resident / 1e6, descriptors, threading.active_count(), len(gc.get_objects()), stored / 1e6)


def run(folder: Path, hook: str, monitors: int, length: timedelta, seed: int) -> Iterator[tuple[timedelta, Sample]]:
    """Run the monitors; yield a sample every few hours."""
    source, rng = f"sqlite:///{folder}/log.db", np.random.default_rng(seed)
    engine = sa.create_engine(source)
    metadata, logs = make_log(monitors)
    metadata.create_all(engine)
    for hour in range(LEARNT // HOUR):
        write_hour(engine, logs, BEGIN + hour * HOUR, rng)
    database = Database(f"sqlite:///{folder}/driftd.db")
    migrate.upgrade(database)
    config, clock = configure(source, hook, monitors), Hand(BEGIN + LEARNT)
    daemon, registry = make_daemon(database, config, clock), CollectorRegistry()
    registry.register(StateCollector(database, config))
    buckets, between = length // BUCKET, max(1, length // BUCKET // SAMPLES)
    try:
        for bucket in range(buckets):
            if bucket % (HOUR // BUCKET) == 0:
                write_hour(engine, logs, clock.moment, rng)
                apply_retention(database, config, clock.moment)
            clock.moment += BUCKET
            daemon.tick_all()
            daemon.deliver()
            generate_latest(registry)
            if (bucket + 1) % between == 0:
                yield (bucket + 1) * BUCKET, take_sample(database)
    finally:
        for one in daemon.monitors:
            one.close()
        report_work(database, (LEARNT // BUCKET + buckets) * monitors)
        database.close()
        engine.dispose()


def report_work(database: Database, expected: int) -> None:
    """Print what the monitors have done, so that a run that did nothing is recognised."""
    with database.read() as connection:
        done = connection.scalar(sa.select(sa.func.count()).select_from(tables.buckets))
        incidents = connection.scalar(sa.select(sa.func.count()).select_from(tables.incidents))
        actions = connection.execute(
            sa.select(tables.actions.c.state, sa.func.count()).group_by(tables.actions.c.state)
        )
        print(f"{done} of {expected} buckets stored, {incidents} incidents, messages {dict(map(tuple, actions))}")


def measure_growth(hours: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Return the slope an hour and its standard error, enlarged by the autocorrelation of the residuals."""
    (slope, start), residuals, *_ = np.polyfit(hours, values, 1, full=True)
    left = values - start - slope * hours
    spread = float(np.sum((hours - hours.mean()) ** 2))
    error = float(np.sqrt(np.sum(left**2) / max(1, len(hours) - 2) / spread))
    neighbours = float(np.corrcoef(left[:-1], left[1:])[0, 1]) if np.ptp(left) > 0 else 0.0
    correlation = min(0.9, max(0.0, neighbours))
    return float(slope), error * ((1 + correlation) / (1 - correlation)) ** 0.5


def conclude(samples: list[tuple[timedelta, Sample]]) -> int:
    """Print the growth of each measure; return 1 if something grows that must not."""
    later = samples[int(len(samples) * SETTLED) :]
    hours = np.array([age / HOUR for age, _ in later])
    grows = []
    for field, values in zip(fields(Sample), zip(*(astuple(one) for _, one in later), strict=True), strict=True):
        slope, error = measure_growth(hours, np.array(values, dtype=float))
        gained, is_clear = slope * (hours[-1] - hours[0]), slope > ERRORS * error
        print(f"{field.name:<16} {values[-1]:>12,.1f}   {slope:+.4f} an hour, standard error {error:.4f}")
        least = {"megabytes": TENTH * values[-1], "objects": TENTH * values[-1], "store_megabytes": np.inf}
        if is_clear and gained > least.get(field.name, 0.5):
            grows.append(field.name)
    print("grows: " + ", ".join(grows) if grows else "nothing grows but the store, whose limit is the retention")
    return 1 if grows else 0


def main() -> int:
    """Run the simulation and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--monitors", type=int, default=40)
    parser.add_argument("--days", type=float, default=1.0, help="simulated days after the baseline")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began, samples = time.perf_counter(), list[tuple[timedelta, Sample]]()
    with TemporaryDirectory(dir=MEMORY if has_room() else None) as folder, listening(Receiver()) as hook:
        print(f"{'hours':>8}" + "".join(f"{field.name:>18}" for field in fields(Sample)))
        for age, sample in run(Path(folder), hook.url, options.monitors, options.days * DAY, options.seed):
            hook.requests.clear()
            samples.append((age, sample))
            print(f"{age / HOUR:>8.1f}" + "".join(f"{value:>18,.1f}" for value in astuple(sample)), flush=True)
    print(f"{time.perf_counter() - began:.0f} s")
    return conclude(samples)


if __name__ == "__main__":
    sys.exit(main())
