"""What each of our tables holds, by which time its rows age, and how long they are kept."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from monitor.store import tables


@dataclass(frozen=True)
class TableKind:
    """The kind of the rows of a table.

    Parameters
    ----------
    kind
        What `driftd db size` and the metric `driftd_store_bytes` count them as.
    kept
        Key of `retention:`, or why its rows are deleted otherwise or never.
    time
        The column of their age; None if they have none.
    """

    table: sa.Table
    kind: str
    kept: str
    time: sa.Column[object] | None = None


TABLES: tuple[TableKind, ...] = (
    TableKind(tables.buckets, "buckets", "hours", tables.buckets.c.start),
    TableKind(tables.aggregates, "aggregates", "buckets", tables.aggregates.c.start),
    TableKind(tables.findings, "findings", "findings", tables.findings.c.start),
    TableKind(tables.rollups, "hours", "hours, then days", tables.rollups.c.start),
    TableKind(tables.finding_history, "finding history", "findings", tables.finding_history.c.start),
    TableKind(tables.store_sizes, "sizes", "a row for each kind"),
    TableKind(tables.spans, "buckets", "a row for each range that is not finished"),
    TableKind(tables.watches, "buckets", "a row for each monitor"),
    TableKind(
        tables.baselines,
        "baselines",
        "retired ones as `buckets`; the active one is needed",
        tables.baselines.c.created_at,
    ),
    TableKind(tables.incidents, "incidents", "incidents", tables.incidents.c.opened_at),
    TableKind(tables.transitions, "incidents", "incidents", tables.transitions.c.at),
    TableKind(tables.changes, "incidents", "incidents", tables.changes.c.first_seen),
    TableKind(tables.versions, "incidents", "incidents", tables.versions.c.first_seen),
    TableKind(tables.deploy_events, "incidents", "incidents", tables.deploy_events.c.at),
    TableKind(tables.silences, "incidents", "incidents", tables.silences.c.ends_at),
    TableKind(tables.actions, "actions", "actions", tables.actions.c.created_at),
    TableKind(tables.audit, "audit", "audit", tables.audit.c.at),
    TableKind(tables.ledger_hours, "costs", "70 days, by `monitor/store/ledger.py`", tables.ledger_hours.c.start),
    TableKind(tables.savings_reports, "costs", "a row for each monitor"),
    TableKind(tables.breakers, "breakers", "a row for each breaker and value: its present state"),
    TableKind(
        tables.breaker_transitions,
        "breakers",
        "400 days, by `monitor/store/breakers.py`",
        tables.breaker_transitions.c.at,
    ),
    TableKind(tables.comparisons, "comparisons", "a row for each configured experiment and shadow"),
    TableKind(tables.prompts, "prompts", "every version that records may name", tables.prompts.c.pushed_at),
    TableKind(tables.prompt_tags, "prompts", "a row for each tag"),
    TableKind(tables.evaluations, "evaluations", "evaluations", tables.evaluations.c.started_at),
    TableKind(tables.evaluation_cases, "evaluations", "evaluations"),
    TableKind(tables.evaluation_turns, "evaluations", "a row for each suite and job"),
    TableKind(tables.labels, "labels", "labels", tables.labels.c.at),
    TableKind(tables.verdicts, "labels", "100 days, by `monitor/store/judge_labels.py`", tables.verdicts.c.at),
    TableKind(tables.tokens, "access", "every token that a person made, for the audit log"),
    TableKind(tables.hash_keys, "access", "one row, without which hashes cannot be compared"),
    TableKind(tables.sessions, "access", "until they expire", tables.sessions.c.expires_at),
)
"""Every table; a test fails if one is missing."""
