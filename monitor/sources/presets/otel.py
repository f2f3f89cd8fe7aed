"""OpenTelemetry GenAI spans in the table layout of the collector's SQL exporters.

One row a span: ``Timestamp``, ``TraceId``, ``SpanId``, ``SpanName``, ``Duration`` (ns), ``StatusCode`` and
``SpanAttributes`` (JSON, flat dotted names). Attribute names moved between versions of the conventions, so each
is looked up through a list of aliases, newest first. ``input_tokens`` includes cached tokens: nothing is added.

Names: open-telemetry/semantic-conventions-genai at commit 002c8a6e, and v1.36 and older for the aliases.
"""

from __future__ import annotations

from monitor.sources.presets.base import Expressions, Preset

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


def _attribute(name: str, dialect: str) -> str:
    if dialect == "postgresql":
        return f"(\"SpanAttributes\"::jsonb ->> '{name}')"
    return f'json_extract("SpanAttributes", \'$."{name}"\')'


def _any(names: tuple[str, ...], dialect: str) -> str:
    found = [_attribute(name, dialect) for name in names]
    return f"coalesce({', '.join(found)})" if len(found) > 1 else found[0]


def expressions(dialect: str) -> Expressions:
    """Return what is selected."""
    number = "float8" if dialect == "postgresql" else "REAL"
    made: Expressions = {
        "timestamp": (frozenset({"Timestamp"}), '"Timestamp"'),
        "id": (frozenset({"SpanId"}), '"SpanId"'),
        "trace_id": (frozenset({"TraceId"}), '"TraceId"'),
        "span_name": (frozenset({"SpanName"}), '"SpanName"'),
        "status": (frozenset({"StatusCode"}), '"StatusCode"'),
        "latency": (frozenset({"Duration"}), '"Duration" / 1e9'),
    }
    for role, names in ALIASES.items():
        sql = _any(names, dialect)
        made[role] = (frozenset({"SpanAttributes"}), f"CAST({sql} AS {number})" if role in NUMBERS else sql)
    return made


def where(dialect: str) -> str:
    """Return the condition: spans of a GenAI operation only."""
    return f" WHERE {_any((*ALIASES['operation'], *ALIASES['provider']), dialect)} IS NOT NULL"


PRESET = Preset(
    name="otel",
    table="otel_traces",
    roles=("timestamp", "id", "model_version", "question", "response"),
    expressions=expressions,
    where=where,
)
