"""Record heartbeats and source errors; a source error alerts, and never rolls a model back."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from monitor.actions.decide_and_plan import decide_and_plan
from monitor.alerting.alert_context import AlertContext
from monitor.checks.evaluation import Evaluation
from monitor.core.schedule import Bucket
from monitor.jobs.monitor_job import MonitorJob
from monitor.sources.base import SourceError
from monitor.store import buckets, claims
from monitor.store.history import load_history
from monitor.store.plans import save_plan
from monitor.store.watches import error_since, save_watch

LOG = structlog.get_logger(__name__)
NOTE_EVERY = timedelta(seconds=15)


def record_heartbeat(job: MonitorJob, now: datetime, *, news: bool) -> None:
    """Record a heartbeat with the newest event time; without finished buckets (``news``) at most four times a minute.

    A source error remains as long as a bucket waits for its source, even if other reads succeed.
    """
    if not news and not job.is_heartbeat_due(now, NOTE_EVERY):
        return
    newest = job.source.reader.newest()
    with job.database.write() as connection:
        waits = buckets.source_trouble(connection, job.monitor.name) is not None
        save_watch(
            connection,
            job.monitor.name,
            config=job.lifecycle.definition,
            source_time=job.source.now(),
            newest=newest,
            **({} if waits else {"error": None, "error_since": None}),
        )
    job.recorded_at = now


def record_source_error(job: MonitorJob, error: SourceError, now: datetime) -> None:
    """Record a source error; after a few buckets an incident opens."""
    monitor = job.monitor
    reason = f"{error.reason}: {error}"[: claims.REASON_LENGTH]
    LOG.warning("source_unreadable", monitor=monitor.name, reason=error.reason, detail=str(error))
    job.close()
    job.recorded_at = None
    with job.database.write() as connection:
        since = error_since(connection, monitor.name) or now
        save_watch(connection, monitor.name, error=reason, error_since=since)
        bucket = Bucket(now - monitor.bucket, now)
        missing = max(1, (now - since) // monitor.bucket)
        history = load_history(connection, monitor, bucket)
        evaluation = Evaluation(reason=reason, missing_buckets=missing)
        _, plan = decide_and_plan(monitor, job.receivers, evaluation, AlertContext(history), bucket, now)
        save_plan(connection, monitor.name, plan)
