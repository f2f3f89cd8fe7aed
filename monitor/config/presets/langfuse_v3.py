"""Generations of Langfuse 3, in ClickHouse.

Tables contain several versions of a row until parts are merged, so they are read with FINAL, which also excludes
deleted rows. Usage and cost are maps; as in Langfuse's web interface, every kind of usage with ``input`` in its name
counts as input, and an empty map is missing, not zero. Users and sessions are joined from ``traces``, scores from
``scores``, both from one day before the start of a read, so a generation more than a day after the start of its trace
has no user. The newest score of each name is used, that of the observation before that of its trace. The tables of
Langfuse 4 (``events_core``) are not supported.

Schema: langfuse/langfuse, ``packages/shared/clickhouse/migrations/canonical``, 0001 to 0038.
"""

from __future__ import annotations

from monitor.config.presets.base import (
    SINCE,
    Columns,
    Found,
    Join,
    Names,
    Preset,
    PresetColumn,
    PresetCondition,
    plain,
    score_column,
)
from monitor.config.presets.langfuse_v2 import ADVICE, scores_by_judges, scores_by_people
from monitor.config.presets.sql import Sql, literal

RECENT = "timestamp > (SELECT max(timestamp) FROM {scores}) - INTERVAL 30 DAY"
DAY_BEFORE = f"{SINCE} - INTERVAL 1 DAY"


def _usage(*words: str) -> PresetColumn:
    """Return the sum of the kinds of usage whose names contain all of the words."""
    test = " AND ".join(f"positionCaseInsensitive(k, '{word}') > 0" for word in words)
    kept = f"mapFilter((k, v) -> {test}, r.usage_details)"
    return PresetColumn(f"if(empty({kept}), NULL, arraySum(mapValues({kept})))", ("usage_details",))


def _from_either(part: str) -> PresetColumn:
    return PresetColumn(f"coalesce(own.{part}, whole.{part})", ("trace_id", "scores.trace_id", "scores.observation_id"))


def columns(sql: Sql, names: Found) -> Columns:
    """Return the selected columns."""
    return {
        "timestamp": plain("start_time"),
        "id": plain("id"),
        "trace_id": plain("trace_id"),
        "project": plain("project", "project_id"),
        "environment": plain("environment"),
        "traffic": PresetColumn(
            "if(startsWith(r.environment, 'langfuse-') OR r.environment = 'sdk-experiment', 'evaluation', NULL)",
            ("environment",),
        ),
        "name": PresetColumn("nullif(r.name, '')", ("name",)),
        "model_version": PresetColumn("nullif(r.provided_model_name, '')", ("provided_model_name",)),
        "prompt_version": PresetColumn(
            "concat(r.prompt_name, '@', toString(r.prompt_version))", ("prompt_name", "prompt_version")
        ),
        "app_version": PresetColumn("nullif(r.version, '')", ("version",)),
        "release": PresetColumn("nullif(t.release, '')", ("trace_id", "traces.release")),
        "tenant": PresetColumn("nullif(t.user_id, '')", ("trace_id", "traces.user_id")),
        "session_id": PresetColumn("nullif(t.session_id, '')", ("trace_id", "traces.session_id")),
        "status": plain("status", "level"),
        "error_type": PresetColumn(
            "if(r.level = 'ERROR', substringUTF8(r.status_message, 1, 200), NULL)", ("level", "status_message")
        ),
        "latency": PresetColumn(sql.seconds("r.start_time", "r.end_time"), ("start_time", "end_time")),
        "time_to_first_token": PresetColumn(
            sql.seconds("r.start_time", "r.completion_start_time"), ("start_time", "completion_start_time")
        ),
        "input_tokens": _usage("input"),
        "output_tokens": _usage("output"),
        "cached_tokens": _usage("cache", "input"),
        "cost": plain("cost", "total_cost"),
        "question": plain("question", "input"),
        "response": plain("response", "output"),
        "feedback": _from_either("feedback"),
        **{score_column(name): _from_either(f"score_{place}") for place, name in enumerate(scores_by_judges(names))},
    }


def joins(_sql: Sql, names: Found) -> list[Join]:
    """Return the joins of traces, and of scores twice: those of an observation, and those of its whole trace."""
    people = ", ".join(map(literal, scores_by_people(names))) or "''"
    by_people = f"source = 'ANNOTATION' OR name IN ({people})"
    parts = [f"argMaxIfOrNull(coalesce(string_value, toString(value)), timestamp, {by_people}) AS feedback"]
    for place, name in enumerate(scores_by_judges(names)):
        parts.append(f"argMaxIfOrNull(value, timestamp, name = {literal(name)}) AS score_{place}")
    scores = "SELECT {about} AS about, " + ", ".join(parts) + " FROM {scores} FINAL WHERE {which} AND timestamp >= "
    scores += DAY_BEFORE + " GROUP BY about"
    own = scores.replace("{about}", "assumeNotNull(observation_id)").replace("{which}", "observation_id IS NOT NULL")
    whole = scores.replace("{about}", "coalesce(trace_id, '')").replace("{which}", "observation_id IS NULL")
    traces = f"SELECT id, user_id, session_id, release FROM {{traces}} FINAL WHERE timestamp >= {DAY_BEFORE}"
    return [
        Join("traces", f"LEFT ANY JOIN ({traces}) AS t ON t.id = r.trace_id"),
        Join("scores", f"LEFT ANY JOIN ({own}) AS own ON own.about = r.id"),
        Join("scores", f"LEFT ANY JOIN ({whole}) AS whole ON whole.about = r.trace_id"),
    ]


def where(_sql: Sql) -> list[PresetCondition]:
    """Return the conditions: calls of a model that were not deleted."""
    return [PresetCondition("r.type = 'GENERATION' AND r.is_deleted = 0", ("type", "is_deleted"))]


PRESET = Preset(
    name="langfuse-v3",
    table="observations",
    marks=("trace_id", "start_time", "usage_details", "event_ts"),
    about="Generations of Langfuse 3 (ClickHouse).",
    columns=columns,
    dialects=("clickhousedb",),
    sides=("traces", "scores"),
    names={"scores": Names("scores", "name", "timestamp", RECENT, ("source", "value"))},
    where=where,
    joins=joins,
    final=True,
    settle="90s",
    has_roles=True,
    advice=ADVICE,
)
