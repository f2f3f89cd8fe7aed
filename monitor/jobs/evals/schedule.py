"""Run suites on a schedule, each run in a child process, so that a slow endpoint delays no bucket and no delivery.

A replica takes the turn of a due suite in our database, by the database's clock, so that only one runs it.
A run that cannot be stored (the suite is unreadable or the store is down) is logged and repeated after the interval.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from monitor.core.yamlfile import ConfigError
from monitor.jobs.evals.suite import load
from monitor.jobs.evals.suite_job import SuiteJob, run_once
from monitor.store import evaluations, turns
from monitor.store.database import Database, DatabaseError

LOG = structlog.get_logger(__name__)
PATIENCE = 2.0
LOOK_AGAIN = timedelta(seconds=15)
"""Delay before a suite that is not due, or that another replica runs, is checked again."""


class Child(Protocol):
    """Interface of a child process."""

    def is_alive(self) -> bool: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


@dataclass
class ScheduledSuite:
    """A suite, its child process, and the time of its next check."""

    job: SuiteJob
    next_look: datetime | None = None
    name: str = ""
    child: Child | None = None


class SuiteSchedule:
    """Starts due suites; ``turn`` never waits.

    Parameters
    ----------
    start
        Starts a run.
    """

    def __init__(
        self, jobs: Sequence[SuiteJob], database: Database, start: Callable[[SuiteJob], Child] | None = None
    ) -> None:
        self._all = [ScheduledSuite(job) for job in jobs]
        self._database = database
        self._start = start or _start

    @property
    def jobs(self) -> list[SuiteJob]:
        """Return the suites with what their runs need."""
        return [one.job for one in self._all]

    def turn(self, now: datetime) -> int:
        """Start every suite that is due and not running; return the number of started suites."""
        return sum(self._one(one, now) for one in self._all)

    def _one(self, one: ScheduledSuite, now: datetime) -> int:
        if one.next_look is not None and now < one.next_look:
            return 0
        one.next_look = now + min(LOOK_AGAIN, one.job.spec.every)
        try:
            if one.child is not None:
                self._follow(one)
            return 0 if one.child is not None else self._begin(one)
        except (ConfigError, DatabaseError) as error:
            LOG.warning("evaluation_not_run", suite=str(one.job.spec.suite), detail=str(error))
            one.next_look = now + one.job.spec.every
            return 0

    def _follow(self, one: ScheduledSuite) -> None:
        running = one.child is not None and one.child.is_alive()
        with self._database.write() as connection:
            (turns.renew if running else turns.end)(connection, one.name)
        if not running:
            one.child = None

    def _begin(self, one: ScheduledSuite) -> int:
        one.name = load(one.job.spec.suite).name
        with self._database.write() as connection:
            newest = evaluations.rows(connection, one.name, most=1)
            last = newest[0].started_at if newest else None
            if not turns.take(connection, one.name, one.job.spec.every, last):
                return 0
        one.child = self._start(one.job)
        return 1

    def stop(self) -> None:
        """End running suites; an unfinished run stores nothing."""
        running = [one.child for one in self._all if one.child is not None and one.child.is_alive()]
        for child in running:
            child.terminate()
        for child in running:
            child.join(PATIENCE)
            if child.is_alive():
                child.kill()


def _start(job: SuiteJob) -> Child:
    child = multiprocessing.get_context("spawn").Process(target=run_once, args=(job,), daemon=True)
    child.start()
    return child
