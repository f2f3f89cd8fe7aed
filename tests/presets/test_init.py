"""`driftd init` on the tables of known tools: a configuration that works, and what cannot be watched."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from monitor.cli import app
from monitor.config.load import load
from monitor.config.presets import PRESETS
from monitor.sources.connect import connect
from monitor.sources.readiness import CAPABILITIES
from tests.support.logs import langfuse_v2, litellm, phoenix
from tests.support.logs.base import START, calls, naive
from tests.support.nightly import nightly

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


@pytest.mark.parametrize("store_url", ["sqlite", nightly("postgresql")], indirect=True)
def test_litellm_is_recognised_configured_and_checked(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    litellm.create(engine)
    litellm.write(engine, list(calls(3000, days=DAYS)))
    out = tmp_path / "driftd.yaml"
    code, said = run("init", "--url", url, "--preset", "auto", "--out", str(out))
    assert code == 0
    assert "hallucination: is an answer supported by its context: no column is mapped to `context`" in said
    text = out.read_text("utf-8")
    if engine.url.password:
        assert str(engine.url.password) not in text
    (monitor,) = load(out).monitors
    assert monitor.source.preset == "litellm"
    assert monitor.segments == ["model_version", "tenant"]
    assert {"failed", "price", "refusal", "truncation", "rate_limited"} <= set(map(str, monitor.signals))
    assert (monitor.window, monitor.settle) == (timedelta(days=1), timedelta(seconds=60))
    assert "rate: {signal: unpriced}" in text  # by the alert budget: a fixed limit is noise in a small segment
    end = START + timedelta(days=DAYS)
    code, said = run("check", "--config", str(out), "--at", end.isoformat(), "--json")
    assert code == 0, said
    _lose_prices(engine, end - timedelta(days=1))
    code, said = run("check", "--config", str(out), "--at", end.isoformat(), "--json")
    drifted = [f for f in json.loads(said)["findings"] if f["status"] == "drifted"]
    assert code == 1
    whole = [f["method"] for f in drifted if (f["check"], f["column"], f["segment"]) == ("rate", "unpriced", None)]
    assert sorted(whole) == ["rate_cusum", "rate_rise"]  # over the window, and bucket by bucket


@pytest.mark.parametrize("schema", ["litellm", "Team one"])
def test_a_log_in_another_schema_is_found_and_written_down_with_it(
    engine: sa.Engine, url: str, tmp_path: Path, schema: str
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("a file has one schema")
    litellm.create(engine)
    litellm.write(engine, list(calls(300)))
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "forbidden"')
        connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
        connection.exec_driver_sql(f'ALTER TABLE "LiteLLM_SpendLogs" SET SCHEMA "{schema}"')
    out = tmp_path / "driftd.yaml"
    code, said = run("init", "--url", url, "--preset", "auto", "--out", str(out))
    assert code == 0, said
    (monitor,) = load(out).monitors
    assert (monitor.source.preset, monitor.source.table) == ("litellm", f"{schema}.LiteLLM_SpendLogs")
    reader = connect(monitor.source)
    assert reader.counts(START, START + timedelta(days=1)).rows == 300
    reader.close()


def _lose_prices(engine: sa.Engine, since: datetime) -> None:
    """Let a third of the calls since a time be of a model that nobody can price; what else is logged stays."""
    told = 'UPDATE "LiteLLM_SpendLogs" SET spend = 0, model = \'small-7b\' WHERE "startTime" >= :since'
    with engine.begin() as connection:
        since_text = naive(engine, since)
        connection.execute(sa.text(f"{told} AND prompt_tokens % 3 = 0"), {"since": since_text})


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
    assert "yes     user feedback" in said
    assert run("config", "check", "--config", str(out))[0] == 0


def test_a_database_without_a_known_log_is_told_what_it_holds(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE my_calls (created_at TEXT, model TEXT)")
    with pytest.raises(Exception, match="but my_calls"):
        run("init", "--url", url, "--preset", "auto", "--out", str(tmp_path / "driftd.yaml"))


def test_every_preset_can_be_chosen_and_is_documented() -> None:
    _, said = run("init", "--help")
    page = (Path(__file__).parents[2] / "docs" / "presets.md").read_text("utf-8")
    for name in PRESETS:
        assert name in said
        assert f"## {name}\n" in page
