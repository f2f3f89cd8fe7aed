"""Plain data of incidents and of messages, as they are stored and sent; fields that are not always there say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

ActionKind = Literal[
    "firing", "update", "reminder", "resolved", "expired", "verdict", "breaker", "rollback", "retrain", "notify"
]
"""Every kind of action that is sent: messages about incidents, approvals, verdicts and breakers, and effects."""


class Suspect(TypedDict):
    """A change that may have caused an incident."""

    kind: str
    column: str
    value: str
    first_seen: str
    prompt: NotRequired[str | None]


class RuleProgress(TypedDict):
    """How far a rule is that has a part in an incident: consecutive bad and clean buckets, and whether it fires."""

    bad: int
    clean: int
    firing: bool
    fired: bool


class IncidentFinding(TypedDict):
    """A finding of an incident with its last and its worst value."""

    check: str
    column: str | None
    method: str
    segment: str | None
    statistic: float | None
    threshold: float | None
    worst: float
    since: NotRequired[str | None]
    about: str
    direction: NotRequired[str]
    reason: str
    n_baseline: int
    n_window: int
    explanation: NotRequired[str]
    explained: NotRequired[Mapping[str, float]]


class FurtherChange(TypedDict):
    """A change of an incident as it was announced."""

    at: str
    checks: Sequence[str]
    columns: Sequence[str]
    reason: str
    suspected_change: Suspect | None


class News(TypedDict, total=False):
    """What a receiver does not know yet of a firing incident; empty when it knows everything."""

    again: bool
    changes: Sequence[FurtherChange]
    findings: Sequence[IncidentFinding]
    suspected_change: Suspect | None
    severity: str | None


class IncidentSummary(TypedDict):
    """An incident, as every message about it names it."""

    id: str
    state: str
    rule: str
    opened_at: str
    reason: str


class ActionSummary(TypedDict):
    """An action, as a message mentions it."""

    id: str
    name: str
    kind: str
    mode: str
    state: str
    reason: NotRequired[str | None]


class RetrainingData(TypedDict):
    """The part about retraining, of which :mod:`monitor.actions.retraining` has the schema: what is cut to fit."""

    drifted: Sequence[Mapping[str, object]]
    left_out: int


class EventData(TypedDict, total=False):
    """The inner part of a message: the first three fields always, the others as its type needs them."""

    monitor: str
    severity: str
    headline: str
    incident: IncidentSummary
    window: Mapping[str, str]
    observed_version: Mapping[str, str] | None
    suspected_change: Suspect | None
    changes: Sequence[FurtherChange]
    target: Mapping[str, object] | None
    findings: Sequence[IncidentFinding]
    actions: Sequence[ActionSummary]
    action: ActionSummary
    news: News | None
    dry_run: bool
    not_after: str
    retraining: RetrainingData | None
    breaker: Mapping[str, object]
    experiment: Mapping[str, object]
    shadow: Mapping[str, object]


class Payload(TypedDict):
    """What a receiver gets."""

    type: str
    timestamp: str
    data: EventData
