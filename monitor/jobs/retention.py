"""Sum the rows of older buckets, and delete rows whose retention has ended.

Each step is a transaction of its own, of an hour or a day of one monitor, so that no lock lasts and an interrupted run
continues where it ended. Of several replicas, one runs it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog

from monitor.config.models import Config, Monitor
from monitor.jobs.scheduler import Job
from monitor.store import baselines, expiry, finding_history, rollups, sizes, turns
from monitor.store.database import Connection, Database, DatabaseError, StoreError, is_full, now
from monitor.store.finding_history import DAILY, HOURLY
from monitor.store.findings import needed_findings
from monitor.store.needed_rows import load_needed_rows
from monitor.store.reserve import make_reserve, release_reserve

T = TypeVar("T")
LOG = structlog.get_logger(__name__)
EVERY, LOOK_AGAIN = timedelta(hours=1), timedelta(minutes=1)
MOST_STARTS = 4000
"""Starts of buckets that are looked up at once."""
EVERY_BUCKET = timedelta(days=3)
"""How long the history of findings has every bucket: the longer of the ranges that a monitor's page offers."""
EVERY_HOUR = timedelta(days=30)
"""How long it has a value of every hour."""
TURN = "retention"
MOST_STEPS = 1000
"""Steps of a monitor in a run: a store of an earlier version, with everything, is summed over several hours."""
STEPS_PER_NOTE = 20
"""Steps, of less than a second each, between two renewals of the lease."""
Step = Callable[[Connection], object]
Deletion = Callable[[Connection], int]


def plan_job(database: Database, config: Config, stopping: Callable[[], bool]) -> Job:
    """Return the job of the daemon; among several replicas, one runs it every hour."""
    return Job("retention", partial(run, database, config, stopping), LOOK_AGAIN)


def run(database: Database, config: Config, stopping: Callable[[], bool] = lambda: False) -> None:
    """Take the turn of the retention, and run it."""
    at = _use_reserve(database, partial(_take_turn, database))
    if at is None:
        return
    try:
        work = partial(apply_retention, database, config, at, stopping, partial(_renew, database))
        _use_reserve(database, work)
    finally:
        with suppress(DatabaseError), database.write() as connection:
            turns.end(connection, TURN)
    make_reserve(database)


def _take_turn(database: Database) -> datetime | None:
    """Take the turn; return the time, or None if it is not due or another replica has it."""
    with database.write() as connection:
        return now(connection) if turns.take(connection, TURN, EVERY - LOOK_AGAIN) else None


def _use_reserve(database: Database, work: Callable[[], T]) -> T:
    """Do something; on a full disk again, in the room that the store reserves for that."""
    try:
        return work()
    except DatabaseError as error:
        if not is_full(error) or not release_reserve(database):
            raise
        LOG.warning("disk_full", detail="old rows are deleted in the room that was reserved for that")
        return work()


def _renew(database: Database) -> None:
    with database.write() as connection:
        turns.renew(connection, TURN)


def apply_retention(
    database: Database,
    config: Config,
    at: datetime,
    stopping: Callable[[], bool] = lambda: False,
    note_progress: Callable[[], object] = lambda: None,
) -> None:
    """Sum and delete everything that is due at a time, a transaction a step, and measure the store.

    Parameters
    ----------
    note_progress
        Called after every few steps.
    """
    for monitor in config.monitors:
        for find_steps in (_move_findings, _sum_buckets):
            for number, step in enumerate(_repeat(partial(find_steps, database, config, monitor, at))):
                if stopping():
                    return
                if number == MOST_STEPS:
                    break
                with database.write() as connection:
                    step(connection)
                if number % STEPS_PER_NOTE == 0:
                    note_progress()
    for delete in _list_deletions(database, config, at):
        while not stopping():
            with database.write() as connection:
                deleted = delete(connection)
            note_progress()
            if not deleted:
                break
    with suppress(StoreError):  # a build of SQLite that cannot measure tables
        with database.read() as connection:
            measured = sizes.sum_by_kind(sizes.measure(connection))
        with database.write() as connection:
            sizes.save(connection, measured)


def _repeat(find_steps: Callable[[], list[Step]]) -> Iterator[Step]:
    """Yield steps until none is due."""
    while steps := find_steps():
        yield from steps


def _move_findings(database: Database, config: Config, monitor: Monitor, at: datetime) -> list[Step]:
    """Return the steps that move findings to the history, and thin it."""
    with database.read() as connection:
        rows = load_needed_rows(connection, monitor, at)
        if rows is None:
            return []
        kept = needed_findings(monitor, at, rows.since)
        hours = finding_history.hours_to_move(connection, monitor.name, rows.newest, kept, MOST_STARTS)
        thinned = [
            partial(finding_history.thin_rows, monitor=monitor.name, start=start, thinning=thinning)
            for thinning, before in ((HOURLY, at - EVERY_BUCKET), (DAILY, at - EVERY_HOUR))
            for start in finding_history.rows_to_thin(connection, monitor.name, before, thinning)
        ]
    move = [partial(finding_history.move_hour, monitor=monitor.name, hour=hour, kept=kept) for hour in hours]
    return [*move, *thinned]


def _sum_buckets(database: Database, config: Config, monitor: Monitor, at: datetime) -> list[Step]:
    """Return the steps that sum buckets to hours, and hours to days."""
    name, kept = monitor.name, config.retention.buckets or monitor.buckets_needed
    with database.read() as connection:
        rows = load_needed_rows(connection, monitor, at)
        if rows is None:
            return []
        hours = rollups.groups_of_buckets(connection, name, at - kept, rows.without, MOST_STARTS)
        days = rollups.groups_of_hours(connection, name, at - config.retention.hours)
    steps: list[Step] = []
    for hour in hours:
        steps += [partial(rollups.sum_hour, monitor=name, hour=hour, without=rows.without)]
        steps += [partial(expiry.thin_usage, monitor=name, hour=hour)]
    return [*steps, *(partial(rollups.sum_day, monitor=name, day=day) for day in days)]


def _list_deletions(database: Database, config: Config, at: datetime) -> Iterator[Deletion]:
    """Yield the functions that delete some expired rows and return their number, until there are none."""
    retention = config.retention
    for monitor in config.monitors:
        name = monitor.name
        with database.read() as connection:
            rows = load_needed_rows(connection, monitor, at)
        without = rows.without if rows else []
        states = at - max(monitor.audit_ages) - 2 * monitor.window  # a bucket that is computed again needs them
        yield partial(expiry.delete_bucket_rows, monitor=monitor, at=at, retention=retention, without=without)
        yield partial(finding_history.delete_before, monitor=name, points=at - retention.findings, states=states)
        yield partial(rollups.delete_before, monitor=name, at=at - retention.days)
        yield partial(baselines.delete_retired, monitor=name, before=at - monitor.buckets_needed)
    for delete in (expiry.delete_actions, expiry.delete_incidents, expiry.delete_others):
        yield partial(delete, at=at, retention=retention)
