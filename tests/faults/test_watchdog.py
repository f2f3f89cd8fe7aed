"""The watchdog ends the real process: with its stacks in the log, and an exit code for the supervisor."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from tests.support import prefork
from tests.support.hand import Hand
from tests.support.process import free_port
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

PROGRAM = """
import ctypes, threading
from datetime import timedelta
from monitor.checks import observe
from monitor.cli import app
from monitor.jobs import scheduler, watchdog
from monitor.web import server

def wait_forever(*arguments):
    threading.Event().wait()

def hold_the_interpreter(*arguments):
    ctypes.PyDLL(None).sleep(600)  # a function of a PyDLL keeps the lock of the interpreter

async def block(self, counter):
    wait_forever()

watchdog.EVERY = timedelta(seconds=0.05)
watchdog.Watchdog.watch.__defaults__ = (timedelta(seconds=1),)
"""
STOPS = {
    "the main loop": "scheduler.JobScheduler.wait = wait_forever",
    "the scheduler": "scheduler.BackgroundScheduler.wakeup = wait_forever\n"
    "scheduler.BackgroundScheduler._process_jobs = wait_forever",
    "the web server": "server._Uvicorn.on_tick = block",
    "monitor shop": "initialise = scheduler.Job.__init__\n"
    "scheduler.Job.__init__ = lambda *each, **named: initialise(*each, **{**named, 'limit': timedelta(seconds=1)})\n"
    "observe.profile_bucket = wait_forever",
}
"""What stops each part of the process."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, timedelta(hours=3), per_minute=4))
    listen = {"server": {"listen": f"127.0.0.1:{free_port()}"}}
    baseline = {"from": START.isoformat(), "to": (START + timedelta(hours=1)).isoformat()}
    made.configure(listen, catch_up="3650d", baseline=baseline)
    yield made
    made.close()


def start(world: World, patch: str) -> prefork.Command:
    program = world.folder / "program.py"
    program.write_text(f"{PROGRAM}\n{patch}\napp()\n")
    with (world.folder / "daemon.log").open("a") as out:
        return prefork.Command(["run"], out, out, cwd=world.folder, env=world.environment(), program=program)


@pytest.mark.parametrize("part", STOPS)
def test_a_part_that_stops_ends_the_process_with_its_stacks_in_the_log(part: str, world: World) -> None:
    process = start(world, STOPS[part])
    try:
        assert process.wait(60) == 70
    finally:
        process.kill()
    lines = [json.loads(line) for line in (world.folder / "daemon.log").read_text().splitlines()]
    (line,) = [each for each in lines if each["event"] == "watchdog"]
    assert part in line["detail"]
    frames = [frame for stack in line["stacks"].values() for frame in stack]
    assert any(frame.endswith((" wait_forever", " block")) for frame in frames)


def test_code_that_keeps_the_interpreter_ends_the_process(world: World) -> None:
    patch = "watchdog.INTERPRETER_SECONDS = 1\nobserve.profile_bucket = hold_the_interpreter"
    process = start(world, patch)
    try:
        assert process.wait(60) == 1
    finally:
        process.kill()
    assert "in hold_the_interpreter" in (world.folder / "daemon.log").read_text()


def test_a_full_disk_is_reported_by_monitor_and_ends_by_itself(world: World) -> None:
    """The store may grow no further, as on a full disk; what is stored can be read."""
    world.configure(
        catch_up="3650d",
        baseline={"from": START.isoformat(), "to": (START + timedelta(hours=1)).isoformat(), "min_rows": 100},
    )
    config = load(world.folder / "driftd.yaml")
    with open_store(config, upgrade=True) as database:
        pages: list[int] = []

        def limit(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages[0] if pages else 1_000_000}")

        sa.event.listen(database.engine, "checkout", limit)
        daemon = make_daemon(database, config, Hand(START + timedelta(hours=1)))
        daemon.tick_all()
        progress = daemon.liveness.progress
        assert progress.failure("shop") is None
        with database.read() as connection:
            pages.append(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
        daemon.clock.moment += timedelta(hours=2)  # type: ignore[attr-defined]
        for _ in range(60):  # what is free within the file is used first
            daemon.try_turn(daemon.monitors[0])
        assert progress.store_refuses()
        reason = "monitor shop: the last turn failed: driftd's own database refuses: database or disk is full"
        assert progress.failure("shop") == reason
        pages[0] = 1_000_000
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE buckets SET next_attempt_at = NULL")
        daemon.tick_all()
        assert (progress.failure("shop"), progress.store_refuses()) == (None, False)
        daemon.monitors[0].close()
