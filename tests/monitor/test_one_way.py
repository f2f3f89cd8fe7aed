"""There is one way to an incident and to a message: `evaluate`, `decide`, `plan_actions`; a silence stops them all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.connections import open_reader, open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.core.action import Action
from monitor.core.incident import Decision
from monitor.jobs.backtest import backtest
from monitor.jobs.one_shot import check
from monitor.jobs.simulate import InjectingReader, Injection
from monitor.metrics.monitor_status import monitor_status
from monitor.store import incidents, outbox, reads, silences
from monitor.store.database import Database
from tests.monitor.test_transactions import BASELINE, configured, log
from tests.support.decisions import START as MOMENT
from tests.support.decisions import incident_of
from tests.support.hand import Hand
from tests.support.one_way import OneWay, one_way
from tests.support.world import START, World, rows_of

__all__ = ["one_way"]  # the fixture
HOUR = timedelta(hours=1)
SLACK = {"slack": {"token": "t", "channel": "#ml", "base_url": "http://127.0.0.1:1/api/"}}


def stored(database: Database) -> tuple[list[Any], list[Any]]:
    with database.read() as connection:
        return list(reads.incident_rows(connection)), list(reads.action_rows(connection))


def test_a_live_bucket_stores_what_was_decided_and_planned(tmp_path: Path, one_way: OneWay) -> None:
    log(url := f"sqlite:///{tmp_path / 'log.db'}")
    with open_store(made := configured(url, f"sqlite:///{tmp_path / 'store.db'}"), upgrade=True) as database:
        daemon = make_daemon(database, made, Hand(START + BASELINE))
        for hours in range(5):
            daemon.clock.moment = START + BASELINE + hours * HOUR  # type: ignore[attr-defined]
            daemon.tick_all()
        daemon.monitors[0].close()
        found, planned = stored(database)
    assert {incident.rule for incident in found} >= {"anything"}
    assert {action.kind for action in planned} >= {"firing", "retrain", "rollback"}
    assert one_way.stored >= len(found) + len(planned)


def test_what_was_not_decided_is_noticed(tmp_path: Path, one_way: OneWay) -> None:
    """The check can fail."""
    log(url := f"sqlite:///{tmp_path / 'log.db'}")
    action = Action(
        id="a",
        monitor="bot",
        incident="i-1",
        name="slack",
        kind="firing",
        mode="auto",
        state="pending",
        reason="",
        payload={"type": "", "timestamp": "", "data": {}},
        created_at=MOMENT,
        sequence=0,
    )
    made = configured(url, f"sqlite:///{tmp_path / 'store.db'}")
    with open_store(made, upgrade=True) as database, database.write() as connection:
        incidents.save_decision(connection, Decision(incident_of(), "firing", "rose"))
        outbox.save_actions(connection, [action])
    assert [violation.partition(":")[0] for violation in one_way.violations] == ["incidents", "actions"]
    one_way.violations.clear()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.log(rows_of(START, timedelta(hours=8), 10))
    yield world


def test_a_silence_holds_for_a_source_error_and_the_status_is_the_same_everywhere(
    world: World, one_way: OneWay
) -> None:
    settings = {
        "baseline": {"from": START.isoformat(), "to": (START + 6 * HOUR).isoformat()},
        "catch_up": "3650d",
        "no_data": {"after": 1, "do": ["slack"]},
        "rules": [{"when": ["drift"], "do": ["slack"]}],
    }
    made = load(world.configure(SLACK, **settings))
    with open_store(made, upgrade=True) as database:
        daemon = make_daemon(database, made, clock := Hand(START + 7 * HOUR))
        daemon.tick_all()
        with database.write() as connection:
            silence = {"monitor": "*", "rule": "*", "starts_at": START, "ends_at": START + 100 * HOUR}
            silences.add_silence(connection, {**silence, "comment": "maintenance", "created_by": "me"})
        world.execute('ALTER TABLE "inference log" RENAME TO gone')
        for hours in (7.2, 8):
            clock.moment = START + hours * HOUR
            daemon.tick_all()
        found, planned = stored(database)
        state = reads.snapshot(database, made)
    assert [(incident.rule, incident.state) for incident in found] == [("no_data", "firing")]
    assert planned == []
    said = monitor_status(state.monitors[0], made.monitors[0].bucket, state.at)
    result = world.run("status", "--json")
    assert said.state in result.stdout
    assert (said.state, result.returncode) == ("source error", 2)


@pytest.mark.parametrize("command", ["check", "backtest", "simulate"])
def test_commands_that_only_look_decide_and_plan_the_same_way_and_store_nothing(
    tmp_path: Path, one_way: OneWay, command: str
) -> None:
    log(url := f"sqlite:///{tmp_path / 'log.db'}")
    made = configured(url, f"sqlite:///{tmp_path / 'store.db'}")
    monitor, receivers = made.monitors[0], made.receivers
    between = (START + BASELINE, START + 15 * HOUR)
    with open_reader(monitor) as reader:
        if command == "check":
            verdict = check(reader, monitor, START + 15 * HOUR, receivers)
            assert verdict["status"] == "firing"
            (compared,) = [f for f in verdict["findings"] if (f["check"], f["method"]) == ("experiment", "verdict")]
            assert compared["n_window"] == 482  # from the start of the experiment on
            assert [f["n_window"] > 300 for f in verdict["findings"] if f["method"] == "agreement"] == [True]
            actions = verdict["actions"]
        elif command == "backtest":
            actions = backtest(reader, monitor, between, receivers=receivers)["actions"]
        else:
            injection = Injection.of("shift", "amount", 9.0, between[0], reader, monitor, between[0])
            actions = backtest(InjectingReader(reader, injection), monitor, between, receivers=receivers)["actions"]
    assert {action["kind"] for action in actions} >= {"firing", "retrain"}
    assert one_way.decided
    assert len(one_way.planned) >= len(actions)
    assert one_way.stored == 0
