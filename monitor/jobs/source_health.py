"""When a source cannot be read: remembered, told to the owners of the pipe, and never held against the model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from monitor.alerting.incidents import judge_no_data
from monitor.alerting.rules import act_on
from monitor.config.receivers import ReceiverConfig
from monitor.core.incident import NO_DATA
from monitor.core.schedule import Bucket, floor
from monitor.jobs.watch import Watch
from monitor.sources.base import SourceError
from monitor.store import buckets, context, incidents, outbox

LOG = structlog.get_logger(__name__)
NOTE_EVERY = timedelta(seconds=15)


def reason_to_give_up(watch: Watch, held: buckets.Claim) -> str | None:
    """Return why a claimed bucket need not be tried again: it ended the process, or its rows are gone."""
    if held.attempts > buckets.ATTEMPTS:
        return f"killed: the process ended {buckets.ATTEMPTS} times while it computed this bucket"
    if held.retries:
        oldest = watch.reader.oldest()
        if oldest is not None and held.bucket.end <= oldest:
            return f"gone: the source keeps no rows before {oldest.isoformat()}"
    return None


def record_heartbeat(watch: Watch, now: datetime, *, news: bool) -> None:
    """Write down that the source could be read, and how far it reaches; without news four times a minute.

    An error stands for as long as a bucket waits for its source, whatever else of it can be read.
    """
    if not news and watch.noted_at is not None and now - watch.noted_at < NOTE_EVERY:
        return
    watch.noted_at = now
    newest = watch.reader.newest()
    with watch.database.write() as connection:
        waits = buckets.source_trouble(connection, watch.monitor.name) is not None
        buckets.save_watch(
            connection,
            watch.monitor.name,
            config=watch.definition,
            source_time=watch.now(),
            newest=newest,
            **({} if waits else {"error": None, "error_since": None}),
        )


def record_source_error(watch: Watch, error: SourceError, actions: Mapping[str, ReceiverConfig], now: datetime) -> None:
    """Write down why the source cannot be read; after a few buckets of it an incident opens."""
    monitor = watch.monitor
    said = f"{error.reason}: {error}"[: buckets.REASON_LENGTH]
    LOG.warning("source_unreadable", monitor=monitor.name, reason=error.reason, detail=str(error))
    watch.close()
    watch.noted_at = None
    with watch.database.write() as connection:
        since = buckets.error_since(connection, monitor.name) or now
        buckets.save_watch(connection, monitor.name, error=said, error_since=since)
        blind = max(1, (now - since) // monitor.bucket)
        end = floor(now, monitor.bucket)
        bucket = Bucket(end - monitor.bucket, end)
        past = context.load(connection, monitor, bucket)
        decision = judge_no_data(monitor, monitor.no_data, blind, said, past.open.get(NO_DATA), now)
        if decision is None:
            return
        decisions, planned = act_on(monitor, [decision], past, actions, bucket, now)
        for item in decisions:
            incidents.save_decision(connection, item)
        outbox.save_actions(connection, planned)
