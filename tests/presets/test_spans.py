"""Phoenix, Langfuse 2, OpenTelemetry and Databricks: tables as their tools make them, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from detectors import SIGNALS
from detectors.records import Column
from monitor.config.source import Source
from monitor.sources.base import SourceError
from monitor.sources.connect import connect_and_probe
from tests.presets.conftest import Opener, read
from tests.support.logs import databricks, langfuse_v2, otel, phoenix
from tests.support.logs.base import START, Call, calls, insert

COUNT = 300
COMMON = [
    "id",
    "model_version",
    "tenant",
    "input_tokens",
    "cost",
    "latency",
    "question",
    "response",
    "feedback",
    "score_grounded",
]


def assert_common(found: dict[str, list[Any]], made: list[Call]) -> None:
    """Compare what every tool logs in its own way."""
    assert found["timestamp"] == pytest.approx([call.start.timestamp() for call in made], abs=1e-3)
    assert found["model_version"] == [call.model for call in made]
    assert found["tenant"] == [call.tenant for call in made]
    assert found["input_tokens"] == [call.input_tokens for call in made]
    assert [None if cost is None else round(cost, 6) for cost in found["cost"]] == [call.cost or None for call in made]
    assert found["latency"] == pytest.approx([call.seconds for call in made], abs=2e-3)
    assert found["question"] == [call.question for call in made]
    assert found["response"] == [call.response for call in made]
    assert found["score_grounded"] == [call.grounded for call in made]
    assert [said is None for said in found["feedback"]] == [call.thumbs is None for call in made]


def test_phoenix(engine: sa.Engine, opened: Opener) -> None:
    phoenix.create(engine)
    made = list(calls(COUNT))
    phoenix.write(engine, made)
    reader = opened("phoenix", page_size=64, where="project = 'default'")
    found = read(reader, [*COMMON, "status", "error_type", "prompt_version", "output_tokens", "provider"])
    assert_common(found, made)
    assert found["id"] == [f"{call.id}-1" for call in made]
    assert found["feedback"] == [{True: "good", False: "bad", None: None}[call.thumbs] for call in made]
    assert found["output_tokens"] == [call.output_tokens for call in made]  # only in the attributes
    assert found["prompt_version"] == ["v2"] * COUNT
    assert [(e or "")[:14] for e in found["error_type"]] == ["RateLimitError" if call.failed else "" for call in made]
    assert {"OK", "UNSET", "ERROR"} == set(found["status"])
    failed = SIGNALS["failed"].compute({"status": Column.of(found["status"])}).values
    assert failed.tolist() == [float(call.failed) for call in made]
    assert reader.counts(START, START + timedelta(days=1)).rows == COUNT


def test_calls_of_the_playground_and_of_experiments_of_phoenix_are_evaluations(
    engine: sa.Engine, opened: Opener
) -> None:
    phoenix.create(engine)
    phoenix.write(engine, list(calls(5)))
    names = {
        2: "playground",
        3: f"Experiment-{'a1' * 12}",
        4: "Experiment-1",
    }  # a user may name a project like the last
    with engine.begin() as connection:
        spans = (
            connection.exec_driver_sql("SELECT trace_rowid FROM spans WHERE span_kind = 'LLM' ORDER BY id")
            .scalars()
            .all()
        )
        for number, (project, name) in enumerate(names.items(), 1):
            connection.exec_driver_sql(f"INSERT INTO projects (id, name) VALUES ({project}, '{name}')")
            query = f"UPDATE traces SET project_rowid = {project} WHERE id = {spans[number]}"
            connection.exec_driver_sql(query)
    assert read(opened("phoenix"), ["traffic"])["traffic"] == [None, "evaluation", "evaluation", None, None]


def test_a_column_that_goes_after_the_start_fails_only_what_asks_for_it(engine: sa.Engine, opened: Opener) -> None:
    phoenix.create(engine)
    phoenix.write(engine, list(calls(20)))
    reader = opened("phoenix")
    assert len(read(reader, ["id", "error_type"])["id"]) == 20
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE spans RENAME COLUMN status_message TO status_text")
    with pytest.raises(SourceError, match="status_message"):
        read(reader, ["id", "error_type"])
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE spans RENAME COLUMN status_text TO status_message")
    assert len(read(reader, ["id", "error_type"])["error_type"]) == 20


def test_a_second_table_that_may_not_be_read_is_left_out_and_named(postgres_url: str) -> None:
    owner = sa.create_engine(postgres_url)
    phoenix.create(owner)
    phoenix.write(owner, list(calls(20)))
    role = f"reader_{uuid.uuid4().hex}"
    with owner.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        connection.exec_driver_sql(f"GRANT SELECT ON spans TO {role}")
    url = owner.url.set(username=role, password="x").render_as_string(hide_password=False)
    reader, lacking = connect_and_probe(Source.model_validate({"url": url, "preset": "phoenix"}))
    assert "grant SELECT" in lacking["feedback"]
    assert len(read(reader, ["id", "latency"])["id"]) == 20
    assert not {"cost", "feedback", "project"} & set(reader.schema())
    reader.close()
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")
        connection.exec_driver_sql(f"DROP ROLE {role}")
    owner.dispose()


def test_langfuse_v2(engine: sa.Engine, opened: Opener) -> None:
    langfuse_v2.create(engine)
    made = list(calls(COUNT))
    langfuse_v2.write(engine, made)
    reader = opened("langfuse-v2", page_size=64, where="project = 'bot'")
    found = read(reader, [*COMMON, "status", "prompt_version", "release", "session_id", "time_to_first_token"])
    assert_common(found, made)
    assert [None if said is None else float(said) for said in found["feedback"]] == [
        None if call.thumbs is None else float(call.thumbs) for call in made
    ]
    assert found["prompt_version"] == ["answer@3"] * COUNT
    assert (set(found["release"]), set(found["session_id"])) == ({"1.2"}, {None})
    assert found["status"] == ["ERROR" if call.failed else "DEFAULT" for call in made]
    assert found["time_to_first_token"] == pytest.approx([call.seconds / 4 for call in made], abs=2e-3)
    assert "score_user_feedback" not in reader.schema()


def spans(engine: sa.Engine, attributes: list[dict[str, Any]]) -> None:
    """Write spans into the layout of the collector's SQL exporters."""
    otel.create(engine)
    zone = "+00" if engine.dialect.name == "postgresql" else ""
    otel.put(
        engine,
        [
            {
                "Timestamp": f"{START + timedelta(minutes=n):%Y-%m-%d %H:%M:%S}{zone}",
                "TraceId": "t",
                "SpanId": f"s{n}",
                "SpanName": "chat",
                "ServiceName": "bot",
                "Duration": 10**9,
                "StatusCode": "Ok",
                "SpanAttributes": one,
            }
            for n, one in enumerate(attributes)
        ],
    )


NEW = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "m1",
    "gen_ai.usage.input_tokens": 7,
    "gen_ai.usage.cache_read.input_tokens": 3,
    "gen_ai.usage.cache_creation.input_tokens": 2,
    "gen_ai.usage.reasoning.output_tokens": 1,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.conversation.id": "c",
    "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Hello?"}]}],
    "gen_ai.output.messages": [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hi."}], "finish_reason": "stop"}
    ],
}
OLD = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "m0",
    "gen_ai.usage.prompt_tokens": "5",
    "gen_ai.prompt": "Hello?",
    "gen_ai.completion": "Hi.",
}
AGENT = {**NEW, "gen_ai.operation.name": "invoke_agent"}
OTHER = {"http.method": "GET"}


def test_otel_spans_by_old_and_new_names(engine: sa.Engine, opened: Opener) -> None:
    spans(engine, [NEW, {**OLD, "user_agent.synthetic.type": "test"}, OTHER, AGENT])
    names = [
        "id",
        "model_version",
        "input_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "latency",
        "provider",
        "finish_reason",
        "question",
        "response",
        "session_id",
        "traffic",
    ]
    found = read(opened("otel"), names)
    assert found["traffic"] == [None, "probe"]
    assert found["id"] == ["s0", "s1"]  # an agent's span repeats the tokens of its calls
    assert found["model_version"] == ["m1", "m0"]
    assert found["input_tokens"] == [7.0, 5.0]
    assert found["cached_tokens"] == [3.0, None]
    assert found["cache_write_tokens"] == [2.0, None]
    assert found["reasoning_tokens"] == [1.0, None]
    assert found["latency"] == [1.0, 1.0]
    assert found["provider"] == ["openai", "openai"]
    assert found["finish_reason"] == ["stop", None]
    assert found["question"] == ["Hello?", "Hello?"]
    assert found["response"] == ["Hi.", "Hi."]


@pytest.mark.parametrize(("preset", "log"), [("otel", otel), ("databricks", databricks)])
def test_every_call_of_a_made_up_log_is_read_once(
    engine: sa.Engine, opened: Opener, preset: str, log: ModuleType
) -> None:
    made = list(calls(60))
    log.create(engine)
    log.write(engine, made)
    found = read(opened(preset, page_size=7), ["id", "model_version", "tenant", "latency", "question", "input_tokens"])
    assert found["id"] == [call.id for call in made]
    assert found["model_version"] == [call.model for call in made]
    assert found["tenant"] == [call.tenant for call in made]
    assert found["latency"] == pytest.approx([call.seconds for call in made], abs=1e-3)
    assert found["question"] == [call.question for call in made]
    unknown = preset == "databricks"  # without a response there is no usage
    assert found["input_tokens"] == [None if call.failed and unknown else call.input_tokens for call in made]


@pytest.mark.parametrize("newer", [True, False])
def test_databricks_payloads_of_both_layouts(engine: sa.Engine, opened: Opener, newer: bool) -> None:
    time = "TIMESTAMPTZ" if engine.dialect.name == "postgresql" else "TEXT"
    databricks.create(engine, newer=newer)
    answer = {
        "model": "m",
        "choices": [{"message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 2},
    }
    asked = {"messages": [{"role": "user", "content": "Hello?"}]}
    rows: list[dict[str, Any]] = []
    for n in range(20):
        moment = START + timedelta(minutes=n)
        when: dict[str, Any] = {"timestamp_ms": int(moment.timestamp() * 1000), "execution_time_ms": 1500}
        if newer:
            said = moment.isoformat() if time == "TIMESTAMPTZ" else f"{moment:%Y-%m-%d %H:%M:%S}"
            when = {"request_time": said, "served_entity_id": "m", "requester": "r", "execution_duration_ms": 1500}
        rows.append(
            {
                "databricks_request_id": f"r{n}",
                "status_code": 500 if n == 3 else 200,
                "sampling_fraction": 0.25,
                "request": json.dumps(asked),
                "response": {3: None, 5: '{"cut": "sho'}.get(n, json.dumps(answer)),
                **when,
            }
        )
    insert(engine, "payload", rows)
    found = read(
        opened("databricks", page_size=7),
        ["id", "weight", "latency", "status", "question", "response", "input_tokens", "model_version", "finish_reason"],
    )
    assert sorted(found["id"]) == sorted(f"r{n}" for n in range(20))
    assert found["weight"] == [4.0] * 20
    assert found["latency"] == [1.5] * 20
    assert found["status"][3] == 500
    assert found["question"] == ["Hello?"] * 20
    assert found["response"][2:5] == ["Hi.", None, "Hi."]
    assert found["response"][5] == '{"cut": "sho'
    assert found["input_tokens"][2:6] == [4.0, None, 4.0, None]
    assert found["model_version"][3] == ("m" if newer else None)
