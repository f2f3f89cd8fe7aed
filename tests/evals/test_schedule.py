"""Suites on a schedule: due by what is stored, one at a time, in a process of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from monitor.config import EvaluationSpec
from monitor.evals.schedule import Schedule, run_once, scheduled
from monitor.store import evaluations, migrate
from monitor.store.database import Database
from tests.support.llm import Model, completion, serving
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


@pytest.fixture
def store(sqlite_url: str) -> Database:
    database = Database(sqlite_url)
    migrate.upgrade(database)
    return database


def test_a_suite_is_started_when_it_is_due_and_never_twice_at_once(tmp_path: Path, store: Database) -> None:
    children: list[Running] = []

    def start(_suite: Path, _store: str) -> Running:
        children.append(Running())
        return children[-1]

    schedule = Schedule([write(tmp_path)], store, start)
    assert schedule.turn(NOW) == 1
    assert schedule.turn(NOW + 2 * HOUR) == 0, "the first is still running"
    children[0].alive = False
    assert schedule.turn(NOW + HOUR / 2) == 0
    assert schedule.turn(NOW + HOUR) == 1
    schedule.stop()
    assert not any(child.alive for child in children)
    store.close()


def test_after_a_restart_the_stored_run_counts(tmp_path: Path, store: Database) -> None:
    with serving(Model(lambda _body, _before: completion("right"))) as model:
        spec = write(tmp_path, model.url)
        run_once(spec.suite, str(store.url))
    with store.read() as connection:
        begun = evaluations.rows(connection, "s")[0].started_at
    schedule = Schedule([spec], store, lambda _suite, _store: Running())
    assert schedule.turn(begun + HOUR / 2) == 0
    assert schedule.turn(begun + HOUR) == 1
    store.close()


def test_a_suite_that_cannot_be_read_stops_nothing(tmp_path: Path, store: Database) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "suite.yaml").write_text("name: [")
    bad = EvaluationSpec(suite=tmp_path / "bad" / "suite.yaml", every=HOUR)
    schedule = Schedule([bad, write(tmp_path)], store, lambda _suite, _store: Running())
    assert schedule.turn(NOW) == 1
    store.close()


def test_the_run_happens_in_a_child_and_is_stored(tmp_path: Path, store: Database) -> None:
    class Told:
        def now(self) -> datetime:
            return NOW

    with serving(Model(lambda _body, _before: completion("right"))) as model:
        spec = write(tmp_path, model.url)
        with scheduled([spec], store, Told()):

            def stored() -> list[object]:
                with store.read() as connection:
                    return evaluations.rows(connection, "s")

            rows = eventually(stored, 40, "the run of the suite")
    assert [row.result for row in rows] == ["good"]  # type: ignore[attr-defined]
    assert len(model.requests) == 1
    store.close()


def test_an_interval_of_seconds_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal"):
        EvaluationSpec(suite=Path("x"), every=timedelta(seconds=5))
