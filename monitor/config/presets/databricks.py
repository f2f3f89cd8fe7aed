"""Inference tables of Databricks model serving, in a copy or a foreign table.

Supports the layout of AI Gateway endpoints (``request_time``, ``execution_duration_ms``) and the older one of custom
models (``timestamp_ms``, ``execution_time_ms``). Delivery is best effort, usually within an hour, hence the long
``settle``. ``weight`` is one over ``sampling_fraction``, so that counts, rates and costs are those of all requests; an
invalid fraction becomes the weight 0, which is excluded and counted. A batch call is one row and one record. Bodies
over the size limit are NULL, with a note in ``logging_error_codes``. driftd cannot connect to Databricks: read the
table through a foreign table or a copy in PostgreSQL or SQLite.

Schema: column comments of the tables, July 2026.
"""

from __future__ import annotations

from monitor.config.presets.base import Columns, Found, Preset, PresetColumn, empty_as_missing, plain
from monitor.config.presets.sql import Sql

WEIGHT = (
    "CASE WHEN r.sampling_fraction > 0 AND r.sampling_fraction <= 1 THEN 1.0 / r.sampling_fraction "
    "WHEN r.sampling_fraction IS NOT NULL THEN 0 END"
)


def columns(sql: Sql, _names: Found) -> Columns:
    """Return the selected columns."""

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
