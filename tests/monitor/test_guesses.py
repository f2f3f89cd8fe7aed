"""Roles that `driftd init` finds in tables of all kinds, and names that must not mislead it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from monitor.cli import app
from monitor.cli.role_inference import guess_roles, guess_time, split_name
from monitor.config.load import load
from monitor.sources.base import ColumnInfo, ColumnType


def columns(**types: ColumnType | tuple[ColumnType, float]) -> list[ColumnInfo]:
    """Make columns as they were found; a pair gives the typical number, too. Two underscores stand for a space."""
    made = []
    for name, told in types.items():
        kind, typical = told if isinstance(told, tuple) else (told, None)
        distinct = 100 if name.lower().endswith("id") else 5
        made.append(
            ColumnInfo(
                name.replace("__", " "), name.replace("__", " "), kind, kind, None, 100, 0.0, distinct, typical=typical
            )
        )
    return made


def test_a_hand_made_log_of_an_llm_application() -> None:
    found = guess_roles(
        columns(
            Call__ID="text",
            Model__Name="text",
            Prompt__Ver="text",
            question="text",
            retrieved__docs="json",
            answer="text",
            tokens__in="numeric",
            tokens__out="numeric",
            usd="numeric",
            ms=("numeric", 640.0),
            thumb="numeric",
            tenant="text",
            user="text",
            weather="text",
        )
    )
    assert found == {
        "id": "Call ID",
        "model_version": "Model Name",
        "prompt_version": "Prompt Ver",
        "question": "question",
        "context": "retrieved docs",
        "response": "answer",
        "input_tokens": "tokens in",
        "output_tokens": "tokens out",
        "cost": "usd",
        "latency": {"column": "ms", "unit": "ms"},
        "feedback": "thumb",
        "tenant": "tenant",
        "user": "user",
    }


def test_camel_case_and_prefixes() -> None:
    found = guess_roles(
        columns(
            requestId="text",
            llmModel="text",
            promptTokens="numeric",
            completionTokens="numeric",
            totalCostUsd="numeric",
            responseTimeMs=("numeric", 900.0),
            userMessage="text",
            llmResponseText="text",
            finishReason="text",
            statusCode="numeric",
            timeToFirstTokenMs=("numeric", 90.0),
            messages="json",
        )
    )
    assert found == {
        "id": "requestId",
        "model_version": "llmModel",
        "input_tokens": "promptTokens",
        "output_tokens": "completionTokens",
        "cost": "totalCostUsd",
        "latency": {"column": "responseTimeMs", "unit": "ms"},
        "response": "llmResponseText",
        "question": {"column": "messages", "chat": True},
        "finish_reason": "finishReason",
        "status": "statusCode",
        "time_to_first_token": {"column": "timeToFirstTokenMs", "unit": "ms"},
    }


def test_a_model_of_churn() -> None:
    found = guess_roles(
        columns(uuid="text", model="text", score="numeric", target="numeric", age="numeric", price="numeric")
    )
    assert found["prediction"] == "score"
    assert found["label"] == "target"
    assert "response" not in found


def test_names_that_only_sound_like_a_role() -> None:
    misleading = columns(
        response_time="text",
        question_id="text",
        answer_length="numeric",
        context_tokens="numeric",
        model_latency="text",
        response_language="text",
        output_format="text",
        prompt_hash="numeric",
        cost_center="text",
        customer_satisfaction="text",
        input_type="text",
        query_embedding="json",
    )
    assert set(guess_roles(misleading)) == {"prompt_version"}


def test_a_sampling_fraction_is_one_by_its_whole_name() -> None:
    found = guess_roles(columns(SamplingFraction="numeric", sample__rate="numeric", weight="numeric"))
    assert found == {"sampling_fraction": "SamplingFraction"}


def test_an_id_repeats_nowhere() -> None:
    (column,) = columns(trace_id="text")
    assert guess_roles([column]) == {"id": "trace_id"}
    assert guess_roles([ColumnInfo("trace_id", "trace_id", "text", "text", None, 100, 0.0, 40)]) == {}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"duration": ("numeric", 2.5)}, "duration"),
        ({"duration": ("numeric", 2500.0)}, {"column": "duration", "unit": "ms"}),
        ({"duration_s": ("numeric", 2500.0)}, "duration_s"),
        ({"latencyMicros": ("numeric", 3.0)}, {"column": "latencyMicros", "unit": "us"}),
        ({"total_time": ("numeric", 3.0)}, "total_time"),
    ],
)
def test_what_a_duration_counts(made: dict[str, Any], expected: object) -> None:
    assert guess_roles(columns(**made)) == {"latency": expected}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"updated_at": "time", "Created__At": "time"}, ("Created At", "Created At")),
        ({"loggedOn": "time"}, ("loggedOn", "loggedOn")),
        ({"ts": ("numeric", 1.79e12)}, ("ts", {"column": "ts", "unit": "ms"})),
        ({"ts": ("numeric", 1.79e9)}, ("ts", {"column": "ts", "unit": "s"})),
        ({"time": ("numeric", 12.0), "at": "time"}, ("at", "at")),
        ({"time": ("numeric", 12.0)}, None),
    ],
)
def test_the_time_of_the_event(made: dict[str, Any], expected: object) -> None:
    assert guess_time(columns(**made)) == expected


def test_words() -> None:
    assert split_name("HTTPStatus_2") == ("http", "status", "2")
    assert split_name("") == ()


def test_init_writes_a_configuration_that_can_be_read(store_url: str, tmp_path: Any) -> None:
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            'CREATE TABLE "LLM calls" ("Call ID" int PRIMARY KEY, "Created At" timestamp, "Model" text, '
            "ms int, answer text, succeeded boolean)"
        )
        connection.execute(
            sa.text("INSERT INTO \"LLM calls\" VALUES (:id, '2026-03-29 00:00:01', 'm', 900, 'Yes, it is.', true)"),
            [{"id": place} for place in range(50)],
        )
    out = tmp_path / "driftd.yaml"
    done = CliRunner().invoke(app, ["init", "--url", store_url, "--table", "LLM calls", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "yes     latency: `latency` is present in 100%" in done.output
    source = load(out, {"DRIFTD_SOURCE_PASSWORD": "x"}).monitors[0].source
    assert {role: (spec.column, spec.unit) for role, spec in source.columns.items()} == {
        "timestamp": ("Created At", None),
        "id": ("Call ID", None),
        "model_version": ("Model", None),
        "latency": ("ms", "ms"),
        "response": ("answer", None),
        "status": ("succeeded", None),
    }
    engine.dispose()
