"""Arize Phoenix's tables (as its models declare them, the columns that are asked for) and spans as it stores them."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tests.support.logs.base import Call, insert


def create(engine: sa.Engine) -> None:
    """Make the tables."""
    if engine.dialect.name == "postgresql":
        serial, time, json_type, real = "SERIAL", "TIMESTAMP WITH TIME ZONE", "JSONB", "DOUBLE PRECISION"
    else:
        serial, time, json_type, real = "INTEGER", "TIMESTAMP", "JSONB", "FLOAT"
    statements = [
        f"CREATE TABLE projects (id {serial} PRIMARY KEY, name VARCHAR NOT NULL UNIQUE, description VARCHAR)",
        f"CREATE TABLE traces (id {serial} PRIMARY KEY, project_rowid INTEGER NOT NULL REFERENCES projects (id), trace_id VARCHAR NOT NULL UNIQUE, start_time {time} NOT NULL, end_time {time} NOT NULL)",
        f"CREATE TABLE spans (id {serial} PRIMARY KEY, trace_rowid INTEGER NOT NULL REFERENCES traces (id), span_id VARCHAR NOT NULL UNIQUE, parent_id VARCHAR, name VARCHAR NOT NULL, span_kind VARCHAR NOT NULL, start_time {time} NOT NULL, end_time {time} NOT NULL, attributes {json_type} NOT NULL, events {json_type} NOT NULL, status_code VARCHAR NOT NULL DEFAULT 'UNSET' CHECK (status_code IN ('OK', 'ERROR', 'UNSET')), status_message VARCHAR NOT NULL, cumulative_error_count INTEGER NOT NULL, cumulative_llm_token_count_prompt INTEGER NOT NULL, cumulative_llm_token_count_completion INTEGER NOT NULL, llm_token_count_prompt INTEGER, llm_token_count_completion INTEGER)",
        "CREATE INDEX ix_spans_start_time ON spans (start_time)",
        f"CREATE TABLE span_costs (id {serial} PRIMARY KEY, span_rowid INTEGER NOT NULL REFERENCES spans (id), trace_rowid INTEGER NOT NULL, model_id INTEGER, span_start_time {time} NOT NULL, total_cost {real}, total_tokens {real})",
        "CREATE INDEX ix_span_costs_span_rowid ON span_costs (span_rowid)",
        f"CREATE TABLE span_annotations (id {serial} PRIMARY KEY, span_rowid INTEGER NOT NULL REFERENCES spans (id), name VARCHAR NOT NULL, label VARCHAR, score {real}, explanation VARCHAR, metadata {json_type} NOT NULL, annotator_kind VARCHAR NOT NULL CHECK (annotator_kind IN ('LLM', 'CODE', 'HUMAN')), created_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, user_id INTEGER, identifier VARCHAR NOT NULL DEFAULT '', source VARCHAR NOT NULL, UNIQUE (name, span_rowid, identifier))",
        "CREATE INDEX ix_span_annotations_span_rowid ON span_annotations (span_rowid)",
        "INSERT INTO projects (id, name) VALUES (1, 'default')",
    ]
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def write(engine: sa.Engine, calls: list[Call]) -> None:
    """Add a trace of two spans a call, with its cost and annotations."""

    def moment(value: Any) -> Any:
        return value if engine.dialect.name == "postgresql" else value.strftime("%Y-%m-%d %H:%M:%S.%f")

    def span(call: Call, place: int) -> dict[str, Any]:
        attributes = (
            {
                "llm": {
                    "model_name": call.model,
                    "provider": "openai",
                    "token_count": {"prompt": call.input_tokens, "completion": call.output_tokens},
                    "prompt_template": {"version": "v2"},
                },
                "input": {
                    "value": json.dumps({"messages": [{"role": "user", "content": call.question}]}),
                    "mime_type": "application/json",
                },
                "output": {"value": call.response},
                "user": {"id": call.tenant},
                "session": {"id": "s"},
            }
            if place
            else {}
        )
        return {
            "id": 2 * call.number + place + 1,
            "trace_rowid": call.number + 1,
            "span_id": f"{call.id}-{place}",
            "name": "llm" if place else "chain",
            "span_kind": "LLM" if place else "CHAIN",
            "start_time": moment(call.start),
            "end_time": moment(call.end),
            "attributes": json.dumps(attributes),
            "events": "[]",
            "status_code": "ERROR" if call.failed else ("OK", "UNSET")[call.number % 2],
            "status_message": "RateLimitError: slow down" if call.failed else "",
            "cumulative_error_count": 0,
            "cumulative_llm_token_count_prompt": 0,
            "cumulative_llm_token_count_completion": 0,
            "llm_token_count_prompt": call.input_tokens if place else None,
            "llm_token_count_completion": None,
        }

    insert(
        engine,
        "traces",
        [
            {
                "id": call.number + 1,
                "project_rowid": 1,
                "trace_id": call.id,
                "start_time": moment(call.start),
                "end_time": moment(call.end),
            }
            for call in calls
        ],
    )
    insert(engine, "spans", [span(call, place) for call in calls for place in (0, 1)])
    insert(
        engine,
        "span_costs",
        [
            {
                "span_rowid": 2 * call.number + 2,
                "trace_rowid": call.number + 1,
                "span_start_time": moment(call.start),
                "total_cost": call.cost,
            }
            for call in calls
            if call.cost
        ],
    )
    insert(
        engine,
        "span_annotations",
        [
            {
                "span_rowid": 2 * call.number + 2,
                "name": name,
                "label": label,
                "score": score,
                "metadata": "{}",
                "annotator_kind": kind,
                "source": "API",
                "updated_at": moment(call.end),
            }
            for call in calls
            for name, label, score, kind in (
                ("grounded", None, call.grounded, "LLM"),
                *([("thumbs", "good" if call.thumbs else "bad", None, "HUMAN")] if call.thumbs is not None else []),
            )
        ],
    )
