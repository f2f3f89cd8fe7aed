"""Generations of Langfuse 2, in PostgreSQL.

One record per observation of type GENERATION, with user, session, release and tags of its trace. Costs that Langfuse
calculated take precedence over those that the application sent. Scores are those of the trace or of the observation;
the newest of each name is used. Scores by users (source ANNOTATION, or a name such as user-feedback) are the
``feedback``, each other name becomes a column ``score_NAME``. The version of the prompt is joined by ``prompt_id``. For
a database with several projects, add ``where: "project = '…'"``.

Schema: langfuse/langfuse, ``packages/shared/prisma/schema.prisma``, the models that version 3 calls LegacyPrisma.
"""

from __future__ import annotations

import re

from monitor.config.presets.base import (
    Columns,
    Found,
    Names,
    Preset,
    PresetColumn,
    PresetCondition,
    plain,
    score_column,
)
from monitor.config.presets.sql import Sql, literal

PEOPLE = re.compile(r"feedback|thumb|rating|csat|user", re.IGNORECASE)
GENERATED = ("model", "internal_model")


def scores_by_people(names: Found) -> list[str]:
    """Return the names of scores by users, by keywords."""
    return [name for name in names.get("scores", ()) if PEOPLE.search(name)]


def scores_by_judges(names: Found) -> list[str]:
    """Return the names of the other scores."""
    return [name for name in names.get("scores", ()) if not PEOPLE.search(name)]


def _score(value: str, condition: str) -> PresetColumn:
    own = "(s.observation_id IS NULL OR s.observation_id = r.id)"
    sql = (
        f"(SELECT {value} FROM {{scores}} AS s WHERE s.trace_id = r.trace_id AND {own} AND {condition} "
        'ORDER BY s."timestamp" DESC LIMIT 1)'
    )
    return PresetColumn(
        sql, ("trace_id", "scores.trace_id", "scores.observation_id", "scores.value", "scores.timestamp")
    )


def _trace(column: str) -> PresetColumn:
    sql = f"(SELECT nullif(t.\"{column}\", '') FROM {{traces}} AS t WHERE t.id = r.trace_id)"
    return PresetColumn(sql, ("trace_id", "traces.id", f"traces.{column}"))


def columns(sql: Sql, names: Found) -> Columns:
    """Return the selected columns."""
    people = ", ".join(map(literal, scores_by_people(names))) or "NULL"
    prompt = "(SELECT p.name || '@' || p.version FROM {prompts} AS p WHERE p.id = r.prompt_id)"
    return {
        "timestamp": plain("start_time"),
        "id": plain("id"),
        "trace_id": plain("trace_id"),
        "project": plain("project", "project_id"),
        "name": plain("name"),
        "model_version": [PresetColumn("coalesce(r.model, r.internal_model)", GENERATED), plain("model")],
        "prompt_version": PresetColumn(prompt, ("prompt_id", "prompts.id", "prompts.name", "prompts.version")),
        "app_version": plain("app_version", "version"),
        "release": _trace("release"),
        "tenant": _trace("user_id"),
        "session_id": _trace("session_id"),
        "status": PresetColumn(sql.text("r.level"), ("level",)),
        "error_type": PresetColumn(
            "CASE WHEN r.level = 'ERROR' THEN substr(r.status_message, 1, 200) END",
            ("level", "status_message"),
        ),
        "latency": PresetColumn(sql.seconds("r.start_time", "r.end_time"), ("start_time", "end_time")),
        "time_to_first_token": PresetColumn(
            sql.seconds("r.start_time", "r.completion_start_time"), ("start_time", "completion_start_time")
        ),
        "input_tokens": PresetColumn("nullif(r.prompt_tokens, 0)", ("prompt_tokens",)),
        "output_tokens": PresetColumn("nullif(r.completion_tokens, 0)", ("completion_tokens",)),
        "cost": [
            PresetColumn("coalesce(r.calculated_total_cost, r.total_cost)", ("calculated_total_cost", "total_cost")),
            PresetColumn("r.calculated_total_cost", ("calculated_total_cost",)),
        ],
        "question": PresetColumn(sql.text("r.input"), ("input",)),
        "response": PresetColumn(sql.text("r.output"), ("output",)),
        "feedback": _score(
            f"coalesce(s.string_value, {sql.text('s.value')})",
            f"({sql.text('s.source')} = 'ANNOTATION' OR s.name IN ({people}))",
        ),
        **{score_column(name): _score("s.value", f"s.name = {literal(name)}") for name in scores_by_judges(names)},
    }


def where(_sql: Sql) -> list[PresetCondition]:
    """Return the condition: calls of a model. Compares the enum itself, as a cast would be evaluated for every row."""
    return [PresetCondition("r.type = 'GENERATION'", ("type",))]


ADVICE = {
    "question": "do not mask inputs (`mask=` of the client)",
    "response": "do not mask outputs (`mask=` of the client)",
    "tenant": "give traces a `user_id`",
    "session_id": "give traces a `session_id`",
    "prompt_version": "link the prompt to the generation (`langfuse_prompt=`)",
    "input_tokens": "log usage by the integration, or pass `usage=`",
    "output_tokens": "log usage by the integration, or pass `usage=`",
    "cost": "add the model's price under Settings, Models",
    "feedback": "score traces from the client under a name such as `user-feedback`",
    "time_to_first_token": "log `completion_start_time` of streamed answers",
    "release": "set LANGFUSE_RELEASE",
}

PRESET = Preset(
    name="langfuse-v2",
    table="observations",
    marks=("trace_id", "start_time", "completion_tokens", "modelParameters"),
    about="Generations of Langfuse 2 (PostgreSQL).",
    columns=columns,
    sides=("traces", "scores", "prompts"),
    names={"scores": Names("scores", "name", "timestamp", needs=("source", "value"))},
    where=where,
    settle="60s",
    advice=ADVICE,
)
