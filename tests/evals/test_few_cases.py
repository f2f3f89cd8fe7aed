"""Suites of few cases with given answers: what is a regression, what cannot be told, and what becomes the reference."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from scipy import stats
from starlette.testclient import TestClient
from typer.testing import CliRunner

from monitor.cli import app
from monitor.config.models import Config
from monitor.core.clock import SystemClock
from monitor.core.suite_run import CaseResult
from monitor.jobs.evals.ask import SuiteSamples
from monitor.jobs.evals.conclude import conclude
from monitor.jobs.evals.suite import Suite
from monitor.jobs.evals.suite_job import plan_jobs, run_once
from monitor.metrics.export import StateCollector
from monitor.store import evaluations, migrate, tables
from monitor.store.database import Database
from monitor.web.app import create_app

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SECRET = "the patient's name is Ada"


class Folder:
    """A suite whose answers are given, run by the command line."""

    def __init__(self, path: Path, cases: int, **suite: Any) -> None:
        self.path = path
        self.cases = [{"id": f"c{n}", "prompt": f"{SECRET}, {n}?", "expected": "right"} for n in range(cases)]
        data = {"name": "s", "answers": "answers.jsonl", "cases": self.cases, "expect": ["exact"], **suite}
        (path / "suite.yaml").write_text(yaml.safe_dump(data))

    @property
    def store(self) -> str:
        return f"sqlite:///{self.path / 'driftd.db'}"

    def answer(self, right: int, samples: int = 1) -> None:
        """Answer that many cases right and the others wrong."""
        lines = [
            {"id": case["id"], "response": "right" if place < right else SECRET}
            for place, case in enumerate(self.cases)
            for _ in range(samples)
        ]
        (self.path / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def call(self, *words: str) -> Any:
        return CliRunner().invoke(app, ["eval", *words, "--store", self.store], catch_exceptions=True)

    def run(self, right: int) -> dict[str, Any]:
        self.answer(right)
        report = str(self.path / "junit.xml")
        done = self.call("run", str(self.path / "suite.yaml"), "--json", "--quiet", "--junit", report)
        result: dict[str, Any] = json.loads(done.stdout)
        assert result["exit_code"] == done.exit_code
        return result

    def junit(self) -> ET.Element:
        text = (self.path / "junit.xml").read_text()
        assert SECRET not in text and "Ada" not in text, "a report holds no text"
        return ET.fromstring(text)[0]


def codes(folder: Folder, *right: int) -> list[int]:
    return [folder.run(one)["exit_code"] for one in right]


def test_a_fall_of_every_case_is_a_regression_with_a_failure_for_each_and_never_the_reference(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 3)
    good, worse = folder.run(3), folder.run(0)
    assert (good["result"], worse["result"], worse["exit_code"]) == ("good", "regressed", 1)
    report = folder.junit()
    failing = [test.get("name") for test in report.findall("testcase") if test.find("failure") is not None]
    assert failing == ["case c0", "case c1", "case c2", "comparison overall"]
    assert report.get("failures") == "4"
    again = folder.run(0)
    assert (again["result"], again["compared_with"]) == ("regressed", [good["id"]])
    assert folder.run(3)["result"] == "good"


@pytest.mark.parametrize(
    ("cases", "right", "expected"),
    [
        (1, (1, 0), 2),
        (2, (2, 0), 2),
        (2, (2, 2, 2, 0), 1),  # three good runs of both cases are evidence enough
        (3, (3, 2), 2),
        (3, (3, 1), 2),
        (3, (3, 3), 0),
        (3, (2, 3), 0),
        (10, (10, 9), 2),
        (20, (20, 18), 0),
        (40, (40, 36), 0),
        (40, (40, 34), 2),
        (40, (40, 28), 1),
    ],
)
def test_exit_codes_by_number_of_cases(tmp_path: Path, cases: int, right: tuple[int, ...], expected: int) -> None:
    assert codes(Folder(tmp_path, cases), *right) == [0] * (len(right) - 1) + [expected]


def test_what_could_not_be_told_says_how_many_cases_would_tell_and_is_never_the_reference(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 3)
    good, unclear = folder.run(3), folder.run(2)
    assert unclear["result"] == "inconclusive"
    assert "too few cases to distinguish a drop from noise: 1.000 before, 0.667 now" in unclear["reason"]
    assert "about 31 cases instead of 3 would suffice, or `repeat: 11` if answers vary" in unclear["reason"]
    report = folder.junit()
    erring = [test.get("name") for test in report.findall("testcase") if test.find("error") is not None]
    assert (erring, report.get("failures")) == (["case c2", "result"], "0")
    for right in (2, 1):
        assert folder.run(right)["compared_with"] == [good["id"]]
    assert folder.run(0)["result"] == "regressed", "a slow fall ends where a sudden one does"


def test_the_advised_number_of_cases_tells(tmp_path: Path) -> None:
    """As large a drop is a regression, and as small a one a good run, with the number of cases that was advised."""
    assert codes(Folder(tmp_path, 31), 31, 20) == [0, 1]
    other = tmp_path / "other"
    other.mkdir()
    assert "about 18 cases instead of 10" in [Folder(other, 10).run(right) for right in (10, 9)][1]["reason"]
    assert codes(Folder(other, 18, name="more"), 18, 17) == [0, 0]


def test_an_accepted_drop_is_not_unclear_and_moves_what_must_be_excluded(tmp_path: Path) -> None:
    assert codes(Folder(tmp_path, 3, max_drop=0.4), 3, 2) == [0, 0]
    assert codes(Folder(tmp_path, 3, max_drop=0.4, name="t"), 3, 1) == [0, 2]
    assert codes(Folder(tmp_path, 3, max_drop=0.05, name="u"), 3, 0) == [0, 1]


def test_a_first_run_in_which_nothing_passes_is_no_reference_until_it_is_accepted(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 3)
    first = folder.run(0)
    assert (first["result"], first["exit_code"]) == ("inconclusive", 2)
    assert f"driftd eval accept {first['id'][:8]}" in first["reason"]
    assert folder.run(0)["compared_with"] == [], "it is no reference"
    assert folder.call("accept", first["id"]).exit_code == 0
    accepted = folder.run(0)
    assert (accepted["result"], accepted["compared_with"]) == ("good", [first["id"]])
    other = Folder(tmp_path, 3, name="other")
    assert codes(other, 1, 1) == [0, 0], "a first run in which something passes is the reference"


def test_an_unclear_run_can_be_accepted_and_one_without_answers_cannot(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 3)
    folder.run(3)
    unclear = folder.run(2)
    assert folder.call("accept", unclear["id"]).exit_code == 0
    assert folder.run(2)["compared_with"][0] == unclear["id"]
    (tmp_path / "answers.jsonl").write_text("")
    folder.call("run", str(tmp_path / "suite.yaml"), "--quiet")
    (silent, *_) = json.loads(folder.call("list", "--json").stdout)
    refused = folder.call("accept", silent["id"])
    assert "no answer for 3 of 3 requests" in str(refused.exception)


def test_with_several_samples_three_cases_are_enough_and_copies_count_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 3)
    results = []
    for right in (3, 2, 0):
        folder.answer(right, samples=3)
        results.append(folder.call("run", str(tmp_path / "suite.yaml"), "--quiet").exit_code)
    assert results == [0, 2, 1]


# ---- on a schedule -------------------------------------------------------------------------------


def test_on_a_schedule_an_unclear_run_changes_no_incident_and_is_shown_as_what_it_is(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 3)
    source = {"url": "sqlite://", "table": "log", "columns": {"timestamp": "at"}}
    config = Config.model_validate(
        {
            "slack": {"token": "x", "channel": "#ml"},
            "monitors": [{"name": "bot", "source": source}],
            "evaluations": [{"suite": str(tmp_path / "suite.yaml"), "every": "1h", "do": ["slack"]}],
        }
    )
    store = Database(folder.store)
    migrate.upgrade(store)
    (job,) = plan_jobs(config, folder.store)
    states = []
    for right in (3, 2, 0, 2, 3):
        folder.answer(right)
        run_once(job)
        with store.read() as connection:
            newest, reference = evaluations.rows(connection, "s")[0], evaluations.last_good(connection, "s", 1)[0]
            opened = [row.state for row in connection.execute(tables.incidents.select())]
        passed = sum(case.score for case in reference[2])
        states.append((newest.result, passed, opened))
        if right == 2:
            check_shown(store, config)
    assert states == [
        ("good", 3, []),
        ("inconclusive", 3, []),
        ("regressed", 3, ["firing"]),
        ("inconclusive", 3, ["firing"]),
        ("good", 3, ["resolved"]),
    ]
    store.close()


def check_shown(store: Database, config: Config) -> None:
    """Hold the page and the metrics to the newest run, which could not tell."""
    samples = {
        sample.labels["result"]: sample.value
        for family in StateCollector(store, config).collect()
        for sample in family.samples
        if sample.name == "driftd_evaluation_result"
    }
    assert samples == {"good": 0.0, "regressed": 0.0, "below": 0.0, "inconclusive": 1.0}
    with TestClient(create_app(store, config, SystemClock()), base_url="http://127.0.0.1:9478") as client:
        home = client.get("/").text
    assert "<td>inconclusive</td>" in home and "too few cases to distinguish" in home


# ---- noise ---------------------------------------------------------------------------------------


def outcomes(cases: int, repeat: int, runs: int, seed: int) -> list[str]:
    """Return what comes of runs after one another of an unchanged model whose pass rates are anything."""
    chance = np.random.default_rng(seed)
    listed = [{"id": f"c{n}", "prompt": "q", "expected": "right"} for n in range(cases)]
    suite = Suite.model_validate({"name": "s", "answers": "x", "cases": listed, "expect": ["exact"], "repeat": repeat})
    share, good, results = chance.random(cases), [], []
    for number in range(runs):
        drawn = (chance.random((cases, repeat)) < share[:, None]).astype(float)
        scored = [
            CaseResult(case.id, "d", (), {"overall": scores}, (), ["a", "b"])
            for case, scores in zip(suite.cases, drawn, strict=True)
        ]
        at = NOW + timedelta(hours=number)
        run = conclude(suite, scored, good[: suite.compare_with], SuiteSamples({}), at, at)
        results.append(run.result)
        if run.result == "good":
            good.insert(0, (run.id, False, scored))
    return results


@pytest.mark.parametrize("cases", [3, 4, 5])
def test_an_unchanged_model_with_few_cases_is_called_worse_no_more_often_than_alpha(cases: int) -> None:
    """Of 500 pairs of runs five may be."""
    alarms = sum(outcomes(cases, 1, 2, seed)[1] == "regressed" for seed in range(500))
    assert stats.binom.sf(alarms - 1, 500, 0.01) > 1e-3, alarms
