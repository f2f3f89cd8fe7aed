"""`baseline: {previous: …}`: windows are compared with what lies before them, and an anchor keeps the total change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.baselines.definition import definition
from monitor.checks.anchor import evaluate_anchor
from monitor.checks.calibrate import calibrate
from monitor.checks.calibration_settings import definition as calibration_definition
from monitor.cli.connections import open_reader, open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.jobs.backtest import backtest
from monitor.jobs.memory_baseline import baseline_for
from monitor.jobs.one_shot import check
from monitor.profiling.timeline import Timeline
from monitor.store import baselines, reads
from tests.support.hand import Hand
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
DAY = 24 * HOUR
moment = datetime.fromisoformat
COARSE: dict[str, Any] = {"bucket": "1h", "window": "4h", "rules": [{"when": ["drift"]}], "checks": ["drift"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    yield made
    made.close()


def test_a_step_is_found_once_and_then_is_what_windows_are_compared_with(world: World) -> None:
    world.log(rows_of(START, 4 * DAY, per_minute=1))
    world.log(rows_of(START + 4 * DAY, 2 * DAY, per_minute=1, seed=1, shift=0.8))
    stretches = {}
    for name, baseline in (("previous", {"rolling": "3d", "previous": "12h"}), ("rolling", {"rolling": "3d"})):
        monitor = load(world.configure(baseline=baseline, **COARSE)).monitors[0]
        with open_reader(monitor) as reader:
            [incident] = backtest(reader, monitor, (START + 3 * DAY, START + 6 * DAY))["incidents"]
            findings = check(reader, monitor, START + 6 * DAY)["findings"]
        assert "amount" in incident["columns"]
        drifted = {f["column"] for f in findings if f["check"] == "drift" and f["status"] == "drifted"}
        stretches[name] = incident["fired_at"], incident["resolved_at"], drifted
    fired, resolved, drifted = stretches["previous"]
    assert START + 4 * DAY < moment(fired) <= START + 4 * DAY + 4 * HOUR
    assert resolved is not None
    assert moment(resolved) <= START + 4 * DAY + 36 * HOUR  # until all sums have started anew
    assert drifted == set()
    assert "amount" in stretches["rolling"][2]


def test_thresholds_are_learnt_from_windows_and_what_lies_before_them(world: World) -> None:
    """A level that wanders from day to day is loud against the whole range and quiet against the hours before."""
    for day in range(6):
        world.log(rows_of(START + day * DAY, DAY, per_minute=2, seed=day, shift=0.3 * (day % 2)))
    nulls = {}
    for name, baseline in (("previous", {"rolling": "6d", "previous": "8h"}), ("rolling", {"rolling": "6d"})):
        monitor = load(world.configure(baseline=baseline, **COARSE)).monitors[0]
        with open_reader(monitor) as reader:
            learnt = baseline_for(reader, monitor, START + 6 * DAY)
        assert learnt is not None
        assert learnt.calibration.limit is not None
        nulls[name] = learnt.calibration.nulls["drift/amount/rank/"]
        assert (learnt.previous is not None) == (name == "previous")
    assert nulls["previous"].quantiles[0] < 0.7 * nulls["rolling"].quantiles[0]


def test_a_slow_drift_is_not_seen_by_windows_and_is_by_the_anchor(world: World) -> None:
    for hour in range(7 * 24):
        world.log(rows_of(START + hour * HOUR, HOUR, per_minute=1, seed=hour, shift=0.12 * hour / 24))
    settings = {**COARSE, "bucket": "2h", "catch_up": "3650d"}
    path = world.configure(baseline={"rolling": "3d", "previous": "8h", "min_rows": 1000}, **settings)
    config, clock = load(path), Hand(START)
    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config, clock)
        for hour in (3 * 24, 3 * 24 + 1, *range(3 * 24 + 4, 7 * 24 + 1, 4)):
            clock.moment = START + hour * HOUR
            daemon.tick_all()
        with database.read() as connection:
            told = {row.rule for row in reads.incident_rows(connection)}
            newest = baselines.newest(connection, "shop", daemon.monitors[0].lifecycle.definition)
        daemon.monitors[0].close()
    assert told == {"baseline"}
    assert newest is not None
    [far] = evaluate_anchor(newest)
    assert far.column == "amount"


def test_the_choice_leaves_the_baseline_and_learns_other_thresholds(world: World) -> None:
    rolling, previous = (
        load(world.configure(baseline=baseline)).monitors[0] for baseline in ({"rolling": "14d"}, {"previous": "7d"})
    )
    assert definition(rolling) == definition(previous)
    assert calibration_definition(rolling) != calibration_definition(previous)
    timeline = Timeline.of_baseline(previous, {}, START, START + 14 * DAY)
    timeline.is_complete[:] = True
    assert calibrate(previous, timeline, {})[0].limit.weeks == pytest.approx(1.0)  # type: ignore[union-attr]
