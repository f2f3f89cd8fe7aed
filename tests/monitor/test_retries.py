"""Buckets that cannot be computed at first: they are retried until they can, and no result is made up or left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult
from monitor.checks import observe
from monitor.cli.backfill import backfill
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon, make_job
from monitor.config.load import load
from monitor.core import schedule
from monitor.core.schedule import Bucket
from monitor.jobs.delivery import deliver_due
from monitor.store import buckets, claims, outbox, reads
from monitor.store.database import Database, now
from monitor.store.tables import buckets as bucket_table
from monitor.store.tables import watches
from tests.store.test_leases import action, pass_time
from tests.support.hand import Hand
from tests.support.world import START, World, rows_of

HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)
LIVE = START + HOUR
BASELINE = {"from": START.isoformat(), "to": LIVE.isoformat(), "min_rows": 100}
AWAY = 'ALTER TABLE "inference log" RENAME TO "elsewhere"'
BACK = 'ALTER TABLE "elsewhere" RENAME TO "inference log"'
GONE_COLUMN = 'ALTER TABLE "inference log" RENAME COLUMN model TO model2'
COLUMN_BACK = 'ALTER TABLE "inference log" RENAME COLUMN model2 TO model'


class Life:
    """A monitor whose baseline of an hour is learnt, and whose live buckets are still to come."""

    def __init__(self, world: World) -> None:
        path = world.configure(bucket="5m", baseline=BASELINE, catch_up="3650d", no_data={"after": 3})
        self.config = load(path)
        self.opened = open_store(self.config, upgrade=True)
        self.database: Database = self.opened.__enter__()
        self.clock = Hand(LIVE)
        self.daemon = make_daemon(self.database, self.config, self.clock)
        self.watch = self.daemon.monitors[0]
        self.daemon.tick_all()
        self.daemon.tick_all()

    def until(self, moment: datetime) -> None:
        """Go to a moment, and a pause further, as the daemon's loop would."""
        self.clock.moment = moment
        pass_time(self.database, timedelta(minutes=3))
        self.daemon.tick_all()

    def live(self) -> list[tuple[str, str | None, int]]:
        """Return state, result and revision of the live buckets in their order."""
        with self.database.read() as connection:
            row = bucket_table.c
            query = sa.select(row.state, row.result, row.revision).where(row.start >= LIVE).order_by(row.start)
            return [tuple(found) for found in connection.execute(query)]  # type: ignore[misc]

    def error(self) -> str | None:
        with self.database.read() as connection:
            return connection.execute(sa.select(watches.c.error)).scalar_one()

    def backfill(self, buckets_from_live: int) -> int:
        return backfill(LIVE, LIVE + buckets_from_live * FIVE, self.config, quiet=True)

    def close(self) -> None:
        self.watch.close()
        self.opened.__exit__(None, None, None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, 3 * HOUR, per_minute=4))
    yield made
    made.close()


@pytest.fixture
def life(world: World) -> Iterator[Life]:
    made = Life(world)
    yield made
    made.close()


Profiling = Callable[[Callable[[datetime], None]], None]


@pytest.fixture
def profiling(monkeypatch: pytest.MonkeyPatch) -> Profiling:
    """Do something before a bucket is profiled, which is told its start."""
    original = observe.profile_bucket

    def put(before: Callable[[datetime], None]) -> None:
        def profile(reader: Any, monitor: Any, layouts: Any, bucket: Any) -> Any:
            before(bucket.start)
            return original(reader, monitor, layouts, bucket)

        monkeypatch.setattr(observe, "profile_bucket", profile)

    return put


DONE = ("finished", "done", 1)


@pytest.mark.parametrize(
    ("away", "back", "reason"),
    [(AWAY, BACK, "missing_table"), (GONE_COLUMN, COLUMN_BACK, "missing_column")],
)
def test_a_source_that_changes_for_a_while_fails_no_bucket_and_stays_an_error_meanwhile(
    world: World, life: Life, away: str, back: str, reason: str
) -> None:
    world.execute(away)
    for minutes in range(5, 40, 5):
        life.until(LIVE + timedelta(minutes=minutes))
        life.daemon.tick_all()  # between two attempts
        error = life.error()
        assert error is not None and error.startswith(f"{reason}: ")
        assert life.live() == [("claimed", None, 0)]
    with life.database.read() as connection:
        (incident,) = reads.incident_rows(connection)
    assert (incident.rule, incident.state) == ("no_data", "firing")
    world.execute(back)
    life.until(LIVE + 40 * timedelta(minutes=1))
    assert life.live() == [DONE] * 8
    assert life.error() is None
    life.until(LIVE + HOUR)
    with life.database.read() as connection:
        (incident,) = reads.incident_rows(connection)
    assert incident.state == "resolved"


def test_a_bucket_that_waits_holds_up_its_own_monitor_only(world: World, life: Life) -> None:
    url = f"sqlite:///{world.folder / 'other.db'}"
    other = World(world.folder, url)
    other.log(rows_of(START, 3 * HOUR, per_minute=4))
    monitor = life.config.monitors[0]
    source = monitor.source.model_copy(update={"url": type(monitor.source.url)(url)})
    monitor = monitor.model_copy(update={"name": "neighbour", "source": source})
    neighbour = make_job(life.database, life.config, monitor, life.clock)
    life.daemon.monitors = [life.watch, neighbour]
    world.execute(AWAY)
    life.until(LIVE + 30 * timedelta(minutes=1))
    life.until(LIVE + 30 * timedelta(minutes=1))
    assert life.live()[0] == ("claimed", None, 0)
    with life.database.read() as connection:
        done = buckets.finished_starts(connection, "neighbour", LIVE, None)
    assert len(done) == 6
    neighbour.close()
    other.close()


def test_a_bucket_that_cannot_be_computed_is_given_up_at_the_third_attempt_and_the_later_ones_go_on(
    life: Life,
    profiling: Profiling,
    failures: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = [LIVE + FIVE]

    def hit(start: datetime) -> None:
        if start in broken:
            raise ZeroDivisionError("a secret record")

    profiling(hit)
    life.until(LIVE + 3 * FIVE)
    assert life.live() == [DONE, ("claimed", None, 0)], "the third waits for the second"
    while len(failures) < claims.ATTEMPTS:
        life.until(LIVE + 3 * FIVE)
    assert life.live() == [DONE, ("finished", "failed", 1), DONE]
    assert life.error() is None, "the source can be read"
    assert [(said["event"], said["attempt"], said["given_up"]) for said in failures] == [
        ("bucket_failed", 1, False),
        ("bucket_failed", 2, False),
        ("bucket_failed", 3, True),
    ]
    failures.clear()
    results = reads.snapshot(life.database, life.config).monitors[0].results
    assert results["failed", "internal"] == 1

    monkeypatch.setattr(schedule, "FIRST_RETRY", timedelta(milliseconds=10))
    assert life.backfill(3) == 2
    assert "2 of 3 buckets finished, 1 failed: internal: ZeroDivisionError\n" in capsys.readouterr().err
    failures.clear()
    broken.clear()
    assert life.backfill(3) == 0
    assert "3 of 3 buckets finished\n" in capsys.readouterr().err
    assert [result for _, result, _ in life.live()[:3]] == ["done"] * 3


def test_a_backfill_stops_at_a_source_that_cannot_be_read_and_says_so(
    world: World, life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    life.until(LIVE + FIVE)
    world.execute(GONE_COLUMN)
    assert life.backfill(3) == 2
    said = capsys.readouterr().err
    assert "1 of 3 buckets finished, the others wait for the source, which fails: missing_column: " in said
    world.execute(COLUMN_BACK)
    assert life.backfill(3) == 0, "it does not wait for the pause of the attempt before"
    assert "3 of 3 buckets finished\n" in capsys.readouterr().err


def test_rows_that_are_gone_when_the_source_is_back_fail_their_bucket(
    world: World, life: Life, failures: list[dict[str, Any]]
) -> None:
    world.execute(AWAY)
    life.until(LIVE + 2 * FIVE)
    world.execute(BACK)
    first_kept = (LIVE + FIVE).replace(tzinfo=None)
    world.execute(f'DELETE FROM "inference log" WHERE "Zeit" < \'{first_kept}\'')
    life.until(LIVE + 2 * FIVE)
    assert life.live() == [("finished", "failed", 1), DONE]
    (said,) = failures
    assert said["reason"].startswith("gone: the source keeps no rows before ")
    failures.clear()


def test_a_bucket_that_ended_the_process_three_times_is_given_up(life: Life, failures: list[dict[str, Any]]) -> None:
    for _ in range(claims.ATTEMPTS):
        with life.database.write() as connection:
            held = claims.claim(connection, "shop", Bucket(LIVE, LIVE + FIVE), "of a process that ended")
        assert held is not None
        with life.database.write() as connection:
            connection.execute(sa.update(bucket_table).values(owner=None, lease_until=None))
    life.until(LIVE + 2 * FIVE)
    assert life.live() == [("finished", "failed", 1), DONE]
    (said,) = failures
    assert said["reason"] == "killed: the process ended 3 times while it computed this bucket"
    failures.clear()


def test_a_full_disk_counts_against_no_bucket_and_work_goes_on_at_once_when_there_is_room(
    life: Life, failures: list[dict[str, Any]]
) -> None:
    full = [True]

    @sa.event.listens_for(life.database.engine, "begin")
    def limit(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if full[0] else 1_000_000}")

    life.clock.moment = LIVE + HOUR
    for _ in range(6):
        life.daemon.tick_all()
        pass_time(life.database, timedelta(0))
    claimed = [state for state, _, _ in life.live() if state != "finished"]
    assert claimed == ["claimed"]
    assert failures, "it was full"
    full[0] = False
    with life.database.read() as connection:
        waits = connection.execute(sa.select(sa.func.max(bucket_table.c.next_attempt_at))).scalar_one()
        assert waits is None or waits - now(connection) < timedelta(minutes=2)
    life.until(life.clock.moment)
    assert life.live() == [DONE] * 12
    failures.clear()


class Receiver:
    """Takes every message, and does something then."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.ids: list[str] = []
        self.then = then

    def deliver(self, delivery: Delivery, _deadline: Deadline) -> DeliveryResult:
        self.ids.append(delivery.id)
        self.then()
        return DeliveryResult("delivered")


def test_an_outcome_that_could_not_be_recorded_is_not_waited_for(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> bool:
        raise sa.exc.OperationalError("UPDATE", {}, Exception("the store is away"))

    with life.database.write() as connection:
        outbox.save_actions(connection, [action()])
    receiver = Receiver(lambda: monkeypatch.setattr(outbox, "record", away))
    life.clock.moment = START
    with pytest.raises(sa.exc.OperationalError):
        deliver_due(life.database, {"slack": receiver}, life.clock, "slack")
    monkeypatch.undo()
    receiver.then = lambda: None
    assert deliver_due(life.database, {"slack": receiver}, life.clock, "slack") == 1
    assert receiver.ids == ["a-0", "a-0"]
