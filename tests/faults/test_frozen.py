"""A replica that is frozen past its lease: another one takes over, and the first changes nothing when it continues."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.core.action import Action
from monitor.store import outbox
from monitor.store.database import Database
from monitor.store.tables import actions, aggregates, buckets, findings
from tests.faults import tally
from tests.support.process import eventually
from tests.support.receiver import Receiver, Request, listening
from tests.support.replicas import Replica
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)
LEASE = 1.5
FROZEN_BUCKET = """
profile = observe.profile_bucket

def freeze_at(reader, monitor, layouts, bucket):
    profiled = profile(reader, monitor, layouts, bucket)
    freeze_once()
    return profiled

observe.profile_bucket = freeze_at
"""
FROZEN_BEFORE_SENDING = """
attempt = delivery._attempt

def freeze_before(*arguments):
    freeze_once()
    return attempt(*arguments)

delivery._attempt = freeze_before
"""
FROZEN_AFTER_SENDING = """
attempt = delivery._attempt

def freeze_after(*arguments):
    result = attempt(*arguments)
    freeze_once()
    return result

delivery._attempt = freeze_after
"""


@pytest.fixture
def world(tmp_path: Path, postgres_url: str) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", postgres_url)
    made.log(rows_of(START, 2 * HOUR, per_minute=4))
    yield made
    made.close()


def stored(database: Database, *tables: sa.Table) -> list[list[Any]]:
    """Return all rows of tables, except what belongs to leases."""
    with database.read() as connection:
        queries = [
            sa.select(*(column for column in table.c if column.name not in ("owner", "lease_until")))
            for table in tables
        ]
        return [sorted(map(str, connection.execute(query))) for query in queries]


def finished(database: Database) -> list[Any]:
    with database.read() as connection:
        query = sa.select(buckets.c.start, buckets.c.revision).where(buckets.c.state == "finished")
        return list(connection.execute(query.order_by(buckets.c.start)))


def test_a_bucket_is_committed_by_the_replica_that_took_it_over(world: World) -> None:
    listen = {"server": {"listen": "127.0.0.1:0"}}
    baseline = {"from": START.isoformat(), "to": (START + HOUR).isoformat(), "min_rows": 100}
    world.configure(listen, bucket="30m", catch_up="3650d", baseline=baseline, start=(START + HOUR).isoformat())
    database, last = Database(world.store_url), START + 2 * HOUR - timedelta(minutes=30)
    with Replica(world, "first", LEASE, FROZEN_BUCKET) as first:
        eventually(first.is_frozen, 60, "the first replica to freeze within a bucket")
        with Replica(world, "second", LEASE):
            eventually(lambda: last in [row.start for row in finished(database)], 60, "the second replica")
        before = stored(database, buckets, aggregates, findings)
        first.send(signal.SIGCONT)
        eventually(lambda: first.events("fence_lost"), 60, "the fence to be lost")
    assert stored(database, buckets, aggregates, findings) == before
    assert {row.revision for row in finished(database)} == {1}
    assert len(first.events("fence_lost")) == 1
    tally.count("fences lost")
    assert "Traceback" not in first.log.read_text()
    database.close()


@pytest.mark.parametrize(("patch", "sent"), [(FROZEN_BEFORE_SENDING, 1), (FROZEN_AFTER_SENDING, 2)])
def test_an_effect_is_recorded_by_the_replica_that_took_it_over(patch: str, sent: int, world: World) -> None:
    """Before the request it sends nothing; after it, the receiver gets the same id twice: delivery is at least once."""
    database, receiver = Database(world.store_url), Receiver()

    def outcome() -> Any:
        with database.read() as connection:
            query = sa.select(actions.c.state, actions.c.attempts, actions.c.fence)
            return connection.execute(query.where(actions.c.state == "delivered")).one_or_none()

    with listening(receiver):
        webhook = {"kind": "webhook", "url": receiver.url, "secret": "whsec_c2VjcmV0LW9mLXRoZS1ob29r"}
        back = {**webhook, "effect": {"kind": "rollback", "mode": "auto"}}
        world.configure({"server": {"listen": "127.0.0.1:0"}, "receivers": {"back": back}})
        with Replica(world, "first", LEASE, patch) as first:
            eventually(lambda: first.events("started"), 60, "the start")
            now = datetime.now(UTC)
            effect = Action("a-1", "shop", "i-1", "back", "rollback", "auto", "pending", "", {"data": {}}, now, 0, None)
            with database.write() as connection:
                outbox.save_actions(connection, [effect])
            eventually(first.is_frozen, 60, "the first replica to freeze within a delivery")
            with Replica(world, "second", LEASE):
                taken_over = eventually(outcome, 60, "the delivery by the second replica")
                first.send(signal.SIGCONT)
                eventually(lambda: first.events("action_attempted"), 60, "the first replica to go on")
        assert first.events("action_attempted")[0]["state"] == "taken_over"
        tally.count("fences lost")
        assert outcome() == taken_over
        assert (taken_over.attempts, taken_over.fence) == (2, 2)
        assert Counter(map(identity, receiver.requests)) == {"a-1": sent}
    database.close()


def identity(request: Request) -> str:
    return request.headers["webhook-id"]
