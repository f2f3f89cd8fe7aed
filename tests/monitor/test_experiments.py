"""`driftd experiments` and `driftd shadows` on real logs: the verdict, the intervals, the exit code."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
import yaml

from detectors.records import Column
from monitor.config.arms import ComparedMetric
from monitor.config.load import load
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch
from monitor.core.yamlfile import ConfigError
from monitor.profiling.ab_counts import definition, metric_values
from tests.support import prefork
from tests.support.world import START

HOUR = timedelta(hours=1)
EXPERIMENT = {
    "name": "small-model",
    "arm": "model",
    "control": "big-4",
    "treatments": ["small-7b"],
    "unit": "user",
    "from": START.isoformat(),
    "metrics": {
        "solved": {"minimum": 0.05},
        "latency": {"better": "lower", "role": "guardrail", "minimum": 0.1},
        "cost": {"per": "tokens", "better": "lower"},
        "format": {"column": "kind", "equals": "json", "role": "guardrail", "minimum": 0.1},
    },
}


def requests(rng: np.random.Generator, count: int, solved: float, split: float = 0.5) -> pd.DataFrame:
    small = rng.random(count) < split
    tokens = 1 + rng.poisson(200, count)
    frame = pd.DataFrame(
        {
            "id": np.arange(count),
            "model": np.where(small, "small-7b", "big-4"),
            "user": [f"u{number}" for number in rng.integers(0, 5000, count)],
            "solved": (rng.random(count) < np.where(small, solved, 0.5)).astype(bool),
            "latency": rng.lognormal(0, 0.4, count),
            "tokens": tokens,
            "cost": tokens * np.where(small, 0.8e-6, 1e-6) * rng.lognormal(0, 0.1, count),
            "kind": rng.choice(["json", "text"], count, p=[0.9, 0.1]),
        }
    )
    frame["at"] = [(START + 4 * HOUR * place / count).strftime("%Y-%m-%d %H:%M:%S.%f") for place in range(count)]
    return frame


def run(folder: Path, frame: pd.DataFrame, word: str, *options: str, **monitor: Any) -> tuple[int, Any]:
    url = f"sqlite:///{folder / 'log.db'}"
    engine = sa.create_engine(url)
    frame.to_sql("log", engine, index=False)
    engine.dispose()
    settings = {
        "name": "bot",
        "source": {"url": url, "table": "log", "columns": {"timestamp": "at", "id": "id"}},
        **monitor,
    }
    path = folder / "driftd.yaml"
    path.write_text(yaml.safe_dump({"store": f"sqlite:///{folder / 'd.db'}", "monitors": [settings]}))
    at = (START + 5 * HOUR).isoformat()
    ran = prefork.run([word, "--config", path, "--at", at, "--json", "--quiet", *options])
    assert "Traceback" not in ran.stderr
    return ran.returncode, json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("solved", "split", "word", "code"), [(0.6, 0.5, "win", 0), (0.4, 0.5, "lose", 1), (0.5, 0.4, "invalid", 2)]
)
def test_the_verdict_of_an_experiment_with_users_who_come_back(
    tmp_path: Path, solved: float, split: float, word: str, code: int
) -> None:
    frame = requests(np.random.default_rng(0), 60_000, solved, split)
    ended, told = run(tmp_path, frame, "experiments", experiments=[EXPERIMENT])
    (one,) = told["experiments"]
    assert (one["verdict"], ended) == (word, code)
    found = {each["metric"]: each for each in one["metrics"]}
    by = frame.groupby("model")
    assert found["solved"]["treatment"] == pytest.approx(by["solved"].mean()["small-7b"])
    exact = by["cost"].sum() / by["tokens"].sum()
    assert found["cost"]["control"] == pytest.approx(exact["big-4"], rel=1e-9)
    assert found["cost"]["relative"]["low"] <= -0.2 <= found["cost"]["relative"]["high"]
    assert found["cost"]["verdict"] == "win"
    assert found["format"]["control"] == pytest.approx((frame[frame["model"] == "big-4"]["kind"] == "json").mean())


def test_a_shadow_is_joined_on_the_request_whatever_the_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    count = 3000
    answers = [json.dumps({"total": int(number)}) for number in rng.integers(0, 100, count)]
    other = [answer.replace(" ", "") for answer in answers]
    for place in range(150):
        other[place] = "{}"
    hard = rng.lognormal(0, 1, count)
    sides = [
        pd.DataFrame({"request": np.arange(count), "model": name, "response": said, "latency": seconds})
        for name, said, seconds in (("big", answers, hard + 0.2), ("small", other, hard))
    ]
    frame = pd.concat([sides[0], sides[1].iloc[: count - 40]]).sample(frac=1.0, random_state=0).reset_index(drop=True)
    frame["id"] = frame.index
    frame["at"] = [(START + HOUR * place / len(frame)).strftime("%Y-%m-%d %H:%M:%S.%f") for place in frame.index]
    shadow = {
        "name": "small",
        "arm": "model",
        "champion": "big",
        "challenger": "small",
        "join": "request",
        "same": "json",
        "within": "1h",
        "from": START.isoformat(),
        "metrics": {"latency": {"better": "lower"}},
    }
    code, told = run(tmp_path, frame, "shadows", "--answers", shadows=[shadow])
    (one,) = told["shadows"]
    assert code == 0
    assert (one["pairs"], one["unmatched"]) == (count - 40, 40)
    assert one["agreement"]["value"] == pytest.approx(1 - 150 / (count - 40))
    assert one["agreement"]["low"] <= 0.95 <= one["agreement"]["high"]
    gap = one["metrics"]["latency"]["difference"]
    assert gap["value"] == pytest.approx(-0.2, abs=1e-9)
    assert gap["high"] < 0
    assert len(one["disagreements"]) == 20
    assert all(int(each["request"]) < 150 for each in one["disagreements"])
    assert [each["request"] for each in one["answers"]] == [each["request"] for each in one["disagreements"][:5]]
    for each in one["answers"]:
        assert (each["champion"], each["challenger"]) == (answers[int(each["request"])], "{}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"treatments": ["big-4"]}, "different arms"),
        ({"shares": {"big-4": 1.0}}, "every arm"),
        ({"metrics": {"latency": {"role": "guardrail"}}}, "at least one metric must be primary"),
        ({"metrics": {"latency": {"bettr": "lower"}}}, "better"),
        ({"metrics": {"kind": {"equals": "json", "winsorize_above": 1}}}, "is for numbers"),
        ({"to": "2026-10-01"}, "earlier than"),
    ],
)
def test_an_experiment_that_makes_no_sense_is_a_sentence(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    source = {"url": "sqlite:///log.db", "table": "log", "columns": {"timestamp": "at"}}
    monitor = {"name": "bot", "source": source, "experiments": [{**EXPERIMENT, **change}]}
    path = tmp_path / "driftd.yaml"
    path.write_text(yaml.safe_dump({"monitors": [monitor]}))
    with pytest.raises(ConfigError, match=said):
        load(path)


def test_a_winsorised_metric_counts_large_values_with_the_limit_and_is_counted_anew() -> None:
    records = RecordBatch({"cost": Column.floats(np.array([1.0, 9.0, np.nan]))})
    for settings, expected in (({}, [1.0, 9.0]), ({"winsorize_above": 4.0}, [1.0, 4.0])):
        y, _ = metric_values(records, "cost", ComparedMetric.model_validate(settings))
        assert y[:2].tolist() == expected
        assert np.isnan(y[2])
    source = {"url": "sqlite:///log.db", "table": "log", "columns": {"timestamp": "at"}}
    fingerprints = []
    for metric in ({}, {"winsorize_above": None}, {"winsorize_above": 4.0}):
        spec = {**EXPERIMENT, "metrics": {"cost": metric}}
        monitor = Monitor.model_validate({"name": "bot", "source": source, "experiments": [spec]})
        fingerprints.append(definition(monitor, monitor.experiments[0]))
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
