"""Claim a bucket, renew its lease, and end it: done, failed, or returned for a retry."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from detectors.cost.budget import SpendTotals
from detectors.cost.ledger import ALL, CostSummary
from monitor.core.process_counters import FENCES_LOST
from monitor.core.schedule import Bucket, retry_delay
from monitor.sources.base import UNREADABLE, SourceError
from monitor.store import leases, ledger
from monitor.store.database import Database, DatabaseError, insert_for, is_unavailable, now
from monitor.store.tables import buckets

LOG = structlog.get_logger(__name__)
LEASE = timedelta(seconds=30)
RENEW_EVERY = timedelta(seconds=10)
MOST_RENEWALS = 180
"""Renewals of a lease, half an hour in all: a computation that hangs for longer loses its bucket to another replica."""
ATTEMPTS = 3
REASON_LENGTH = 512


class FenceLost(Exception):  # noqa: N818
    """Another replica took the bucket over while this one computed it; the result of this one is dropped."""


_IS_OWNED = sa.and_(
    buckets.c.monitor == sa.bindparam("of_monitor"),
    buckets.c.start == sa.bindparam("at_start"),
    buckets.c.fence == sa.bindparam("with_fence"),
    buckets.c.state == "claimed",
)
"""Condition that a claim still holds; see :func:`_identify`."""
_FINISH = (
    sa.update(buckets)
    .where(_IS_OWNED)
    .values(
        state="finished",
        recount=False,
        revision=buckets.c.revision + 1,
        attempts=0,
        retries=0,
        owner=None,
        lease_until=None,
        next_attempt_at=None,
    )
)


@dataclass(frozen=True)
class Claim:
    """The right to finish one bucket, until another replica takes it over.

    Parameters
    ----------
    attempts
        Claims since the last result, including this one, without those that an error of the source or of our own
        database ended.
    retries
        Number of times that it was returned since the last result, for any reason.
    recount
        Whether only its comparisons are counted again, as only records of unserved arms came late.
    """

    monitor: str
    bucket: Bucket
    fence: int
    attempts: int
    revision: int
    retries: int = 0
    recount: bool = False


def _identify(lease: Claim) -> dict[str, object]:
    """Return the parameters of the condition that a claim still holds."""
    return {"of_monitor": lease.monitor, "at_start": lease.bucket.start, "with_fence": lease.fence}


def claim(connection: Connection, monitor: str, bucket: Bucket, owner: str) -> Claim | None:
    """Claim a free bucket; its unique row is the lock. None if another worker has it or it waits for a retry."""
    moment = now(connection)
    values = {
        "monitor": monitor,
        "start": bucket.start,
        "owner": owner,
        "lease_until": moment + LEASE,
        "moment": moment,
        "worker": owner,
    }
    row = connection.execute(_claim(connection.dialect.name), values).one_or_none()
    return Claim(monitor, bucket, row.fence, row.attempts, row.revision, row.retries, row.recount) if row else None


@cache
def _claim(dialect: str) -> sa.Executable:
    """Return the statement that claims a bucket for a worker at a moment."""
    moment: sa.BindParameter[datetime] = sa.bindparam("moment", type_=buckets.c.start.type)
    worker: sa.BindParameter[str] = sa.bindparam("worker", type_=buckets.c.owner.type)
    first = {"state": "claimed", "fence": 1, "attempts": 1, "revision": 0, "audits": 0, "retries": 0}
    insert = insert_for(dialect)(buckets).values(**first, next_attempt_at=None)
    own = sa.and_(buckets.c.state == "claimed", buckets.c.owner == worker)
    free = sa.and_(
        buckets.c.state.in_(["stale", "claimed"]),
        leases.is_free(buckets.c.owner, buckets.c.lease_until, moment, worker),
        sa.or_(buckets.c.next_attempt_at.is_(None), buckets.c.next_attempt_at <= moment),
    )
    return insert.on_conflict_do_update(
        index_elements=["monitor", "start"],
        set_={
            "state": "claimed",
            "owner": insert.excluded.owner,
            "lease_until": insert.excluded.lease_until,
            "next_attempt_at": None,
            "fence": buckets.c.fence + 1,
            # A worker that takes back its own claim is alive, so the previous attempt did not end the process.
            "attempts": buckets.c.attempts + sa.case((own, 0), else_=1),
        },
        where=free,
    ).returning(buckets.c.fence, buckets.c.attempts, buckets.c.revision, buckets.c.retries, buckets.c.recount)


@contextmanager
def renewing(database: Database, lease: Claim) -> Iterator[None]:
    """Renew the lease of a bucket until the block ends."""
    done = threading.Event()
    threading.Thread(target=_renew, args=(database, lease, done), daemon=True, name="lease").start()
    try:
        yield
    finally:
        done.set()


def _renew(database: Database, lease: Claim, done: threading.Event) -> None:
    for _ in range(MOST_RENEWALS):
        if done.wait(RENEW_EVERY.total_seconds()):
            return
        try:
            with database.write() as connection:
                until = now(connection) + LEASE
                values = {"lease_until": until, **_identify(lease)}
                connection.execute(sa.update(buckets).where(_IS_OWNED), values)
        except DatabaseError as error:
            LOG.warning("lease_not_renewed", monitor=lease.monitor, error=type(error).__name__)


def return_for_retry(connection: Connection, lease: Claim, reason: str, *, counts: bool) -> None:
    """Return a bucket unfinished, for a retry after a back-off; ``counts`` tells whether the attempt counts."""
    values = {
        "owner": None,
        "lease_until": None,
        "attempts": lease.attempts if counts else lease.attempts - 1,
        "retries": lease.retries + 1,
        "next_attempt_at": now(connection) + retry_delay(lease.retries),
        "reason": reason[:REASON_LENGTH],
    }
    connection.execute(sa.update(buckets).where(_IS_OWNED), {**values, **_identify(lease)})


def finish(
    connection: Connection,
    lease: Claim,
    *,
    result: str,
    reason: str | None,
    values: Mapping[str, object],
) -> None:
    """Store the result of a bucket; if it was taken over, raise :class:`FenceLost`, which rolls everything back."""
    values = {
        **values,
        "result": result,
        "reason": reason[:REASON_LENGTH] if reason else None,
        "finished_at": now(connection),
    }
    done = connection.execute(_FINISH, {**values, **_identify(lease)})
    if done.rowcount != 1:
        FENCES_LOST.add("bucket")
        raise FenceLost(f"bucket {lease.bucket.start.isoformat()} of {lease.monitor} was taken over.")


def release_orphaned(connection: Connection) -> int:
    """Release the claims of ended processes, so that a restart need not wait for their leases.

    Of the buckets that fail for good if the process ends once more, one at a time is retried, so that the bucket that
    ends the process does not make the others fail.
    """
    owners = connection.execute(
        sa.select(buckets.c.owner).distinct().where(buckets.c.state == "claimed", buckets.c.owner.is_not(None))
    ).scalars()
    mine = sa.and_(buckets.c.state == "claimed", buckets.c.owner.in_(leases.dead(owners)))
    query = sa.select(buckets.c.monitor, buckets.c.start, buckets.c.attempts).where(mine)
    freed = connection.execute(query.order_by(buckets.c.start, buckets.c.monitor)).all()
    moment, waiting = now(connection), 0
    for row in freed:
        suspect = row.attempts == ATTEMPTS - 1
        after = moment + waiting * LEASE if suspect else None
        waiting += suspect
        connection.execute(
            sa.update(buckets)
            .where(mine, buckets.c.monitor == row.monitor, buckets.c.start == row.start)
            .values(owner=None, lease_until=None, next_attempt_at=after)
        )
    return len(freed)


def fail_or_retry(connection: Connection, lease: Claim, error: Exception) -> bool:
    """Fail a bucket at the third attempt that counts, else return it for a retry; return whether it failed."""
    if is_passing(error):
        return_for_retry(connection, lease, describe_error(error), counts=False)
    elif lease.attempts < ATTEMPTS:
        return_for_retry(connection, lease, describe_error(error), counts=True)
    else:
        fail(connection, lease, describe_error(error))
        return True
    return False


def is_passing(error: Exception) -> bool:
    """Return whether an error is temporary: of the source or of our own database, not of the data of the bucket."""
    if isinstance(error, SourceError):
        return error.reason != UNREADABLE
    return isinstance(error, DatabaseError) and is_unavailable(error)


def describe_error(error: Exception) -> str:
    """Return an error as the reason of a bucket; of an internal error only the type, as its text may quote a record."""
    return f"{error.reason}: {error}" if isinstance(error, SourceError) else f"internal: {type(error).__name__}"


def fail(connection: Connection, lease: Claim, reason: str) -> None:
    """Fail a bucket."""
    finish(connection, lease, result="failed", reason=reason, values={})
    if lease.revision == 0:  # otherwise the cost of an earlier revision remains
        ledger.save(connection, lease.monitor, lease.bucket, CostSummary({ALL: SpendTotals(unknown=1)}))
