"""Improvements: shown, recorded, and neither alerted nor rolled back; the same change the other way is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import yaml

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.jobs.one_shot import check
from monitor.sources.connect import connect
from monitor.store import reads
from tests.support.hand import Hand
from tests.support.world import START

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
CALLS = sa.Table(
    "calls",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime, index=True),
    sa.Column("model", sa.String(20)),
    sa.Column("seconds", sa.Float),
    sa.Column("usd", sa.Float),
    sa.Column("status", sa.Integer),
)
SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(f"sqlite:///{tmp_path / 'log.db'}")
    CALLS.metadata.create_all(made)
    yield made
    made.dispose()


def log(engine: sa.Engine, first: int, minutes: int, factor: float, failing: float, model: str) -> None:
    """Log 10 calls a minute; the factor multiplies what they cost and how long they take."""
    rng = np.random.default_rng(first)
    rows = [
        {
            "at": (START + first * MINUTE + place * MINUTE / 10).replace(tzinfo=None),
            "model": model,
            "seconds": float(rng.lognormal(0, 0.3) * factor),
            "usd": float(rng.lognormal(-5, 0.3) * factor),
            "status": 500 if rng.random() < failing else 200,
        }
        for place in range(minutes * 10)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(CALLS), rows)


def write_config(tmp_path: Path, kind: str = "rollback", **monitor: Any) -> Path:
    columns = {"timestamp": "at", "id": "id", "model_version": "model"}
    columns |= {"latency": "seconds", "cost": "usd", "status": "status"}
    webhook = {"url": "http://127.0.0.1:1/rollback", "secret": SECRET}
    config = {
        "store": f"sqlite:///{tmp_path / 'driftd.db'}",
        "actions": {"back": {"webhook": webhook, "mode": "auto", "kind": kind, "not_after": "3650d"}},
        "monitors": [
            {
                "name": "bot",
                "source": {"url": f"sqlite:///{tmp_path / 'log.db'}", "table": "calls", "columns": columns},
                "bucket": "15m",
                "settle": "0s",
                "baseline": {"from": START.isoformat(), "to": (START + 6 * HOUR).isoformat()},
                "catch_up": "3650d",
                "segments": ["model_version"],
                "signals": ["failed"],
                "checks": ["drift", {"rate": {"signal": "failed"}}, "latency"],
                "rules": [{"when": ["*"], "do": ["back"]}],
                **monitor,
            }
        ],
    }
    path = tmp_path / "driftd.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def live(path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """Watch until two hours after the swap; return incidents, actions, and the findings of the last bucket."""
    config = load(path)
    with open_store(config, upgrade=True) as database:
        clock = Hand(START + 6 * HOUR)
        daemon = make_daemon(database, config, clock)
        for moment in (6 * HOUR, 9 * HOUR):
            clock.moment = START + moment
            daemon.tick_all()
        with database.read() as connection:
            found = reads.incident_rows(connection), reads.action_rows(connection)
        findings = list(reads.snapshot(database, config).monitors[0].findings)
        for watch in daemon.monitors:
            watch.close()
    return *found, findings


@pytest.mark.parametrize(("factor", "failing", "alerts"), [(0.5, 0.0, False), (2.0, 0.2, True)])
def test_only_a_change_for_the_worse_alerts_and_rolls_back(
    engine: sa.Engine, tmp_path: Path, factor: float, failing: float, alerts: bool
) -> None:
    log(engine, 0, 7 * 60, 1.0, 0.05, "v1")
    log(engine, 7 * 60, 2 * 60, factor, failing, "v2")
    of_columns = {"drift": {"columns": ["latency", "cost", "failed"]}}
    path = write_config(tmp_path, checks=[of_columns, {"rate": {"signal": "failed"}}, "latency"])
    incidents, actions, findings = live(path)
    drifted = {row.column: row.direction for row in findings if row.status == "drifted" and row.segment is None}
    if alerts:
        assert incidents[0].state == "firing"
        (action,) = actions
        assert (action.kind, action.state) == ("rollback", "pending")
        assert action.payload["data"]["observed_version"] == {"model_version": "v2"}
        assert {drifted[column] for column in ("latency", "cost", "failed")} == {"worse"}
    else:
        assert (incidents, actions) == ([], [])
        assert {drifted[column] for column in ("latency", "cost", "failed")} == {"better"}
        reasons = [row.reason for row in findings if row.status == "drifted" and row.direction == "better"]
        assert all(reason.endswith(", an improvement") for reason in reasons)
    monitor = load(path).monitors[0]
    reader = connect(monitor.source)
    verdict = check(reader, monitor, START + 9 * HOUR)
    reader.close()
    assert verdict["status"] == ("firing" if alerts else "ok")


def test_what_is_neither_good_nor_bad_alerts_and_never_rolls_back(engine: sa.Engine, tmp_path: Path) -> None:
    log(engine, 0, 7 * 60, 1.0, 0.05, "v1")
    log(engine, 7 * 60, 2 * 60, 0.5, 0.0, "v2")
    (incident,), (action,), _ = live(write_config(tmp_path))
    assert incident.state == "firing"
    assert {item["direction"] for item in incident.evidence.values()} == {"neutral"}
    assert action.state == "held"
    assert "no finding is a deterioration" in action.reason


def test_budgets_are_no_drifted_columns_of_a_retraining(engine: sa.Engine, tmp_path: Path) -> None:
    log(engine, 0, 7 * 60, 1.0, 0.05, "v1")
    log(engine, 7 * 60, 2 * 60, 2.0, 0.2, "v2")
    spend = {"spend": {"daily": 0.01, "per_request_tokens": 10}}
    slo = {"slo": {"signal": "failed", "objective": 0.999}}
    rules = [{"when": ["drift"], "do": ["back"]}]
    path = write_config(tmp_path, kind="retrain", checks=["drift", spend, slo], rules=rules)
    _, actions, findings = live(path)
    assert "drifted" in {row.status for row in findings if row.check == "spend"}
    told = actions[0].payload["data"]["retraining"]
    assert {item["check"] for item in told["drifted"]} == {"drift"}
    assert told["columns"]["checked"] == 4
