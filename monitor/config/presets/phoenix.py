"""Spans of Arize Phoenix.

One record per span of kind LLM; other spans (chains, tools, retrievers) contain these calls and are not read.
Attributes are nested JSON with OpenInference names, of type jsonb in PostgreSQL and text in SQLite. Latency is computed
from start and end. Tokens are separate columns in newer versions. The status UNSET, which many successful spans have,
is not a failure. Cost is joined from ``span_costs`` if Phoenix has a price. Annotations by people are the ``feedback``
(label, else score); each name of other annotations becomes a column ``score_NAME``.

Schema: Arize-ai/phoenix, ``src/phoenix/db/models.py`` at commit 00bc7f6f; names: Arize-ai/openinference.
"""

from __future__ import annotations

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

EVALUATIONS = (
    "p.name = 'playground' OR length(p.name) = 35 AND (p.name LIKE 'Experiment-%' OR p.name LIKE 'Playground-%')"
)
"""Projects that Phoenix itself creates: of the playground, and of experiments, with 24 hexadecimal digits."""
JUDGED = "annotator_kind <> 'HUMAN'"
TEXTS = {
    "model_version": ("llm", "model_name"),
    "provider": ("llm", "provider"),
    "prompt_version": ("llm", "prompt_template", "version"),
    "finish_reason": ("llm", "finish_reason"),
    "tenant": ("user", "id"),
    "session_id": ("session", "id"),
    "question": ("input", "value"),
    "response": ("output", "value"),
}


def _annotation(value: str, condition: str) -> str:
    return (
        f"(SELECT {value} FROM {{span_annotations}} AS a WHERE a.span_rowid = r.id AND {condition} "
        "ORDER BY a.updated_at DESC LIMIT 1)"
    )


def _from_annotation(sql: str) -> PresetColumn:
    needs = ("span_rowid", "name", "label", "score", "annotator_kind", "updated_at")
    return PresetColumn(sql, ("id", *(f"span_annotations.{column}" for column in needs)))


def columns(sql: Sql, names: Found) -> Columns:
    """Return the selected columns."""

    def tokens(column: str, *path: str) -> list[PresetColumn]:
        stored = sql.number(sql.member("r.attributes", "llm", "token_count", *path))
        return [
            PresetColumn(f"coalesce(r.{column}, {stored})", (column, "attributes")),
            PresetColumn(stored, ("attributes",)),
        ]

    cached = sql.number(sql.member("r.attributes", "llm", "token_count", "prompt_details", "cache_read"))
    return {
        "timestamp": plain("start_time"),
        "id": plain("span_id"),
        **{name: PresetColumn(sql.member("r.attributes", *path), ("attributes",)) for name, path in TEXTS.items()},
        "project": PresetColumn(
            "(SELECT p.name FROM {traces} AS t JOIN {projects} AS p ON p.id = t.project_rowid "
            "WHERE t.id = r.trace_rowid)",
            ("trace_rowid", "traces.project_rowid", "projects.name"),
        ),
        "traffic": PresetColumn(
            f"CASE WHEN EXISTS (SELECT 1 FROM {{traces}} AS t JOIN {{projects}} AS p ON p.id = t.project_rowid "
            f"WHERE t.id = r.trace_rowid AND ({EVALUATIONS})) THEN 'evaluation' END",
            ("trace_rowid", "traces.project_rowid", "projects.name"),
        ),
        "span_name": plain("span_name", "name"),
        "status": plain("status_code"),
        "error_type": PresetColumn(
            "CASE WHEN r.status_code = 'ERROR' THEN substr(r.status_message, 1, 200) END",
            ("status_code", "status_message"),
        ),
        "latency": PresetColumn(sql.seconds("r.start_time", "r.end_time"), ("start_time", "end_time")),
        "input_tokens": tokens("llm_token_count_prompt", "prompt"),
        "output_tokens": tokens("llm_token_count_completion", "completion"),
        "cached_tokens": PresetColumn(cached, ("attributes",)),
        "cost": PresetColumn(
            "(SELECT c.total_cost FROM {span_costs} AS c WHERE c.span_rowid = r.id LIMIT 1)",
            ("id", "span_costs.span_rowid", "span_costs.total_cost"),
        ),
        "feedback": _from_annotation(
            _annotation(f"coalesce(a.label, {sql.text('a.score')})", "a.annotator_kind = 'HUMAN'")
        ),
        **{
            score_column(name): _from_annotation(_annotation("a.score", f"{JUDGED} AND a.name = {literal(name)}"))
            for name in names.get("scores", ())
        },
    }


def where(_sql: Sql) -> list[PresetCondition]:
    """Return the condition: calls of a model."""
    return [PresetCondition("r.span_kind = 'LLM'", ("span_kind",))]


INSTRUMENT = "instrument the client with OpenInference (`openinference-instrumentation-…`)"

PRESET = Preset(
    name="phoenix",
    table="spans",
    marks=("span_id", "span_kind", "attributes", "trace_rowid"),
    about="LLM spans of Arize Phoenix (PostgreSQL, SQLite).",
    columns=columns,
    key=("id",),
    sides=("traces", "projects", "span_costs", "span_annotations"),
    names={"scores": Names("span_annotations", "name", "id", JUDGED, ("annotator_kind",))},
    where=where,
    settle="60s",
    has_roles=True,
    advice={
        "model_version": INSTRUMENT,
        "input_tokens": INSTRUMENT,
        "output_tokens": INSTRUMENT,
        "question": "unset OPENINFERENCE_HIDE_INPUTS",
        "response": "unset OPENINFERENCE_HIDE_OUTPUTS",
        "tenant": "`with using_user('…'):` around the call",
        "session_id": "`with using_session('…'):` around the call",
        "prompt_version": "`with using_prompt_template(version='…'):` around the call",
        "cost": "add the model's price under Settings, Models",
        "feedback": "log annotations of the kind HUMAN by `client.spans.add_span_annotation(…)`",
        "time_to_first_token": "Phoenix does not store it",
    },
)
