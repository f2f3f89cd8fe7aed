"""A monitor's life in fast motion, in process and with time as an argument: late rows, rolling baselines, silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.checks.anchor import evaluate_anchor, notes_on
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon, make_job
from monitor.config.load import load
from monitor.daemon import Daemon
from monitor.jobs import baseline_sums
from monitor.jobs.baseline_sum import BaselineSum
from monitor.store import baselines, incidents, reads, silences, windows
from monitor.store.database import Database
from monitor.store.tables import buckets
from tests.support.hand import Hand
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
FIVE = timedelta(minutes=5)
BASELINE = {"from": START.isoformat(), "to": (START + 6 * HOUR).isoformat()}


class Life:
    def __init__(self, world: World, **monitor: Any) -> None:
        extra = {"slack": {"token": "t", "channel": "#ml", "base_url": "http://127.0.0.1:1/api/"}}
        rules = [{"when": ["drift"], "do": ["slack"], "resolve_for": 2}]
        path = world.configure(
            extra, **{"bucket": "5m", "baseline": BASELINE, "catch_up": "3650d", "rules": rules, **monitor}
        )
        self.config = load(path)
        self.context = open_store(self.config, upgrade=True)
        self.database: Database = self.context.__enter__()
        self.clock = Hand(START)
        self.daemon: Daemon = make_daemon(self.database, self.config, self.clock)
        self.watch = self.daemon.monitors[0]

    def until(self, moment: datetime) -> None:
        """Go to a moment and work off everything that is due, as the daemon's loop would."""
        self.clock.moment = moment
        self.daemon.tick_all()

    def rows(self, first: datetime, last: datetime) -> list[Any]:
        query = sa.select(buckets).where(buckets.c.monitor == "shop", buckets.c.revision > 0)
        query = query.where(buckets.c.start >= first, buckets.c.start <= last)
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(buckets.c.start)))

    def incidents(self) -> list[Any]:
        with self.database.read() as connection:
            return reads.incident_rows(connection)

    def actions(self) -> list[Any]:
        with self.database.read() as connection:
            return reads.action_rows(connection)

    def close(self) -> None:
        self.watch.close()
        self.context.__exit__(None, None, None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    yield made
    made.close()


@pytest.fixture
def lives(world: World) -> Iterator[Any]:
    made: list[Life] = []

    def start(**monitor: Any) -> Life:
        made.append(Life(world, **monitor))
        return made[-1]

    yield start
    for life in made:
        life.close()


def test_every_sealed_bucket_ends_and_nothing_of_the_future_does(world: World, lives: Any) -> None:
    world.log(rows_of(START, 8 * HOUR))
    life = lives(bucket="15m")
    life.until(START + 8 * HOUR)
    done = life.rows(START, START + 9 * HOUR)
    assert [row.start for row in done] == [START + n * HOUR / 4 for n in range(32)]
    assert {row.result for row in done} == {"done"}
    assert [row.revision for row in done] == [1] * 32
    assert life.incidents() == []
    life.until(START + 8 * HOUR)
    assert [row.revision for row in life.rows(START, START + 9 * HOUR)] == [1] * 32


def test_rows_that_come_late_are_found_by_the_audit_and_counted_once(world: World, lives: Any) -> None:
    world.log(rows_of(START, 8 * HOUR))
    life = lives()
    life.until(START + 7 * HOUR)
    late = START + 6 * HOUR + 30 * timedelta(minutes=1)
    world.log(rows_of(late, FIVE, seed=5))
    life.until(START + 8 * HOUR)
    (row,) = life.rows(late, late)
    assert row.revision == 2
    with life.database.read() as connection:
        assert windows.load_facts(connection, "shop", late).rows == 100
        (version,) = incidents.load_versions(connection, "shop")
        assert reads.snapshot(life.database, life.config).monitors[0].watch.late_rows == 50
    assert version.rows == 8 * 60 * 10 + 50
    assert life.incidents() == []


def test_a_drift_is_one_incident_told_once_and_resolved_and_a_silence_keeps_it_quiet(world: World, lives: Any) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, HOUR, shift=1.5))
    world.log(rows_of(START + 8 * HOUR, 3 * HOUR, seed=3))
    world.log(rows_of(START + 11 * HOUR, HOUR, shift=1.5, seed=4))
    life = lives()
    for minutes in range(7 * 60, 11 * 60 + 5, 5):
        life.until(START + timedelta(minutes=minutes))
    (incident,) = life.incidents()
    assert incident.state == "resolved"
    assert START + 7 * HOUR < incident.opened_at < START + 8 * HOUR
    assert [action.kind for action in reversed(life.actions())] == ["firing", "update", "resolved"]
    with life.database.write() as connection:
        row = {
            "monitor": "shop",
            "rule": "*",
            "starts_at": START,
            "ends_at": START + 20 * HOUR,
            "comment": "",
            "created_by": "me",
        }
        silences.add_silence(connection, row)
    for minutes in range(11 * 60 + 5, 12 * 60 + 5, 5):
        life.until(START + timedelta(minutes=minutes))
    (again,) = life.incidents()
    assert again.state == "firing"
    assert again.reason.startswith("again: ")
    assert len(life.actions()) == 3


def test_a_second_change_is_told_in_the_thread_of_the_open_incident_and_a_new_version_is_its_own(
    world: World, lives: Any
) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 3 * HOUR, shift=1))
    world.log(rows_of(START + 10 * HOUR, 3 * HOUR, shift=2, seed=3))
    world.log(rows_of(START + 13 * HOUR, 3 * HOUR, shift=2, seed=4, plan="team", model="v2"))
    life = lives()
    for minutes in range(7 * 60, 16 * 60 + 5, 5):
        life.until(START + timedelta(minutes=minutes))
    incident, version = sorted(life.incidents(), key=lambda row: row.opened_at)
    assert (incident.state, version.state) == ("firing", "firing")
    first, second = incident.changes
    (third,) = version.changes
    for change, began in ((first, 7), (second, 10), (third, 13)):
        late = datetime.fromisoformat(change["at"]) - (START + began * HOUR)
        assert timedelta(0) < late <= HOUR / 2, change
    assert second["reason"].startswith("changed again: amount; rank shift ")
    assert second["columns"] == ["(joint)", "amount"]
    assert second["suspected_change"] is None
    assert "plan" in third["columns"]
    assert third["suspected_change"]["value"] == "v2"
    messages = [action for action in reversed(life.actions()) if action.kind in ("firing", "update")]
    of_first = [action.payload["data"]["headline"] for action in messages if action.incident == incident.id]
    assert ["changed again" in headline for headline in of_first] == [False, True]
    of_version = [
        (action.kind, action.payload["data"]["summary"]) for action in messages if action.incident == version.id
    ]
    assert of_version[0][0] == "firing"
    assert "Likely cause: model_version 'v2', first seen at" in of_version[0][1]


def test_silence_of_the_log_is_no_data_and_not_drift(world: World, lives: Any) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 9 * HOUR, HOUR, seed=2))
    life = lives(
        no_data={"after": 3, "do": ["slack"]}, checks=["drift", "quality"], rules=[{"when": ["drift", "quality"]}]
    )
    states = []
    for minutes in range(7 * 60, 10 * 60, 5):
        life.until(START + timedelta(minutes=minutes))
        states += [(row.rule, row.state) for row in life.incidents()]
    assert {rule for rule, state in states if state == "firing"} <= {"no_data", "drift+quality"}
    assert ("no_data", "firing") in states
    no_data = [row for row in life.incidents() if row.rule == "no_data"]
    assert [row.state for row in no_data] == ["resolved"]
    assert [action.kind for action in reversed(life.actions())] == ["firing", "resolved"]


def test_a_rolling_baseline_waits_for_rows_then_moves_on_once_a_day(world: World, lives: Any) -> None:
    world.log(rows_of(START + 2 * HOUR, 60 * HOUR, per_minute=2))
    life = lives(baseline={"rolling": "12h", "min_rows": 1000}, bucket="30m", window="2h")
    life.until(START + 3 * HOUR)
    assert life.watch.lifecycle.baseline is None
    life.until(START + 3 * HOUR + HOUR / 2)
    assert {row.result for row in life.rows(START, START + 4 * HOUR)} == {"inconclusive"}
    life.until(START + 20 * HOUR)
    life.until(START + 20 * HOUR + HOUR / 2)
    first = life.watch.lifecycle.baseline
    assert first is not None
    assert first.state == "active"
    life.until(START + 60 * HOUR)
    life.until(START + 60 * HOUR + HOUR / 2)
    second = life.watch.lifecycle.baseline
    assert second is not None
    assert second.layout == first.layout
    assert second.id > first.id
    assert life.incidents() == [] or {row.rule for row in life.incidents()} == {"no_data"}
    with life.database.read() as connection:
        assert baselines.newest_id(connection, "shop", life.watch.lifecycle.definition) == second.standing


def test_a_broken_neighbour_stops_nobody(world: World, lives: Any, failures: list[dict[str, Any]]) -> None:
    world.log(rows_of(START, 8 * HOUR))
    life = lives(bucket="15m")
    broken = make_daemon(life.database, life.config, life.clock).monitors[0]
    broken.monitor = broken.monitor.model_copy(update={"name": "broken"})
    broken.prepare = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    life.daemon.monitors = [broken, life.watch]
    life.until(START + 8 * HOUR)
    assert len(life.rows(START, START + 8 * HOUR)) == 32
    assert {(said["event"], said["monitor"]) for said in failures} == {("turn_failed", "broken")}
    failures.clear()


def test_thresholds_are_learnt_beside_the_ticks_and_the_old_ones_hold_until_then(world: World, lives: Any) -> None:
    world.log(rows_of(START, 9 * HOUR))
    life = lives(bucket="15m")
    other = life.config.monitors[0].model_copy(update={"name": "neighbour"})
    neighbour = make_job(life.database, life.config, other, life.clock)
    life.watch.lifecycle.sums_in_background = True
    life.daemon.monitors = [life.watch, neighbour]
    life.until(START + 8 * HOUR)
    assert life.watch.lifecycle.baseline is not None
    assert life.watch.lifecycle.baseline.state == "learning"
    assert neighbour.lifecycle.baseline is not None
    assert neighbour.lifecycle.baseline.state == "active"  # it did not wait
    life.until(START + 8 * HOUR)
    assert life.watch.lifecycle.baseline.state == "learning"
    assert life.watch.lifecycle.compute_sum()
    assert not life.watch.lifecycle.compute_sum()  # requested once
    life.until(START + 8 * HOUR)
    assert life.watch.lifecycle.baseline.state == "active"
    assert len(life.rows(START, START + 8 * HOUR)) == 32
    before = life.watch.lifecycle.baseline.calibration
    life.watch.lifecycle._monitor = life.watch.monitor.model_copy(update={"alert_budget": "1/month"})
    life.until(START + 8 * HOUR + HOUR / 4)
    assert life.watch.lifecycle.baseline.calibration == before
    assert len(life.rows(START, START + 8 * HOUR + HOUR / 4)) == 33  # buckets go on under the old thresholds
    life.daemon.compute_sums()
    life.until(START + 8 * HOUR + 2 * HOUR / 4)
    after = life.watch.lifecycle.baseline.calibration
    assert after.limit is not None
    assert before.limit is not None
    assert after.limit.budget < before.limit.budget


def test_a_sum_that_fails_fails_the_turn_and_is_requested_again(
    world: World, lives: Any, failures: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.log(rows_of(START, 9 * HOUR))
    life = lives(bucket="15m")
    life.watch.lifecycle.sums_in_background = True
    life.until(START + 8 * HOUR)
    with monkeypatch.context() as patch:
        patch.setattr(baseline_sums, "sum_buckets", lambda *_: 1 / 0)
        life.watch.lifecycle._sum = BaselineSum()
        life.until(START + 8 * HOUR)
        life.daemon.compute_sums()
    life.until(START + 8 * HOUR)
    assert {(said["event"], said["monitor"]) for said in failures} == {("turn_failed", "shop")}
    failures.clear()
    life.until(START + 8 * HOUR)
    life.daemon.compute_sums()
    life.until(START + 8 * HOUR)
    assert life.watch.lifecycle.baseline is not None
    assert life.watch.lifecycle.baseline.state == "active"


def test_a_rolling_baseline_does_not_absorb_a_slow_drift(world: World, lives: Any) -> None:
    """0.12 standard deviations a day: each day's baseline follows, and the first one remembers."""
    days = 7
    for hour in range(days * 24):
        world.log(rows_of(START + hour * HOUR, HOUR, per_minute=1, seed=hour, shift=0.12 * hour / 24))
    rules = [{"when": ["unseen"]}]  # nobody is told of the drift itself, so only the baseline's own rule can be
    life = lives(baseline={"rolling": "3d", "min_rows": 1000}, bucket="1h", window="4h", rules=rules)
    life.until(START + 3 * 24 * HOUR)
    life.until(START + 3 * 24 * HOUR + HOUR)
    for hour in range(3 * 24 + 4, days * 24 + 1, 4):
        life.until(START + hour * HOUR)
    baseline = life.watch.lifecycle.baseline
    assert baseline is not None
    assert baseline.rows > 0.9 * 3 * 24 * 60, "the standing finding must not keep the baseline from moving on"
    [far] = evaluate_anchor(baseline)
    assert (far.check, far.column, far.direction, far.about) == ("baseline", "amount", "neutral", "pipe")
    assert 0.3 < (far.statistic or 0.0) < 0.6
    assert "total change since the first baseline (2026-11-01 to 2026-11-0" in far.reason
    told = [row for row in life.incidents() if row.rule == "baseline"]
    assert [row.state for row in told] == ["firing"]
    assert "driftd baseline relearn" in notes_on(baseline)[-1]
    with life.database.write() as connection:
        assert baselines.notes(connection, "shop")[-1] == notes_on(baseline)[-1]
        baselines.retire(connection, "shop")
    life.until(START + days * 24 * HOUR + 2 * HOUR)
    life.until(START + days * 24 * HOUR + 3 * HOUR)
    assert life.watch.lifecycle.baseline is not None
    assert evaluate_anchor(life.watch.lifecycle.baseline) == []
