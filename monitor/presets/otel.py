"""OpenTelemetry GenAI spans in the table layout of the collector's SQL exporters.

One row a span: ``Timestamp``, ``TraceId``, ``SpanId``, ``SpanName``, ``Duration`` (ns), ``StatusCode`` and
``SpanAttributes`` (JSON, flat dotted names). Attribute names moved between versions of the conventions, so each
is looked up through a list of aliases, newest first. ``input_tokens`` includes cached tokens: nothing is added.

Names: open-telemetry/semantic-conventions-genai at commit 002c8a6e, and v1.36 and older for the aliases.
"""

from __future__ import annotations

from monitor.presets.base import Column, Columns, Condition, Found, Preset, plain
from monitor.presets.sql import Sql

ALIASES: dict[str, tuple[str, ...]] = {
    "model_version": ("gen_ai.response.model", "gen_ai.request.model"),
    "operation": ("gen_ai.operation.name",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "finish_reasons": ("gen_ai.response.finish_reasons",),
    "error_type": ("error.type",),
    "question": ("gen_ai.input.messages", "gen_ai.prompt"),
    "response": ("gen_ai.output.messages", "gen_ai.completion"),
}
NUMBERS = ("input_tokens", "output_tokens")


def _any(names: tuple[str, ...], sql: Sql) -> str:
    found = [sql.member('r."SpanAttributes"', name) for name in names]
    return f"coalesce({', '.join(found)})" if len(found) > 1 else found[0]


def columns(sql: Sql, _found: Found) -> Columns:
    """Return what is selected."""
    attributes = {
        role: Column(sql.number(_any(names, sql)) if role in NUMBERS else _any(names, sql), ("SpanAttributes",))
        for role, names in ALIASES.items()
    }
    return {
        "timestamp": plain("Timestamp"),
        "id": plain("SpanId"),
        "trace_id": plain("TraceId"),
        "span_name": plain("SpanName"),
        "status": plain("StatusCode"),
        "latency": Column('r."Duration" / 1e9', ("Duration",)),
        **attributes,
    }


def where(sql: Sql) -> list[Condition]:
    """Return the condition: spans of a GenAI operation only."""
    known = _any((*ALIASES["operation"], *ALIASES["provider"]), sql)
    return [Condition(f"{known} IS NOT NULL", ("SpanAttributes",))]


PRESET = Preset(
    name="otel",
    table="otel_traces",
    marks=("SpanId", "SpanAttributes", "Timestamp"),
    about="OpenTelemetry GenAI spans in the collector's SQL layout.",
    columns=columns,
    where=where,
    key=("trace_id", "id"),
    chat=(),
)
