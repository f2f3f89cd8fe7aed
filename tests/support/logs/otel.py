"""OpenTelemetry GenAI spans in the layout of the collector's exporters, by old and new attribute names."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tests.support.logs.base import Call, insert
from tests.support.logs.langfuse_v3 import add

CLICKHOUSE = (
    "CREATE TABLE otel_traces (Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)), TraceId String, SpanId String, ParentSpanId String, "
    "SpanName LowCardinality(String), SpanKind LowCardinality(String), ServiceName LowCardinality(String), "
    "ResourceAttributes Map(LowCardinality(String), String), SpanAttributes Map(LowCardinality(String), String), "
    "Duration UInt64 CODEC(T64, ZSTD(1)), StatusCode LowCardinality(String), StatusMessage String) ENGINE = MergeTree "
    "PARTITION BY toDate(Timestamp) PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp)) "
    "ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)"
)


def create(engine: sa.Engine) -> None:
    """Make the table: the ClickHouse exporter's own, elsewhere the same columns with attributes as JSON."""
    kinds = {"postgresql": ("TIMESTAMPTZ", "JSONB"), "sqlite": ("TEXT", "TEXT")}
    with engine.begin() as connection:
        if engine.dialect.name not in kinds:
            connection.exec_driver_sql(CLICKHOUSE)
            return
        time, kind = kinds[engine.dialect.name]
        connection.exec_driver_sql(
            f'CREATE TABLE otel_traces ("Timestamp" {time}, "TraceId" TEXT, "SpanId" TEXT, "SpanName" TEXT, '
            f'"ServiceName" TEXT, "Duration" BIGINT, "StatusCode" TEXT, "SpanAttributes" {kind})'
        )
        connection.exec_driver_sql('CREATE INDEX otel_traces_time ON otel_traces ("Timestamp")')


def put(engine: sa.Engine, rows: list[dict[str, Any]]) -> None:
    """Add spans whose attributes are a dict; a map holds texts only."""
    if engine.dialect.name in ("postgresql", "sqlite"):
        insert(engine, "otel_traces", [{**row, "SpanAttributes": json.dumps(row["SpanAttributes"])} for row in rows])
        return
    add(engine, "otel_traces", [{**row, "SpanAttributes": _texts(row)} for row in rows])


def _texts(row: dict[str, Any]) -> dict[str, str]:
    return {key: one if isinstance(one, str) else json.dumps(one) for key, one in row["SpanAttributes"].items()}


def write(engine: sa.Engine, calls: list[Call]) -> None:
    """Add a span of an agent and one of a model a call; every third model's by the names of older conventions."""
    put(engine, [_span(engine, call, attributes) for call in calls for attributes in (_agent(call), _model(call))])


def _span(engine: sa.Engine, call: Call, attributes: dict[str, Any]) -> dict[str, Any]:
    agent = attributes.get("gen_ai.operation.name") == "invoke_agent"
    zone = "+00" if engine.dialect.name == "postgresql" else ""
    return {
        "Timestamp": f"{call.start:%Y-%m-%d %H:%M:%S.%f}{zone}",
        "TraceId": f"t-{call.id}",
        "ServiceName": "bot",
        "SpanId": f"{call.id}-agent" if agent else call.id,
        "SpanName": "invoke_agent" if agent else "chat",
        "Duration": round(call.seconds * 1e9),
        "StatusCode": "Error" if call.failed else "Ok",
        "SpanAttributes": attributes,
    }


def _agent(call: Call) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": call.input_tokens,
    }


def _model(call: Call) -> dict[str, Any]:
    failed = {"error.type": "429"} if call.failed else {}
    if call.number % 3 == 0:
        return {
            "gen_ai.system": "openai",
            "gen_ai.request.model": call.model,
            "enduser.id": call.tenant,
            "gen_ai.usage.prompt_tokens": call.input_tokens,
            "gen_ai.usage.completion_tokens": call.output_tokens,
            "gen_ai.prompt": json.dumps([{"role": "user", "content": call.question}]),
            "gen_ai.completion": call.response,
            **failed,
        }
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": call.model,
        "gen_ai.response.model": call.model,
        "user.id": call.tenant,
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.cache_read.input_tokens": call.input_tokens // 2,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "gen_ai.usage.reasoning.output_tokens": call.output_tokens // 4,
        "gen_ai.response.time_to_first_chunk": call.first_token,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": call.question}]}],
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [{"type": "text", "content": call.response}], "finish_reason": "stop"}
        ],
        **failed,
    }
