"""Our tables. A change here needs a migration; a test fails if they differ."""

from __future__ import annotations

from monitor.store.tables.access import hash_keys, sessions, tokens
from monitor.store.tables.answers import (
    evaluation_cases,
    evaluation_turns,
    evaluations,
    labels,
    prompt_tags,
    prompts,
    verdicts,
)
from monitor.store.tables.history import finding_history, rollups, store_sizes
from monitor.store.tables.money import (
    breaker_transitions,
    breakers,
    comparisons,
    ledger_hours,
    savings_reports,
)
from monitor.store.tables.watching import (
    actions,
    aggregates,
    audit,
    baselines,
    buckets,
    changes,
    deploy_events,
    findings,
    incidents,
    silences,
    spans,
    transitions,
    versions,
    watches,
)
from monitor.store.types import metadata

__all__ = [
    "actions",
    "aggregates",
    "audit",
    "baselines",
    "breaker_transitions",
    "breakers",
    "buckets",
    "changes",
    "comparisons",
    "deploy_events",
    "evaluation_cases",
    "evaluation_turns",
    "evaluations",
    "finding_history",
    "findings",
    "hash_keys",
    "incidents",
    "labels",
    "ledger_hours",
    "metadata",
    "prompt_tags",
    "prompts",
    "rollups",
    "savings_reports",
    "sessions",
    "silences",
    "spans",
    "store_sizes",
    "tokens",
    "transitions",
    "verdicts",
    "versions",
    "watches",
]
