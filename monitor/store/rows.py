"""Rows of our tables as frozen dataclasses; queries are converted here, so that other modules get typed rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.cost.breaker import Breaker
from monitor.core.action import ActionRecord, Version
from monitor.core.incident import Change
from monitor.core.payload import Verification

R = TypeVar("R")


def columns(table: sa.Table, kind: type[object], *without: str) -> list[sa.Column[object]]:
    """Return the columns of a table that a row class declares, in the order of its fields."""
    return [table.c[name] for name in _names(kind) if name not in without]


def _names(kind: type[object]) -> list[str]:
    return [one.name for one in fields(kind)]  # type: ignore[arg-type]


def read_all(
    connection: Connection, kind: Callable[..., R], query: sa.Executable, values: Mapping[str, object] | None = None
) -> list[R]:
    """Run a query with the values of its parameters and convert each row."""
    return [kind(**row) for row in connection.execute(query, values).mappings()]


def read_first(
    connection: Connection, kind: Callable[..., R], query: sa.Executable, values: Mapping[str, object] | None = None
) -> R | None:
    """Run a query with the values of its parameters and convert its first row, or return None."""
    row = connection.execute(query, values).mappings().first()
    return kind(**row) if row is not None else None


@dataclass(frozen=True)
class BucketRow:
    """A bucket."""

    monitor: str
    start: datetime
    state: str
    fence: int
    owner: str | None
    lease_until: datetime | None
    attempts: int
    retries: int
    next_attempt_at: datetime | None
    revision: int
    result: str | None
    reason: str | None
    source_rows: int | None
    source_labels: int | None
    source_feedback: int | None
    audits: int
    usage: Mapping[str, object] | None
    finished_at: datetime | None


@dataclass(frozen=True)
class AuditRow:
    """A finished bucket that is due for an audit."""

    start: datetime
    audits: int
    source_rows: int
    source_labels: int | None
    source_feedback: int | None
    source_compared: int | None


@dataclass(frozen=True)
class VolumeRow:
    """Row count and result of a bucket."""

    start: datetime
    source_rows: int | None
    result: str | None


@dataclass(frozen=True)
class FindingRow:
    """A finding of a bucket."""

    monitor: str
    start: datetime
    key: str
    check: str
    column: str | None
    method: str
    segment: str | None
    status: str
    reason: str
    statistic: float | None
    threshold: float | None
    p_value: float | None
    q_value: float | None
    n_baseline: int
    n_window: int
    about: str
    unit: str
    direction: str
    detail: Mapping[str, object] | None


@dataclass(frozen=True)
class FindingPoint:
    """A finding at one bucket of its history."""

    start: datetime
    statistic: float | None
    threshold: float | None
    status: str
    unit: str
    detail: Mapping[str, object] | None
    """Of a bucket in the history only the numbers that charts draw."""


@dataclass(frozen=True)
class WatchRow:
    """Heartbeat and source error of a monitor."""

    monitor: str
    config: str
    seen_at: datetime
    error: str | None
    error_since: datetime | None
    source_time: datetime | None
    newest: datetime | None
    late_rows: int
    columns: Mapping[str, object] | None


@dataclass(frozen=True)
class BaselineRow:
    """A baseline without its contents."""

    id: int
    state: str
    start: datetime | None
    end: datetime | None
    rows: int
    created_at: datetime


@dataclass(frozen=True)
class TransitionRow:
    """A transition of an incident."""

    incident: str
    at: datetime
    state: str
    reason: str


@dataclass(frozen=True)
class SilenceRow:
    """A silence."""

    id: int
    monitor: str
    rule: str
    starts_at: datetime
    ends_at: datetime
    comment: str
    created_by: str
    matchers: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ChangeRow(Change):
    """The first record of a version, category or column in a monitor."""

    monitor: str


@dataclass(frozen=True, kw_only=True)
class VersionRow(Version):
    """The traffic of a version of a monitor."""

    monitor: str


@dataclass(frozen=True, kw_only=True)
class ActionRow(ActionRecord):
    """An action of the outbox with the state of its delivery."""

    next_attempt_at: datetime | None
    attempts: int
    fence: int
    owner: str | None
    lease_until: datetime | None
    receipt: Mapping[str, object] | None
    finished_at: datetime | None
    reaction_seconds: float | None = None
    verification: Verification | None = None
    digest: str | None = None


@dataclass(frozen=True)
class ComparisonRow:
    """An experiment or a shadow without its sum."""

    monitor: str
    kind: str
    name: str
    definition: str
    next: datetime
    told: Mapping[str, object]
    told_at: datetime | None


@dataclass(frozen=True)
class SavingsRow:
    """The newest estimate of a monitor's savings."""

    monitor: str
    at: datetime
    told: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class BreakerRow(Breaker):
    """A circuit breaker for one value."""

    name: str
    value: str
    monitor: str
    as_of: datetime | None
    counts: Mapping[str, int]


@dataclass(frozen=True)
class BreakerTransitionRow:
    """A transition of a circuit breaker."""

    name: str
    value: str
    number: int
    at: datetime
    state: str
    reason: str
    who: str | None


@dataclass(frozen=True)
class EvaluationRow:
    """A run of a suite."""

    id: str
    suite: str
    started_at: datetime
    finished_at: datetime
    result: str
    reason: str
    model: str | None
    cases: int
    samples: int
    failed: int
    score: float | None
    copies: bool
    compared_with: object
    comparisons: object
    spent: Mapping[str, object]
    accepted_by: str | None
