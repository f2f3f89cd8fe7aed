"""A sample of traffic as an evaluation: which records, what a judge may spend, and when it is a regression."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import yaml

from detectors.performance.paired import compare_groups
from monitor.config.models import Config
from monitor.core.yamlfile import ConfigError
from monitor.jobs.evals.incident import SuiteAlerting
from monitor.jobs.evals.run import evaluate_traffic
from monitor.jobs.evals.suite import Daily, Suite, load
from monitor.jobs.evals.traffic import NoTraffic, left, sample, sampling_place
from monitor.sources.base import Reader
from monitor.sources.connect import connect
from monitor.store import migrate, tables
from monitor.store.database import Database
from tests.support.hand import Hand
from tests.support.llm import Model, Reply, completion, serving
from tests.support.one_way import one_way

__all__ = ["one_way"]  # the fixture
pytestmark = pytest.mark.usefixtures("one_way")

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
AN_HOUR = 600


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Six hours of answers: from the fourth on a third of them is no JSON."""
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("CREATE TABLE log (id TEXT, at TEXT, question TEXT, response TEXT)")
        for row in range(6 * AN_HOUR):
            at = (START + row * HOUR / AN_HOUR).strftime("%Y-%m-%d %H:%M:%S.%f")
            good = row < 3 * AN_HOUR or row % 3
            connection.execute(
                "INSERT INTO log VALUES (?, ?, ?, ?)", (f"r{row}", at, "q", "{}" if good else "Sorry, my secret")
            )
    columns = {"timestamp": "at", "id": "id", "question": "question", "response": "response"}
    source = {"url": f"sqlite:///{tmp_path / 'log.db'}", "table": "log", "columns": columns}
    return Config.model_validate(
        {
            "slack": {"token": "x", "channel": "#ml"},
            "monitors": [{"name": "bot", "source": source, "settle": "0s"}],
            "evaluations": [{"suite": "live.yaml", "every": "1h", "do": ["slack"]}],
        }
    )


@pytest.fixture
def reader(config: Config) -> Iterator[Reader]:
    opened = connect(config.monitors[0].source)
    yield opened
    opened.close()


def suite_of(**changes: Any) -> Suite:
    said = {"name": "live", "traffic": {"share": 0.2}, "expect": [{"signal": "valid_json", "min": 1}], **changes}
    return Suite.model_validate(said)


def run(suite: Suite, reader: Reader, store: Database, config: Config, hour: int) -> Any:
    spec = config.evaluations[0]
    alerting = SuiteAlerting(spec, suite.name, suite.alpha, config.monitors[0], config.actions)
    return evaluate_traffic(suite, reader, spec.every, store, Hand(START + hour * HOUR), alerting)


def test_the_sample_is_the_same_whoever_looks_and_is_of_the_stated_share(reader: Reader) -> None:
    suite = suite_of(traffic={"share": 0.1, "most": 5000})
    whole = sample(reader, suite, START, START + 6 * HOUR)
    again = sample(reader, suite, START, START + 6 * HOUR)
    assert whole.row_count == 6 * AN_HOUR
    assert [case.id for case in whole.cases] == [case.id for case in again.cases]
    assert {case.id for case in whole.cases} == {
        f"r{n}" for n in range(6 * AN_HOUR) if sampling_place("live", f"r{n}") < 0.1
    }
    few = sample(reader, suite_of(traffic={"share": 0.1, "most": 7}), START, START + 6 * HOUR)
    assert {case.id for case in few.cases} < {case.id for case in whole.cases} and len(few.cases) == 7


def test_a_monitor_without_ids_says_what_to_map(config: Config) -> None:
    source = config.monitors[0].source
    columns = {role: source.columns[role] for role in ("timestamp", "response")}
    bare = source.model_copy(update={"table": None, "query": "SELECT at, response FROM log", "columns": columns})
    opened = connect(bare)
    with pytest.raises(NoTraffic, match="source.columns"):
        sample(opened, suite_of(), START, START + HOUR)
    opened.close()


def test_worse_traffic_is_an_incident_and_its_scores_are_stored(
    reader: Reader, store: Database, config: Config
) -> None:
    results = [run(suite_of(), reader, store, config, hour).result for hour in (1, 2, 3, 4, 5)]
    assert results == ["good", "good", "good", "regressed", "regressed"]
    with store.read() as connection:
        (incident,) = connection.execute(sa.select(tables.incidents)).all()
        kept = connection.execute(sa.select(tables.evaluation_cases.c.case, tables.evaluation_cases.c.scores)).all()
    assert (incident.monitor, incident.rule, incident.state) == ("bot", "evaluation.live", "firing")
    assert "fell from 1.000" in incident.reason
    assert len({row.case for row in kept}) == len(kept), "no record twice"
    assert "secret" not in json.dumps([row.scores for row in kept])


def test_too_few_records_are_inconclusive_and_no_reference(reader: Reader, store: Database, config: Config) -> None:
    """A quiet hour between a good one and a bad one must not let the bad one pass as the first."""
    whole, quiet = suite_of(), suite_of(traffic={"share": 0.01, "most": 10})
    first, few = run(whole, reader, store, config, 2), run(quiet, reader, store, config, 3)
    assert few.result == "inconclusive"
    assert few.reason == f"only {len(few.cases)} records have a score, and `traffic: {{fewest: 30}}` are needed"
    worse = run(whole, reader, store, config, 5)
    assert (worse.result, worse.compared_with) == ("regressed", [first.id])


def test_nothing_logged_is_no_regression(reader: Reader, store: Database, config: Config) -> None:
    run(suite_of(), reader, store, config, 2)
    silent = run(suite_of(), reader, store, config, 40)
    assert (silent.result, len(silent.cases)) == ("inconclusive", 0)


def test_a_judge_keeps_within_the_day(reader: Reader, store: Database, config: Config) -> None:
    def answer(_body: dict[str, Any], before: int) -> Reply:
        return completion('{"score": 1.0}' if before % 5 else "no idea")

    with serving(Model(answer)) as model:
        endpoint = {"url": model.url, "model": "judge", "retries": 0}
        suite = suite_of(
            traffic={"share": 0.5, "most": 30, "daily": {"requests": 50}},
            judge={"endpoint": endpoint, "rubric": "Is it helpful?"},
            expect=[{"signal": "valid_json", "min": 1}, "judge"],
            max_failed=0.5,
        )
        first, second, third = (run(suite, reader, store, config, hour) for hour in (1, 2, 3))
        asked = len(model.requests)
        tomorrow = run(suite, reader, store, config, 25)
    assert asked == 50, "what a day may cost is a limit over all runs"
    assert first.spent["judge"].requests == 30 and second.spent["judge"].requests == 20
    assert "its daily budget is exhausted" in third.reason and third.result == "good", (
        "a silent judge says nothing of the model"
    )
    known = [case.scores["judge"][0] for case in first.cases]
    assert sum(np.isnan(known)) == 6, "what the judge does not answer is missing"
    assert tomorrow.spent.get("judge") is not None


def test_money_is_turned_into_tokens() -> None:
    daily = Daily(cost=1.0, input_price=2.0, output_price=10.0)
    spent = [{"requests": 3, "prompt_tokens": 200_000, "completion_tokens": 10_000}]
    budget = left(daily, spent)
    assert budget is not None and budget.tokens == 50_000
    assert left(daily, spent * 2) is None
    with pytest.raises(ValueError, match="input_price"):
        Daily(cost=1.0)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"cases": [{"id": "a", "prompt": "q"}]}, "has no cases of its own"),
        ({"expect": []}, "the traffic has no expectations"),
        ({"expect": ["exact"]}, "correct answer"),
        ({"expect": ["judge"]}, "there is no judge"),
        ({"judge": {"endpoint": {"url": "http://x", "model": "m"}, "rubric": "r"}}, "daily limits"),
        ({"answers": "a.jsonl"}, "exactly one"),
    ],
)
def test_what_traffic_cannot_have_is_refused(tmp_path: Path, said: dict[str, Any], why: str) -> None:
    path = tmp_path / "live.yaml"
    base = {"name": "live", "traffic": {"share": 0.1}, "expect": [{"signal": "valid_json", "min": 1}]}
    path.write_text(yaml.safe_dump(base | said))
    with pytest.raises(ConfigError, match=why):
        load(path)


def test_other_records_of_the_same_model_are_rarely_called_worse() -> None:
    chance = np.random.default_rng(3)
    draws = [(chance.beta(4, 1, 100), chance.beta(4, 1, 80)) for _ in range(300)]
    p = np.array([compare_groups(old, new, draws=499, seed=n).p_value for n, (old, new) in enumerate(draws)])
    assert 0.02 <= np.mean(p <= 0.05) <= 0.08
