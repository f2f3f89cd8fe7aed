"""Control characters of logged values: shown by name in a terminal and in labels, and escaped in JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog

from monitor.cli.output import echo
from monitor.core import log
from monitor.core.plain import visible
from monitor.metrics.base import label
from monitor.store import tables
from monitor.store.database import Database
from monitor.store.migrate import upgrade
from tests.support.world import START, World, rows_of

HOSTILE = "v\x1b]0;owned\x07\x1b[2J\x7f\x9b31m\u202eevil\u2028\r"
NAMED = r"v\x1b]0;owned\x07\x1b[2J\x7f\x9b31m\u202eevil\u2028\x0d"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer, 日本語, \U0001f469\u200d\U0001f4bb", "größer, 日本語, \U0001f469\u200d\U0001f4bb"),
        (HOSTILE, NAMED),
        ("a\nb\tc", "a\nb\tc"),
        ("\ud800", r"\ud800"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
    ],
)
def test_a_text_is_shown_with_its_control_characters_by_name(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.fixture
def hostile(tmp_path: Path) -> World:
    """Return a day of ordinary rows, and an hour in which every text is hostile."""
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.log(rows_of(START, timedelta(hours=6), 10))
    later = rows_of(START + timedelta(hours=6), timedelta(hours=1), 10, seed=1)
    world.log([{**row, "model": HOSTILE, "plan": HOSTILE + row["plan"], "answer": HOSTILE} for row in later])
    end = (START + timedelta(hours=6)).isoformat()
    world.configure(baseline={"from": START.isoformat(), "to": end}, segments=["model_version"], catch_up="3650d")
    return world


def test_check_shows_no_raw_control_character(hostile: World) -> None:
    at = (START + timedelta(hours=7)).isoformat()
    done = hostile.run("check", "--at", at)
    assert NAMED in done.stdout
    assert RAW.findall(done.stdout + done.stderr) == []
    _, told = hostile.json("check", "--at", at)
    assert any(finding["segment"] == f"model_version={HOSTILE}" for finding in told["findings"])
    assert RAW.findall(hostile.run("check", "--at", at, "--json").stdout) == []


def test_prompts_list_shows_no_raw_control_character(hostile: World) -> None:
    database = Database(hostile.store_url)
    upgrade(database)
    now = datetime.now(UTC)
    row = {"monitor": "shop", "role": "prompt_version", "value": HOSTILE, "rows": 3}
    row |= {"first_seen": now, "last_seen": now}
    with database.write() as connection:
        connection.execute(sa.insert(tables.versions), [row])
    database.close()
    done = hostile.run("prompts", "list")
    assert NAMED in done.stdout
    assert RAW.findall(done.stdout) == []
    assert hostile.json("prompts", "list")[1]["not_registered"][0]["value"] == HOSTILE
    assert RAW.findall(hostile.run("prompts", "list", "--json").stdout) == []


def test_an_error_shows_no_raw_control_character(hostile: World) -> None:
    done = hostile.run("check", "--monitor", HOSTILE)
    assert done.returncode == 2
    assert "v\\x1b]0" in done.stderr
    assert RAW.findall(done.stderr) == []


def test_a_log_for_people_shows_no_raw_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up("info", pretty=True)
    structlog.get_logger().info("event", error=HOSTILE)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err)
    assert NAMED in shown
    assert RAW.findall(shown) == []


def test_a_lone_surrogate_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    echo("half \ud83d")
    assert capsys.readouterr().out == "half \\ud83d\n"


def test_a_plain_label_is_left_as_it_is() -> None:
    assert label("modèle=größe") == "modèle=größe"
    assert label(label(HOSTILE)) == label(HOSTILE) != label(NAMED)
