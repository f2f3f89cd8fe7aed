"""LiteLLM proxy's spend log, ``"LiteLLM_SpendLogs"``.

Times are ``timestamp(3)`` without a zone and hold UTC. Rows are written in batches, by the end of a call, so
`settle:` of 30 s or more is wise. ``spend`` 0 also means that the price is unknown. ``metadata`` is never
selected: most of it is a copied price map. Older versions lack some columns; those are left out.

Schema: BerriAI/litellm, ``schema.prisma`` at commit 029f645f.
"""

from __future__ import annotations

from monitor.sources.presets.base import Expressions, Preset

PLAIN = (
    "call_type",
    "status",
    "cache_hit",
    "custom_llm_provider",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
)


def expressions(dialect: str) -> Expressions:
    """Return what is selected."""

    def between(first: str, last: str) -> str:
        if dialect == "postgresql":
            return f'extract(epoch FROM ("{last}" - "{first}"))::float8'
        return f'(julianday("{last}") - julianday("{first}")) * 86400.0'

    made: Expressions = {
        "timestamp": (frozenset({"startTime"}), '"startTime"'),
        "id": (frozenset({"request_id"}), "request_id"),
        "model_version": (frozenset({"model"}), "model"),
        "tenant": (frozenset({"end_user"}), "end_user"),
        "team": (frozenset({"team_id"}), "team_id"),
        "spend": (frozenset({"spend"}), "spend"),
        "latency": (frozenset({"startTime", "endTime"}), between("startTime", "endTime")),
        "time_to_first_token": (
            frozenset({"startTime", "completionStartTime"}),
            between("startTime", "completionStartTime"),
        ),
        "question": (frozenset({"messages"}), _text("messages", dialect)),
        "response": (frozenset({"response"}), _text("response", dialect)),
    }
    return {**made, **{name: (frozenset({name}), f'"{name}"') for name in PLAIN}}


def _text(column: str, dialect: str) -> str:
    """Return JSON as text, NULL for the empty object that stands for a text that was not stored."""
    text = f'"{column}"::text' if dialect == "postgresql" else f'"{column}"'
    return f"nullif({text}, '{{}}')"


PRESET = Preset(
    name="litellm",
    table="LiteLLM_SpendLogs",
    roles=("timestamp", "id", "model_version", "tenant", "question", "response"),
    expressions=expressions,
)
