"""Actions: what is to be sent or changed outside, each with one identity, and what is known when it is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from monitor.core.incident import Change, Incident, MissingData
from monitor.core.payload import ActionKind, Payload
from monitor.core.prompts import Prompt

ActionState = Literal[
    "pending",
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
MESSAGES = ("firing", "update", "reminder", "resolved")
"""Kinds of the messages about an incident; every other action is an effect, or a message about something else."""
UNSENT = ("pending", "awaiting_approval", "held", "expired", "rejected", "told")
"""States of an effect that no receiver has got."""
NOT_SENT = ("held", "expired", "rejected", "superseded")
"""States of an effect that count neither for the cooldown nor for the cap."""
STANDING = ("pending", "delivered", "dry_run")
"""States of a message that its receiver has, or is about to get."""


@dataclass(frozen=True)
class ActionRecord:
    """An intended outside effect with one identity for ever, as it is planned and stored."""

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
    """A planned action, and what it does to those that are stored."""

    not_before: datetime | None = None
    supersedes: bool = False  # a message of the same incident and receiver that still waits says less than this one
    replaces: str | None = None  # the id of a waiting effect whose place it takes; it is not planned when that was sent


@dataclass(frozen=True)
class Version:
    """Traffic of one model or prompt version."""

    role: str
    value: str
    first_seen: datetime
    last_seen: datetime
    rows: int


@dataclass(frozen=True)
class PastAction:
    """One earlier action, for cooldown and cap, and for what a receiver knows of an incident.

    Parameters
    ----------
    at, suspect, severity
        Of a message: the end of its bucket, the value that it suspects, and the severity that it states.
    backlog
        A message that waits because its bucket was old, see :func:`backlog_pause`.
    refused
        A message that waits because its receiver does not accept it.
    observed
        Role and value of the version that an effect is about.
    missed
        An effect that expired before it was ever sent, or could have been approved.
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
    observed: tuple[str, str] | None = None
    reason: str = ""


@dataclass(frozen=True)
class AlertHistory:
    """The past of a monitor, as far as the next decision needs it.

    Parameters
    ----------
    open
        The newest open incident of each group.
    older
        The other open incidents, oldest first: new causes came after them.
    resolved
        The incident of each group that was resolved last.
    silences
        By rule, the number of its silence.
    sequences
        By incident or thread, the number of its next actions.
    """

    open: Mapping[str, Incident] = field(default_factory=dict)
    older: Sequence[Incident] = ()
    resolved: Mapping[str, Incident] = field(default_factory=dict)
    silences: Mapping[str, int] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    versions: Sequence[Version] = ()
    blamed: Sequence[str] = ()
    past: Sequence[PastAction] = ()
    prompts: Sequence[Prompt] = ()
    missing: MissingData = MissingData()
