"""Older buckets and findings are summed, and rows whose retention has ended are deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from detectors.base import Finding, Status
from detectors.binning import Binning
from detectors.cost.breaker import Breaker
from detectors.cost.objective import EventCounts
from detectors.profile import Profile
from detectors.records import Column
from monitor.checks.baseline import Baseline
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.config.models import Config, ConfigError
from monitor.core.clock import SystemClock
from monitor.jobs import retention
from monitor.profiling.bucket_profiles import BucketProfiles, pack_profiles
from monitor.profiling.facts import Facts
from monitor.store import aggregates, baselines, breakers, judge_labels, migrate, reads, rollups, tables, turns, windows
from monitor.store.aggregates import Entry
from monitor.store.database import Connection, Database, now
from monitor.store.finding_history import load_points
from monitor.store.findings import add_findings, load_sequential_state
from monitor.store.kinds import TABLES
from tests.support.world import START

SECOND, BUCKET, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
LAYOUT = Binning(kind="numeric", edges=(0.0, 1.0, 2.0))
DAYS = 2
END = START + DAYS * DAY
LATER = END + 10 * DAY
"""A time at which every bucket is old: the monitor needs them for eight days."""
STARTS = [START + place * BUCKET for place in range(DAYS * 96)]


def configure(**settings: Any) -> Config:
    source = {"url": "sqlite:///log.db", "table": "log", "columns": {"timestamp": "at"}}
    baseline = {"from": (START - DAY).isoformat(), "to": START.isoformat()}
    monitor = {"name": "bot", "source": source, "bucket": "15m", "window": "1h", "baseline": baseline}
    return Config.model_validate({"monitors": [monitor], **settings})


def facts_of(place: int) -> Facts:
    at = (START + place * BUCKET).timestamp()
    versions = {"model_version": {f"v{place // 100}": [float(place), at, at + 60]}}
    return Facts(rows=place, first=at, last=at + 60, versions=versions, clients={"user": [place, 1, 0, 2]})


def profile_of(place: int) -> Profile:
    return Profile.of(Column.of(np.random.default_rng(place).normal(1, 1, 20).tolist()), LAYOUT)


def findings_of(place: int) -> list[Finding]:
    value = 1.0 + place / 1000
    measured = {"value": value, "low": 0.5, "high": 1.5, "baseline_value": 0.4, "other": "not drawn"}
    drifted = Status.DRIFTED if place % 96 == 50 else Status.OK
    state = {"state": {"rise": float(place)}}
    return [
        Finding("drift", "amount", "psi", None, drifted, "a sentence", place % 96 / 100, 0.2, detail=measured),
        Finding("drift", "amount", "cusum", "plan=pro", Status.OK, "a sentence", 0.1, 5.0, detail=state),
        Finding("quality", "plan", "missing", None, Status.INCONCLUSIVE, "too few rows"),
    ]


def fill(database: Database, places: range = range(len(STARTS))) -> Baseline:
    """Store buckets, and a baseline of the day before them."""
    with database.write() as connection:
        layouts = {"amount": LAYOUT}
        identity = baselines.start_learning(connection, "bot", "definition", layouts, START - DAY, START)
        learnt = baselines.newest(connection, "bot", "definition")
        assert learnt is not None
        baselines.freeze(connection, identity, replace(learnt, profiles={None: {"amount": profile_of(0)}}), {})
        store_buckets(connection, learnt, places)
    return replace(learnt, state="active")


def store_buckets(connection: Connection, baseline: Baseline, places: Iterable[int], revision: int = 1) -> None:
    entries, rows = [], []
    for place in places:
        start, profiles = STARTS[place], {None: {"amount": profile_of(place)}}
        entries.append(Entry(("facts", ""), start, facts_of(place)))
        entries.append(Entry(("profile", ""), start, BucketProfiles(baseline.layout, {}, profiles)))
        add_findings(connection, "bot", start, findings_of(place))
        row = {"monitor": "bot", "start": start, "state": "finished", "revision": revision, "result": "done"}
        rows.append({**row, "fence": 1, "usage": {"place": place}, "source_rows": place})
    aggregates.save(connection, "bot", entries)
    connection.execute(sa.delete(tables.buckets).where(tables.buckets.c.start.in_([row["start"] for row in rows])))
    connection.execute(sa.insert(tables.buckets), rows)


def count(database: Database, table: sa.Table) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows that retention changes, without those that contain the time of the run."""
    with database.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in (tables.aggregates, tables.rollups, tables.findings, tables.finding_history, tables.buckets)
        }


def sums(database: Database, baseline: Baseline, start: datetime, end: datetime) -> tuple[bytes, bytes, int]:
    with database.read() as connection:
        facts, profiles, starts = windows.sum_range(connection, "bot", baseline, start, end)
    return facts.to_bytes(), pack_profiles(profiles), len(starts)


# ------------------------------------------------------------------ sums of buckets


def test_sums_over_a_range_are_the_same_bytes_when_buckets_are_summed_to_hours_and_to_days(database: Database) -> None:
    baseline = fill(database)
    before, part = sums(database, baseline, START, END), sums(database, baseline, START + HOUR, START + 5 * HOUR)
    assert before[2] == len(STARTS)
    retention.apply_retention(database, configure(), LATER)
    assert count(database, tables.aggregates) == 0
    assert count(database, tables.rollups) == 2 * DAYS * 24
    assert sums(database, baseline, START, END) == before
    assert sums(database, baseline, START + HOUR, START + 5 * HOUR) == part
    retention.apply_retention(database, configure(), LATER + 90 * DAY)
    assert count(database, tables.rollups) == 2 * DAYS
    assert sums(database, baseline, START, END) == before


def test_buckets_that_windows_and_baselines_need_are_not_summed(database: Database) -> None:
    fill(database)
    needed = configure().monitors[0].buckets_needed
    retention.apply_retention(database, configure(), END + needed - DAY)
    with database.read() as connection:
        assert aggregates.oldest(connection, "bot", ("facts", "")) == START + DAY
    with database.write() as connection:
        connection.execute(sa.update(tables.baselines).values(start=END - HOUR, end=END))
    retention.apply_retention(database, configure(), LATER)
    with database.read() as connection:
        assert aggregates.starts(connection, "bot", ("profile", ""), START) == STARTS[-4:], "a baseline sums them"


def test_a_bucket_that_is_stored_again_after_its_hour_was_summed_is_not_counted_twice(database: Database) -> None:
    baseline = fill(database)
    before = sums(database, baseline, START, END)
    retention.apply_retention(database, configure(), LATER)
    with database.write() as connection:
        store_buckets(connection, baseline, [5], revision=2)
    retention.apply_retention(database, configure(), LATER)
    assert sums(database, baseline, START, END) == before
    with database.write() as connection:
        store_buckets(connection, baseline, range(4), revision=2)
        changed = [Entry(("facts", ""), start, Facts(rows=1000)) for start in STARTS[:4]]
        aggregates.save(connection, "bot", changed)
    retention.apply_retention(database, configure(), LATER)
    with database.read() as connection:
        facts, _, starts = windows.sum_range(connection, "bot", baseline, START, START + HOUR)
    assert (facts.rows, len(starts)) == (4000, 4), "all buckets of the hour were computed again, so they replace it"


def test_buckets_that_are_computed_again_wait(database: Database) -> None:
    fill(database, range(8))
    with database.write() as connection:
        connection.execute(sa.update(tables.buckets).where(tables.buckets.c.start == STARTS[1]).values(state="stale"))
    retention.apply_retention(database, configure(), LATER)
    with database.read() as connection:
        assert aggregates.starts(connection, "bot", ("facts", ""), START) == [STARTS[1]]
    with database.write() as connection:
        connection.execute(sa.update(tables.buckets).values(state="finished"))
    retention.apply_retention(database, configure(), LATER)
    with database.read() as connection:
        (hour, _) = rollups.load(connection, "bot", "facts", "1", START, START + 2 * HOUR)
    assert hour.buckets == set(STARTS[:4])


class Killed(Exception):
    """The process ended."""


def test_a_run_that_is_killed_at_any_statement_is_continued_by_the_next(sqlite_url: str) -> None:
    """Kill the first run at its first statement, the second at its second, and so on, until one ends."""
    undisturbed, killed = Database(sqlite_url), Database(f"{sqlite_url}.killed")
    for database in (undisturbed, killed):
        migrate.upgrade(database)
        fill(database, range(24))
    retention.apply_retention(undisturbed, configure(), LATER + 90 * DAY)
    left, kills = [0], 0

    def kill(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    sa.event.listen(killed.engine, "before_cursor_execute", kill)
    while True:
        left[0] = kills
        try:
            retention.apply_retention(killed, configure(), LATER + 90 * DAY)
            break
        except Killed:
            kills += 1
    assert kills > 50
    sa.event.remove(killed.engine, "before_cursor_execute", kill)
    assert dump(killed) == dump(undisturbed)
    undisturbed.close()
    killed.close()


def test_of_several_replicas_one_runs_it_at_a_time(database: Database) -> None:
    fill(database)
    with database.write() as connection:
        assert turns.take(connection, retention.TURN, retention.EVERY)
    (job,) = [each for each in make_daemon(database, configure(), SystemClock()).jobs() if each.name == "retention"]
    job.run()
    assert count(database, tables.rollups) == 0, "another replica has the turn"
    with database.write() as connection:
        connection.execute(sa.delete(tables.evaluation_turns))
    job.run()
    assert count(database, tables.findings) == 12, "those of the newest hour"


# ------------------------------------------------------------------ findings


def test_charts_show_the_same_points_when_findings_are_in_the_history(database: Database) -> None:
    fill(database)
    keys = [finding.key for finding in findings_of(0)]
    with database.read() as connection:
        before = load_points(connection, "bot", keys, START, END)
        newest = reads.findings_at(connection, "bot", STARTS[-1])
    retention.apply_retention(database, configure(), END)
    with database.read() as connection:
        after = load_points(connection, "bot", keys, START, END)
        assert reads.findings_at(connection, "bot", STARTS[-1]) == newest
    assert count(database, tables.findings) == 12, "metrics and pages need those of the newest bucket"
    assert list(after) == keys
    for key, points in before.items():
        assert [(each.start, each.status, each.unit) for each in after[key]] == [
            (each.start, each.status, each.unit) for each in points
        ]
        assert [each.statistic for each in after[key]] == [each.statistic for each in points]
    assert after[keys[0]][7].detail == {"value": 1.007, "low": 0.5, "high": 1.5, "baseline_value": 0.4}
    assert after[keys[2]][7].detail is None


def test_older_points_are_thinned_to_the_highest_of_an_hour_and_of_a_day(database: Database) -> None:
    fill(database)
    key = findings_of(0)[0].key

    def points_at(at: datetime) -> list[tuple[datetime, str]]:
        retention.apply_retention(database, configure(), at)
        with database.read() as connection:
            return [
                (point.start, point.status) for point in load_points(connection, "bot", [key], START, START + DAY)[key]
            ]

    noon = START + 12 * HOUR
    of_hour = [(noon, "ok"), (noon + 2 * BUCKET, "drifted"), (noon + 3 * BUCKET, "ok")]
    hourly = points_at(END + 3 * DAY + HOUR)
    assert [point for point in hourly if noon < point[0] < noon + HOUR] == of_hour[1:]
    assert hourly[:3] == [(START, "ok"), (START + 3 * BUCKET, "ok"), (START + 7 * BUCKET, "ok")]
    assert count(database, tables.finding_history) == DAYS
    daily = [(START, "ok"), *of_hour[1:], (START + 95 * BUCKET, "ok")]
    assert points_at(END + 40 * DAY) == daily
    assert count(database, tables.finding_history) == 1, "a row for each week"
    assert points_at(END + 400 * DAY) == []
    assert count(database, tables.finding_history) == 0


def test_the_state_of_a_sequential_detector_is_read_from_the_history(database: Database) -> None:
    fill(database)
    with database.read() as connection:
        before = [load_sequential_state(connection, "bot", start) for start in STARTS]
    assert before[7] == {findings_of(7)[1].key: {"rise": 7.0}}
    config = configure()
    monitor = config.monitors[0].model_copy(update={"window": 6 * HOUR})  # late records are counted for six days
    config = config.model_copy(update={"monitors": [monitor]})
    for at in (END, END + 4 * DAY):
        retention.apply_retention(database, config, at)
        with database.read() as connection:
            assert [load_sequential_state(connection, "bot", start) for start in STARTS] == before


def test_a_bucket_that_is_computed_again_replaces_its_points(database: Database) -> None:
    baseline = fill(database)
    retention.apply_retention(database, configure(), END)
    with database.write() as connection:
        store_buckets(connection, baseline, [3], revision=2)
        connection.execute(sa.update(tables.findings).where(tables.findings.c.start == STARTS[3]).values(statistic=7.0))
    key = findings_of(0)[0].key
    for _ in range(2):
        with database.read() as connection:
            points = load_points(connection, "bot", [key], START, START + HOUR)[key]
        assert [point.statistic for point in points] == [0.0, 0.01, 0.02, 7.0]
        retention.apply_retention(database, configure(), END)


# ------------------------------------------------------------------ other rows


FILE = """\
retention: {{buckets: {buckets}, incidents: 5y}}
monitors:
  - name: bot
    source: {{url: "sqlite:///log.db", table: log, columns: {{timestamp: at}}}}
    baseline: {{rolling: 14d}}
"""


def test_buckets_must_be_kept_as_long_as_the_baseline_needs_them(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text(FILE.format(buckets="14d"))
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert "driftd.yaml:1" in str(refused.value)
    assert "buckets would be deleted after 14d, but monitor 'bot' needs them for 15d1h5m30s" in str(refused.value)
    assert "Write at least 15d2h" in str(refused.value)
    path.write_text(FILE.format(buckets="15d2h"))
    assert load(path).retention.incidents == 5 * 365 * DAY


def test_every_table_has_a_retention_or_a_reason() -> None:
    keys = set(type(configure().retention).model_fields)
    assert all(one.kept in keys or len(one.kept.split()) > 1 for one in TABLES)


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
    retention.apply_retention(database, configure(), at + SECOND)
    with database.read() as connection:
        assert connection.execute(sa.select(verdicts.c.record)).scalars().all() == ["new"]
        assert connection.execute(sa.select(transitions.c.value)).scalars().all() == ["new"]


AT = START + 4000 * DAY
OLD: dict[str, Callable[[datetime], tuple[sa.Table, dict[str, Any]]]] = {
    "audit": lambda at: (
        tables.audit,
        {
            "at": at,
            **dict.fromkeys(("by", "role", "channel", "operation", "result", "subject_kind", "subject"), "x"),
            **{"monitor": "bot", "reason": "", "detail": {}, "verified": True},
        },
    ),
    "labels": lambda at: (tables.labels, {"monitor": "bot", "record": str(at), "label": "1", "at": at}),
    "versions": lambda at: (
        tables.versions,
        {"monitor": "bot", "role": "model_version", "value": str(at), "first_seen": START, "last_seen": at, "rows": 1},
    ),
    "deploy_events": lambda at: (
        tables.deploy_events,
        {
            "id": str(at),
            "monitor": "bot",
            "at": at,
            "reported_at": at,
            **dict.fromkeys(("kind", "version", "commit", "author", "link"), "x"),
        },
    ),
}
RETENTIONS = {"audit": 1825, "labels": 730, "versions": 1825, "deploy_events": 1825}


@pytest.mark.parametrize("kind", OLD)
def test_rows_are_deleted_when_their_retention_has_ended(sqlite_database: Database, kind: str) -> None:
    limit = AT - RETENTIONS[kind] * DAY
    for at in (limit - HOUR, limit + HOUR):
        table, row = OLD[kind](at)
        with sqlite_database.write() as connection:
            connection.execute(sa.insert(table).values(**row))
    retention.apply_retention(sqlite_database, configure(), AT)
    assert count(sqlite_database, table) == 1


def test_incidents_go_with_their_transitions_and_actions_and_open_ones_stay(sqlite_database: Database) -> None:
    def add(name: str, opened: datetime, resolved: datetime | None) -> None:
        state = "resolved" if resolved else "firing"
        incident = {"id": name, "monitor": "bot", "rule": "r", "severity": "info", "state": state, "reason": ""}
        incident |= {"opened_at": opened, "resolved_at": resolved, "updated_at": opened, "bad": 1, "clean": 0}
        action = {"id": name, "monitor": "bot", "incident": name, "name": "slack", "kind": "firing", "mode": "auto"}
        action |= {"state": "delivered", "payload": {}, "created_at": opened, "sequence": 0}
        with sqlite_database.write() as connection:
            connection.execute(sa.insert(tables.incidents).values(**incident, evidence={}))
            connection.execute(sa.insert(tables.transitions).values(incident=name, at=opened, state=state, reason=""))
            connection.execute(sa.insert(tables.actions).values(**action))

    for name, age in (("ancient", 2000), ("old", 500), ("new", 10)):
        add(name, AT - (age + 1) * DAY, AT - age * DAY)
    add("open", AT - 3000 * DAY, None)
    retention.apply_retention(sqlite_database, configure(), AT)
    with sqlite_database.read() as connection:
        names = [
            sorted(connection.execute(sa.select(column)).scalars())
            for column in (tables.incidents.c.id, tables.transitions.c.incident, tables.actions.c.id)
        ]
    assert names == [["new", "old", "open"], ["new", "old", "open"], ["new", "open"]]


def test_results_usage_and_events_of_old_buckets_are_deleted(database: Database) -> None:
    fill(database)
    with database.write() as connection:
        aggregates.save(
            connection, "bot", [Entry(("events", "failed"), start, EventCounts(3, 1.0)) for start in STARTS]
        )
    retention.apply_retention(database, configure(), LATER)
    with database.read() as connection:
        used = connection.execute(sa.select(tables.buckets.c.usage).order_by(tables.buckets.c.start)).scalars().all()
        assert aggregates.oldest(connection, "bot", ("events", "failed")) is None, "no objective needs them"
    assert [row for row in used if row] == [{"place": place} for place in range(3, len(STARTS), 4)]
    retention.apply_retention(database, configure(retention={"hours": "30d"}), END + 1000 * BUCKET + 30 * DAY)
    assert count(database, tables.buckets) == 0
    with database.read() as connection:
        assert baselines.newest(connection, "bot", "definition") is not None
