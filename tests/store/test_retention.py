"""Rows whose retention has ended are deleted by a job of their own."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from detectors.cost.breaker import Breaker
from monitor.core.clock import SystemClock
from monitor.daemon import Daemon
from monitor.jobs import retention
from monitor.store import breakers, judge_labels, tables
from monitor.store.database import Database, now

SECOND = timedelta(seconds=1)


def test_expired_verdicts_and_transitions_are_deleted_and_others_remain(database: Database) -> None:
    verdicts, transitions = tables.verdicts, tables.breaker_transitions
    with database.write() as connection:
        at = now(connection)
        judge_labels.save_verdicts(connection, "bot", {"old": 0.2, "new": 0.9}, at, at)
        for record, age in (("old", judge_labels.RETENTION), ("new", judge_labels.RETENTION - timedelta(minutes=1))):
            connection.execute(sa.update(verdicts).where(verdicts.c.record == record).values(at=at - age))
        for value, age in (("old", breakers.RETENTION), ("new", breakers.RETENTION - timedelta(minutes=1))):
            breakers.put(
                connection, "bot", ("budget", value), None, Breaker("open", at - age - SECOND, "spent", number=1)
            )
    (job,) = [each for each in Daemon(database, [], {}, SystemClock()).jobs() if each.name == "retention"]
    assert job.every == timedelta(hours=1)
    assert job.run() == 2
    assert retention.delete_expired(database) == 0
    with database.read() as connection:
        assert connection.execute(sa.select(verdicts.c.record)).scalars().all() == ["new"]
        assert connection.execute(sa.select(transitions.c.value)).scalars().all() == ["new"]
