"""A running daemon takes a new configuration without a restart, and keeps the old one if the new one is bad."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.live import Live, live
from tests.support.process import eventually
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")
HOUR = timedelta(hours=1)
BASELINE = {"from": START.isoformat(), "to": (START + 2 * HOUR).isoformat(), "min_rows": 100}
RELOADED = "driftd_config_last_reload_successful"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, 4 * HOUR))
    yield made
    made.close()


def rows(world: World, query: str) -> list[Any]:
    with sqlite3.connect(world.folder / "driftd.db") as connection:
        return connection.execute(query).fetchall()


def change(world: World, **keys: Any) -> None:
    path = world.folder / "driftd.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **keys}))


def monitors_of(world: World) -> list[dict[str, Any]]:
    return list(yaml.safe_load((world.folder / "driftd.yaml").read_text())["monitors"])


def is_reload(daemon: Live, successful: int) -> bool:
    return f"{RELOADED} {successful}.0" in daemon.get("/metrics").text


def count(daemon: Live, event: str) -> int:
    return daemon.log.read_text().count(f'"event": "{event}"')


def test_monitors_change_without_a_restart_and_nothing_is_computed_again(world: World) -> None:
    finished = "SELECT start, fence, revision, finished_at FROM buckets WHERE state = 'finished' AND monitor = 'shop'"
    with live(world, baseline=BASELINE) as daemon:
        eventually(lambda: rows(world, "SELECT 1 FROM baselines WHERE state = 'active'"), 60, "a baseline")
        eventually(lambda: len(rows(world, finished)) > 8, 60, "buckets")
        buckets, baselines = (
            rows(world, finished),
            rows(world, "SELECT id, definition, created_at FROM baselines WHERE state = 'active'"),
        )
        (shop,) = monitors_of(world)
        receivers = {
            "hook": {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3"}
        }
        rules = [{"severity": "critical", "do": ["hook"]}]
        change(world, receivers=receivers, monitors=[{**shop, "rules": rules}, {**shop, "name": "second"}])
        eventually(lambda: 'driftd_source_up{monitor="second"} 1.0' in daemon.get("/metrics").text, 60, "a new monitor")
        eventually(lambda: rows(world, "SELECT 1 FROM baselines WHERE monitor = 'second'"), 60, "its baseline")
        assert daemon.get("/monitors/second").status_code == 200
        assert set(buckets) <= set(rows(world, finished)), "no bucket is computed again"
        assert set(baselines) <= set(
            rows(world, "SELECT id, definition, created_at FROM baselines WHERE state = 'active'")
        )
        change(world, monitors=[{**shop, "rules": rules}])
        eventually(lambda: 'monitor="second"' not in daemon.get("/metrics").text, 60, "the monitor removed")
        assert daemon.get("/monitors/second").status_code == 404
        assert rows(world, "SELECT count(*) FROM buckets WHERE monitor = 'second'") != [(0,)], "what is stored stays"
        assert is_reload(daemon, 1)
        assert daemon.end() == 0


def test_a_bad_file_changes_nothing_and_a_good_one_ends_that(world: World) -> None:
    with live(world) as daemon:
        eventually(lambda: daemon.source_is(1), 60, "the daemon at work")
        loaded = re.search(r"reload_success_timestamp_seconds ([\d.e+]+)", daemon.get("/metrics").text)
        good = (world.folder / "driftd.yaml").read_text()
        (world.folder / "driftd.yaml").write_text(good.replace("bucket: 15m", "buckets: 15m"))
        eventually(lambda: is_reload(daemon, 0), 60, "the bad file noticed")
        (line,) = [line for line in daemon.log.read_text().splitlines() if "reload_failed" in line]
        assert "The previous configuration stays in use" in line
        assert "unknown key 'buckets'" in line
        assert "Did you mean 'bucket'?" in line
        assert f"reload_success_timestamp_seconds {loaded[1]}" in daemon.get("/metrics").text  # type: ignore[index]
        assert daemon.source_is(1)
        (world.folder / "driftd.yaml").write_text(good)
        eventually(lambda: is_reload(daemon, 1), 60, "the good file")
        assert daemon.end() == 0


def test_a_hundred_signals_are_few_reloads(world: World) -> None:
    with live(world) as daemon:
        eventually(lambda: daemon.source_is(1), 60, "the daemon at work")
        for _ in range(100):
            daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: count(daemon, "reloaded") > 0, 60, "a reload")
        change(world, server={"listen": "127.0.0.1:1"}, store="sqlite:///elsewhere.db")
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: daemon.logged("restart_needed"), 60, "the line about what did not change")
        assert count(daemon, "reloaded") <= 5
        assert '"keys": ["store", "server.listen"]' in daemon.log.read_text()
        assert not (world.folder / "elsewhere.db").exists()
        assert daemon.source_is(1)
        assert daemon.end() == 0
