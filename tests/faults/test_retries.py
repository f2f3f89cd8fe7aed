"""A bucket that ends the process, and a store that goes away in the middle of one: with real processes and servers."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from monitor.checks import observe
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.store.database import Database
from monitor.store.tables import buckets
from tests.support import postgres, prefork
from tests.support.hand import Hand
from tests.support.process import eventually
from tests.support.world import START, World, rows_of

HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)
LIVE = START + HOUR
HISTORY: dict[str, Any] = {
    "bucket": "5m",
    "baseline": {"from": START.isoformat(), "to": LIVE.isoformat(), "min_rows": 100},
    "catch_up": "3650d",
}
pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

LETHAL = f"""
import os, signal
from datetime import datetime
from monitor.checks import observe
from monitor.cli import app

profile = observe.profile_bucket

def end_at(reader, monitor, layouts, bucket):
    if monitor.name == "lethal" and bucket.start == datetime.fromisoformat("{(LIVE + FIVE).isoformat()}"):
        os.kill(os.getpid(), signal.SIGKILL)
    return profile(reader, monitor, layouts, bucket)

observe.profile_bucket = end_at
app()
"""
"""The real command line, but for one bucket of one monitor: reading it is the end."""


def results(store: str, monitor: str) -> dict[Any, tuple[str, str | None]]:
    database = Database(store)
    try:
        with database.read() as connection:
            query = sa.select(buckets.c.start, buckets.c.result, buckets.c.reason).where(
                buckets.c.monitor == monitor, buckets.c.state == "finished", buckets.c.start >= LIVE
            )
            return {row.start: (row.result, row.reason) for row in connection.execute(query)}
    finally:
        database.close()


def test_a_bucket_that_ends_the_process_is_given_up_the_fourth_time_and_everybody_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.log(rows_of(START, 2 * HOUR, per_minute=4))
    path = world.configure({"server": {"listen": "127.0.0.1:0"}}, **HISTORY)
    config = yaml.safe_load(path.read_text())
    config["monitors"] = [config["monitors"][0] | {"name": name} for name in ("lethal", "neighbour")]
    path.write_text(yaml.safe_dump(config))
    program = tmp_path / "lethal.py"
    program.write_text(LETHAL)

    def start() -> prefork.Command:
        with (tmp_path / "daemon.log").open("a") as out:
            return prefork.Command(["run"], out, out, cwd=tmp_path, env=world.environment(), program=program)

    for _ in range(3):
        process = start()
        try:
            assert process.wait(120) == -signal.SIGKILL
        finally:
            process.kill()
        assert LIVE + FIVE not in results(world.store_url, "lethal")
    process = start()
    try:
        last = START + 2 * HOUR - FIVE
        for name in ("lethal", "neighbour"):
            eventually(lambda name=name: last in results(world.store_url, name), 120, f"the buckets of {name}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    found = results(world.store_url, "lethal")
    reason = "killed: the process ended 3 times while it computed this bucket"
    assert found.pop(LIVE + FIVE) == ("failed", reason)
    # Up to the end of the log; it stands still, so what comes after is of no account.
    assert {start: result for start, result in found.items() if start <= last} == dict.fromkeys(
        (LIVE + place * FIVE for place in range(12) if place != 1), ("done", None)
    )
    assert "failed" not in {result for result, _ in results(world.store_url, "neighbour").values()}
    world.close()


def test_a_store_that_restarts_in_the_middle_of_a_bucket_is_waited_for_by_nobody_once_it_is_back(
    tmp_path: Path, own_server: postgres.OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", own_server.url.render_as_string(hide_password=False))
    world.log(rows_of(START, 2 * HOUR, per_minute=4))
    config = load(world.configure(**HISTORY))
    profile, stops = observe.profile_bucket, [LIVE, LIVE + FIVE, LIVE + FIVE, LIVE + FIVE, LIVE + FIVE]

    def stop_at(reader: Any, monitor: Any, layouts: Any, bucket: Any) -> Any:
        if stops and bucket.start == stops[0]:
            stops.pop(0)
            own_server.stop(signal.SIGQUIT)
        return profile(reader, monitor, layouts, bucket)

    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config, Hand(LIVE))
        daemon.tick_all()
        daemon.tick_all()
        monkeypatch.setattr(observe, "profile_bucket", stop_at)
        daemon.clock.moment = LIVE + 3 * FIVE  # type: ignore[attr-defined]
        while stops:
            left = len(stops)
            daemon.tick_all()
            assert len(stops) == left - 1, "each turn takes the bucket of the one before back, without waiting"
            own_server.restart()
        daemon.tick_all()
        assert results(world.store_url, "shop") == {LIVE + place * FIVE: ("done", None) for place in range(3)}
        daemon.monitors[0].close()
    world.close()
