"""Langfuse 2's tables (as its Prisma schema declares them) and generations as it stores them; for SQLite a look-alike."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tests.support.logs.base import Call, insert, naive

TRACES = (
    "id TEXT PRIMARY KEY, external_id TEXT, timestamp {time} NOT NULL, name TEXT, user_id TEXT, metadata {json}, release TEXT, version TEXT, "
    "project_id TEXT NOT NULL, public BOOLEAN NOT NULL DEFAULT false, bookmarked BOOLEAN NOT NULL DEFAULT false, tags {tags}, "
    "input {json}, output {json}, session_id TEXT"
)
OBSERVATIONS = (
    "id TEXT PRIMARY KEY, trace_id TEXT, project_id TEXT NOT NULL, type {type} NOT NULL, start_time {time} NOT NULL, end_time {time}, name TEXT, "
    "metadata {json}, parent_observation_id TEXT, level {level} NOT NULL DEFAULT 'DEFAULT', status_message TEXT, version TEXT, model TEXT, "
    'internal_model TEXT, internal_model_id TEXT, "modelParameters" {json}, input {json}, output {json}, prompt_tokens INTEGER NOT NULL DEFAULT 0, '
    "completion_tokens INTEGER NOT NULL DEFAULT 0, total_tokens INTEGER NOT NULL DEFAULT 0, unit TEXT, input_cost {decimal}, output_cost {decimal}, "
    "total_cost {decimal}, calculated_input_cost {decimal}, calculated_output_cost {decimal}, calculated_total_cost {decimal}, "
    "completion_start_time {time}, prompt_id TEXT"
)
SCORES = (
    "id TEXT PRIMARY KEY, timestamp {time} NOT NULL, project_id TEXT NOT NULL, name TEXT NOT NULL, value DOUBLE PRECISION, source {source} NOT NULL, "
    "author_user_id TEXT, comment TEXT, trace_id TEXT NOT NULL, observation_id TEXT, config_id TEXT, string_value TEXT, queue_id TEXT"
)


def create(engine: sa.Engine) -> None:
    """Make the tables, enums and indexes."""
    real = engine.dialect.name == "postgresql"
    kinds = {
        "time": "TIMESTAMP(3)" if real else "TEXT",
        "json": "JSONB" if real else "TEXT",
        "decimal": "DECIMAL(65,30)" if real else "REAL",
        "tags": "TEXT[]" if real else "TEXT",
        "type": '"ObservationType"' if real else "TEXT",
        "level": '"ObservationLevel"' if real else "TEXT",
        "source": '"ScoreSource"' if real else "TEXT",
    }
    enums = [
        "CREATE TYPE \"ObservationType\" AS ENUM ('SPAN', 'EVENT', 'GENERATION')",
        "CREATE TYPE \"ObservationLevel\" AS ENUM ('DEBUG', 'DEFAULT', 'WARNING', 'ERROR')",
        "CREATE TYPE \"ScoreSource\" AS ENUM ('ANNOTATION', 'API', 'EVAL')",
    ]
    statements = [
        *(enums if real else []),
        f"CREATE TABLE traces ({TRACES.format(**kinds)})",
        f"CREATE TABLE observations ({OBSERVATIONS.format(**kinds)})",
        f"CREATE TABLE scores ({SCORES.format(**kinds)})",
        "CREATE TABLE prompts (id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL)",
        "CREATE INDEX observations_start_time_idx ON observations (start_time)",
        "CREATE INDEX observations_trace_id_idx ON observations (trace_id)",
        "CREATE INDEX scores_trace_id_idx ON scores (trace_id)",
        "INSERT INTO prompts VALUES ('p-1', 'answer', 3)",
    ]
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def write(engine: sa.Engine, calls: list[Call]) -> None:
    """Add a trace with a span and a generation a call, and scores."""

    def observation(call: Call, place: int) -> dict[str, Any]:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": call.question}]
        return {
            "id": f"{call.id}-{place}" if place else f"{call.id}-root",
            "trace_id": f"t-{call.id}",
            "project_id": "bot",
            "type": "GENERATION" if place else "SPAN",
            "start_time": naive(engine, call.start),
            "end_time": naive(engine, call.end),
            "name": "llm",
            "level": "ERROR" if call.failed else "DEFAULT",
            "status_message": "rate limit" if call.failed else None,
            "model": call.model if place else None,
            "input": json.dumps(messages),
            "output": json.dumps({"role": "assistant", "content": call.response}),
            "prompt_tokens": call.input_tokens,
            "completion_tokens": call.output_tokens,
            "calculated_total_cost": call.cost or None,
            "completion_start_time": naive(engine, call.start + (call.end - call.start) / 4) if place else None,
            "prompt_id": "p-1" if place else None,
        }

    insert(
        engine,
        "traces",
        [
            {
                "id": f"t-{call.id}",
                "timestamp": naive(engine, call.start),
                "name": "chat",
                "user_id": call.tenant,
                "project_id": "bot",
                "release": "1.2",
                "session_id": "",
            }
            for call in calls
        ],
    )
    insert(engine, "observations", [observation(call, place) for call in calls for place in (0, 1)])
    insert(
        engine,
        "scores",
        [
            {
                "id": f"{name}-{call.id}",
                "timestamp": naive(engine, call.end),
                "project_id": "bot",
                "name": name,
                "value": value,
                "source": source,
                "trace_id": f"t-{call.id}",
                "observation_id": f"{call.id}-1" if name == "grounded" else None,
            }
            for call in calls
            for name, value, source in (
                ("grounded", call.grounded, "EVAL"),
                *([("user-feedback", float(call.thumbs), "API")] if call.thumbs is not None else []),
            )
        ],
    )
