"""OpenTelemetry GenAI spans, in the table layout of the collector's exporters.

One record per span: ``Timestamp``, ``TraceId``, ``SpanId``, ``SpanName``, ``Duration`` (ns), ``StatusCode`` and
``SpanAttributes``, which are dotted names in a JSON column (PostgreSQL, SQLite) or a map (ClickHouse, also used by
OpenLIT). As attribute names differ between versions of the conventions, each has a list of aliases, newest first. By
the conventions, ``input_tokens`` includes tokens read from or written to a cache, audio and images, and
``output_tokens`` includes reasoning; `price` subtracts these parts. Only spans of model calls are read, as those of
agents, tools and workflows repeat the tokens of their calls.

Names: open-telemetry/semantic-conventions-genai at commit 002c8a6e, and v1.36 and older for the aliases; table:
opentelemetry-collector-contrib, ``clickhouseexporter/internal/sqltemplates/traces_table.sql``.
"""

from __future__ import annotations

from monitor.config.presets.base import Columns, Found, Preset, PresetColumn, PresetCondition, plain
from monitor.config.presets.sql import Sql

ALIASES: dict[str, tuple[str, ...]] = {
    "model_version": ("gen_ai.response.model", "gen_ai.request.model"),
    "operation": ("gen_ai.operation.name",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "prompt_version": ("gen_ai.prompt.version", "llm.prompt_template.version"),
    "tenant": ("enduser.id", "user.id"),
    "session_id": ("gen_ai.conversation.id", "session.id"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens",),
    "cache_write_tokens": ("gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens",),
    "input_audio_tokens": ("gen_ai.usage.audio.input_tokens",),
    "cached_audio_tokens": ("gen_ai.usage.audio.cache_read.input_tokens",),
    "output_audio_tokens": ("gen_ai.usage.audio.output_tokens",),
    "input_image_tokens": ("gen_ai.usage.image.input_tokens",),
    "output_image_tokens": ("gen_ai.usage.image.output_tokens",),
    "cost": ("gen_ai.usage.cost",),
    "time_to_first_token": ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"),
    "finish_reason": ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
    "error_type": ("error.type",),
    "question": ("gen_ai.input.messages", "gen_ai.prompt"),
    "response": ("gen_ai.output.messages", "gen_ai.completion"),
}
SYNTHETIC = ("user_agent.synthetic.type",)
NUMBERS = ("cost", "time_to_first_token", *(role for role in ALIASES if role.endswith("_tokens")))
NO_CALLS = ("execute_tool", "invoke_agent", "create_agent", "invoke_workflow", "plan", "retrieval")


def _any(names: tuple[str, ...], sql: Sql) -> str:
    members = [sql.member('r."SpanAttributes"', name) for name in names]
    return f"coalesce({', '.join(members)})" if len(members) > 1 else members[0]


def _attribute(role: str, sql: Sql) -> PresetColumn:
    value = _any(ALIASES[role], sql)
    if role in NUMBERS:
        value = sql.number(value)
    elif role == "finish_reason":
        value = sql.stripped(value, '[]" ')
    return PresetColumn(value, ("SpanAttributes",))


def columns(sql: Sql, _names: Found) -> Columns:
    """Return the selected columns."""
    return {
        "timestamp": plain("Timestamp"),
        "id": plain("SpanId"),
        "trace_id": plain("TraceId"),
        "span_name": plain("SpanName"),
        "service": plain("ServiceName"),
        "status": plain("StatusCode"),
        "latency": PresetColumn('r."Duration" / 1e9', ("Duration",)),
        **{role: _attribute(role, sql) for role in ALIASES},
        "traffic": PresetColumn(f"CASE WHEN {_any(SYNTHETIC, sql)} = 'test' THEN 'probe' END", ("SpanAttributes",)),
    }


def where(sql: Sql) -> list[PresetCondition]:
    """Return the conditions: calls of a model."""
    is_call = _any((*ALIASES["operation"], *ALIASES["provider"]), sql)
    listed = ", ".join(f"'{name}'" for name in NO_CALLS)
    operation = f"coalesce({_any(ALIASES['operation'], sql)}, '')"
    return [PresetCondition(f"{is_call} IS NOT NULL AND {operation} NOT IN ({listed})", ("SpanAttributes",))]


CAPTURE = "capture content: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=span_only (or `true`, in older versions)"

PRESET = Preset(
    name="otel",
    table="otel_traces",
    marks=("SpanId", "SpanAttributes", "Timestamp", "TraceId"),
    about="OpenTelemetry GenAI spans in the collector's layout (ClickHouse, PostgreSQL, SQLite), OpenLIT's too.",
    columns=columns,
    where=where,
    key=("trace_id", "id"),
    dialects=("clickhousedb", "postgresql", "sqlite"),
    settle="60s",
    has_roles=True,
    advice={
        "question": CAPTURE,
        "response": CAPTURE,
        "tenant": "set the attribute `enduser.id` or `user.id` on the span",
        "session_id": "set `gen_ai.conversation.id` on the span",
        "prompt_version": "set `gen_ai.prompt.version` on the span",
        "cost": "not in the conventions; the signal `price` computes it from model and tokens",
        "time_to_first_token": "upgrade the instrumentation: `gen_ai.response.time_to_first_chunk`",
        "error_type": "upgrade the instrumentation: failed calls set `error.type`",
        "feedback": "log feedback by span id in your own table, and join it in a `query:`",
    },
)
