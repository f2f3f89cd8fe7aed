"""Suites on a schedule: due by what is stored, one at a time, in a process of their own."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from starlette.testclient import TestClient

from monitor.config.load import cross_check
from monitor.config.models import Config, EvaluationSpec
from monitor.core.clock import SystemClock
from monitor.daemon import Daemon
from monitor.jobs.evals.schedule import SuiteSchedule
from monitor.jobs.evals.suite_job import SuiteJob, plan_jobs, run_once
from monitor.metrics.export import StateCollector
from monitor.store import evaluations, migrate, silences, tables
from monitor.store.database import Database
from monitor.web.app import create_app
from tests.support.llm import Model, completion, serving, unsure
from tests.support.process import eventually

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Running:
    """A child that runs until it is told otherwise."""

    def __init__(self) -> None:
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive

    def terminate(self) -> None:
        self.alive = False

    def kill(self) -> None:
        raise AssertionError("terminating was enough")

    def join(self, timeout: float | None = None) -> None:
        assert timeout is not None


def write(folder: Path, url: str = "http://127.0.0.1:1/v1") -> EvaluationSpec:
    path = folder / "suite.yaml"
    cases = [{"id": "a", "prompt": "q", "expected": "right"}]
    endpoint = {"url": url, "model": "m", "retries": 0, "timeout": 5}
    path.write_text(yaml.safe_dump({"name": "s", "endpoint": endpoint, "cases": cases, "expect": ["exact"]}))
    return EvaluationSpec(suite=path, every=HOUR)


def age(store: Database, by: timedelta, *, lost: bool = False) -> None:
    """Let time go by for the turns, and for a lease as well when its holder is lost."""
    turns = tables.evaluation_turns.c
    with store.write() as connection:
        row = connection.execute(sa.select(turns.name, turns.begun_at, turns.lease_until)).one()
        leased = {"lease_until": row.lease_until - by} if lost else {}
        connection.execute(sa.update(tables.evaluation_turns).values(begun_at=row.begun_at - by, **leased))


@pytest.fixture
def store(sqlite_url: str) -> Database:
    database = Database(sqlite_url)
    migrate.upgrade(database)
    return database


def test_a_suite_is_started_when_it_is_due_and_never_twice_at_once(tmp_path: Path, store: Database) -> None:
    children: list[Running] = []

    def start(_job: SuiteJob) -> Running:
        children.append(Running())
        return children[-1]

    schedule = SuiteSchedule([SuiteJob(write(tmp_path), str(store.url))], store, start)
    assert schedule.turn(NOW) == 1
    age(store, 2 * HOUR)
    assert schedule.turn(NOW + 2 * HOUR) == 0, "the first is still running"
    children[0].alive = False
    age(store, -2 * HOUR)
    assert schedule.turn(NOW + 3 * HOUR) == 0, "it began a moment ago"
    age(store, HOUR)
    assert schedule.turn(NOW + 4 * HOUR) == 1
    schedule.stop()
    assert not any(child.alive for child in children)
    store.close()


def test_after_a_restart_the_stored_run_counts(tmp_path: Path, store: Database) -> None:
    with serving(Model(lambda _body, _before: completion("right"))) as model:
        spec = write(tmp_path, model.url)
        run_once(SuiteJob(spec, str(store.url)))
    schedule = SuiteSchedule([SuiteJob(spec, str(store.url))], store, lambda _job: Running())
    assert schedule.turn(NOW) == 0
    with store.write() as connection:
        (begun,) = connection.execute(sa.select(tables.evaluations.c.started_at)).scalars()
        connection.execute(sa.update(tables.evaluations).values(started_at=begun - HOUR))
    assert schedule.turn(NOW + HOUR) == 1
    store.close()


def test_of_two_replicas_one_runs_a_suite_until_it_is_lost(tmp_path: Path, store: Database) -> None:
    job = SuiteJob(write(tmp_path), str(store.url))
    first, second = (SuiteSchedule([job], store, lambda _job: Running()) for _ in range(2))
    assert (first.turn(NOW), second.turn(NOW)) == (1, 0)
    age(store, HOUR)
    assert second.turn(NOW + HOUR) == 0, "the first says every quarter of a minute that it is still at it"
    age(store, HOUR, lost=True)
    assert second.turn(NOW + 2 * HOUR) == 1, "it said nothing for two minutes"
    store.close()


@pytest.fixture
def config() -> Config:
    source = {"url": "sqlite://", "table": "log", "columns": {"timestamp": "at"}}
    return Config.model_validate(
        {
            "slack": {"token": "x", "channel": "#ml"},
            "monitors": [{"name": "bot", "source": source}],
            "evaluations": [{"suite": "suite.yaml", "every": "1h", "severity": "critical", "do": ["slack"]}],
        }
    )


def test_a_silenced_regression_is_announced_by_the_first_run_after_the_silence(
    tmp_path: Path, store: Database, config: Config
) -> None:
    share = {"right": 1.0}
    with serving(Model(unsure(lambda _text: share["right"]))) as model:
        path = write(tmp_path, model.url).suite
        suite = yaml.safe_load(path.read_text())
        suite["cases"] = [{"id": f"c{n}", "prompt": f"q{n}", "expected": "right"} for n in range(40)]
        path.write_text(yaml.safe_dump(suite))
        spec = config.evaluations[0].model_copy(update={"suite": path})
        (job,) = plan_jobs(config.model_copy(update={"evaluations": [spec]}), str(store.url))
        run_once(job)
        now = SystemClock().now()
        row = {"monitor": "*", "rule": "*", "starts_at": now, "ends_at": now + HOUR, "comment": "", "created_by": "me"}
        with store.write() as connection:
            number = silences.add_silence(connection, row)
        share["right"] = 0.0
        run_once(job)
        with store.read() as connection:
            assert connection.execute(sa.select(tables.incidents.c.state)).scalars().all() == ["firing"]
            assert connection.execute(sa.select(tables.actions)).all() == []
        with store.write() as connection:
            silences.end_silence(connection, number, SystemClock().now())
        run_once(job)
    with store.read() as connection:
        assert connection.execute(sa.select(tables.actions.c.kind)).scalars().all() == ["firing"]
    store.close()


def test_a_regression_opens_an_incident_and_a_good_run_resolves_it(
    tmp_path: Path, store: Database, config: Config
) -> None:
    share = {"right": 1.0}
    with serving(Model(unsure(lambda _text: share["right"]))) as model:
        path = write(tmp_path, model.url).suite
        said = yaml.safe_load(path.read_text())
        said["cases"] = [{"id": f"c{n}", "prompt": f"q{n}", "expected": "right"} for n in range(40)]
        path.write_text(yaml.safe_dump(said))
        config = config.model_copy(update={"evaluations": [config.evaluations[0].model_copy(update={"suite": path})]})
        (job,) = plan_jobs(config, str(store.url))
        told = []
        for right in (1.0, 0.0, 0.0, 1.0):
            share["right"] = right
            run_once(job)
            with store.read() as connection:
                rows = connection.execute(sa.select(tables.incidents)).all()
            told.append([(row.rule, row.state, row.severity) for row in rows])
    rule = "evaluation.s"
    firing = [(rule, "firing", "critical")]
    assert told == [[], firing, firing, [(rule, "resolved", "critical")]]
    with store.read() as connection:
        sent = connection.execute(sa.select(tables.actions).order_by(tables.actions.c.created_at)).all()
        standing = connection.execute(sa.select(tables.incidents)).one()
    assert [action.kind for action in sent] == ["firing", "resolved"]
    (evidence,) = standing.evidence.values()
    assert evidence["check"] == "evaluation" and evidence["statistic"] == pytest.approx(1.0)
    page = create_app(store, config, SystemClock())
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in StateCollector(store, config).collect()
        for sample in family.samples
        if family.name.startswith("driftd_evaluation")
    }
    assert samples["driftd_evaluation_score", "s"] == 1.0
    assert samples["driftd_evaluation_result", "s", "good"] == 1.0
    with TestClient(page, base_url="http://127.0.0.1:9478") as client:
        home = client.get("/").text
        assert "Evaluations" in home and "<td>good</td>" in home
        assert client.get(f"/incidents/{standing.id}").status_code == 200
    store.close()


def test_a_regression_must_be_somebodys(config: Config) -> None:
    two = config.model_copy(
        update={"monitors": [*config.monitors, config.monitors[0].model_copy(update={"name": "b"})]}
    )
    (problem,) = cross_check(two)
    assert "several monitors" in problem.message
    named = config.evaluations[0].model_copy(update={"monitor": "bat"})
    (problem,) = cross_check(config.model_copy(update={"evaluations": [named]}))
    assert problem.where == ("evaluations", 0, "monitor") and "bot" in problem.message


def test_a_suite_that_cannot_be_read_stops_nothing(tmp_path: Path, store: Database) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "suite.yaml").write_text("name: [")
    bad = EvaluationSpec(suite=tmp_path / "bad" / "suite.yaml", every=HOUR)
    schedule = SuiteSchedule([SuiteJob(bad, ""), SuiteJob(write(tmp_path), "")], store, lambda _job: Running())
    assert schedule.turn(NOW) == 1
    store.close()


def test_the_run_happens_in_a_child_and_is_stored(tmp_path: Path, store: Database) -> None:
    class Told:
        def now(self) -> datetime:
            return NOW

    with serving(Model(lambda _body, _before: completion("right"))) as model:
        spec = write(tmp_path, model.url)
        daemon = Daemon(store, [], {}, Told(), suites=SuiteSchedule([SuiteJob(spec, str(store.url))], store))
        running = threading.Thread(target=daemon.run)
        running.start()

        def stored() -> list[object]:
            with store.read() as connection:
                return evaluations.rows(connection, "s")

        try:
            rows = eventually(stored, 120, "the run of the suite")
        finally:
            daemon.stop()
            running.join()
    assert [row.result for row in rows] == ["good"]  # type: ignore[attr-defined]
    assert len(model.requests) == 1
    store.close()


def test_an_interval_of_seconds_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal"):
        EvaluationSpec(suite=Path("x"), every=timedelta(seconds=5))
