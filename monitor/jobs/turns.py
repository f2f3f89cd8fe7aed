"""Run a turn of a monitor, and record in the store and in this process what it came to."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from monitor.core.clock import Clock
from monitor.jobs.catch_up import CatchUpJob
from monitor.jobs.liveness import Progress
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.source_health import record_heartbeat, record_source_error
from monitor.sources.base import SourceError

LOG = structlog.get_logger(__name__)


def try_turn(job: MonitorJob, clock: Clock, progress: Progress, take_turn: Callable[[], int]) -> int:
    """Run one turn; a failure does not affect other monitors. Return the number of finished buckets."""
    try:
        try:
            finished = take_turn()
            record_heartbeat(job, clock.now(), news=finished > 0)
        except SourceError as error:
            record_source_error(job, error, clock.now())
            finished = 0
    except Exception as error:
        LOG.exception("turn_failed", monitor=job.monitor.name)
        progress.note_failure(job.monitor.name, error)
        return 0
    progress.note()
    if not job.is_blocked:  # a bucket that waits for a retry failed for the reason that is already recorded
        progress.note_success(job.monitor.name)
    return finished


def try_catch_up(job: CatchUpJob) -> None:
    """Count the buckets before the live ones; a source that fails is opened again by the next run."""
    try:
        job.catch_up()
    except SourceError as error:
        LOG.warning("catch_up_failed", monitor=job.monitor.name, reason=error.reason, detail=str(error))
        job.close()
