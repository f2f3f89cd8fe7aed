"""Commands that work: run, check, backfill, import."""

from __future__ import annotations

import gc
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
import typer

from monitor.checks import evidently
from monitor.cli.candidate import print_baseline_notes
from monitor.cli.factory import make_daemon, make_job, open_reader, open_store
from monitor.cli.output import count_actions, echo, print_json, print_table
from monitor.config.models import Config, ConfigError, Monitor
from monitor.core import log
from monitor.core.clock import SystemClock
from monitor.core.schedule import floor
from monitor.daemon import Daemon
from monitor.jobs.evals.schedule import SuiteSchedule
from monitor.jobs.evals.suite_job import plan_jobs
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.one_shot import EXIT, check
from monitor.jobs.scheduler import SchedulerStopped
from monitor.profiling.features import choose
from monitor.shutdown import leave, stop_on_signals
from monitor.sources import files
from monitor.sources.base import LASTING, SourceError
from monitor.store import buckets
from monitor.store.database import sqlite_path
from monitor.web.app import create_app
from monitor.web.breakers import Board
from monitor.web.server import Server

LOG = structlog.get_logger(__name__)
MOST_REASONS = 3
RETRY_SECONDS = 0.5
SWITCH_SECONDS = 0.0001
"""How long arithmetic may keep an answer waiting for the interpreter, three times an answer; Python's own 5 ms would be
seen. A thread that only computes beside 500 answers a second is not measurably slower for it than with 0.5 ms."""


def run(config: Config) -> None:
    """Run until SIGTERM or SIGINT, and end within seconds of it, whatever hangs."""
    with stop_on_signals(evidently.abandon) as stopping:
        refuse_impossible(config)
        warn_of_another_store(config)
        warn_of_old_forms(config)
        with log.buffer_stderr():
            try:
                ended = _serve(config, stopping)
            except SchedulerStopped as error:
                LOG.critical("scheduler_stopped", detail=str(error))
                leave(1)
            if not ended:
                leave()


def _serve(config: Config, stopping: threading.Event) -> bool:
    """Run the daemon and its page; returns whether everything has come to its end."""
    with open_store(config, upgrade=True) as database:
        LOG.info("store", url=database.url.render_as_string(hide_password=True))
        daemon = make_daemon(database, config)
        daemon.stopping = stopping
        if suites := plan_jobs(config, database.url.render_as_string(hide_password=False)):
            daemon.suites = SuiteSchedule(suites, database)
        board = Board(database, config, daemon.clock)
        app = create_app(database, config, daemon.clock, board, daemon.standstill)
        server = Server(app, config.server.listen)
        board.start()
        sys.setswitchinterval(SWITCH_SECONDS)
        settle_memory()
        server.start()
        try:
            return daemon.run()
        finally:
            server.stop()
            board.stop()


def warn_of_old_forms(config: Config) -> None:
    """Log each old form that the file uses, with the new one."""
    for warning in config.deprecations:
        LOG.warning("configuration_deprecated", detail=warning)


def refuse_impossible(config: Config) -> None:
    """Raise when no monitor has a source that can be read as it is configured.

    A source that is down, slow or refuses the password may come back, so the daemon waits for it. One impossible source
    among others keeps nobody from being watched: its monitor is shown in error until it can be read.
    """
    problems = []
    for monitor in config.monitors:
        problem = find_impossible(monitor)
        if problem is None:
            return
        problems.append(f"{monitor.name}: {problem}")
    raise ConfigError("\n".join(problems))


def find_impossible(monitor: Monitor) -> Exception | None:
    """Return what waiting cannot cure in a monitor's source, with the sentence of `driftd config check`."""
    try:
        with open_reader(monitor) as reader:
            choose(monitor, reader.describe(sample=1))
    except SourceError as error:
        return error if error.reason in LASTING else None
    except ConfigError as error:
        return error
    return None


def warn_of_another_store(config: Config) -> None:
    """Warn where a new store is about to be made, and one of its name lies in the working directory."""
    file = sqlite_path(config.store.get_secret_value())
    if file is not None and not file.exists() and (other := Path.cwd() / file.name).exists():
        hint = f"{other} is not used: a relative `store:` is relative to the configuration file. Move it, or name it."
        LOG.warning("new_store", file=str(file), hint=hint)


def settle_memory() -> None:
    """Take what was loaded out of garbage collection: each look through all of it stops every answer for 40 ms."""
    gc.collect()
    gc.freeze()


def check_once(config: Config, name: str | None, at: datetime | None, *, as_json: bool) -> int:
    """Print the verdict of every asked monitor and return the exit code of the worst."""
    monitors = [config.monitor(name)] if name or len(config.monitors) == 1 else config.monitors
    verdicts = []
    for monitor in monitors:
        try:
            with open_reader(monitor) as reader:
                verdicts.append(check(reader, monitor, at or reader.now(), config.receivers))
        except SourceError as error:
            reason = f"{error.reason}: {error}"
            verdicts.append(
                {"monitor": monitor.name, "window": None, "status": "error", "reason": reason, "findings": []}
            )
    if as_json:
        print_json(verdicts[0] if len(verdicts) == 1 else verdicts)
    else:
        for verdict in verdicts:
            _print_verdict(verdict)
    codes = [EXIT[verdict["status"]] for verdict in verdicts]
    return 1 if 1 in codes else max(codes)


def _print_verdict(verdict: dict[str, Any]) -> None:
    echo(f"{verdict['monitor']}: {verdict['status']}: {verdict['reason']}")
    if labelled := verdict.get("labelled_window"):
        echo(f"labels are of the records from {labelled['start']} to {labelled['end']}")
    if note := verdict.get("note"):
        echo(f"note: {note}")
    if suspect := verdict.get("suspected_change"):
        echo(f"suspected: {suspect['column']} {suspect['value']!r}, first seen {suspect['first_seen']}")
    print_baseline_notes(verdict.get("baseline"))
    if actions := verdict.get("actions"):
        echo(f"the daemon would plan: {count_actions(actions)}")
    shown = ("status", "check", "column", "segment", "method", "statistic", "threshold", "n_window", "reason")
    rows = [[finding[name] for name in shown] for finding in verdict["findings"]]
    print_table(shown, rows, "no findings")


def backfill(config: Config, name: str | None, start: datetime, end: datetime, *, quiet: bool) -> int:
    """Compute the buckets of a past period, failed ones too; after an interruption it continues where it stopped."""
    monitor = config.monitor(name)
    first, last = floor(start, monitor.bucket), floor(end, monitor.bucket)
    if first >= last:
        raise ConfigError("--from must be at least one bucket before --to.")
    with open_store(config, upgrade=True) as database:
        job = make_job(database, config, monitor, SystemClock())
        # What is live may come due meanwhile: its actions go to the outbox, for the daemon to deliver.
        daemon = Daemon(database, [job], {}, SystemClock())
        with database.write() as connection:
            buckets.free_the_dead(connection)
            buckets.retry_now(connection, monitor.name, first, last)
            buckets.add_span(connection, monitor.name, "backfill", first, last)
        total = (last - first) // monitor.bucket
        with typer.progressbar(length=total, label="buckets", hidden=quiet) as bar:
            trouble = _work_off(daemon, job, first, last, bar)
        job.close()
        with database.read() as connection:
            ended = buckets.finished_starts(connection, monitor.name, first, last)
            reasons = buckets.failed_reasons(connection, monitor.name, first, last)
        finished = len(ended) - len(reasons)
        told = [f"{finished} of {total} buckets finished"]
        if reasons:
            told.append(f"{len(reasons)} failed: {'; '.join(list(dict.fromkeys(reasons))[:MOST_REASONS])}")
        if trouble:
            told.append(f"the others wait for the source, which fails: {trouble}")
        echo(", ".join(told), err=True)
        return 0 if finished == total else 2


def _work_off(daemon: Daemon, job: MonitorJob, first: datetime, last: datetime, bar: Any) -> str | None:  # noqa: ANN401
    """Compute a stretch until every bucket of it has ended; returns why the source cannot be read, if it cannot."""
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


def import_file(path: Path, url: str, table: str, *, quiet: bool) -> int:
    """Append a CSV, Parquet or JSONL file to a table, which is made when it is not there."""
    rows = 0
    with typer.progressbar(files.append(path, url, table), label="pages of 50,000 rows", hidden=quiet) as pages:
        for added in pages:
            rows += added
    echo(f"{rows} rows added to {table!r}", err=True)
    return 0
