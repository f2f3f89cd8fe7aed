"""The rate of a signal, with labels and without: real answers of two models, judged by people."""

from __future__ import annotations

import gzip
import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.base import Status
from monitor.cli.connections import open_reader
from monitor.config.load import load
from monitor.config.models import Config
from monitor.core.yamlfile import ConfigError
from monitor.jobs.one_shot import check
from tests.support.world import START

DATA = Path(__file__).parents[2] / "benchmarks" / "data" / "begin_wow.dev.jsonl.gz"
HOUR = timedelta(hours=1)
PER_HOUR = 600


def answers(model: str) -> list[dict[str, Any]]:
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row for row in rows if row["model"] == model]


def log(path: Path, labelled: float, *models: str, good: float | None = None) -> dict[str, float]:
    """Log an hour of each model; return the true share of unsupported answers of each hour.

    ``labelled`` is the share of answers with a label, ``good`` that of the supported ones where it differs.
    """
    rng = np.random.default_rng(0)
    truth = {}
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE log (id INTEGER, at TEXT, response TEXT, context TEXT, bad TEXT)")
        for hour, model in enumerate(models):
            pool = answers(model)
            chosen = [pool[place] for place in rng.integers(len(pool), size=PER_HOUR)]
            truth[f"{hour}{model}"] = float(np.mean([row["label"] for row in chosen]))
            for place, row in enumerate(chosen):
                at = (START + hour * HOUR + place * HOUR / PER_HOUR).strftime("%Y-%m-%d %H:%M:%S.%f")
                chance = labelled if row["label"] or good is None else good
                known = ("yes" if row["label"] else "no") if rng.random() < chance else None
                values = (hour * PER_HOUR + place, at, row["response"], row["context"], known)
                connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?)", values)
    return truth


def config(path: Path, features: Any = (), **settings: Any) -> Config:
    monitor = {
        "name": "bot",
        "source": {
            "url": f"sqlite:///{path}",
            "table": "log",
            "columns": {"timestamp": "at", "id": "id", "response": "response", "context": "context", "label": "bad"},
        },
        "bucket": "10m",
        "window": "1h",
        "features": list(features),
        "signals": ["novelty"],
        "baseline": {"from": START.isoformat(), "to": (START + 3 * HOUR).isoformat()},
        "checks": [{"rate": {"signal": "novelty", **settings}}],
    }
    return Config.model_validate({"store": "sqlite://", "monitors": [monitor]})


def findings(path: Path, hour: int, **settings: Any) -> dict[str, Any]:
    made = config(path, **settings)
    with open_reader(made.monitors[0]) as reader:
        told = check(reader, made.monitors[0], START + hour * HOUR)
    return {finding["method"]: finding for finding in told["findings"]}


def test_labels_make_a_rate_of_the_score_and_its_interval_holds_the_truth(tmp_path: Path) -> None:
    truth = log(tmp_path / "log.db", 0.3, *["ctrl"] * 4, "doha")
    before, after = findings(tmp_path / "log.db", 4), findings(tmp_path / "log.db", 5, max_increase=0.05)
    for found, hour in ((before, "3ctrl"), (after, "4doha")):
        detail = found["rate_rise"]["detail"]
        assert detail["kind"] == "rate"
        assert 120 < detail["labels"] < 240
        assert detail["low"] <= truth[hour] <= detail["high"]
        assert "if they are a random sample" in found["rate_rise"]["reason"]
    assert before["rate_rise"]["status"] == Status.OK
    assert after["rate_rise"]["status"] == Status.DRIFTED
    assert after["rate_rise"]["threshold"] == 0.05
    assert "labels" in after["rate_rise"]["reason"]


def test_labels_that_come_with_complaints_are_warned_of_and_give_no_rate_where_that_is_said(tmp_path: Path) -> None:
    truth = log(tmp_path / "log.db", 0.4, *["ctrl"] * 5, good=0.03)["4ctrl"]
    told = findings(tmp_path / "log.db", 5)["rate_rise"]
    assert told["detail"]["labels_selected"]
    assert told["detail"]["low"] > truth
    assert "the labels are not a random sample" in told["reason"]
    stated = findings(tmp_path / "log.db", 5, labels_chosen="by_answer")["rate_rise"]
    assert stated["detail"]["kind"] == "index"
    assert "chosen by the answer and give no rate" in stated["reason"]


def test_without_labels_it_is_called_a_mean_score_and_still_pages(tmp_path: Path) -> None:
    log(tmp_path / "log.db", 0.0, *["ctrl"] * 4, "doha")
    found = findings(tmp_path / "log.db", 5, max=0.2)
    assert found["rate_rise"]["detail"]["kind"] == "index"
    assert "mean novelty score (without labels)" in found["rate_rise"]["reason"]
    assert found["rate_level"]["status"] == Status.DRIFTED
    assert found["rate_level"]["threshold"] == 0.2
    assert findings(tmp_path / "log.db", 4, max=0.9)["rate_level"]["status"] == Status.OK


def test_a_rate_of_a_signal_that_is_not_computed_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text(
        "monitors:\n- name: m\n  source: {url: 'sqlite:///x.db', table: t, columns: {timestamp: at}}\n"
        "  signals: [novelty]\n  checks:\n  - rate: {signal: noveltyy}\n"
    )
    with pytest.raises(ConfigError, match="noveltyy.*novelty"):
        load(path)
    path.write_text(path.read_text().replace("{signal: noveltyy}", "{max: 0.1}"))
    with pytest.raises(ConfigError, match="needs `signal:`"):
        load(path)


@pytest.mark.parametrize("told", ["'pass'", "2", "NULL"])
def test_a_column_of_the_log_that_is_called_verdict_is_none_of_ours(tmp_path: Path, told: str) -> None:
    path = tmp_path / "log.db"
    log(path, 0.3, "ctrl", "ctrl", "ctrl", "ctrl")
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE log ADD COLUMN verdict")
    before = findings(path, 4, features=["verdict"])["rate_rise"]
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE log SET verdict = {told}")
    assert findings(path, 4, features=["verdict"])["rate_rise"] == before
