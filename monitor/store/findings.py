"""Findings of buckets, and the state of sequential detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors import SEQUENTIAL
from detectors.base import Finding
from detectors.sequential import State
from monitor.config.rules import COMPARED
from monitor.store.claims import Claim
from monitor.store.database import upsert
from monitor.store.tables import findings


def save_findings(connection: Connection, lease: Claim, bucket_findings: Sequence[Finding]) -> None:
    """Replace the findings of one bucket; those of comparisons remain when it is computed again."""
    where = sa.and_(findings.c.monitor == lease.monitor, findings.c.start == lease.bucket.start)
    if lease.revision > 0:
        where = sa.and_(where, findings.c.check.not_in(COMPARED))
        bucket_findings = [finding for finding in bucket_findings if finding.check not in COMPARED]
    connection.execute(sa.delete(findings).where(where))
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
    upsert(connection, findings, [_truncate_texts(findings, row) for row in rows])


def _truncate_texts(table: sa.Table, row: Mapping[str, object]) -> dict[str, object]:
    """Truncate each text to the length of its column; PostgreSQL rejects longer texts, SQLite does not."""
    lengths = {column.name: getattr(column.type, "length", None) for column in table.c}
    return {name: value[: lengths[name]] if isinstance(value, str) else value for name, value in row.items()}


def load_sequential_state(connection: Connection, monitor: str, start: datetime) -> dict[str, State]:
    """Return the state of sequential detectors at the end of a bucket, by finding key."""
    query = sa.select(findings.c.key, findings.c.detail).where(
        findings.c.monitor == monitor, findings.c.start == start, findings.c.method.in_(list(SEQUENTIAL))
    )
    return {row.key: row.detail["state"] for row in connection.execute(query) if row.detail and "state" in row.detail}
