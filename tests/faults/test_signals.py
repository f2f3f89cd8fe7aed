"""Texts that hang, crash or bloat a signal: other monitors go on, no bucket is lost, and the daemon ends in time."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from monitor.store.database import Database
from monitor.store.tables import buckets
from tests.faults import tally
from tests.support.process import eventually, free_port
from tests.support.replicas import Replica
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
ODD = """
import tests.support.odd_signal
from monitor.profiling import signal_workers

workers = signal_workers.SignalWorkers
signal_workers.SignalWorkers = lambda memory: workers({seconds}, 1 << 30, "tests.support.odd_signal")
"""
LEASE = 30.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, 2 * HOUR, per_minute=4))
    yield made
    made.close()


def configure(world: World, port: int) -> None:
    """Write two monitors of two hours: one with the signal `odd`, and one without signals."""
    live = {"catch_up": "3650d", "start": START.isoformat(), "baseline": {"rolling": "7d"}}
    path = world.configure({"server": {"listen": f"127.0.0.1:{port}"}}, **live)
    written = yaml.safe_load(path.read_text())
    (monitor,) = written["monitors"]
    written["monitors"] = [{**monitor, "name": "odd", "signals": ["odd"]}, {**monitor, "name": "calm"}]
    path.write_text(yaml.safe_dump(written))


def results(world: World, monitor: str) -> list[Any]:
    """Return the results of the buckets of the two hours."""
    database = Database(world.store_url)
    with database.read() as connection:
        chosen = (buckets.c.monitor == monitor, buckets.c.start < START + 2 * HOUR, buckets.c.state == "finished")
        found = list(connection.execute(sa.select(buckets.c.result).where(*chosen)).scalars())
    database.close()
    return found


def state_of(process: int) -> tuple[str, int]:
    """Return the state of a process and its parent; the state of one that is gone is `Z`."""
    try:
        state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return "Z", 0
    return state, int(parent)


def workers_of(process: int) -> list[int]:
    """Return the children of a process that are at work."""
    numbers = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    return [number for number in numbers if state_of(number) == ("R", process)]


@pytest.mark.nightly
def test_bad_texts_cost_their_own_signals_only(world: World) -> None:
    for place, text in enumerate(["never end", "crash", "eat", "fail"]):
        world.log(rows_of(START + (2 * place + 1) * QUARTER, timedelta(minutes=1), per_minute=1, answer=text))
    port = free_port()
    configure(world, port)
    with Replica(world, "one", LEASE, ODD.format(seconds=0.2)) as replica:
        for monitor in ("calm", "odd"):
            eventually(lambda monitor=monitor: len(results(world, monitor)) == 8, 120, f"all buckets of {monitor}")
            assert "failed" not in results(world, monitor)
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        for reason in ("timeout", "crash", "memory", "error"):
            assert f'driftd_quarantined_records_total{{monitor="odd",reason="{reason}"}} 1.0' in text
        assert replica.process.poll() is None


def test_sigterm_while_a_text_hangs(world: World) -> None:
    world.log(rows_of(START, timedelta(minutes=1), per_minute=1, answer="never end"))
    configure(world, free_port())
    with Replica(world, "one", LEASE, ODD.format(seconds=600.0)) as replica:
        (worker,) = eventually(lambda: workers_of(replica.process.pid), 120, "a worker that hangs")
        eventually(lambda: len(results(world, "calm")) == 8, 120, "the buckets of the calm monitor")
        began = time.monotonic()
        replica.send(signal.SIGTERM)
        assert replica.process.wait(30) == 0
        tally.count("situations of SIGTERM")
        tally.note_worst("SIGTERM to the end of the process", time.monotonic() - began)
        eventually(lambda: state_of(worker)[0] == "Z", 10, "the end of the worker")
