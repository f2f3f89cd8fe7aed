"""Perform the operations of people; the command line, the API, the web pages and Slack all call this function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy.engine import Connection

from monitor.alerting.responses import match_incident, respond
from monitor.core.clock import Clock, SystemClock
from monitor.core.matchers import parse_matcher
from monitor.core.operation import (
    Acknowledge,
    AddSilence,
    Approve,
    Assign,
    AuditEntry,
    Author,
    ColumnOperation,
    Comment,
    CreateToken,
    EndSilence,
    Operation,
    OperationError,
    RefusedOperation,
    Rehearse,
    Reject,
    Replay,
    RevokeToken,
    SetBreaker,
    SilenceIncident,
    Subject,
    check_role,
    check_texts,
)
from monitor.store import outbox, silences, tokens
from monitor.store.audit import add_entry
from monitor.store.database import Database, decision_time
from monitor.store.incidents import find_incident
from monitor.store.resolutions import find_action, resolve
from monitor.store.rows import SilenceRow

HOST_CLOCK = SystemClock()
Detail = dict[str, object]
Work = Callable[[], tuple[Subject, Detail]]
"""Changes the subject of an operation; returns the subject and what the audit log has of the change."""
Change = Callable[[Connection, datetime], Detail]
"""Changes something in a transaction at a time."""


def perform(
    database: Database,
    operation: Operation,
    author: Author,
    clock: Clock = HOST_CLOCK,
    request: str | None = None,
    change: Change | None = None,
) -> AuditEntry:
    """Perform an operation and add its entry to the audit log, in one transaction; return the entry.

    An operation that is refused has an entry, too.

    Parameters
    ----------
    clock
        A clock of a test or of the demo; that of the host stands for the clock of the database.
    request
        Identifies a request that may arrive several times, also at other replicas; it is performed once.
    change
        Does what needs the configuration, such as a change of a breaker, and returns what the log has of it.

    Raises
    ------
    LookupError
        If there is no such action, incident or silence, or several have an id with that beginning.
    OperationError
        If something is missing or invalid.
    RefusedOperation
        If the state of the subject or the role of the author does not permit it.
    RepeatedRequest
        If the request was performed or refused before.
    """
    check_texts(operation, author)
    refusal: RefusedOperation | None = None
    with database.write() as connection:
        at = decision_time(connection, clock)
        subject, work = _prepare(connection, operation, author, at, change)
        try:
            check_role(operation, author)
            subject, detail = work()
        except RefusedOperation as error:
            refusal, detail = error, {"refusal": str(error)}
        entry = AuditEntry(
            at=at,
            by=author.name.strip(),
            verified=author.is_verified,
            role=author.role,
            channel=author.channel,
            operation=operation.name,
            result="refused" if refusal is not None else "done",
            subject_kind=subject.kind,
            subject=subject.id,
            incident=subject.incident,
            monitor=subject.monitor,
            reason=operation.reason.strip(),
            detail=detail,
        )
        add_entry(connection, entry, request)
    if refusal is not None:
        raise refusal
    return entry


def _prepare(
    connection: Connection, operation: Operation, author: Author, at: datetime, change: Change | None
) -> tuple[Subject, Work]:
    """Find the subject of an operation; return it, and the work to do."""
    match operation:
        case Approve() | Reject() | Replay():
            action = find_action(connection, operation.action)
            subject = Subject("action", action.id, action.monitor, action.incident)
            return subject, lambda: (subject, resolve(connection, action, operation, author, at))
        case Acknowledge() | Assign() | Comment():
            incident = find_incident(connection, operation.incident)
            subject = Subject("incident", incident.id, incident.monitor, incident.id)
            return subject, lambda: (subject, respond(incident, operation))
        case SilenceIncident():
            incident = find_incident(connection, operation.incident)
            wanted = AddSilence(
                operation.length, incident.monitor, "*", match_incident(incident), reason=operation.reason
            )
            subject = Subject("silence", "", incident.monitor, incident.id)
            return subject, partial(_add_silence, connection, wanted, subject, author, at)
        case AddSilence():
            silences.refuse_personal(operation.matchers)
            subject = Subject("silence", "", operation.monitor)
            return subject, partial(_add_silence, connection, operation, subject, author, at)
        case EndSilence():
            silence = silences.find_silence(connection, operation.silence)
            subject = Subject("silence", str(silence.id), silence.monitor)
            return subject, lambda: (subject, _end_silence(connection, silence, at))
        case SetBreaker() if change is not None:
            subject = Subject("breaker", f"{operation.breaker} {operation.value}".strip()[:128], operation.monitor)
            return subject, lambda: (subject, change(connection, at))
        case ColumnOperation():
            subject = Subject("column", operation.column[:128], operation.monitor)
            return subject, lambda: (subject, dict(operation.detail))
        case Rehearse():
            subject = Subject("receiver", operation.receiver[:128], "")
            return subject, lambda: (subject, _save_test(connection, operation))
        case CreateToken():
            subject = Subject("token", operation.token[:128], "")
            return subject, lambda: (subject, tokens.add_token(connection, operation, author.name.strip(), at))
        case RevokeToken():
            token = tokens.load_token(connection, operation.token)
            if token is None:
                raise LookupError(f"there is no token {operation.token!r}")
            subject = Subject("token", token.name, "")
            return subject, lambda: (subject, tokens.revoke_token(connection, token, at))
    raise TypeError(f"{type(operation).__name__} is no operation")


def _save_test(connection: Connection, operation: Rehearse) -> Detail:
    outbox.save_actions(connection, operation.actions)
    return {"actions": [action.id for action in operation.actions]}


def _add_silence(
    connection: Connection, wanted: AddSilence, subject: Subject, author: Author, at: datetime
) -> tuple[Subject, Detail]:
    try:
        matchers = [str(parse_matcher(text)) for text in wanted.matchers]
    except ValueError as error:
        raise OperationError(str(error)) from None
    row = {
        "monitor": wanted.monitor,
        "rule": wanted.rule,
        "matchers": matchers,
        "starts_at": at,
        "ends_at": at + wanted.length,
        "comment": wanted.reason.strip()[:256],
        "created_by": author.name.strip(),
    }
    number = silences.add_silence(connection, row)
    detail: Detail = {"rule": wanted.rule, "matchers": matchers, "ends_at": (at + wanted.length).isoformat()}
    return replace(subject, id=str(number)), detail


def _end_silence(connection: Connection, silence: SilenceRow, at: datetime) -> Detail:
    if silence.ends_at <= at:
        raise RefusedOperation(f"silence #{silence.id} ended at {silence.ends_at:%Y-%m-%d %H:%M} UTC")
    silences.end_silence(connection, silence.id, at)
    return {"ended_before": silence.ends_at.isoformat()}
