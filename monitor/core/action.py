"""Actions (messages and effects), and the history of a monitor from which they are planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from monitor.core.deploy_event import DeployEvent
from monitor.core.firing import FiringMonitors
from monitor.core.incident import Change, Incident, MissingData
from monitor.core.incident_response import Handling
from monitor.core.matchers import Silence
from monitor.core.payload import ActionKind, Payload, Verification
from monitor.core.prompts import Prompt

ActionState = Literal[
    "pending",
    "digested",
    "awaiting_approval",
    "delivered",
    "failed",
    "expired",
    "held",
    "rejected",
    "dry_run",
    "told",
    "superseded",
]
DESTRUCTIVE = ("rollback", "retrain")
TEST: Final = "test"
"""Kind of the tests of receivers; they belong to no monitor, and only who started one sends it."""
MESSAGES = ("firing", "update", "reminder", "resolved")
"""Kinds of the messages about an incident; every other action is an effect, or a message about something else."""
UNSENT = ("pending", "awaiting_approval", "held", "expired", "rejected", "told")
"""States of an effect that was not delivered."""
NOT_SENT = ("held", "expired", "rejected", "superseded")
"""States of an effect that count neither for the cooldown nor for the cap."""
STATE_LABELS: Mapping[str, str] = {"told": "announced only"}
"""Labels of the states whose stored value is not what a person reads."""
STANDING = ("pending", "digested", "delivered", "dry_run")
"""States of a message that was delivered or waits for delivery."""


def label_state(state: str) -> str:
    """Return the label of a state of an action on pages and in tables."""
    return STATE_LABELS.get(state, state.replace("_", " "))


@dataclass(frozen=True)
class ActionRecord:
    """A message or effect as it is planned and stored. Its ``id`` never changes."""

    id: str
    monitor: str
    incident: str
    name: str
    kind: ActionKind
    mode: str
    state: ActionState
    reason: str
    payload: Payload
    created_at: datetime
    sequence: int
    not_after: datetime | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Action(ActionRecord):
    """A planned action, and which of the stored actions it replaces."""

    not_before: datetime | None = None
    supersedes: bool = False  # a waiting message of the same incident and receiver becomes `superseded`
    replaces: str | None = None  # id of a waiting effect that it replaces; not planned if that one was sent meanwhile


@dataclass(frozen=True)
class Version:
    """Traffic of one model or prompt version."""

    role: str
    value: str
    first_seen: datetime
    last_seen: datetime
    rows: int


@dataclass(frozen=True)
class Releases:
    """The deploy events of a monitor, newest first, and its prompts."""

    deployments: Sequence[DeployEvent] = ()
    prompts: Sequence[Prompt] = ()


@dataclass(frozen=True)
class PastAction:
    """An earlier action. Cooldowns, daily limits and updates of messages are computed from these.

    Parameters
    ----------
    at, suspect, severity
        Of a message: the end of its bucket, the value of its suspect, and its severity.
    backlog
        Whether a message waits because its bucket was old, see :func:`backlog_pause`.
    refused
        Whether a message waits because its receiver refused it.
    observed
        Role and value of the version that an effect concerns.
    target
        Last known good version of an effect.
    missed
        Whether an effect expired before it was sent or could be approved.
    verify_within
        Time in which an effect is verified; None if it is not.
    verification
        Result of the verification of an effect, once it has ended.
    reaction
        Time from the first bad record to the request.
    in_digest
        Whether a message is part of a digest, so that the incident has no message of its own.
    """

    name: str
    created_at: datetime
    state: str
    id: str = ""
    incident: str = ""
    kind: str = ""
    mode: str = ""
    sequence: int = 0
    at: datetime | None = None
    suspect: str | None = None
    severity: str | None = None
    backlog: bool = False
    refused: bool = False
    missed: bool = False
    in_digest: bool = False
    observed: tuple[str, str] | None = None
    reason: str = ""
    target: Mapping[str, object] | None = None
    not_after: datetime | None = None
    finished_at: datetime | None = None
    verify_within: timedelta | None = None
    verification: Verification | None = None
    reaction: timedelta | None = None

    @property
    def sent_at(self) -> datetime:
        """Return when it was sent; when it was planned, as long as it was not."""
        return self.finished_at or self.created_at

    @property
    def is_verifiable(self) -> bool:
        """Return whether it is an effect that was sent, and that is verified on the traffic after it."""
        sent = self.kind in DESTRUCTIVE and self.state == "delivered" and self.finished_at is not None
        return sent and self.verify_within is not None


@dataclass(frozen=True)
class AlertHistory:
    """The alerting state of a monitor that decisions about the next bucket need.

    Parameters
    ----------
    open
        The newest open incident of each group.
    older
        The other open incidents, oldest first: new causes came after them.
    resolved
        The incident of each group that was resolved last.
    acted
        Resolved incidents with an effect that was sent less than two windows ago or that is not verified yet.
    deployments
        The newest deploy events, newest first; they are among the changes.
    elsewhere
        Firing incidents of other monitors; loaded only if there are inhibit rules.
    firing
        The monitors that fire, over all monitors.
    silences
        Those that have begun and not ended.
    handling
        By incident, who acknowledged it and who is assigned.
    sequences
        By incident or thread, the number of its next actions.
    """

    open: Mapping[str, Incident] = field(default_factory=dict)
    older: Sequence[Incident] = ()
    resolved: Mapping[str, Incident] = field(default_factory=dict)
    acted: Sequence[Incident] = ()
    elsewhere: Sequence[Incident] = ()
    firing: FiringMonitors = FiringMonitors()
    silences: Sequence[Silence] = ()
    handling: Mapping[str, Handling] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    deployments: Sequence[DeployEvent] = ()
    versions: Sequence[Version] = ()
    blamed: Sequence[str] = ()
    past: Sequence[PastAction] = ()
    prompts: Sequence[Prompt] = ()
    missing: MissingData = MissingData()

    def find_handling(self, incident: str) -> Handling:
        """Return who acknowledged an incident and who is assigned."""
        return self.handling.get(incident, Handling())

    @property
    def releases(self) -> Releases:
        """Return what was deployed."""
        return Releases(self.deployments, self.prompts)

    def find(self, incident: str) -> Incident | None:
        """Return the open incident with an id."""
        return next((one for one in (*self.open.values(), *self.older) if one.id == incident), None)
