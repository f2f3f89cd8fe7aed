"""Everything is sliced by the version of the prompt: drift, rates, latency, and an experiment of two prompts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import sqlalchemy as sa

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.store import comparisons, reads
from tests.support.hand import Hand
from tests.support.world import START

HOUR = timedelta(hours=1)


def log_of(folder: Path) -> str:
    """Log four hours of requests; in the last one a second prompt answers half of them, slower, and refuses more."""
    rng, count = np.random.default_rng(0), 16_000
    hour = np.sort(rng.uniform(0, 4, count))
    second = (hour >= 3) & (rng.random(count) < 0.5)
    refused = rng.random(count) < np.where(second, 0.3, 0.05)
    frame = pd.DataFrame(
        {
            "id": np.arange(count),
            "at": [(START + HOUR * float(when)).strftime("%Y-%m-%d %H:%M:%S.%f") for when in hour],
            "prompt": np.where(second, "support/refund@2", "support/refund@1"),
            "answer": np.where(refused, "I'm sorry, but I can't help with that.", "Your refund is on its way."),
            "seconds": rng.lognormal(0, 0.3, count) * np.where(second, 1.5, 1.0),
        }
    )
    url = f"sqlite:///{folder / 'log.db'}"
    engine = sa.create_engine(url)
    frame.to_sql("log", engine, index=False)
    engine.dispose()
    return url


def test_every_analysis_names_the_prompt(tmp_path: Path) -> None:
    columns = {"timestamp": "at", "id": "id", "prompt_version": "prompt", "response": "answer", "latency": "seconds"}
    trial = {
        "name": "new prompt",
        "arm": "prompt_version",
        "control": "support/refund@1",
        "treatments": ["support/refund@2"],
        "from": (START + 3 * HOUR).isoformat(),
        "metrics": {"refusal": {"better": "lower"}, "latency": {"better": "lower", "role": "guardrail"}},
    }
    monitor = {
        "name": "bot",
        "source": {"url": log_of(tmp_path), "table": "log", "columns": columns},
        "bucket": "10m",
        "window": "30m",
        "settle": "0s",
        "catch_up": "3650d",
        "segments": ["prompt_version"],
        "baseline": {"from": START.isoformat(), "to": (START + 2 * HOUR).isoformat()},
        "signals": ["refusal"],
        "features": ["latency"],
        "experiments": [trial],
        "checks": [{"drift": {"columns": ["latency"]}}, {"rate": {"signal": "refusal"}}, {"latency": {"p95": "3s"}}],
    }
    config = Config.model_validate({"store": f"sqlite:///{tmp_path / 'd.db'}", "monitors": [monitor]})
    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config, Hand(START + 4 * HOUR))
        daemon.tick_all()
        daemon.monitors[0].close()
        with database.read() as connection:
            newest = reads.newest_bucket(connection, "bot")
            rows = reads.findings_at(connection, "bot", newest.start)
            changes = reads.change_rows(connection, "bot")
            told = comparisons.load_states(connection, "bot")["experiment", "new prompt"].report
    second = {(row.check, row.method): row for row in rows if row.segment == "prompt_version=support/refund@2"}
    assert second["rate", "rate_rise"].status == "drifted"
    assert second["rate", "rate_rise"].detail["value"] > 0.25
    assert second["latency", "p95"].detail["value"] > 2.0
    assert {check for check, _ in second} >= {"drift", "rate", "latency", "experiment"}
    assert [(change.kind, change.value) for change in changes] == [("prompt_version", "support/refund@2")]
    assert told["support/refund@2"]["verdict"] == "lose"
