"""`driftd backfill`: compute past buckets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import typer

from monitor.cli.connections import open_store
from monitor.cli.factory import make_job
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, End, MonitorName, Quiet, Start
from monitor.cli.output import echo
from monitor.config.models import ConfigError
from monitor.core.clock import SystemClock
from monitor.core.schedule import floor
from monitor.daemon import Daemon
from monitor.jobs.monitor_job import MonitorJob
from monitor.sources.base import SourceError
from monitor.store import buckets
from monitor.store.spans import add_backfill

MOST_REASONS = 3
RETRY_SECONDS = 0.5


def backfill(
    start: Start, end: End, config: ConfigOption = DEFAULT_CONFIG, monitor: MonitorName = None, quiet: Quiet = False
) -> int:
    """Compute past buckets, and failed ones again; sends no alerts for them.

    Example: driftd backfill --monitor churn --from 2026-11-01 --to 2026-11-08
    """
    watched = config.monitor(monitor)
    first, last = floor(start, watched.bucket), floor(end, watched.bucket)
    if first >= last:
        raise ConfigError("--from must be at least one bucket before --to.")
    with open_store(config, upgrade=True) as database:
        job = make_job(database, config, watched, SystemClock())
        # Live buckets may become due meanwhile; their actions go to the outbox, from where the daemon delivers them.
        daemon = Daemon(database, [job], {}, SystemClock())
        with database.write() as connection:
            add_backfill(connection, watched.name, first, last)
        total = (last - first) // watched.bucket
        with typer.progressbar(length=total, label="buckets", hidden=quiet) as bar:
            trouble = _compute_buckets(daemon, job, first, last, bar)
        job.close()
        with database.read() as connection:
            ended = buckets.finished_starts(connection, watched.name, first, last)
            reasons = buckets.failed_reasons(connection, watched.name, first, last)
    finished = len(ended) - len(reasons)
    sentences = [f"{finished} of {total} buckets finished"]
    if reasons:
        sentences.append(f"{len(reasons)} failed: {'; '.join(list(dict.fromkeys(reasons))[:MOST_REASONS])}")
    if trouble:
        sentences.append(f"the others wait for the source, which fails: {trouble}")
    echo(", ".join(sentences), err=True)
    return 0 if finished == total else 2


def _compute_buckets(daemon: Daemon, job: MonitorJob, first: datetime, last: datetime, bar: Any) -> str | None:  # noqa: ANN401
    """Compute buckets until each is final; return the error of the source if it cannot be read."""
    name, total, done = job.monitor.name, (last - first) // job.monitor.bucket, 0
    while True:
        try:
            ended = daemon.turn(job)
        except SourceError as error:
            return f"{error.reason}: {error}"
        with daemon.database.read() as connection:
            before, done = done, len(buckets.finished_starts(connection, name, first, last))
            trouble, busy = buckets.source_trouble(connection, name), buckets.is_busy(connection, name)
        bar.update(done - before)
        if done == total:
            return None
        if trouble:
            return trouble
        if not ended and done == before:
            if not busy:
                return None
            daemon.stopping.wait(RETRY_SECONDS)  # a bucket waits for its next attempt, or another process computes it
