"""Findings of buckets, and the state of sequential detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors import SEQUENTIAL
from detectors.base import Finding
from detectors.sequential import State
from monitor.config.models import Monitor
from monitor.config.rules import COMPARED
from monitor.store.claims import Claim
from monitor.store.database import upsert
from monitor.store.estimate_accuracy import needed_findings as needed_for_estimates
from monitor.store.finding_history import load_states
from monitor.store.savings import is_of_measure
from monitor.store.tables import findings

_LENGTHS = {column.name: getattr(column.type, "length", None) for column in findings.c}
_OF_BUCKET = sa.and_(findings.c.monitor == sa.bindparam("monitor"), findings.c.start == sa.bindparam("start"))
_DELETE = sa.delete(findings).where(_OF_BUCKET)
_DELETE_UNCOMPARED = _DELETE.where(findings.c.check.not_in(COMPARED))
_SEQUENTIAL = sa.select(findings.c.key, findings.c.detail).where(_OF_BUCKET, findings.c.method.in_(list(SEQUENTIAL)))


def save_findings(connection: Connection, lease: Claim, bucket_findings: Sequence[Finding]) -> None:
    """Replace the findings of one bucket; those of comparisons remain when it is computed again."""
    bucket = {"monitor": lease.monitor, "start": lease.bucket.start}
    if lease.revision > 0:
        bucket_findings = [finding for finding in bucket_findings if finding.check not in COMPARED]
    connection.execute(_DELETE_UNCOMPARED if lease.revision > 0 else _DELETE, bucket)
    add_findings(connection, lease.monitor, lease.bucket.start, bucket_findings)


def add_findings(connection: Connection, monitor: str, start: datetime, more: Sequence[Finding]) -> None:
    """Insert findings of one bucket; existing ones remain."""
    rows = [
        {
            "monitor": monitor,
            "start": start,
            "key": finding.key,
            "check": finding.check,
            "column": finding.column,
            "method": finding.method,
            "segment": finding.segment,
            "status": finding.status.value,
            "reason": finding.reason,
            "statistic": finding.statistic,
            "threshold": finding.threshold,
            "p_value": finding.p_value,
            "q_value": finding.q_value,
            "n_baseline": finding.n_baseline,
            "n_window": finding.n_window,
            "about": finding.about,
            "unit": finding.unit,
            "direction": finding.direction,
            "detail": dict(finding.detail),
        }
        for finding in more
    ]
    upsert(connection, findings, [_truncate_texts(row) for row in rows])


def _truncate_texts(row: Mapping[str, object]) -> dict[str, object]:
    """Truncate each text to the length of its column; PostgreSQL rejects longer texts, SQLite does not."""
    return {name: value[: _LENGTHS[name]] if isinstance(value, str) else value for name, value in row.items()}


def needed_findings(monitor: Monitor, at: datetime, since: datetime) -> sa.ColumnElement[bool]:
    """Return the condition of the findings whose details are needed after their bucket.

    Parameters
    ----------
    since
        Start of the range over which the cost of a drift is computed.
    """
    of_estimates = needed_for_estimates(monitor, at) if monitor.performance else sa.false()
    spec = monitor.savings.retraining if monitor.savings else None
    of_cost = sa.and_(is_of_measure(spec.measure), findings.c.start >= since) if spec else sa.false()
    return sa.func.coalesce(sa.or_(of_estimates, of_cost), sa.false())  # NULL where a finding has no column


def load_sequential_state(connection: Connection, monitor: str, start: datetime) -> dict[str, State]:
    """Return the state of sequential detectors at the end of a bucket, by finding key."""
    rows = connection.execute(_SEQUENTIAL, {"monitor": monitor, "start": start})
    states = {row.key: row.detail["state"] for row in rows if row.detail and "state" in row.detail}
    return states or dict(load_states(connection, monitor, start))
