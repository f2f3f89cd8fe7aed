"""A copy of a Databricks inference table, in its newer and its older layout: a look-alike, Databricks runs nowhere here."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tests.support.logs.base import Call, insert


def create(engine: sa.Engine, *, newer: bool = True) -> None:
    """Make the table: behind the AI gateway, or of custom models."""
    time = "TIMESTAMPTZ" if engine.dialect.name == "postgresql" else "TEXT"
    own = (
        f"request_time {time}, served_entity_id TEXT, requester TEXT, execution_duration_ms BIGINT"
        if newer
        else "timestamp_ms BIGINT, execution_time_ms BIGINT"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE payload (databricks_request_id TEXT PRIMARY KEY, client_request_id TEXT, status_code INTEGER, "
            f"sampling_fraction DOUBLE PRECISION, request TEXT, response TEXT, {own})"
        )
        connection.exec_driver_sql(
            f"CREATE INDEX payload_time ON payload ({'request_time' if newer else 'timestamp_ms'})"
        )


def write(engine: sa.Engine, calls: list[Call]) -> None:
    """Add a row a call to the newer layout."""
    insert(engine, "payload", [_row(engine, call) for call in calls])


def _row(engine: sa.Engine, call: Call) -> dict[str, Any]:
    answer = {
        "id": call.id,
        "model": call.model,
        "usage": {"prompt_tokens": call.input_tokens, "completion_tokens": call.output_tokens},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": call.response}, "finish_reason": "stop"}],
    }
    asked = {"messages": [{"role": "user", "content": call.question}], "max_tokens": 500}
    zone = "+00" if engine.dialect.name == "postgresql" else ""
    return {
        "databricks_request_id": call.id,
        "client_request_id": None,
        "status_code": 429 if call.failed else 200,
        "sampling_fraction": 1.0,
        "request": json.dumps(asked),
        "response": None if call.failed else json.dumps(answer),
        "request_time": f"{call.start:%Y-%m-%d %H:%M:%S.%f}{zone}",
        "served_entity_id": call.model,
        "requester": call.tenant,
        "execution_duration_ms": round(call.seconds * 1000),
    }
