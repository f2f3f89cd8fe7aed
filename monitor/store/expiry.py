"""Delete rows whose retention has ended, except those of `rollups` and `finding_history`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.config.models import Monitor
from monitor.config.retention import Retention
from monitor.store import breakers, judge_labels
from monitor.store.tables import (
    actions,
    aggregates,
    audit,
    buckets,
    changes,
    deploy_events,
    evaluation_cases,
    evaluations,
    incidents,
    labels,
    sessions,
    silences,
    spans,
    transitions,
    versions,
)

TimeRange = tuple[datetime, datetime]
HOUR = timedelta(hours=1)
AT_ONCE = 500
"""Rows that a transaction deletes of a table."""
LONGEST_GAP = 1000
"""Buckets whose results are kept at least: an outage is told from the last ones with data."""


def delete_bucket_rows(
    connection: Connection, monitor: Monitor, at: datetime, retention: Retention, without: Sequence[TimeRange]
) -> int:
    """Delete some results of the old buckets of a monitor, and the old events of its objectives."""
    name, results = monitor.name, max(retention.hours, LONGEST_GAP * monitor.bucket)
    owed = sa.select(sa.func.min(spans.c.next)).where(spans.c.monitor == name).scalar_subquery()
    outside = [sa.or_(buckets.c.start < start, buckets.c.start >= end) for start, end in without]
    old = sa.and_(buckets.c.monitor == name, buckets.c.state == "finished", *outside)
    old = sa.and_(old, buckets.c.start < at - results, sa.or_(owed.is_(None), buckets.c.start < owed))
    period = max((check.period for check in monitor.objectives), default=timedelta(0))
    events = sa.and_(aggregates.c.monitor == name, aggregates.c.kind == "events")
    before = at - period - monitor.buckets_needed
    return _delete_some(connection, buckets, old) + _delete_some(
        connection, aggregates, sa.and_(events, aggregates.c.start < before)
    )


def _delete_some(connection: Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    """Delete a limited number of rows, so that the transaction stays small; return their number."""
    row: sa.ColumnElement[object] = sa.literal_column("ctid" if connection.dialect.name == "postgresql" else "rowid")
    some = sa.select(row).select_from(table).where(condition).limit(AT_ONCE)
    return connection.execute(sa.delete(table).where(row.in_(some))).rowcount


def delete_incidents(connection: Connection, at: datetime, retention: Retention) -> int:
    """Delete resolved incidents, and what happened so long ago that no incident refers to it."""
    before = at - retention.incidents
    old = sa.and_(incidents.c.state == "resolved", incidents.c.resolved_at < before)
    mine = sa.select(incidents.c.id).where(old)
    conditions = [
        (transitions, transitions.c.incident.in_(mine)),
        (actions, actions.c.incident.in_(mine)),
        (changes, changes.c.first_seen < before),
        (versions, versions.c.last_seen < before),
        (deploy_events, deploy_events.c.at < before),
        (silences, silences.c.ends_at < before),
    ]
    deleted = sum(_delete_some(connection, table, condition) for table, condition in conditions)
    return deleted or _delete_some(connection, incidents, old)  # the incident last, by which the others are recognised


def delete_actions(connection: Connection, at: datetime, retention: Retention) -> int:
    """Delete the ended actions of resolved incidents; the number of an open one's next message depends on them."""
    before = at - retention.actions
    over = sa.select(incidents.c.id).where(incidents.c.state == "resolved", incidents.c.resolved_at < before)
    old = sa.and_(actions.c.created_at < before, actions.c.state.not_in(["pending", "awaiting_approval", "digested"]))
    return _delete_some(connection, actions, sa.and_(old, actions.c.incident.in_(over)))


def delete_others(connection: Connection, at: datetime, retention: Retention) -> int:
    """Delete old entries of the audit log, runs of suites, labels, verdicts, transitions of breakers, and sessions."""
    run = evaluations.alias("run")
    good = sa.or_(run.c.result == "good", run.c.accepted_by.is_not(None))
    newest = sa.select(sa.func.max(run.c.started_at)).group_by(run.c.suite)
    old_runs = sa.and_(
        evaluations.c.started_at < at - retention.evaluations,
        evaluations.c.started_at.not_in(newest),
        evaluations.c.started_at.not_in(newest.where(good)),
    )
    cases = evaluation_cases.c.evaluation.in_(sa.select(evaluations.c.id).where(old_runs))
    deleted = _delete_some(connection, evaluation_cases, cases) or _delete_some(connection, evaluations, old_runs)
    deleted += _delete_some(connection, audit, audit.c.at < at - retention.audit)
    deleted += _delete_some(connection, labels, labels.c.at < at - retention.labels)
    deleted += _delete_some(connection, sessions, sessions.c.expires_at < at)
    return deleted + judge_labels.delete_expired(connection, at) + breakers.delete_expired(connection, at)


def thin_usage(connection: Connection, monitor: str, hour: datetime) -> None:
    """Delete the usage of the buckets of an hour except the last, whose window is the newest."""
    here = sa.and_(buckets.c.monitor == monitor, buckets.c.start >= hour, buckets.c.start < hour + HOUR)
    last = sa.select(sa.func.max(buckets.c.start)).where(here).scalar_subquery()
    connection.execute(sa.update(buckets).where(here, buckets.c.start < last).values(usage=sa.null()))
