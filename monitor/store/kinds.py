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
    time
        The column of their age; None if they have none.
    """

    table: sa.Table
    kind: str
    time: sa.Column[object] | None = None


TABLES: tuple[TableKind, ...] = (
    TableKind(tables.buckets, "buckets", tables.buckets.c.start),
    TableKind(tables.aggregates, "aggregates", tables.aggregates.c.start),
    TableKind(tables.findings, "findings", tables.findings.c.start),
    TableKind(tables.spans, "buckets"),
    TableKind(tables.watches, "buckets"),
    TableKind(tables.baselines, "baselines", tables.baselines.c.created_at),
    TableKind(tables.incidents, "incidents", tables.incidents.c.opened_at),
    TableKind(tables.transitions, "incidents", tables.transitions.c.at),
    TableKind(tables.changes, "incidents", tables.changes.c.first_seen),
    TableKind(tables.versions, "incidents", tables.versions.c.first_seen),
    TableKind(tables.deploy_events, "incidents", tables.deploy_events.c.at),
    TableKind(tables.silences, "incidents", tables.silences.c.ends_at),
    TableKind(tables.actions, "actions", tables.actions.c.created_at),
    TableKind(tables.audit, "audit", tables.audit.c.at),
    TableKind(tables.ledger_hours, "costs", tables.ledger_hours.c.start),
    TableKind(tables.savings_reports, "costs"),
    TableKind(tables.breakers, "breakers"),
    TableKind(tables.breaker_transitions, "breakers", tables.breaker_transitions.c.at),
    TableKind(tables.comparisons, "comparisons"),
    TableKind(tables.prompts, "prompts", tables.prompts.c.pushed_at),
    TableKind(tables.prompt_tags, "prompts"),
    TableKind(tables.evaluations, "evaluations", tables.evaluations.c.started_at),
    TableKind(tables.evaluation_cases, "evaluations"),
    TableKind(tables.evaluation_turns, "evaluations"),
    TableKind(tables.labels, "labels", tables.labels.c.at),
    TableKind(tables.verdicts, "labels", tables.verdicts.c.at),
    TableKind(tables.tokens, "access"),
    TableKind(tables.sessions, "access", tables.sessions.c.expires_at),
)
"""Every table; a test fails if one is missing."""
