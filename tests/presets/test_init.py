"""`driftd init` on the tables of known tools: a configuration that works, and what cannot be watched."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from monitor.cli import app
from monitor.configfile import load
from monitor.presets import PRESETS
from monitor.readiness import CAPABILITIES
from tests.support.logs import langfuse_v2, litellm, phoenix
from tests.support.logs.base import START, calls

DAYS = 15


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture
def url(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lend the URL of the database, as `init` writes it."""
    if engine.url.password:
        monkeypatch.setenv("DRIFTD_SOURCE_PASSWORD", str(engine.url.password))
    return engine.url.render_as_string(hide_password=False)


def test_litellm_is_recognised_configured_and_checked(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    litellm.create(engine)
    litellm.write(engine, list(calls(3000, days=DAYS)))
    out = tmp_path / "driftd.yaml"
    code, said = run("init", "--url", url, "--preset", "auto", "--out", str(out))
    assert code == 0
    assert "hallucination: is an answer supported by its context: nothing is mapped as `context`" in said
    text = out.read_text("utf-8")
    if engine.url.password:
        assert str(engine.url.password) not in text
    (monitor,) = load(out).monitors
    assert monitor.source.preset == "litellm"
    assert monitor.segments == ["model_version", "tenant"]
    assert {"failed", "price", "refusal", "truncation", "rate_limited"} <= set(map(str, monitor.signals))
    assert (monitor.window, monitor.settle) == (timedelta(days=1), timedelta(seconds=60))
    code, said = run("check", "--config", str(out), "--at", (START + timedelta(days=DAYS)).isoformat(), "--json")
    assert code == 0, said


def test_prompts_that_are_not_stored_are_named_with_the_setting_that_stores_them(
    engine: sa.Engine, url: str, tmp_path: Path
) -> None:
    litellm.create(engine)
    litellm.write(engine, list(calls(300)), texts=False)
    out = tmp_path / "driftd.yaml"
    code, _ = run("init", "--url", url, "--preset", "litellm", "--out", str(out))
    assert code == 0
    assert "refusal" not in out.read_text("utf-8")
    code, said = run("readiness", "--config", str(out), "--json")
    (entry,) = json.loads(said)
    rows = {row["capability"]: row for row in entry["capabilities"]}
    assert code == 0
    assert len(rows) == len(CAPABILITIES)
    answers = rows["refusals, guardrails, language and length of answers"]
    assert answers["answer"] == "no"
    assert "store_prompts_in_spend_logs" in answers["fix"]
    assert rows["cost"]["answer"] == "yes"
    assert rows["time to first token"]["answer"] == "yes"


@pytest.mark.parametrize(("name", "log"), [("phoenix", phoenix), ("langfuse-v2", langfuse_v2)])
def test_other_logs_are_recognised_and_configured_too(
    engine: sa.Engine, url: str, tmp_path: Path, name: str, log: ModuleType
) -> None:
    log.create(engine)
    log.write(engine, list(calls(400, days=DAYS)))
    out = tmp_path / "driftd.yaml"
    code, said = run("init", "--url", url, "--preset", "auto", "--out", str(out))
    assert code == 0, said
    (monitor,) = load(out).monitors
    assert monitor.source.preset == name
    assert "user_feedback" in monitor.signals
    assert "yes     what users say (feedback)" in said
    assert run("config", "check", "--config", str(out))[0] == 0


def test_a_database_without_a_known_log_is_told_what_it_holds(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE my_calls (created_at TEXT, model TEXT)")
    with pytest.raises(Exception, match="Found: my_calls"):
        run("init", "--url", url, "--preset", "auto", "--out", str(tmp_path / "driftd.yaml"))


def test_every_preset_can_be_chosen_and_is_documented() -> None:
    _, said = run("init", "--help")
    page = (Path(__file__).parents[2] / "docs" / "presets.md").read_text("utf-8")
    for name in PRESETS:
        assert name in said
        assert f"## {name}\n" in page
