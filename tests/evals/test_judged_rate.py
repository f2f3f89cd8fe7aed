"""A judge's verdicts on sampled traffic correct a rate, as people's labels do, and people's win."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.jobs.evals.incident import SuiteAlerting
from monitor.jobs.evals.run import evaluate_traffic
from monitor.jobs.evals.suite import Suite
from monitor.sources.connect import connect
from monitor.store import buckets, labels, reads
from monitor.store.database import Database
from tests.support.hand import Hand
from tests.support.llm import Model, Reply, completion, serving
from tests.support.world import START

HOUR = timedelta(hours=1)
PER_HOUR = 600
HOURS = 5
END = START + HOURS * HOUR


@pytest.fixture
def truth(tmp_path: Path) -> np.ndarray:
    """Log five hours of answers, of which a fifth is bad, which novelty sees not quite."""
    rng = np.random.default_rng(0)
    bad = rng.random(HOURS * PER_HOUR) < 0.2
    new = np.where(bad, rng.random(len(bad)) < 0.8, rng.random(len(bad)) < 0.1)
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("CREATE TABLE log (id TEXT, at TEXT, question TEXT, response TEXT, context TEXT)")
        for row in range(len(bad)):
            at = (START + row * HOUR / PER_HOUR).strftime("%Y-%m-%d %H:%M:%S.%f")
            asked = "a hard question" if bad[row] else "a simple question"
            values = (f"r{row}", at, asked, "green" if new[row] else "red", "red")
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?)", values)
    return bad


def configuration(folder: Path, **rate: Any) -> Config:
    columns = {"timestamp": "at", "id": "id", "question": "question", "response": "response", "context": "context"}
    monitor = {
        "name": "bot",
        "source": {"url": f"sqlite:///{folder / 'log.db'}", "table": "log", "columns": columns},
        "bucket": "10m",
        "window": "1h",
        "settle": "0s",
        "catch_up": "3650d",
        "features": [],
        "signals": ["novelty"],
        "baseline": {"from": START.isoformat(), "to": (START + 3 * HOUR).isoformat()},
        "checks": [{"rate": {"signal": "novelty", **rate}}],
    }
    store = f"sqlite:///{folder / 'driftd.db'}"
    return Config.model_validate(
        {"store": store, "monitors": [monitor], "evaluations": [{"suite": "live.yaml", "every": "1h"}]}
    )


def tick(database: Database, config: Config) -> dict[str, Any]:
    """Compute whatever is owed; return what the newest bucket says of the rate."""
    daemon = make_daemon(database, config, Hand(END))
    for _ in range(4):
        daemon.tick_all()
    with database.read() as connection:
        found = {row.method: row for row in reads.findings_at(connection, "bot", END - HOUR / 6)}
    for watch in daemon.monitors:
        watch.close()
    return {**found["rate_rise"].detail, "reason": found["rate_rise"].reason}


@pytest.fixture
def judge() -> Iterator[Model]:
    """Serve a judge that knows the truth from the question."""

    def answer(body: dict[str, Any], _before: int) -> Reply:
        hard = "hard question" in str(body["messages"])
        return completion('{"score": 0.1}' if hard else '{"score": 0.9}')

    with serving(Model(answer)) as model:
        yield model


def evaluated(database: Database, config: Config, judge: Model, requests: int = 1000) -> None:
    suite = Suite.model_validate(
        {
            "name": "live",
            "traffic": {"share": 0.3, "most": 1000, "daily": {"requests": requests}},
            "expect": ["judge"],
            "judge": {"endpoint": {"url": judge.url, "model": "judge"}, "rubric": "Is it faithful?"},
        }
    )
    spec, monitor = config.evaluations[0], config.monitors[0]
    with closing(connect(monitor.source)) as reader:
        alerting = SuiteAlerting(spec, suite.name, suite.alpha, monitor, config.actions)
        evaluate_traffic(suite, reader, spec.every, database, Hand(END), alerting)


def test_verdicts_correct_the_score_and_the_finding_says_so(tmp_path: Path, truth: np.ndarray, judge: Model) -> None:
    config = configuration(tmp_path, labels_from="judge")
    with open_store(config, upgrade=True) as database:
        before = tick(database, config)
        assert before["kind"] == "index"
        evaluated(database, config, judge)
        with database.read() as connection:
            assert len(buckets.stale_starts(connection, "bot")) == 6
        after = tick(database, config)
        real = truth[-PER_HOUR:].mean()
        assert after["kind"] == "rate"
        assert after["labels"] == after["judged"] == len(judge.requests)
        assert 120 < after["judged"] < 240
        assert after["low"] <= real <= after["high"]
        assert abs(after["value"] - real) < abs(before["value"] - real)
        assert f"from {after['judged']} verdicts of the judge" in after["reason"]
        given = {f"r{row}": "no" for row in range((HOURS - 1) * PER_HOUR, HOURS * PER_HOUR, 2)}
        with database.write() as connection:
            labels.put(connection, "bot", given)
            buckets.mark_stale(connection, "bot", [END - n * HOUR / 6 for n in range(1, 7)])
        people = tick(database, config)
    assert people["labels"] - people["judged"] == len(given) == 300, "a person's label wins over a verdict"
    assert people["judged"] < after["judged"]
    assert people["value"] < after["value"], "people called none of theirs bad"
    assert f"from 300 labels and {people['judged']} verdicts of the judge" in people["reason"]


def test_without_being_asked_for_no_verdict_is_kept(tmp_path: Path, truth: np.ndarray, judge: Model) -> None:
    config = configuration(tmp_path)
    with open_store(config, upgrade=True) as database:
        tick(database, config)
        evaluated(database, config, judge)
        with database.read() as connection:
            assert buckets.stale_starts(connection, "bot") == []
        assert tick(database, config)["kind"] == "index"
    assert len(truth)


def test_the_judge_is_asked_no_more_than_the_day_allows(tmp_path: Path, truth: np.ndarray, judge: Model) -> None:
    config = configuration(tmp_path, labels_from="judge")
    with open_store(config, upgrade=True) as database:
        tick(database, config)
        evaluated(database, config, judge, requests=40)
        found = tick(database, config)
    assert len(judge.requests) == found["judged"] == 40
    assert len(truth)
