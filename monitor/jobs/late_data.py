"""Audit sealed buckets for late data: count them again, and mark them as due if rows, labels or feedback changed."""

from __future__ import annotations

from monitor.config.models import Monitor
from monitor.jobs.source_session import SourceSession
from monitor.sources.base import Counts
from monitor.store import buckets
from monitor.store.database import Database
from monitor.store.rows import AuditRow

AUDITS_A_TURN = 20


class LateDataAuditor:
    """Audits the sealed buckets of a monitor."""

    def __init__(self, database: Database, monitor: Monitor, source: SourceSession) -> None:
        self._database = database
        self._monitor = monitor
        self._source = source

    def audit(self) -> None:
        """Count the next sealed buckets again; a bucket with a changed count becomes due again."""
        monitor, now, reader = self._monitor, self._source.now(), self._source.reader
        ages = [now - age for age in monitor.audit_ages]
        with self._database.read() as connection:
            rows = buckets.to_audit(connection, monitor.name, ages, AUDITS_A_TURN)
        for row in rows:
            counts = reader.counts(row.start, row.start + monitor.bucket)
            late = max(0, counts.rows - row.source_rows)
            with self._database.write() as connection:
                buckets.record_audit(connection, monitor.name, row, _changed(counts, row), late)


def _changed(counts: Counts, row: AuditRow) -> buckets.Changed:
    """Return what has to be computed again."""
    if (counts.rows, counts.labels, counts.feedback) != (row.source_rows, row.source_labels, row.source_feedback):
        return "bucket"
    return "comparisons" if counts.compared != (row.source_compared or 0) else None
