"""Operations of people: on actions, incidents and silences; who may do them, and their entries of the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:  # the configuration imports the roles, and actions import numpy
    from monitor.core.action import Action

Channel = Literal["cli", "api", "web", "slack"]
Role = Literal["viewer", "responder", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "responder", "admin")
"""Roles in order: each may do all that the ones before it may."""
SubjectKind = Literal["action", "incident", "silence", "token", "receiver", "breaker", "column"]
Result = Literal["done", "refused"]
LONGEST_NAME = 128
LONGEST_TEXT = 2000
LONGEST_SILENCE = timedelta(days=1000)


class OperationError(ValueError):
    """Something that an operation needs is missing or invalid; the message says what."""


class RefusedOperation(OperationError):
    """The state of the subject does not permit the operation; the message says why."""


class RepeatedRequest(OperationError):
    """The same request was received before; nothing was changed by its copy."""


class RoleError(RefusedOperation):
    """The role of the author does not permit the operation."""


@dataclass(frozen=True)
class Author:
    """Who does something, and by which channel.

    Parameters
    ----------
    is_verified
        Whether the name is that of a token, a session or a signed request. Other names are taken as they are given.
    account
        What stays the same if the person changes the name; empty if it is the name.
    """

    name: str
    channel: Channel
    role: Role
    is_verified: bool = False
    account: str = ""

    @property
    def person(self) -> str:
        """Return what tells the person from others."""
        return (self.account or self.name.strip()).casefold()


@dataclass(frozen=True)
class Operation:
    """Something that a person does. Ids may be shortened to their first characters, at least four.

    Parameters
    ----------
    reason
        Why; of a comment, the comment.
    """

    name: ClassVar[str]
    least_role: ClassVar[Role] = "responder"
    reason: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Approve(Operation):
    """Send an effect that awaits approval."""

    name = "approve"
    action: str


@dataclass(frozen=True)
class Reject(Operation):
    """Never send an effect that awaits approval."""

    name = "reject"
    action: str


@dataclass(frozen=True)
class Replay(Operation):
    """Send an action again whose delivery failed, with the same id."""

    name = "replay"
    action: str


@dataclass(frozen=True)
class Acknowledge(Operation):
    """Say that someone works on an open incident: no reminders and no escalation until it changes."""

    name = "acknowledge"
    incident: str


@dataclass(frozen=True)
class Assign(Operation):
    """Assign an incident to a person."""

    name = "assign"
    incident: str
    assignee: str


@dataclass(frozen=True)
class Comment(Operation):
    """Add a comment, which is the reason of the operation, to an incident."""

    name = "comment"
    incident: str


@dataclass(frozen=True)
class SilenceIncident(Operation):
    """Mute the rules of an incident, in its monitor, for a limited time."""

    name = "silence"
    incident: str
    length: timedelta


@dataclass(frozen=True)
class AddSilence(Operation):
    """Mute what all matchers match for a limited time.

    Parameters
    ----------
    monitor, rule
        Names, or ``*`` for all.
    matchers
        Further conditions, as they are written.
    """

    name = "silence"
    length: timedelta
    monitor: str
    rule: str = "*"
    matchers: Sequence[str] = ()


@dataclass(frozen=True)
class EndSilence(Operation):
    """End a silence now."""

    name = "end_silence"
    silence: int


@dataclass(frozen=True)
class CreateToken(Operation):
    """Create a token for a person or a machine.

    Parameters
    ----------
    secret_hash
        The secret itself is known only to who creates it.
    length
        Time after which it expires.
    """

    name = "create_token"
    least_role = "admin"
    token: str
    secret_hash: str
    role: Role | None = None
    scopes: tuple[str, ...] = ()
    length: timedelta | None = None


@dataclass(frozen=True)
class RevokeToken(Operation):
    """End a token and its sessions."""

    name = "revoke_token"
    least_role = "admin"
    token: str


@dataclass(frozen=True)
class Rehearse(Operation):
    """Send a test to a receiver.

    Parameters
    ----------
    actions
        The test, as it was planned.
    """

    name = "test"
    receiver: str
    actions: Sequence[Action]


@dataclass(frozen=True)
class SetBreaker(Operation):
    """Open or close a circuit breaker, whatever is measured.

    Parameters
    ----------
    value
        Value of the dimension of the breaker; empty for all traffic.
    length
        How long; None until it is set again.
    """

    name = "set_breaker"
    monitor: str
    breaker: str
    value: str
    state: Literal["open", "closed"]
    length: timedelta | None = None


@dataclass(frozen=True)
class ColumnOperation(Operation):
    """Something that concerns one value of a column; the log does not have the value.

    Parameters
    ----------
    monitor
        Empty for all monitors.
    detail
        What the log has of it.
    """

    column: str
    detail: Mapping[str, object]
    monitor: str = ""


@dataclass(frozen=True)
class Erase(ColumnOperation):
    """Erase a value from our database; the detail are the numbers of rows by kind."""

    name = "erase"
    least_role = "admin"


@dataclass(frozen=True)
class Reveal(ColumnOperation):
    """Look up in the source which value a pseudonym stands for; the detail is the pseudonym."""

    name = "reveal"


@dataclass(frozen=True)
class Subject:
    """What an operation concerns."""

    kind: SubjectKind
    id: str
    monitor: str
    incident: str | None = None


@dataclass(frozen=True)
class AuditEntry:
    """One entry of the audit log; it is never changed.

    Parameters
    ----------
    result, detail
        Whether it was done or refused; what was changed, or why it was refused.
    """

    at: datetime
    by: str
    verified: bool
    role: str
    channel: str
    operation: str
    result: Result
    subject_kind: str
    subject: str
    incident: str | None
    monitor: str
    reason: str
    detail: Mapping[str, object]


def has_role(role: Role, least: Role) -> bool:
    """Return whether a role is at least another one.

    Examples
    --------
    >>> has_role("admin", "responder"), has_role("viewer", "responder")
    (True, False)
    """
    return ROLES.index(role) >= ROLES.index(least)


def check_texts(operation: Operation, author: Author) -> None:
    """Raise OperationError if a name or a text is missing or too long."""
    if not author.name.strip():
        raise OperationError("the name of who responds is missing")
    if isinstance(operation, Comment) and not operation.reason.strip():
        raise OperationError("the comment is empty")
    assignee = operation.assignee.strip() if isinstance(operation, Assign) else ""
    if isinstance(operation, Assign) and not assignee:
        raise OperationError("the name of the assignee is missing")
    if max(len(author.name), len(assignee)) > LONGEST_NAME or len(operation.reason) > LONGEST_TEXT:
        raise OperationError(f"names have at most {LONGEST_NAME} characters, reasons and comments {LONGEST_TEXT}")
    if isinstance(operation, SilenceIncident | AddSilence) and not timedelta() < operation.length <= LONGEST_SILENCE:
        raise OperationError(f"a silence must last longer than 0 seconds and at most {LONGEST_SILENCE.days} days")


def check_role(operation: Operation, author: Author) -> None:
    """Raise RoleError unless the role of the author permits an operation."""
    if not has_role(author.role, operation.least_role):
        raise RoleError(f"{author.name} has the role {author.role}; this needs the role {operation.least_role}")
