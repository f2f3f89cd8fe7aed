"""Typed dictionaries of incidents and messages as they are stored and sent as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

ActionKind = Literal[
    "firing",
    "update",
    "reminder",
    "resolved",
    "effect",
    "expired",
    "verdict",
    "breaker",
    "rollback",
    "retrain",
    "notify",
    "test",
]
"""Kinds of actions: messages about incidents, approvals, verdicts and breakers, effects, and tests of receivers."""

WITH = "with"
"""Key of the target of a rollback: what belongs to its version."""


def read_companions(target: Mapping[str, object] | None) -> Mapping[str, object]:
    """Return what belongs to the version of a target: the other version, the commit, the data; empty if unknown."""
    companions = (target or {}).get(WITH)
    return companions if isinstance(companions, Mapping) else {}


class Suspect(TypedDict):
    """A candidate cause of an incident.

    Parameters
    ----------
    share
        Part of the effect that it explains, from 0 to 1.
    """

    kind: str
    column: str
    value: str
    first_seen: str
    share: NotRequired[float]
    prompt: NotRequired[str | None]
    author: NotRequired[str | None]
    commit: NotRequired[str | None]
    link: NotRequired[str | None]


class Attribution(TypedDict):
    """What explains a finding.

    Parameters
    ----------
    explained
        From 0 to 1, by version that is new in the window; `""` is that all rows changed since a moment.
    contrast
        How clearly the worst of these versions is told apart, in variances.
    segment
        The segment whose rows alone are affected, where no version explains it.
    since
        Start of the first affected bucket.
    until
        Latest bucket that may be the first affected one.
    segments
        From 0 to 1, by segment; those that explain most.
    labels
        From 0 to 1, what a change of the class balance explains.
    refuted
        Versions that explain it worse than that all rows changed, by more than chance.
    strength
        How clearly the affected rows are told apart from the others, in variances.
    beyond
        Of a column that an open incident has: versions whose rows depart farther from the baseline than the other rows
        since the first affected bucket of the incident. Absent if these are in the bins that depart most.
    """

    explained: Mapping[str, float]
    contrast: float
    segment: str | None
    since: str
    until: NotRequired[str]
    segments: NotRequired[Mapping[str, float]]
    labels: NotRequired[float]
    refuted: NotRequired[Sequence[str]]
    strength: NotRequired[float]
    beyond: NotRequired[Sequence[str]]


class RuleProgress(TypedDict):
    """How far a rule is that has a part in an incident: bad and consecutive clean buckets, and whether it fires.

    Parameters
    ----------
    recent
        Of a rule with `for: 3 of 5 buckets`: whether each of the last buckets was bad.
    """

    bad: int
    clean: int
    firing: bool
    fired: bool
    recent: NotRequired[Sequence[bool]]


class Mute(TypedDict):
    """Why a finding alerts nobody, and since when."""

    reason: str
    since: str


class IncidentFinding(TypedDict):
    """A finding of an incident, with its latest and its worst value; ``peak`` is the worst one as text."""

    check: str
    column: str | None
    method: str
    segment: str | None
    statistic: float | None
    threshold: float | None
    worst: float
    peak: NotRequired[str]
    since: NotRequired[str | None]
    about: str
    direction: NotRequired[str]
    reason: str
    n_baseline: int
    n_window: int
    explanation: NotRequired[str]
    attribution: NotRequired[Attribution]
    mute: NotRequired[Mute]


class FurtherChange(TypedDict):
    """A further change of a firing incident, as it was announced."""

    at: str
    checks: Sequence[str]
    columns: Sequence[str]
    reason: str
    suspected_change: Suspect | None


class News(TypedDict, total=False):
    """Changes of a firing incident that were not yet sent to a receiver; empty if there are none."""

    again: bool
    changes: Sequence[FurtherChange]
    findings: Sequence[IncidentFinding]
    suspected_change: Suspect | None
    severity: str | None


class IncidentSummary(TypedDict):
    """The fields of an incident that every message about it contains."""

    id: str
    state: str
    rule: str
    opened_at: str
    reason: str
    fired_at: NotRequired[str | None]
    resolved_at: NotRequired[str | None]


VerificationState = Literal["verified", "not_verified", "unknown"]
"""Whether the findings of an incident are clean after an effect; `unknown` if there was not enough traffic."""


class Verification(TypedDict):
    """Result of measuring the findings of an incident on the traffic after an effect.

    Parameters
    ----------
    at
        When it was concluded.
    records, seconds
        Size of the measured traffic.
    reason
        The most harmful finding that is still bad, or why they could not be measured.
    """

    state: VerificationState
    at: str
    records: int
    seconds: float
    reason: str


class ActionSummary(TypedDict):
    """The fields of an action that a message contains.

    Parameters
    ----------
    reaction
        Seconds from the first bad record to the request.
    at
        When it was sent, or ended otherwise.
    is_new
        Whether it was planned, or its state has changed, since the last message to the receiver.
    """

    id: str
    name: str
    kind: str
    mode: str
    state: str
    reason: NotRequired[str | None]
    target: NotRequired[Mapping[str, object] | None]
    not_after: NotRequired[str | None]
    at: NotRequired[str | None]
    dry_run: NotRequired[bool]
    is_new: NotRequired[bool]
    verification: NotRequired[Verification | None]
    reaction: NotRequired[float | None]


class DigestEntry(TypedDict):
    """An incident in a digest.

    Parameters
    ----------
    headline
        That of its newest message.
    harm
        Place of its consequence in :data:`monitor.alerting.consequence.LEVELS`.
    alone
        Whether it was announced in a message of its own, before the digest.
    """

    id: str
    monitor: str
    rule: str
    severity: str
    state: str
    headline: str
    harm: int
    since: str
    suspect: Suspect | None
    actions: Sequence[ActionSummary]
    escalation: str | None
    link: str | None
    alone: bool


class DigestData(TypedDict):
    """Many incidents that fired within a few minutes, in one message.

    Parameters
    ----------
    incidents, monitors
        How many have fired in all, and in how many monitors.
    firing
        How many of the incidents still fire.
    firing_monitors, watched
        How many monitors of all fire at the same time.
    most
        Whether most monitors do, so that the cause may be what they share.
    new
        How many incidents this digest announces.
    alone
        Ids of the incidents that were announced before, each in a message of its own.
    entries
        The incidents that are new or have news, the worst first.
    left_out
        How many more there are.
    suspect
        The change that most incidents suspect; in later digests of the storm the last one that was named.
    """

    since: str
    resolved_at: str | None
    incidents: int
    monitors: int
    firing: int
    firing_monitors: int
    watched: int
    most: bool
    new: int
    alone: Sequence[str]
    entries: Sequence[DigestEntry]
    left_out: int
    suspect: NotRequired[Suspect | None]


class RetrainingData(TypedDict):
    """The fields of a retraining payload that may be truncated; :mod:`monitor.actions.retraining` has the schema."""

    drifted: Sequence[Mapping[str, object]]
    left_out: int


class EventData(TypedDict, total=False):
    """The data of a message: monitor, severity and headline are always present, the others depend on its type.

    Parameters
    ----------
    test
        Present and true only in a test of a receiver.
    """

    test: bool
    monitor: str
    severity: str
    headline: str
    summary: str
    link: str | None
    peak: str
    incident: IncidentSummary
    digest: DigestData
    window: Mapping[str, str]
    observed_version: Mapping[str, str] | None
    suspected_change: Suspect | None
    suspects: Sequence[Suspect]
    changes: Sequence[FurtherChange]
    target: Mapping[str, object] | None
    findings: Sequence[IncidentFinding]
    actions: Sequence[ActionSummary]
    action: ActionSummary
    news: News | None
    dry_run: bool
    acknowledged_by: str | None
    assignee: str | None
    escalation: str
    not_after: str
    approvals: int
    first_bad_at: str | None
    verify_within: float | None
    retraining: RetrainingData | None
    breaker: Mapping[str, object]
    experiment: Mapping[str, object]
    shadow: Mapping[str, object]


class Payload(TypedDict):
    """The JSON document that is sent to a receiver."""

    type: str
    timestamp: str
    data: EventData
