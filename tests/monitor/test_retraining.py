"""The retraining webhook: what it says holds against the log itself, fits its schema, and is never too large."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from detectors.base import Finding, Status
from monitor.actions import retraining
from monitor.checks.baseline import Baseline
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.core.incident import Incident
from monitor.store import reads
from tests.support.hand import Hand
from tests.support.world import START

HOUR = timedelta(hours=1)
CHANGE = START + timedelta(hours=25, minutes=20)


def log(url: str, zoned: bool) -> pd.DataFrame:
    """Log a day and three hours; from the change on income has moved, and the answers are half of the time wrong."""
    rng = np.random.default_rng(0)
    at = [START + timedelta(seconds=10 * place) for place in range(27 * 360)]
    moved = np.array([moment >= CHANGE for moment in at])
    score = rng.beta(1, 2, len(at))
    honest = np.where(moved, rng.random(len(at)) < 0.3, True)
    truth = np.where(honest, rng.random(len(at)) < score, rng.random(len(at)) < 0.5)
    frame = pd.DataFrame(
        {
            "id": range(len(at)),
            "at": at,
            "income": rng.normal(100, 20, len(at)) + 25 * moved,
            "age": rng.normal(40, 10, len(at)),
            "score": score,
            "repaid": np.where(rng.random(len(at)) < 0.8, truth.astype(float), np.nan),
        }
    )
    engine = sa.create_engine(url)
    frame.assign(at=frame["at"] if zoned else frame["at"].dt.tz_localize(None)).to_sql("loans", engine, index=False)
    engine.dispose()
    return frame


def config(url: str, folder: Path, **more: Any) -> Config:
    hook = {"url": "https://train.example/start", "secret": "whsec_c2VjcmV0LW9mLXRoZS1ob29r"}
    monitor = {
        "name": "loans",
        "source": {
            "url": url,
            "table": "loans",
            "columns": {"timestamp": "at", "id": "id", "score": "score", "label": "repaid"},
        },
        "bucket": "20m",
        "window": "1h",
        "settle": "0s",
        "catch_up": "3650d",
        "features": ["income", "age", "score"],
        "baseline": {"from": START.isoformat(), "to": (START + 24 * HOUR).isoformat()},
        "checks": ["drift", "performance"],
        "rules": [{"when": ["*"], "for": 2, "do": ["retrain-loans"]}],
        **more,
    }
    action = {"webhook": hook, "kind": "retrain", "mode": "auto", "not_after": "3650d"}
    store = f"sqlite:///{folder / 'driftd.db'}"
    return Config.model_validate({"store": store, "monitors": [monitor], "actions": {"retrain-loans": action}})


def bodies(made: Config) -> list[Any]:
    """Run three hours of the daemon; return the bodies of its actions."""
    with open_store(made, upgrade=True) as database:
        clock = Hand(START)
        daemon = make_daemon(database, made, clock)
        for minutes in range(24 * 60, 27 * 60 + 1, 20):
            clock.moment = START + timedelta(minutes=minutes)
            daemon.tick_all()
        daemon.monitors[0].close()
        with database.read() as connection:
            return [row.payload for row in reads.action_rows(connection)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_body_says_what_to_train_on_and_its_conditions_select_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    frame = log(url, zoned=kind == "postgresql")
    body = bodies(config(url, tmp_path))[-1]
    jsonschema.validate(body, retraining.schema())
    assert retraining.wire_size(body) < retraining.LARGEST
    told = body["data"]["retraining"]
    since = datetime.fromisoformat(told["since"])
    assert abs(since - CHANGE) <= timedelta(minutes=30)
    assert {one["column"] for one in told["drifted"]} >= {"income"}
    assert "age" not in {one["column"] for one in told["drifted"]}
    assert all(one["statistic"] >= one["threshold"] and 0 < one["share"] <= 1 for one in told["drifted"])
    assert told["columns"] == {"checked": 3, "drifted": 1}
    assert {one["kind"] for one in told["performance"]} == {"realised", "estimated"}
    assert {stretch["what"] for stretch in told["windows"]} == {"since_change", "baseline"}
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        for stretch in told["windows"]:
            start, end = (datetime.fromisoformat(stretch[name]) for name in ("start", "end"))
            raw = frame[(frame["at"] >= start) & (frame["at"] < end)]
            query = f"SELECT count(*), count(repaid) FROM loans WHERE {stretch['condition']}"  # noqa: S608
            assert stretch["exact"]
            assert tuple(connection.exec_driver_sql(query).one()) == (len(raw), raw["repaid"].notna().sum())
            assert (stretch["rows"], stretch["labels"]) == (len(raw), raw["repaid"].notna().sum())
    engine.dispose()


def test_the_concept_is_said_to_have_drifted_where_labels_show_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log(url, zoned=False)
    made = config(url, tmp_path, savings={"retraining": {"price": 100, "error_cost": 2}})
    only = made.monitors[0].model_copy(
        update={"rules": [made.monitors[0].rules[0].model_copy(update={"when": ["performance"]})]}
    )
    told = bodies(made.model_copy(update={"monitors": [only]}))[-1]["data"]["retraining"]
    assert told["concept"]["drifted"] is True
    assert "fell below what the inputs alone explain" in told["concept"]["why"]
    assert 0 < told["cost_of_drift"] < 120 * 2 * 3  # not all of three buckets' answers were wrong
    assert told["currency"] == "USD"


def hostile(count: int) -> list[Finding]:
    name = "\U0001f4a3" * 128
    return [
        Finding("drift", f"{place}{name}", "psi", f"m={name}", Status.DRIFTED, name * 4, 1.0 + place, 0.1, n_window=500)
        for place in range(count)
    ]


def test_hostile_names_do_not_make_it_larger_than_20_kb() -> None:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    found = hostile(200)
    evidence = {f.key: {"reason": f.reason, "column": f.column, "about": "model"} for f in found[:10]}
    words = "\U0001f4a3" * 512
    incident = Incident("i", "m", "r", "critical", "firing", at, at, words, evidence=evidence)
    log = retraining.TrainingLog(lambda *_: (1000, 0), lambda *_: ("t >= 1", True), {"a": "numeric"}, "sqlite")
    monitor = Config.model_validate(
        {
            "monitors": [
                {
                    "name": "m",
                    "source": {"url": "sqlite://", "query": "SELECT 1" + " " * 2000, "columns": {"timestamp": "t"}},
                }
            ]
        }
    ).monitors[0]
    baseline = Baseline(1, "l", {}, {}, None, 10)  # type: ignore[arg-type]
    told = retraining.retraining(monitor, incident, found, baseline, at, 500, log)
    assert told["snapshot"]["query"] is None
    assert told["windows"][0]["labels"] is None  # no label is logged: not known, not zero
    assert told["concept"]["drifted"] is None
    data = {
        "monitor": "m",
        "severity": "critical",
        "headline": f"m: {words}",
        "window": {},
        "incident": {"id": "i", "state": "firing", "rule": "r", "opened_at": "", "reason": words},
        "observed_version": None,
        "suspected_change": None,
        "target": None,
        "findings": list(evidence.values()),
        "changes": [{"at": "", "reason": words}] * 5,
        "not_after": "",
        "dry_run": False,
        "retraining": told,
    }
    body = retraining.fit_to_limit({"type": "driftd.retrain", "timestamp": "", "data": data})
    assert len(json.dumps(body, separators=(",", ":")).encode()) <= retraining.LARGEST
    kept = body["data"]["retraining"]
    assert kept["left_out"] + len(kept["drifted"]) == 200
    jsonschema.validate(kept, {**retraining.schema()["$defs"]["Retraining"], "$defs": retraining.schema()["$defs"]})


def test_a_small_body_is_sent_as_it_is() -> None:
    body = {"type": "driftd.rollback", "data": {"headline": "h", "findings": [{"a": 1}], "incident": {"reason": "r"}}}
    assert retraining.fit_to_limit(body) == body
