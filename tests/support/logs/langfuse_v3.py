"""Langfuse 3's tables in ClickHouse (as its migrations make them) and generations as it stores them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tests.support.logs.base import Call

TABLES = [
    """CREATE TABLE observations (
        id String, trace_id String, project_id String, environment LowCardinality(String) DEFAULT 'default', type LowCardinality(String),
        parent_observation_id Nullable(String), start_time DateTime64(3), end_time Nullable(DateTime64(3)), name String,
        metadata Map(LowCardinality(String), String), level LowCardinality(String), status_message Nullable(String), version Nullable(String),
        input Nullable(String) CODEC(ZSTD(3)), output Nullable(String) CODEC(ZSTD(3)), provided_model_name Nullable(String),
        internal_model_id Nullable(String), model_parameters Nullable(String), provided_usage_details Map(LowCardinality(String), UInt64),
        usage_details Map(LowCardinality(String), UInt64), provided_cost_details Map(LowCardinality(String), Decimal64(12)),
        cost_details Map(LowCardinality(String), Decimal64(12)), total_cost Nullable(Decimal64(12)), completion_start_time Nullable(DateTime64(3)),
        prompt_id Nullable(String), prompt_name Nullable(String), prompt_version Nullable(UInt16), created_at DateTime64(3) DEFAULT now(),
        updated_at DateTime64(3) DEFAULT now(), event_ts DateTime64(3), is_deleted UInt8,
        INDEX idx_id id TYPE bloom_filter() GRANULARITY 1, INDEX idx_trace_id trace_id TYPE bloom_filter() GRANULARITY 1
    ) ENGINE = ReplacingMergeTree(event_ts, is_deleted) PARTITION BY toYYYYMM(start_time)
    PRIMARY KEY (project_id, type, toDate(start_time)) ORDER BY (project_id, type, toDate(start_time), id)""",
    """CREATE TABLE traces (
        id String, timestamp DateTime64(3), name String, user_id Nullable(String), metadata Map(LowCardinality(String), String),
        release Nullable(String), version Nullable(String), project_id String, public Bool, bookmarked Bool, tags Array(String),
        input Nullable(String), output Nullable(String), session_id Nullable(String), created_at DateTime64(3) DEFAULT now(),
        updated_at DateTime64(3) DEFAULT now(), event_ts DateTime64(3), is_deleted UInt8
    ) ENGINE = ReplacingMergeTree(event_ts, is_deleted) PARTITION BY toYYYYMM(timestamp)
    PRIMARY KEY (project_id, toDate(timestamp)) ORDER BY (project_id, toDate(timestamp), id)""",
    """CREATE TABLE scores (
        id String, timestamp DateTime64(3), project_id String, trace_id Nullable(String), observation_id Nullable(String), name String,
        value Float64, source String, comment Nullable(String), author_user_id Nullable(String), config_id Nullable(String), data_type String,
        string_value Nullable(String), queue_id Nullable(String), created_at DateTime64(3) DEFAULT now(), updated_at DateTime64(3) DEFAULT now(),
        event_ts DateTime64(3), is_deleted UInt8
    ) ENGINE = ReplacingMergeTree(event_ts, is_deleted) PARTITION BY toYYYYMM(timestamp)
    PRIMARY KEY (project_id, toDate(timestamp), name) ORDER BY (project_id, toDate(timestamp), name, id)""",
]


def create(engine: sa.Engine) -> None:
    """Make the tables."""
    with engine.connect() as connection:
        for statement in TABLES:
            connection.exec_driver_sql(statement)


def add(engine: sa.Engine, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows as JSON, a few thousand at a time."""
    with engine.connect() as connection:
        for first in range(0, len(rows), 5000):
            lines = "\n".join(json.dumps(row) for row in rows[first : first + 5000])
            structure = connection.exec_driver_sql(
                f"SELECT arrayStringConcat(groupArray(concat('`', name, '` ', type)), ', ') FROM system.columns "
                f"WHERE database = currentDatabase() AND table = '{table}'"
            ).scalar_one()
            names = ", ".join(rows[first])
            quoted = lines.replace("\\", "\\\\").replace("'", "\\'").replace("%", "%%")
            typed = str(structure).replace("\\", "\\\\").replace("'", "\\'")
            connection.exec_driver_sql(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM format(JSONEachRow, '{typed}', '{quoted}')"
            )


def observation(call: Call, *, version: int = 1, model: str | None = None, deleted: int = 0) -> dict[str, Any]:
    """Return one version of a call's generation."""
    return {
        "id": call.id,
        "trace_id": f"t-{call.id}",
        "project_id": "bot",
        "environment": "production",
        "type": "GENERATION",
        "start_time": moment(call.start),
        "end_time": moment(call.end),
        "name": "llm",
        "level": "ERROR" if call.failed else "DEFAULT",
        "status_message": "rate limit" if call.failed else None,
        "input": json.dumps([{"role": "user", "content": call.question}]),
        "output": json.dumps({"role": "assistant", "content": call.response}),
        "provided_model_name": model or call.model,
        "usage_details": {
            "input": call.input_tokens - call.input_tokens // 2,
            "input_cached_tokens": call.input_tokens // 2,
            "output": call.output_tokens,
            "total": call.input_tokens + call.output_tokens,
        },
        "total_cost": call.cost or None,
        "completion_start_time": moment(call.start + (call.end - call.start) / 4),
        "prompt_name": "answer",
        "prompt_version": 3,
        "event_ts": moment(call.end.replace(microsecond=version * 1000)),
        "is_deleted": deleted,
    }


def moment(value: Any) -> str:
    return str(value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3])


def write(engine: sa.Engine, calls: list[Call]) -> None:
    """Add a trace with a span and a generation a call, every tenth in two versions, and scores."""
    rows = [observation(call) for call in calls]
    add(
        engine, "observations", [observation(call, version=0, model="draft") for call in calls if call.number % 10 == 0]
    )
    add(engine, "observations", rows)
    add(engine, "observations", [{**row, "id": f"{row['id']}-root", "type": "SPAN"} for row in rows])
    add(
        engine,
        "traces",
        [
            {
                "id": f"t-{call.id}",
                "timestamp": moment(call.start),
                "name": "chat",
                "user_id": call.tenant,
                "release": "1.2",
                "session_id": "",
                "project_id": "bot",
                "event_ts": moment(call.end),
                "is_deleted": 0,
            }
            for call in calls
        ],
    )
    add(
        engine,
        "scores",
        [
            {
                "id": f"{name}-{call.id}",
                "timestamp": moment(call.end),
                "project_id": "bot",
                "name": name,
                "value": value,
                "source": source,
                "data_type": "NUMERIC",
                "trace_id": f"t-{call.id}",
                "observation_id": call.id if name == "grounded" else None,
                "event_ts": moment(call.end),
                "is_deleted": 0,
            }
            for call in calls
            for name, value, source in (
                ("grounded", call.grounded, "EVAL"),
                *([("user-feedback", float(call.thumbs), "API")] if call.thumbs is not None else []),
            )
        ],
    )
