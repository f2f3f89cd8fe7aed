"""LiteLLM proxy's spend log, ``"LiteLLM_SpendLogs"``.

Schema: BerriAI/litellm, ``schema.prisma``; its migrations are in the package ``litellm-proxy-extras``.
"""

from __future__ import annotations

from monitor.presets.base import Column, Columns, Found, Preset, plain
from monitor.presets.sql import Sql

PLAIN = (
    "call_type",
    "status",
    "cache_hit",
    "custom_llm_provider",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
)


def columns(sql: Sql, _found: Found) -> Columns:
    """Return what is selected."""

    def since_start(column: str) -> Column:
        return Column(sql.seconds('r."startTime"', f'r."{column}"'), ("startTime", column))

    return {
        "timestamp": plain("startTime"),
        "id": plain("request_id"),
        "model_version": plain("model"),
        "tenant": plain("end_user"),
        "team": plain("team_id"),
        "spend": plain("spend"),
        "latency": since_start("endTime"),
        "time_to_first_token": since_start("completionStartTime"),
        "question": _text("messages", sql),
        "response": _text("response", sql),
        **{name: plain(name) for name in PLAIN},
    }


def _text(column: str, sql: Sql) -> Column:
    """Return JSON as text, NULL for the empty object that stands for a text that was not stored."""
    stored = sql.text(f'r."{column}"')
    return Column(f"nullif({stored}, '{{}}')", (column,))


PRESET = Preset(
    name="litellm",
    table="LiteLLM_SpendLogs",
    marks=("request_id", "startTime", "spend"),
    about="LiteLLM proxy's spend log.",
    columns=columns,
    chat=(),
)
