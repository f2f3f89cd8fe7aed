"""The demo tells its story: the model that was swapped is found, named, and undone."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.cli.demo.command import LAG, LEARNT, FastClock
from tests.support import prefork
from tests.support.process import free_port
from tests.support.world import START

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

HOUR = timedelta(hours=1)


@pytest.mark.timeout(600)
def test_the_demo_finds_the_swapped_model(tmp_path: Path) -> None:
    command = ["demo", "--no-serve", "--json"]
    place = ["--folder", str(tmp_path), "--listen", f"127.0.0.1:{free_port()}"]
    done = prefork.run([*command, *place], timeout=480)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["incidents"] == 1
    assert "rate.hallucinated" in told["incident"]["checks"]
    assert told["incident"]["suspected_change"]["value"] == "doha"
    assert told["incident"]["opened_at"] >= told["swapped_at"][:16]
    assert not told["rollback"]["delivered"] or told["rollback"]["target"]["model_version"] == "ctrl"
    assert "Traceback" not in done.stderr


def test_the_clock_of_the_demo_waits_for_the_daemon() -> None:
    clock = FastClock(START, START + 2 * HOUR, speed=1e9)
    assert clock.now() == START + LEARNT
    clock.limit = START + HOUR + LAG
    assert clock.now() == START + HOUR + LAG
    clock.limit = START + 3 * HOUR
    assert clock.now() == START + 2 * HOUR
