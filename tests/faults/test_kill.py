"""kill -9 at random while history is worked off: every bucket once, and the same profiles as undisturbed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.store.database import Database
from monitor.store.tables import aggregates, buckets
from tests.support.process import eventually
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

TOTAL = int(os.environ.get("DRIFTD_KILL_BUCKETS", "60"))  # an even number, of five minutes each
HALF = TOTAL // 2 * timedelta(minutes=5)
KILLS = 5


@pytest.fixture
def worlds(tmp_path: Path, postgres_server: object) -> Iterator[tuple[World, World]]:
    server = postgres_server
    with (
        server.database() as source,  # type: ignore[attr-defined]
        server.database() as first,  # type: ignore[attr-defined]
        server.database() as second,  # type: ignore[attr-defined]
    ):
        made = []
        for name, store in (("killed", first), ("calm", second)):
            (tmp_path / name).mkdir()
            made.append(World(tmp_path / name, source, store))
        made[0].log(rows_of(START, 2 * HALF, per_minute=4))
        yield made[0], made[1]
        for world in made:
            world.close()


def profiles(world: World) -> list[tuple[object, ...]]:
    database = Database(world.store_url)
    with database.read() as connection:
        stored = sa.and_(
            aggregates.c.monitor == buckets.c.monitor,
            aggregates.c.start == buckets.c.start,
            aggregates.c.kind == "profile",
        )
        query = sa.select(
            buckets.c.start, buckets.c.revision, buckets.c.result, buckets.c.source_rows, aggregates.c.data
        ).join_from(buckets, aggregates, stored)
        rows = connection.execute(query.where(buckets.c.state == "finished").order_by(buckets.c.start)).all()
    database.close()
    return [tuple(row) for row in rows]


def count(database: Database) -> int:
    try:
        with database.read() as connection:
            query = sa.select(sa.func.count()).select_from(buckets).where(buckets.c.state == "finished")
            return int(connection.execute(query).scalar_one())
    except sa.exc.SQLAlchemyError:
        return 0


@pytest.mark.timeout(1800)
def test_every_bucket_is_done_exactly_once_whatever_dies(worlds: tuple[World, World]) -> None:
    killed, calm = worlds
    chance = random.Random(20261123)
    listen = {"server": {"listen": "127.0.0.1:0"}}
    middle = (START + HALF).isoformat()
    history = {
        "bucket": "5m",
        "start": middle,
        "catch_up": "3650d",
        "baseline": {"from": START.isoformat(), "to": middle},
    }
    killed.configure(listen, **history)
    calm.configure(listen, **history)
    looked_at = {world: Database(world.store_url) for world in worlds}
    for kill in range(KILLS):
        process = killed.start("run")
        goal = min(count(looked_at[killed]) + chance.randrange(1, TOTAL // KILLS), TOTAL - KILLS + kill)
        eventually(lambda goal=goal: count(looked_at[killed]) >= goal, within=400)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    for world in (killed, calm):
        process = world.start("run")
        eventually(lambda world=world: count(looked_at[world]) >= TOTAL, within=400)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    for database in looked_at.values():
        database.close()
    undisturbed = profiles(calm)[:TOTAL]
    assert [row[1] for row in undisturbed] == [1] * TOTAL
    assert profiles(killed)[:TOTAL] == undisturbed
