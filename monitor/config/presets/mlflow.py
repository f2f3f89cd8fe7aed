"""Traces in MLflow's tracking database.

One record per trace in ``trace_info``, except traces in progress. Question and response are its previews, which MLflow
truncates to 1,000 characters. Tokens, cost, user and session are separate columns in newer versions, and keys of
``trace_request_metadata`` in older ones. The model is that of the last span of the trace with a model. Assessments by
people are the ``feedback``; each other name becomes a column ``score_NAME``, with 1 for yes and true. The newest valid
assessment of each name is used.

Schema: mlflow/mlflow, ``mlflow/store/tracking/dbmodels/models.py``; keys: ``mlflow/tracing/constant.py``, 3.17.
"""

from __future__ import annotations

from monitor.config.presets.base import (
    Columns,
    Found,
    Names,
    Preset,
    PresetColumn,
    PresetCondition,
    empty_as_missing,
    plain,
    score_column,
)
from monitor.config.presets.sql import Sql, literal

JUDGED = "assessment_type = 'feedback' AND source_type <> 'HUMAN'"
TOKENS = {"input_tokens": "input_tokens", "output_tokens": "output_tokens", "cached_tokens": "cache_read_input_tokens"}


def _metadata(key: str) -> str:
    return (
        "(SELECT m.value FROM {trace_request_metadata} AS m "
        f'WHERE m.request_id = r.request_id AND m."key" = {literal(key)})'
    )


def _from_metadata(sql: str) -> PresetColumn:
    return PresetColumn(sql, ("request_id", "trace_request_metadata.key", "trace_request_metadata.value"))


def _assessment(value: str, condition: str) -> str:
    return (
        f"(SELECT {value} FROM {{assessments}} AS a WHERE a.trace_id = r.request_id AND a.valid AND {condition} "
        "ORDER BY a.created_timestamp DESC LIMIT 1)"
    )


def _model(column: str) -> PresetColumn:
    return PresetColumn(
        f"(SELECT s.{column} FROM {{spans}} AS s WHERE s.trace_id = r.request_id AND s.{column} IS NOT NULL "
        "ORDER BY s.start_time_unix_nano DESC LIMIT 1)",
        (f"spans.{column}", "spans.trace_id", "spans.start_time_unix_nano"),
    )


def _scores(sql: Sql, names: Found) -> Columns:
    number = sql.number("a.value")
    spoken = (
        f"CASE WHEN a.value IN ('true', '\"yes\"') THEN 1 WHEN a.value IN ('false', '\"no\"') THEN 0 ELSE {number} END"
    )
    made: dict[str, list[PresetColumn]] = {}
    for name in names.get("scores", ()):
        which = f"{JUDGED} AND a.name = {literal(name)}"
        made[score_column(name)] = [
            PresetColumn(_assessment("a.aggregate_value", which), ("assessments.aggregate_value",)),
            PresetColumn(_assessment(spoken, which), ("assessments.value",)),
        ]
    return made


def columns(sql: Sql, names: Found) -> Columns:
    """Return the selected columns."""
    usage, cost = _metadata("mlflow.trace.tokenUsage"), _metadata("mlflow.trace.cost")
    prompts = (
        "(SELECT t.value FROM {trace_tags} AS t "
        "WHERE t.request_id = r.request_id AND t.\"key\" = 'mlflow.linkedPrompts')"
    )
    prompt = f"{sql.member(prompts, '0', 'name')} || '@' || {sql.member(prompts, '0', 'version')}"
    return {
        "timestamp": PresetColumn("r.timestamp_ms", ("timestamp_ms",), unit="ms"),
        "id": plain("request_id"),
        "model_version": _model("model_name"),
        "provider": _model("model_provider"),
        "prompt_version": PresetColumn(prompt, ("trace_tags.key", "trace_tags.value")),
        "tenant": _from_metadata(_metadata("mlflow.trace.user")),
        "session_id": [empty_as_missing("session_id"), _from_metadata(_metadata("mlflow.trace.session"))],
        "app_version": _from_metadata(f"nullif({_metadata('mlflow.source.git.commit')}, '')"),
        "experiment": PresetColumn(
            "(SELECT e.name FROM {experiments} AS e WHERE e.experiment_id = r.experiment_id)",
            ("experiment_id", "experiments.experiment_id", "experiments.name"),
        ),
        "trace_name": empty_as_missing("trace_name"),
        "traffic": PresetColumn(
            "CASE WHEN EXISTS (SELECT 1 FROM {trace_tags} AS t WHERE t.request_id = r.request_id "
            "AND t.\"key\" = 'mlflow.eval.requestId') THEN 'evaluation' END",
            ("request_id", "trace_tags.key"),
        ),
        "status": plain("status"),
        "latency": PresetColumn("r.execution_time_ms / 1000.0", ("execution_time_ms",)),
        **{
            name: [plain(name, key), _from_metadata(sql.number(sql.member(usage, key)))] for name, key in TOKENS.items()
        },
        "cost": [plain("cost", "total_cost"), _from_metadata(sql.number(sql.member(cost, "total_cost")))],
        "question": plain("question", "request_preview"),
        "response": plain("response", "response_preview"),
        "feedback": PresetColumn(
            _assessment("a.value", "a.assessment_type = 'feedback' AND a.source_type = 'HUMAN'"),
            ("assessments.value", "assessments.source_type", "assessments.assessment_type"),
        ),
        **_scores(sql, names),
    }


def where(_sql: Sql) -> list[PresetCondition]:
    """Return the condition: finished traces only, so that late rows are detected when a trace ends."""
    return [PresetCondition("r.status <> 'IN_PROGRESS'", ("status",))]


TRACED = "trace the calls of the model by autologging (`mlflow.openai.autolog()` …), with a recent MLflow 3"

PRESET = Preset(
    name="mlflow",
    table="trace_info",
    marks=("request_id", "timestamp_ms", "execution_time_ms"),
    about="Traces with their assessments in MLflow's tracking database (PostgreSQL, SQLite).",
    columns=columns,
    sides=("trace_request_metadata", "trace_tags", "spans", "assessments", "experiments"),
    names={
        "scores": Names("assessments", "name", "last_updated_timestamp", JUDGED, ("source_type", "assessment_type"))
    },
    where=where,
    settle="60s",
    has_roles=True,
    advice={
        "model_version": TRACED,
        "input_tokens": TRACED,
        "output_tokens": TRACED,
        "cost": TRACED,
        "tenant": "`mlflow.update_current_trace(user=…)`, or the metadata `mlflow.trace.user`",
        "session_id": "`mlflow.update_current_trace(session_id=…)`, or the metadata `mlflow.trace.session`",
        "prompt_version": "load prompts by `mlflow.genai.load_prompt` inside of the trace",
        "feedback": "`mlflow.log_feedback(source=AssessmentSource(source_type='HUMAN'))`",
        "question": "upgrade to MLflow 3: older servers keep no previews in the database",
        "response": "upgrade to MLflow 3: older servers keep no previews in the database",
    },
)
