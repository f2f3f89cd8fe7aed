"""The bytes of the store by kind of rows and monitor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.profiling.facts import Facts
from monitor.store import aggregates, sizes, tables
from monitor.store.aggregates import Entry
from monitor.store.database import Database
from monitor.store.kinds import TABLES
from monitor.store.types import metadata
from tests.support.world import World

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_every_table_has_a_kind() -> None:
    assert [one.table.name for one in TABLES] == list(dict.fromkeys(one.table.name for one in TABLES))
    assert {one.table.name for one in TABLES} == set(metadata.tables)


def test_bytes_are_divided_by_kind_and_monitor(database: Database) -> None:
    with database.write() as connection:
        for monitor, hours in (("large", 300), ("small", 100)):
            for place in range(hours):
                aggregates.save(connection, monitor, [Entry(("facts", ""), START + place * HOUR, Facts(rows=place))])
        connection.execute(sa.insert(tables.watches), [{"monitor": "large", "config": "1", "seen_at": START}])
    with database.read() as connection:
        measured = {(one.kind, one.monitor): one for one in sizes.measure(connection)}
        by_kind = {one.kind: one for one in sizes.sum_by_kind(list(measured.values()))}
    large, small = measured["facts", "large"], measured["facts", "small"]
    assert (large.rows, small.rows, by_kind["facts"].rows) == (300, 100, 400)
    assert (large.oldest, large.newest) == (START, START + 299 * HOUR)
    assert 2.5 * small.bytes < large.bytes < 3.5 * small.bytes
    assert 400 * 80 < by_kind["facts"].bytes < 400 * 600, "rows and indexes of an aggregate, and no more"
    assert measured["buckets", "large"].rows == 1, "the watch of a monitor"


def test_a_year_continues_the_rate_of_the_stored_range() -> None:
    ten_days = sizes.KindSize("facts", "bot", 1000, 10, START, START + timedelta(days=10))
    assert ten_days.estimate_year() == 36_500
    assert ten_days.estimate_year(timedelta(days=20)) == 2000, "rows are deleted after 20 days"
    assert ten_days.estimate_year(timedelta(days=5)) == 1000, "they are not deleted yet"
    assert sizes.KindSize("access", None, 1000, 1).estimate_year() == 1000, "without times there is no rate"


def test_the_command_prints_json(tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.configure()
    world.run("db", "upgrade").check_returncode()
    database = Database(world.store_url)
    with database.write() as connection:
        for place in range(100):
            aggregates.save(connection, "shop", [Entry(("facts", ""), START + place * HOUR, Facts(rows=place))])
    database.close()
    code, printed = world.json("db", "size")
    world.close()
    (facts,) = [row for row in printed["kinds"] if row["kind"] == "facts"]
    assert (code, facts["monitor"], facts["rows"]) == (0, "shop", 100)
    assert facts["bytes_after_a_year"] == pytest.approx(facts["bytes"] * 365 * 24 / 99, rel=0.01)
    assert printed["bytes_after_a_year"] == {"shop": facts["bytes_after_a_year"]}
    assert printed["bytes"] == sum(row["bytes"] for row in printed["kinds"])
