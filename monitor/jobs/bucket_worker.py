"""One claimed bucket of a monitor: computed, put back or given up."""

from __future__ import annotations

import structlog

from monitor.jobs.bucket_planner import BucketPlanner
from monitor.jobs.source_session import SourceSession
from monitor.pipeline import process_bucket
from monitor.store import claims
from monitor.store.database import Database
from monitor.store.state import BucketCache

LOG = structlog.get_logger(__name__)


class BucketWorker:
    """Computes the claimed buckets of one monitor, one after the other."""

    def __init__(self, database: Database, source: SourceSession, planner: BucketPlanner) -> None:
        self._database = database
        self._source = source
        self._planner = planner
        self._cache = BucketCache()

    def compute(self, claim: claims.Claim) -> bool:
        """Compute one claimed bucket; says whether it has ended.

        One that fails is put back, and given up the third time.
        """
        name, start = claim.monitor, str(claim.bucket.start)
        try:
            if reason := self._find_reason_to_give_up(claim):
                with self._database.write() as connection:
                    claims.give_up(connection, claim, reason)
                LOG.error("bucket_given_up", monitor=name, start=start, reason=reason)
                return True
            with claims.renewing(self._database, claim):
                plan = self._planner.plan(claim.bucket)
                result = process_bucket(self._database, self._source, plan, claim, self._cache)
            LOG.debug("bucket", monitor=name, start=start, result=result.result)
        except claims.FenceLost as lost:
            LOG.warning("fence_lost", detail=str(lost))
            return False
        except Exception as error:
            with self._database.write() as connection:
                ended = claims.give_up_or_put_back(connection, claim, error)
            if claims.is_passing(error):
                raise
            LOG.exception("bucket_failed", monitor=name, start=start, attempt=claim.attempts, given_up=ended)
            return ended
        return True

    def _find_reason_to_give_up(self, claim: claims.Claim) -> str | None:
        """Return why a claimed bucket need not be tried again: it ended the process, or its rows are gone."""
        if claim.attempts > claims.ATTEMPTS:
            return f"killed: the process ended {claims.ATTEMPTS} times while it computed this bucket"
        if claim.retries:
            oldest = self._source.reader.oldest()
            if oldest is not None and claim.bucket.end <= oldest:
                return f"gone: the source keeps no rows before {oldest.isoformat()}"
        return None
