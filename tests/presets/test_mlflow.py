"""Traces that a real MLflow wrote, in the tables that it made."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tests.presets.conftest import Opener, read
from tests.support.logs import mlflow
from tests.support.logs.base import START, calls
from tests.support.nightly import nightly
from tests.support.postgres import Server

pytestmark = pytest.mark.xdist_group("mlflow")  # one worker starts it, not each


@pytest.fixture(scope="module", params=["sqlite", nightly("postgresql")])
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Let a real MLflow make and fill a database, once of each kind."""
    folder = tmp_path_factory.mktemp("mlflow")
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'mlflow.db'}"
        mlflow.create(url, 4, folder)
        yield url
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.database() as url:
        mlflow.create(url, 4, folder)
        yield url


@pytest.fixture
def engine(template: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """Lend a copy of it."""
    url = make_url(template)
    copy = f"copy_{uuid.uuid4().hex}"
    if url.get_backend_name() == "sqlite":
        shutil.copy(str(url.database), tmp_path / "copy.db")
        made = sa.create_engine(f"sqlite:///{tmp_path / 'copy.db'}")
        yield made
        made.dispose()
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {copy} TEMPLATE {url.database}")
        made = sa.create_engine(url.set(database=copy))
        yield made
        made.dispose()
        connection.execute(f"DROP DATABASE {copy} WITH (FORCE)")


def test_what_a_real_mlflow_wrote_is_read_with_its_assessments(engine: sa.Engine, opened: Opener) -> None:
    reader = opened("mlflow")
    now = datetime.now(UTC)
    (page,) = reader.read(now - timedelta(minutes=10), now + timedelta(minutes=1), list(reader.schema()))
    found = {
        name: [None if gone else value for value, gone in zip(column.values, column.missing, strict=True)]
        for name, column in page.items()
    }
    assert found["question"] == [f"What is {n}?" for n in range(4)]
    assert found["response"] == ["It is 0.", "It is 1.", None, "It is 3."]
    assert found["status"] == ["OK", "OK", "ERROR", "OK"]
    assert found["model_version"] == ["gpt-4o"] * 4
    assert found["provider"] == ["openai"] * 4
    assert found["input_tokens"] == [5, 6, 7, 8]
    assert found["tenant"] == ["u1"] * 4
    assert found["session_id"] == ["s1"] * 4
    assert found["experiment"] == ["bot"] * 4
    assert found["feedback"] == ["false", "true", None, None]
    assert found["score_grounded"] == [0, 0.1, 0.2, 0.3]
    assert found["score_relevant"] == [0, 1, 1, 1]
    assert all(0 <= seconds < 60 for seconds in found["latency"])
    assert abs(page["timestamp"].values[-1] - now.timestamp()) < 600
    assert reader.counts(now - timedelta(minutes=10), now + timedelta(minutes=1)).feedback == 2
    assert not {"score_thumbs", "score_expected"} & set(found)


def test_an_older_server_keeps_tokens_in_metadata_and_has_no_assessments(engine: sa.Engine, opened: Opener) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE trace_info RENAME TO newer")
        columns = "request_id, experiment_id, timestamp_ms, execution_time_ms, status"
        connection.exec_driver_sql(f"CREATE TABLE trace_info AS SELECT {columns} FROM newer")
        connection.exec_driver_sql("ALTER TABLE assessments RENAME TO gone")
        usage = '{"input_tokens": 7, "output_tokens": 2}'
        connection.exec_driver_sql("DELETE FROM trace_request_metadata WHERE key LIKE 'mlflow.trace.%%'")
        for key, value in (("mlflow.trace.tokenUsage", usage), ("mlflow.trace.session", "s1")):
            insert = f"INSERT INTO trace_request_metadata (key, value, request_id) SELECT '{key}', '{value}'"
            connection.exec_driver_sql(f"{insert}, request_id FROM newer")
    reader = opened("mlflow")
    assert not {"feedback", "question", "score_grounded"} & set(reader.schema())
    now = datetime.now(UTC)
    pages = list(reader.read(now - timedelta(minutes=10), now + timedelta(minutes=1), ["input_tokens", "session_id"]))
    assert [value for page in pages for value in page["input_tokens"].values] == [7.0] * 4
    assert [value for page in pages for value in page["session_id"].values] == ["s1"] * 4


def test_many_traces_are_read_once_and_one_in_progress_is_not_yet_one(engine: sa.Engine, opened: Opener) -> None:
    made = list(calls(300))
    mlflow.write(engine, made)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE trace_info SET status = 'IN_PROGRESS' WHERE request_id = '{made[5].id}'")
        tag = f"'mlflow.eval.requestId', 'e', '{made[9].id}'"
        connection.exec_driver_sql(f"INSERT INTO trace_tags (key, value, request_id) VALUES ({tag})")
    reader = opened("mlflow", page_size=64, where="experiment = 'bot'")
    found = read(reader, ["id", "feedback", "score_grounded", "cost", "model_version", "app_version", "traffic"])
    kept = [call for call in made if call.number != 5]
    assert found["id"] == [call.id for call in kept]
    assert found["traffic"] == ["evaluation" if call.number == 9 else None for call in kept]
    assert found["score_grounded"] == [call.grounded for call in kept]
    assert found["cost"] == [call.cost or None for call in kept]
    assert found["model_version"] == [call.model for call in kept]
    assert found["app_version"] == ["abc"] * 299
    counted = reader.counts(START, START + timedelta(days=1))
    assert (counted.rows, counted.feedback) == (299, sum(call.thumbs is not None for call in kept))
