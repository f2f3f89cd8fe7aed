"""A store of an earlier release is brought to this one: nothing is lost, nothing sent twice, and the daemon goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from benchmarks.replay import driver
from detectors.cost.budget import SpendTotals
from detectors.cost.ledger import CostSummary
from detectors.cost.objective import EventCounts
from detectors.cost.savings import DayCells
from detectors.encoding import unpack
from monitor.config.load import load
from monitor.core.aggregate import KINDS
from monitor.profiling.facts import Facts
from monitor.store import migrate
from monitor.store.database import Database
from monitor.store.tables import metadata
from tests.support import old_store
from tests.support.nightly import nightly

Rows = dict[str, list[dict[str, Any]]]
CHANGED = {"baselines": {"definition"}, "buckets": {"state", "attempts", "layout", "facts", "profiles"}}
"""Columns that migrations change: fingerprints are marked (0017), source errors are owed again (0018), and what buckets
come to is in `aggregates` (0021)."""
MOVED = {"ledger", "ledger_parts", "objectives", "savings", "tallies"}
"""Tables of then whose rows are in `aggregates` now (0021)."""
READERS = {"facts": Facts.from_bytes, "cost": CostSummary.from_bytes, "events": EventCounts.from_bytes}
GONE_ON = 2
"""Buckets of the recording that are computed after the upgrade."""
MINUTES_5 = timedelta(minutes=5)
CHAIN = [
    script.revision for script in reversed(list(ScriptDirectory.from_config(migrate._settings()).walk_revisions()))
]


def upgrade(database: Database, revision: str) -> None:
    """Apply the migrations up to a revision in one transaction, as `driftd db upgrade` does up to the newest."""
    with database.write() as connection:
        settings = migrate._settings()
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)


def revision_of(database: Database) -> str | None:
    with database.read() as connection:
        return migrate.current(connection)


def read(url: str) -> Rows:
    """Return every row of every table, whatever driftd makes of them."""
    engine = sa.create_engine(url)
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = {
            name: [dict(row._mapping) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for name, table in tables.tables.items()
            if name != "alembic_version"
        }
    engine.dispose()
    return rows


@pytest.fixture
def old_url(store_url: str) -> str:
    """Return the URL of a store that the code of an earlier commit made."""
    old_store.restore(store_url)
    return store_url


# ------------------------------------------------------------------ nothing is lost


def test_every_row_of_then_is_there_after_the_upgrade(old_url: str) -> None:
    before = read(old_url)
    assert [table for table, rows in before.items() if not rows] == [], "the store of then has a row of everything"
    database = Database(old_url)
    assert revision_of(database) == old_store.REVISION
    migrate.upgrade(database)
    database.close()
    assert_nothing_is_lost(before, read(old_url))


def assert_nothing_is_lost(before: Rows, after: Rows) -> None:
    for table, rows in before.items():
        if table in MOVED:
            assert table not in after
            continue
        kept = set(rows[0]) - CHANGED.get(table, set())
        assert [pick(row, kept) for row in after[table]] == [pick(row, kept) for row in rows], table
    fingerprints = [f"1:{row['definition']}" for row in before["baselines"]]
    assert [row["definition"] for row in after["baselines"]] == fingerprints
    moved = {(row["monitor"], row["kind"], row["name"], row["start"]): row for row in after["aggregates"]}
    expected = dict(aggregates_of_then(before))
    assert set(moved) == set(expected)
    assert {kind for _, kind, *_ in moved} == set(KINDS)
    for key, (definition, content) in expected.items():
        assert (moved[key]["definition"], decode(key[1], moved[key]["data"])) == (definition, content), key


def aggregates_of_then(before: Rows) -> Iterator[tuple[tuple[str, str, str, datetime], tuple[str, object]]]:
    """Yield what the tables of then held, by monitor, kind, name and start: its definition, and its content."""
    for row in before["buckets"]:
        if row["facts"] is not None:
            yield (row["monitor"], "facts", "", row["start"]), ("1", Facts.from_json(row["facts"]))
        if row["profiles"] is not None:
            yield (row["monitor"], "profile", "", row["start"]), (row["layout"], unpack(row["profiles"], list))
    parts: dict[tuple[str, datetime], dict[tuple[str, str], SpendTotals]] = {}
    names = ("amount", "requests", "unpriced")
    for row in before["ledger_parts"]:
        spent = SpendTotals(*(row[name] for name in names))
        parts.setdefault((row["monitor"], row["start"]), {})[row["column"], row["value"]] = spent
    for row in before["ledger"]:
        whole = {("", ""): SpendTotals(*(row[name] for name in (*names, "unknown")))}
        bill = CostSummary({**whole, **parts.get((row["monitor"], row["start"]), {})})
        yield (row["monitor"], "cost", "", row["start"]), ("1", bill)
    for row in before["objectives"]:
        yield (row["monitor"], "events", row["signal"], row["start"]), ("1", EventCounts(row["total"], row["bad"]))
    definitions = {(row["monitor"], row["kind"], row["name"]): row["definition"] for row in before["comparisons"]}
    for row in before["tallies"]:
        key = (row["monitor"], row["kind"], row["name"])
        yield (*key, row["start"]), (definitions[key], unpack(row["sums"], dict))
    for row in before["savings"]:
        counted_at = row["counted_at"].replace(tzinfo=row["counted_at"].tzinfo or UTC)
        content = (counted_at, unpack(row["sums"], list))
        yield (row["monitor"], "savings", row["plan"], row["day"]), (row["definition"], content)


def decode(kind: str, data: bytes) -> object:
    """Return what an aggregate holds, to be compared with the store of then."""
    if kind == "savings":
        day = DayCells("", datetime.now(UTC)).from_bytes(data)
        return day.counted_at, [[*key, cell.to_json()] for key, cell in day.cells.items()]
    if kind in READERS:
        return READERS[kind](data)
    return unpack(data, object)


def pick(row: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


# ------------------------------------------------------------------ the daemon goes on


@pytest.mark.parametrize("store_url", ["sqlite", nightly("postgresql")], indirect=True)
def test_the_daemon_goes_on_after_an_upgrade(old_url: str, tmp_path: Path) -> None:
    """It computes the new buckets over the baselines of then, and sends nothing again that was delivered then."""
    before = read(old_url)
    database = Database(old_url)
    migrate.upgrade(database)
    database.close()
    work = old_store.unpack(tmp_path, old_url)
    work.mkdir()
    plan = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    sent = list(driver.live(work, plan, old_store.LIVE, old_store.LIVE + GONE_ON))
    after = read(old_url)

    end = datetime.fromisoformat(plan["start"]) + (plan["baseline"] + old_store.LIVE + GONE_ON) * MINUTES_5
    for monitor in load(work / "driftd.yaml").monitors:
        buckets = [row for row in after["buckets"] if row["monitor"] == monitor.name]
        newest = max(in_utc(row["start"]) for row in buckets)
        assert newest + monitor.bucket <= end < newest + 2 * monitor.bucket, f"{monitor.name} has gone on"
        assert {row["state"] for row in buckets} == {"finished"}
        assert in_use(after, monitor.name) == in_use(before, monitor.name), f"{monitor.name} keeps its baseline"

    columns = set(before["actions"][0])
    delivered = {row["id"]: row for row in before["actions"] if row["state"] == "delivered"}
    assert delivered == {row["id"]: pick(row, columns) for row in after["actions"] if row["id"] in delivered}
    received = [message["id"] for message in sent if message["status"] == 200]
    assert received, "what waited then is delivered"
    assert len(received) == len(set(received)), "nothing is sent twice"
    assert not set(received) & set(delivered), "nothing is sent again"
    open_then = {row["id"] for row in before["incidents"] if row["state"] != "resolved"}
    assert open_then <= {row["id"] for row in after["incidents"]}


def in_use(rows: Rows, monitor: str) -> tuple[object, ...]:
    """Return what the windows of a monitor are compared with: bins and range."""
    (row,) = (row for row in rows["baselines"] if row["monitor"] == monitor and row["state"] == "active")
    return row["layout"], row["start"], row["end"]


def in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=moment.tzinfo or UTC)


# ------------------------------------------------------------------ an interrupted migration


class Killed(Exception):
    """Stands for the end of the process."""


@contextmanager
def killed_at(database: Database, number: int) -> Iterator[None]:
    """End the work before its statement of that number, counted from one."""
    count = 0

    def before(*_: object) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise Killed

    sa.event.listen(database.engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", before)


@pytest.mark.parametrize("store_url", ["sqlite", nightly("postgresql")], indirect=True)
def test_each_migration_can_be_interrupted_before_every_statement(store_url: str) -> None:
    database = Database(store_url)
    for target in CHAIN:
        assert interrupted_everywhere(database, target) >= 1
    migrate.require_head(database)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_each_migration_of_a_store_with_rows_can_be_interrupted_before_every_statement(old_url: str) -> None:
    before = read(old_url)
    database = Database(old_url)
    for target in CHAIN[CHAIN.index(old_store.REVISION) + 1 :]:
        assert interrupted_everywhere(database, target) >= 1
    database.close()
    assert_nothing_is_lost(before, read(old_url))


def interrupted_everywhere(database: Database, target: str) -> int:
    """Apply one migration, interrupted before its first statement, its second, and so on, until it comes through.

    Returns how often it was interrupted.
    """
    before = revision_of(database)
    for number in range(1, 10_000):
        try:
            with killed_at(database, number):
                upgrade(database, target)
        except Killed:
            assert revision_of(database) == before
            continue
        assert revision_of(database) == target
        return number - 1
    raise AssertionError(f"the migration {target} does not end")


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from monitor.store import migrate
from monitor.store.database import Database

def before(connection, cursor, statement, *_):
    if statement.startswith("UPDATE alembic_version"):
        os.kill(os.getpid(), signal.SIGKILL)

database = Database(sys.argv[1])
sa.event.listen(database.engine, "before_cursor_execute", before)
migrate.upgrade(database)
"""


def test_a_process_that_is_killed_while_it_migrates_leaves_the_store_as_it_was(old_url: str) -> None:
    before = read(old_url)
    ended = subprocess.run([sys.executable, "-c", KILLED, old_url], check=False).returncode
    assert ended == -signal.SIGKILL
    assert read(old_url) == before
    database = Database(old_url)
    migrate.upgrade(database)
    database.close()
    assert_nothing_is_lost(before, read(old_url))
