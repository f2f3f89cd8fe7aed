"""Payload tables of Databricks model serving, as SQL text over a copy or a foreign table.

Both layouts are known: that of endpoints behind the AI gateway (``request_time``, ``execution_duration_ms``) and the
older one of custom models (``timestamp_ms``, ``execution_time_ms``). Rows come best effort, usually within an hour:
let ``settle`` be long. ``sampling_fraction`` becomes ``weight``, one over the fraction, so that counts, rates and money
are those of all requests; what cannot be a fraction becomes 0, a weight that is left out and counted. A call of a batch
is one row and stays one: its records are not taken apart. A body over the size limit is logged as NULL, and
``logging_error_codes`` says so. Databricks itself is no database that driftd opens: read the table through a foreign
table or a copy in PostgreSQL or SQLite.

Schema: the comments of the tables' own DDL, July 2026.
"""

from __future__ import annotations

from monitor.config.presets.base import Columns, Found, Preset, PresetColumn, empty_as_missing, plain
from monitor.config.presets.sql import Sql

WEIGHT = (
    "CASE WHEN r.sampling_fraction > 0 AND r.sampling_fraction <= 1 THEN 1.0 / r.sampling_fraction "
    "WHEN r.sampling_fraction IS NOT NULL THEN 0 END"
)


def columns(sql: Sql, _names: Found) -> Columns:
    """Return what is selected."""

    def answered(*path: str) -> str:
        return sql.field("r.response", *path)

    return {
        "timestamp": [plain("request_time"), PresetColumn("r.timestamp_ms", ("timestamp_ms",), unit="ms")],
        "id": plain("databricks_request_id"),
        "client_request_id": plain("client_request_id"),
        "model_version": [empty_as_missing("served_entity_id"), PresetColumn(answered("model"), ("response",))],
        "tenant": empty_as_missing("requester"),
        "status": plain("status_code"),
        "latency": [
            PresetColumn("r.execution_duration_ms / 1000.0", ("execution_duration_ms",)),
            PresetColumn("r.execution_time_ms / 1000.0", ("execution_time_ms",)),
        ],
        "weight": PresetColumn(WEIGHT, ("sampling_fraction",)),
        "input_tokens": PresetColumn(sql.number(answered("usage", "prompt_tokens")), ("response",)),
        "output_tokens": PresetColumn(sql.number(answered("usage", "completion_tokens")), ("response",)),
        "finish_reason": PresetColumn(answered("choices", "0", "finish_reason"), ("response",)),
        "question": plain("question", "request"),
        "response": plain("response"),
    }


PRESET = Preset(
    name="databricks",
    table="payload",
    marks=("databricks_request_id", "status_code", "request", "response"),
    about="A copy of a Databricks inference table (PostgreSQL, SQLite).",
    columns=columns,
    settle="1h",
    clients=("tenant",),
    advice={
        "question": "bodies over the limit of a payload table are logged as NULL",
        "response": "bodies over the limit of a payload table are logged as NULL",
        "model_version": "use a table of the AI gateway: it names the served entity",
        "tenant": "use a table of the AI gateway: it names the requester",
    },
)
