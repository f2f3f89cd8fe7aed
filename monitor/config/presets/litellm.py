"""Spend log of the LiteLLM proxy, ``"LiteLLM_SpendLogs"``.

Times are ``timestamp(3)`` without time zone, in UTC. Rows are written in batches at the end of calls, but their time is
the start, so long calls arrive late. A ``spend`` of 0 can also mean an unknown price, so it is missing unless the
answer came from the cache. For calls without streaming, the logged time of the first token is the end of the call, so
it is missing, too. ``metadata`` is never selected as a whole, as most of it is a copied price map. Columns that older
versions lack are left out.

Schema: BerriAI/litellm, ``schema.prisma``; its migrations are in the package ``litellm-proxy-extras``.
"""

from __future__ import annotations

from monitor.config.presets.base import Columns, Found, Preset, PresetColumn, empty_as_missing, plain
from monitor.config.presets.sql import Sql

HEALTH_CHECK = "litellm-internal-health-check"
"""Team of the proxy's own calls that check whether models are healthy; clients cannot set it."""
FILLED = ("model_group", "model_id", "session_id", "mcp_namespaced_tool_name")


def columns(sql: Sql, _names: Found) -> Columns:
    """Return the selected columns."""
    failed = "r.\"status\" = 'failure'"
    cached = sql.member('r."metadata"', "additional_usage_values", "cache_read_input_tokens")
    error = sql.member('r."metadata"', "error_information", "error_class")
    streamed = 'r."completionStartTime" < r."endTime"'
    first_token = sql.seconds('r."startTime"', 'r."completionStartTime"')
    return {
        "timestamp": plain("startTime"),
        "id": plain("request_id"),
        "model_version": empty_as_missing("model"),
        "tenant": empty_as_missing("end_user"),
        "user": empty_as_missing("user"),
        "team": empty_as_missing("team_id"),
        "organization": empty_as_missing("organization_id"),
        "provider": empty_as_missing("custom_llm_provider"),
        "call_type": plain("call_type"),
        "traffic": PresetColumn(f"CASE WHEN r.\"team_id\" = '{HEALTH_CHECK}' THEN 'probe' END", ("team_id",)),
        "cache_hit": empty_as_missing("cache_hit"),
        "cost": PresetColumn(
            'CASE WHEN r."spend" > 0 OR r."cache_hit" = \'True\' THEN r."spend" END', ("spend", "cache_hit")
        ),
        "input_tokens": plain("prompt_tokens"),
        "output_tokens": plain("completion_tokens"),
        "cached_tokens": PresetColumn(sql.number(cached), ("metadata",)),
        "latency": PresetColumn(sql.seconds('r."startTime"', 'r."endTime"'), ("startTime", "endTime")),
        "time_to_first_token": PresetColumn(
            f"CASE WHEN {streamed} THEN {first_token} END", ("startTime", "endTime", "completionStartTime")
        ),
        "status": plain("status"),
        "error_type": PresetColumn(f"CASE WHEN {failed} THEN {error} END", ("status", "metadata")),
        "finish_reason": PresetColumn(sql.member('r."response"', "choices", "0", "finish_reason"), ("response",)),
        "question": PresetColumn(sql.text('r."messages"'), ("messages",)),
        "response": PresetColumn(sql.text('r."response"'), ("response",)),
        **{name: empty_as_missing(name) for name in FILLED},
    }


STORE = "set `general_settings: {store_prompts_in_spend_logs: true}`; texts over MAX_STRING_LENGTH_PROMPT_IN_DB are cut"

PRESET = Preset(
    name="litellm",
    table="LiteLLM_SpendLogs",
    marks=("request_id", "startTime", "spend", "call_type"),
    about="LiteLLM proxy's spend log (PostgreSQL).",
    columns=columns,
    settle="60s",
    has_roles=True,
    clients=("tenant", "user", "session_id"),
    advice={
        "question": STORE,
        "response": STORE,
        "finish_reason": STORE,
        "tenant": "let clients send `user`, or the header that `user_header_name` names",
        "team": "issue virtual keys by team (`/team/new`)",
        "cost": "set `input_cost_per_token` and `output_cost_per_token` in the model's `model_info`",
        "time_to_first_token": "only streamed calls have one",
        "status": "upgrade the proxy: its migrations of May 2025 add it",
        "error_type": "upgrade the proxy: it is logged together with `status`",
        "session_id": "let clients send `litellm_session_id`",
    },
)
