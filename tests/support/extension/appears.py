"""Wherever names are listed, those of the extension are among them; run by tests/monitor/test_extension.py."""

from __future__ import annotations

import json
import math
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dashboards.generate import files
from monitor.cli import app
from monitor.config.load import load
from monitor.core.yamlfile import ConfigError
from monitor.metrics.export import StateCollector
from monitor.store import migrate
from monitor.store.database import Database
from scripts import docs
from tests.web.seed import configuration

START = datetime(2026, 11, 1, tzinfo=UTC)
HOURS, A_MINUTE = 48, 5
MONITOR = """
store: sqlite:///driftd.db
monitors:
  - name: callbook
    source: {url: "sqlite:///log.db", preset: callbook}
    signals: [exclamations]
    baseline: {from: 2026-11-01, to: 2026-11-02}
    checks:
      - drift: {columns: [exclamations], method: doubled_gap}
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write the log of the tool: after a day and a half answers have more exclamation marks."""
    rows = []
    for number in range(HOURS * 60 * A_MINUTE):
        at = START + timedelta(minutes=number / A_MINUTE)
        marks = number % 7 + (3 if at >= START + timedelta(hours=36) else 0)
        rows.append((number, at.isoformat(), "Hello" + "!" * marks))
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("CREATE TABLE callbook (number INTEGER PRIMARY KEY, called_at TEXT, answer TEXT)")
        connection.executemany("INSERT INTO callbook VALUES (?, ?, ?)", rows)
    connection.close()
    return tmp_path / "log.db"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_the_schema_of_the_configuration_names_them() -> None:
    schema = run("config", "schema")[1]
    assert [name for name in ("doubled_gap", "exclamations", "callbook") if f'"{name}"' not in schema] == []


def test_the_configuration_takes_them_and_suggests_them(tmp_path: Path) -> None:
    file = tmp_path / "driftd.yaml"
    file.write_text(MONITOR)
    (monitor,) = load(file).monitors
    assert (monitor.source.preset, monitor.signals) == ("callbook", ["exclamations"])
    for name in ("doubled_gap", "exclamations", "callbook}"):
        file.write_text(MONITOR.replace(name, f"x{name}"))
        with pytest.raises(ConfigError, match=f"Did you mean '{name.strip('}')}'"):
            load(file)


def test_the_command_line_offers_them(log: Path, tmp_path: Path) -> None:
    assert "callbook" in run("init", "--help")[1]
    out = tmp_path / "first.yaml"
    code, said = run("init", "--url", f"sqlite:///{log}", "--preset", "auto", "--out", str(out))
    assert code == 0, said
    assert load(out).monitors[0].source.preset == "callbook"
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": 1, "response": "Hi!!"}\n')
    code, said = run("score", str(answers), "--signals", "exclamations", "--quiet")
    assert code == 0
    assert "2.0" in said


def test_the_pages_and_the_dashboard_list_them() -> None:
    assert "| `doubled_gap` | `drift` | numeric | 0.2 |" in docs.checks()
    assert "| `exclamations` | response | marks |" in docs.checks()
    assert "## callbook\n\nThe log of a tool that nobody else has" in docs.presets()
    assert "| `driftd_name_letters` | gauge | monitor |" in docs.metrics()
    panels = [panel["title"] for panel in json.loads(files()["driftd.json"])["panels"]]
    assert panels[-2:] == ["Other metrics", "driftd_name_letters"]


def test_the_metric_is_exported(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    migrate.upgrade(database)
    families = {family.name: family for family in StateCollector(database, configuration("sqlite://")).collect()}
    database.close()
    assert [sample.value for sample in families["driftd_name_letters"].samples] == [3.0]


def test_a_check_by_them_finds_a_drift(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "driftd.yaml"
    file.write_text(MONITOR)
    code, said = run("check", "--config", str(file), "--at", (START + timedelta(hours=HOURS)).isoformat(), "--json")
    assert code == 1, said
    (finding,) = [one for one in json.loads(said)["findings"] if one["method"] == "doubled_gap" and not one["segment"]]
    assert finding["status"] == "drifted"
    assert math.isclose(finding["statistic"], 2 * 3 / 7, abs_tol=0.02)
