"""Process a claimed bucket of a monitor: compute it, return it for a retry, or fail it."""

from __future__ import annotations

import structlog

from monitor.core.process_counters import QUARANTINED_RECORDS
from monitor.core.tracing import span
from monitor.jobs.bucket_planner import BucketPlanner
from monitor.jobs.source_session import SourceSession
from monitor.pipeline import process_bucket
from monitor.store import claims
from monitor.store.commit import BucketResult
from monitor.store.database import Database
from monitor.store.state import BucketCache

LOG = structlog.get_logger(__name__)


class BucketWorker:
    """Computes the claimed buckets of one monitor, one at a time."""

    def __init__(self, database: Database, source: SourceSession, planner: BucketPlanner) -> None:
        self._database = database
        self._source = source
        self._planner = planner
        self._cache = BucketCache()

    def compute(self, claim: claims.Claim) -> bool:
        """Compute one claimed bucket; return whether it has ended.

        A bucket that raises an error is returned for a retry, and failed at the third attempt.
        """
        name, start = claim.monitor, str(claim.bucket.start)
        try:
            if reason := self._find_reason_to_give_up(claim):
                with self._database.write() as connection:
                    claims.fail(connection, claim, reason)
                LOG.error("bucket_given_up", monitor=name, start=start, reason=reason)
                return True
            with claims.renewing(self._database, claim):
                result = self._process(claim)
            for why, number in result.profiled.facts.quarantined.items():
                QUARANTINED_RECORDS.add(name, why, number=number)
            LOG.debug("bucket", monitor=name, start=start, result=result.result)
        except claims.FenceLost as lost:
            LOG.warning("fence_lost", detail=str(lost))
            return False
        except Exception as error:
            with self._database.write() as connection:
                ended = claims.fail_or_retry(connection, claim, error)
            if claims.is_passing(error):
                raise
            LOG.exception("bucket_failed", monitor=name, start=start, attempt=claim.attempts, given_up=ended)
            return ended
        return True

    def _process(self, claim: claims.Claim) -> BucketResult:
        plan = self._planner.plan(claim.bucket)
        start = claim.bucket.start.isoformat()
        with span("bucket", monitor=claim.monitor, bucket=start, revision=claim.revision) as whole:
            result = process_bucket(self._database, self._source, plan, claim, self._cache)
            whole.set(rows=result.profiled.counts.rows, result=result.result)
        return result

    def _find_reason_to_give_up(self, claim: claims.Claim) -> str | None:
        """Return why a claimed bucket is not retried: it ended the process, or the source has deleted its rows."""
        if claim.attempts > claims.ATTEMPTS:
            return f"killed: the process ended {claims.ATTEMPTS} times while it computed this bucket"
        if claim.retries:
            oldest = self._source.reader.oldest()
            if oldest is not None and claim.bucket.end <= oldest:
                return f"gone: the source keeps no rows before {oldest.isoformat()}"
        return None
