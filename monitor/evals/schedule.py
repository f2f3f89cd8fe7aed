"""Suites on a schedule, each run in a child process: a slow endpoint delays no bucket and no delivery.

When a suite is due follows from its newest stored run, so a restart neither repeats nor forgets one. A run that does
not get as far as being stored (a suite that cannot be read, a store that is down) is logged and tried again only
after its interval.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from monitor.clock import Clock, SystemClock
from monitor.config import EvaluationSpec
from monitor.evals.suite import load
from monitor.store import evaluations
from monitor.store.database import Database, DatabaseError
from monitor.yamlfile import ConfigError

LOG = structlog.get_logger(__name__)
EVERY = 1.0
PATIENCE = 2.0


class Child(Protocol):
    """What is asked of a child process."""

    def is_alive(self) -> bool: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


@dataclass
class Scheduled:
    """One suite, when it was last begun, and the child that runs it."""

    spec: EvaluationSpec
    begun: datetime | None = None
    child: Child | None = None


class Schedule:
    """Starts what is due; ``turn`` never waits.

    Parameters
    ----------
    start
        Begins a run of a suite file on a store.
    """

    def __init__(
        self, specs: Sequence[EvaluationSpec], database: Database, start: Callable[[Path, str], Child] | None = None
    ) -> None:
        self._all = [Scheduled(spec) for spec in specs]
        self._database = database
        self._start = start or _start

    def turn(self, now: datetime) -> int:
        """Start every suite that is due and not running; returns how many were started."""
        return sum(self._one(one, now) for one in self._all)

    def _one(self, one: Scheduled, now: datetime) -> int:
        if one.child is not None and one.child.is_alive():
            return 0
        one.child = None
        if one.begun is not None and now - one.begun < one.spec.every:
            return 0
        try:
            name = load(one.spec.suite).name
            with self._database.read() as connection:
                newest = evaluations.rows(connection, name, most=1)
        except (ConfigError, DatabaseError) as error:
            LOG.warning("evaluation_not_run", suite=str(one.spec.suite), detail=str(error))
            one.begun = now
            return 0
        if newest and now - newest[0].started_at < one.spec.every:
            one.begun = newest[0].started_at
            return 0
        one.begun = now
        one.child = self._start(one.spec.suite, self._database.url.render_as_string(hide_password=False))
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


def _start(suite: Path, store: str) -> Child:
    child = multiprocessing.get_context("spawn").Process(target=run_once, args=(suite, store), daemon=True)
    child.start()
    return child


def run_once(suite: Path, store: str) -> None:
    """Do the work of the child: run a suite, store it, and log what came of it."""
    from monitor.evals.run import evaluate

    database = Database(store)
    try:
        done = evaluate(load(suite), database, SystemClock())
        LOG.info("evaluation", suite=done.suite, result=done.result, reason=done.reason, score=done.score, id=done.id)
    except (ConfigError, DatabaseError) as error:
        LOG.warning("evaluation_not_run", suite=str(suite), detail=str(error))
    finally:
        database.close()


@contextmanager
def scheduled(specs: Sequence[EvaluationSpec], database: Database, clock: Clock) -> Iterator[None]:
    """Keep a schedule in a thread of its own for the length of a block."""
    if not specs:
        yield
        return
    schedule, stopping = Schedule(specs, database), threading.Event()

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
