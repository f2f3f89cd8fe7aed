"""Suites on a schedule, each run in a child process: a slow endpoint delays no bucket and no delivery.

A replica that finds a suite due takes its turn in our database, by the database's clock, so that one of them runs it.
A run that does not get as far as being stored (a suite that cannot be read, a store that is down) is logged and tried
again only after its interval.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from monitor.config.models import Config, EvaluationSpec, Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.clock import Clock, SystemClock
from monitor.core.suite_run import Run
from monitor.core.yamlfile import ConfigError
from monitor.jobs.evals.incident import SuiteAlerting
from monitor.jobs.evals.run import evaluate, evaluate_traffic
from monitor.jobs.evals.suite import Suite, load
from monitor.jobs.evals.traffic import NoTraffic
from monitor.sources.base import SourceError
from monitor.sources.connect import connect
from monitor.store import evaluations, turns
from monitor.store.database import Database, DatabaseError

LOG = structlog.get_logger(__name__)
EVERY = 1.0
PATIENCE = 2.0
LOOK_AGAIN = timedelta(seconds=15)
"""Pause before a suite that another replica has, or that is not due yet, is looked at again."""


class Child(Protocol):
    """What is asked of a child process."""

    def is_alive(self) -> bool: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


@dataclass(frozen=True)
class Job:
    """One suite, and whose incident a regression of it is.

    Parameters
    ----------
    store
        URL of our own database, for the child.
    """

    spec: EvaluationSpec
    store: str
    monitor: Monitor | None = None
    actions: Mapping[str, ReceiverConfig] = field(default_factory=dict)


def plan_jobs(config: Config, store: str) -> list[Job]:
    """Return what the configuration wants to be run."""
    return [
        Job(spec, store, config.monitor(spec.monitor), config.receivers)
        if spec.monitor or len(config.monitors) == 1
        else Job(spec, store)
        for spec in config.evaluations
    ]


@dataclass
class Scheduled:
    """A job, its child, and when it is worth looking at again."""

    job: Job
    next_look: datetime | None = None
    name: str = ""
    child: Child | None = None


class Schedule:
    """Starts what is due; ``turn`` never waits.

    Parameters
    ----------
    start
        Begins a run.
    """

    def __init__(self, jobs: Sequence[Job], database: Database, start: Callable[[Job], Child] | None = None) -> None:
        self._all = [Scheduled(job) for job in jobs]
        self._database = database
        self._start = start or _start

    def turn(self, now: datetime) -> int:
        """Start every suite that is due and not running; returns how many were started."""
        return sum(self._one(one, now) for one in self._all)

    def _one(self, one: Scheduled, now: datetime) -> int:
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

    def _follow(self, one: Scheduled) -> None:
        running = one.child is not None and one.child.is_alive()
        with self._database.write() as connection:
            (turns.keep if running else turns.give_back)(connection, one.name)
        if not running:
            one.child = None

    def _begin(self, one: Scheduled) -> int:
        one.name = load(one.job.spec.suite).name
        with self._database.write() as connection:
            newest = evaluations.rows(connection, one.name, most=1)
            last = newest[0].started_at if newest else None
            if not turns.take(connection, one.name, one.job.spec.every, last):
                return 0
        one.child = self._start(one.job)
        return 1

    def stop(self) -> None:
        """End what is running; an unfinished run leaves nothing behind."""
        running = [one.child for one in self._all if one.child is not None and one.child.is_alive()]
        for child in running:
            child.terminate()
        for child in running:
            child.join(PATIENCE)
            if child.is_alive():
                child.kill()


def _start(job: Job) -> Child:
    child = multiprocessing.get_context("spawn").Process(target=run_once, args=(job,), daemon=True)
    child.start()
    return child


def run_once(job: Job) -> None:
    """Do the work of the child: run a suite, store it with what follows from it, and log what came of it."""
    database = Database(job.store)
    try:
        suite = load(job.spec.suite)

        alerting = SuiteAlerting(job.spec, suite.name, suite.alpha, job.monitor, job.actions) if job.monitor else None
        done = (
            _traffic(job, suite, alerting, database)
            if suite.traffic
            else evaluate(suite, database, SystemClock(), alerting=alerting)
        )
        LOG.info("evaluation", suite=done.suite, result=done.result, reason=done.reason, score=done.score, id=done.id)
    except (ConfigError, DatabaseError, SourceError, NoTraffic) as error:
        LOG.warning("evaluation_not_run", suite=str(job.spec.suite), detail=str(error))
    finally:
        database.close()


def _traffic(job: Job, suite: Suite, alerting: SuiteAlerting | None, database: Database) -> Run:
    if alerting is None:
        raise ConfigError(
            f"{job.spec.suite}: `traffic:` is of a monitor; name it with `evaluations: [{{monitor: …}}]`."
        )
    with closing(connect(alerting.monitor.source)) as reader:
        return evaluate_traffic(suite, reader, job.spec.every, database, SystemClock(), alerting)


@contextmanager
def run_schedule(jobs: Sequence[Job], database: Database, clock: Clock) -> Iterator[None]:
    """Keep a schedule in a thread of its own for the length of a block."""
    if not jobs:
        yield
        return
    schedule, stopping = Schedule(jobs, database), threading.Event()

    def keep() -> None:
        while not stopping.wait(EVERY):
            try:
                schedule.turn(clock.now())
            except Exception:  # noqa: BLE001  the next turn tries again
                LOG.exception("evaluations_failed")

    thread = threading.Thread(target=keep, name="evaluations", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE)
        schedule.stop()
