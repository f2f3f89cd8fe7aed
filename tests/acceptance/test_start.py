"""`driftd run` refuses what can never work, as `config check` does, and waits for what may come back."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from monitor.cli.config import check as config_check
from monitor.cli.run import run
from monitor.config.load import load
from monitor.config.models import ConfigError
from monitor.store.database import StoreError
from tests.support.process import eventually, free_port
from tests.support.world import START, World, rows_of

GOOD = {"timestamp": "Zeit", "id": "id", "model_version": "model"}
IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "table": ({"table": "inference lgo"}, "there is no such table or view: 'inference lgo'"),
    "column": ({"columns": {**GOOD, "label": "modle"}}, "`columns.label` names 'modle', which does not exist"),
    "time": ({"columns": {"timestamp": "id"}}, "the timestamp column 'id' is numeric"),
    "unit": ({"columns": {**GOOD, "latency": {"column": "plan", "unit": "ms"}}}, "remove the unit"),
    "zone": ({"columns": {"timestamp": {"column": "Zeit", "zone": "Berlin"}}}, "is not an IANA time zone"),
    "file": ({"url": "sqlite:///nowhere.db"}, "there is no SQLite file"),
    "database": ({"url": "mysql+pymysql://reader@127.0.0.1/app"}, "a source cannot be 'mysql'"),
    "driver": ({"url": "postgresql+psycopg2://reader@127.0.0.1/app"}, "no driver 'psycopg2' is installed"),
    "address": ({"url": "my database"}, "is not a database URL"),
    "preset": ({"table": None, "columns": {}, "preset": "litellm"}, "there is no such table or view"),
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, timedelta(hours=1)))
    yield made
    made.close()


def source(world: World, **changes: Any) -> dict[str, Any]:
    whole = {"url": world.source_url, "table": "inference log", "columns": GOOD} | changes
    return {key: value for key, value in whole.items() if value is not None}


@pytest.mark.parametrize("fault", IMPOSSIBLE)
def test_an_impossible_source_ends_the_start_with_the_sentence_of_config_check(
    world: World, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, says = IMPOSSIBLE[fault]
    path = world.configure(source=source(world, **changes))
    config = load(path)
    assert config_check(config, as_json=False) == 2
    sentence = next(line for line in capsys.readouterr().out.splitlines() if says in line)
    with pytest.raises(ConfigError) as caught:
        run(path)
    assert str(caught.value) == sentence
    assert not (world.folder / "driftd.db").exists()


def test_a_segment_that_is_not_there_ends_the_start_too(world: World) -> None:
    with pytest.raises(ConfigError, match="the column 'tenant' is not in the source"):
        run(world.configure(segments=["tenant"]))


def test_the_command_exits_2_and_says_it_once(world: World) -> None:
    world.configure(source=source(world, table="gone"))
    started = world.run("run")
    assert (started.returncode, started.stdout) == (2, "")
    assert started.stderr == "shop: there is no such table or view: 'gone'. Found: inference log.\n"
    assert not (world.folder / "driftd.db").exists()


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://reader:canary-pw@127.0.0.1:1/app", "sqlite:///locked.db"], ids=["down", "unreadable"]
)
def test_a_source_that_may_come_back_is_waited_for(world: World, url: str) -> None:
    (world.folder / "locked.db").write_bytes(b"this is no database yet, but it is a file" * 100)
    port = free_port()
    world.configure({"server": {"listen": f"127.0.0.1:{port}"}}, source=source(world, url=url))
    process = world.start("run")
    try:
        text = eventually(lambda: _metrics(port, 'driftd_source_up{monitor="shop"} 0.0'), 90, "the source is down")
        assert "canary" not in text
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_one_impossible_source_does_not_keep_the_others_from_being_watched(world: World) -> None:
    port = free_port()
    path = world.configure({"server": {"listen": f"127.0.0.1:{port}"}}, source=source(world, table="gone"))
    config = yaml.safe_load(path.read_text())
    (broken,) = config["monitors"]
    now = datetime.now(UTC)
    world.log(rows_of(now - timedelta(hours=1), timedelta(hours=1)))
    config["monitors"].append({**broken, "name": "other", "source": source(world)})
    path.write_text(yaml.safe_dump(config))
    process = world.start("run")
    try:
        up = 'driftd_source_up{monitor="other"} 1.0'
        text = eventually(lambda: _metrics(port, up, 'driftd_source_up{monitor="shop"} 0.0'), 90, "both are shown")
        assert up in text
        assert "there is no such table or view: 'gone'" in (world.folder / "daemon.log").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_the_start_says_where_the_store_is(world: World, tmp_path: Path) -> None:
    port = free_port()
    path = world.configure({"server": {"listen": f"127.0.0.1:{port}"}, "store": "sqlite:///state/own.db"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "own.db").touch()  # where an earlier version, started here, would have looked
    world.folder = elsewhere
    process = world.start("run", "--config", str(path))
    try:
        eventually(lambda: (tmp_path / "state" / "own.db").exists(), 90, "the store")
        log = eventually(lambda: _has(elsewhere / "daemon.log", '"started"'), 90, "the start")
        assert f"sqlite:///{tmp_path}/state/own.db" in log
        assert f"{elsewhere}/own.db is not used" in log
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("store", "says"),
    [("sqlite:////proc/driftd/own.db", "/proc/driftd/own.db"), ("postgresql+psycopg2://db/own", "psycopg2")],
)
def test_a_store_that_cannot_be_opened_is_named(world: World, store: str, says: str) -> None:
    with pytest.raises(StoreError, match=re.escape(says)):
        run(world.configure({"store": store}))


def _has(path: Path, text: str) -> str | None:
    content = path.read_text()
    return content if text in content else None


def _metrics(port: int, *lines: str) -> str | None:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    return text if all(line in text for line in lines) else None
