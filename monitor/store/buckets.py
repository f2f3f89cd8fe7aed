"""T1 and T2: claim a bucket, and commit everything that came of it in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from detectors import SEQUENTIAL
from detectors.base import Finding
from detectors.cost.budget import SpendTotals
from detectors.cost.ledger import ALL, CostSummary
from detectors.sequential import State
from monitor.config.rules import COMPARED
from monitor.core.schedule import Bucket, BucketRange, advance, retry_delay
from monitor.sources.base import UNREADABLE, SourceError
from monitor.store import leases, ledger
from monitor.store.database import Columns, Database, DatabaseError, insert_for, is_unavailable, now, upsert
from monitor.store.rows import AuditRow, columns, read_all
from monitor.store.tables import buckets, changes, findings, spans, versions, watches

LOG = structlog.get_logger(__name__)
LEASE = timedelta(seconds=30)
RENEW_EVERY = timedelta(seconds=10)
MOST_RENEWALS = 180
"""Half an hour: a computation that hangs for longer loses its bucket to another replica."""
ATTEMPTS = 3
MOST_CHANGES = 1000
REASON_LENGTH = 512


class FenceLost(Exception):  # noqa: N818
    """Another replica took the bucket over while this one computed it; its result stands, ours is dropped."""


@dataclass(frozen=True)
class Claim:
    """The right to finish one bucket, as long as nobody has taken it over.

    Parameters
    ----------
    attempts
        Claims since the last result that count against the bucket, this one included: those that an error of the source
        or of our own database ended do not.
    retries
        How often it was put back since the last result, for whatever reason.
    """

    monitor: str
    bucket: Bucket
    fence: int
    attempts: int
    revision: int
    retries: int = 0


def claim(connection: Connection, monitor: str, bucket: Bucket, owner: str) -> Claim | None:
    """Take a free bucket; the unique row is the lock. None when another has it or it waits to be retried."""
    moment = now(connection)
    values = {"state": "claimed", "owner": owner, "lease_until": moment + LEASE, "next_attempt_at": None}
    first = {"monitor": monitor, "start": bucket.start, "fence": 1, "attempts": 1, "revision": 0, "audits": 0}
    insert = insert_for(connection)(buckets).values(**first, retries=0, **values)
    own = sa.and_(buckets.c.state == "claimed", buckets.c.owner == owner)
    free = sa.and_(
        buckets.c.state.in_(["stale", "claimed"]),
        leases.is_free(buckets.c.owner, buckets.c.lease_until, moment, owner),
        sa.or_(buckets.c.next_attempt_at.is_(None), buckets.c.next_attempt_at <= moment),
    )
    taken = insert.on_conflict_do_update(
        index_elements=["monitor", "start"],
        set_={
            **values,
            "fence": buckets.c.fence + 1,
            # Whoever takes back its own claim lives: the attempt before did not end the process.
            "attempts": buckets.c.attempts + sa.case((own, 0), else_=1),
        },
        where=free,
    ).returning(buckets.c.fence, buckets.c.attempts, buckets.c.revision, buckets.c.retries)
    row = connection.execute(taken).one_or_none()
    return Claim(monitor, bucket, row.fence, row.attempts, row.revision, row.retries) if row else None


@contextmanager
def renewing(database: Database, held: Claim) -> Iterator[None]:
    """Renew the lease of a bucket for as long as the block computes it."""
    done = threading.Event()
    threading.Thread(target=_renew, args=(database, held, done), daemon=True, name="lease").start()
    try:
        yield
    finally:
        done.set()


def _renew(database: Database, held: Claim, done: threading.Event) -> None:
    for _ in range(MOST_RENEWALS):
        if done.wait(RENEW_EVERY.total_seconds()):
            return
        try:
            with database.write() as connection:
                until = now(connection) + LEASE
                connection.execute(sa.update(buckets).where(_mine(held)).values(lease_until=until))
        except DatabaseError as error:
            LOG.warning("lease_not_renewed", monitor=held.monitor, error=type(error).__name__)


def put_back(connection: Connection, held: Claim, reason: str, *, counts: bool) -> None:
    """Give a bucket back unfinished, to be tried again after a while; ``counts`` says whether the attempt counts."""
    connection.execute(
        sa.update(buckets)
        .where(_mine(held))
        .values(
            owner=None,
            lease_until=None,
            attempts=held.attempts if counts else held.attempts - 1,
            retries=held.retries + 1,
            next_attempt_at=now(connection) + retry_delay(held.retries),
            reason=reason[:REASON_LENGTH],
        )
    )


def finish(
    connection: Connection,
    held: Claim,
    *,
    result: str,
    reason: str | None,
    values: Mapping[str, object],
) -> None:
    """End a bucket; raises :class:`FenceLost` when it is no longer ours, which rolls everything back."""
    done = connection.execute(
        sa.update(buckets)
        .where(_mine(held))
        .values(
            state="finished",
            result=result,
            reason=reason[:REASON_LENGTH] if reason else None,
            revision=buckets.c.revision + 1,
            attempts=0,
            retries=0,
            owner=None,
            lease_until=None,
            next_attempt_at=None,
            finished_at=now(connection),
            **values,
        )
    )
    if done.rowcount != 1:
        raise FenceLost(f"bucket {held.bucket.start.isoformat()} of {held.monitor} was taken over.")


def _mine(held: Claim) -> sa.ColumnElement[bool]:
    return sa.and_(
        buckets.c.monitor == held.monitor,
        buckets.c.start == held.bucket.start,
        buckets.c.fence == held.fence,
        buckets.c.state == "claimed",
    )


def free_the_dead(connection: Connection) -> int:
    """Release the claims of processes that are known to have ended, so that a restart need not wait.

    Of the buckets whose next end of the process would be their last, one at a time is tried: whichever ends the process
    must not take the others with it.
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


def finished_starts(connection: Connection, monitor: str, start: datetime, end: datetime | None) -> set[datetime]:
    """Return the starts of finished buckets of a stretch."""
    query = sa.select(buckets.c.start).where(
        buckets.c.monitor == monitor, buckets.c.state == "finished", buckets.c.start >= start
    )
    if end is not None:
        query = query.where(buckets.c.start < end)
    return set(connection.execute(query).scalars())


OWED_AGAIN = sa.or_(buckets.c.state == "stale", sa.and_(buckets.c.state == "claimed", buckets.c.revision > 0))
"""Condition of a bucket that must be computed again, or is being so."""


def stale_starts(connection: Connection, monitor: str) -> list[datetime]:
    """Return the starts of buckets that must be computed again."""
    query = sa.select(buckets.c.start).where(buckets.c.monitor == monitor, OWED_AGAIN)
    return sorted(connection.execute(query).scalars())


def mark_stale(connection: Connection, monitor: str, starts: Sequence[datetime]) -> int:
    """Ask for finished buckets to be computed again."""
    marked = 0
    for place in range(0, len(starts), 500):
        done = connection.execute(
            sa.update(buckets)
            .where(
                buckets.c.monitor == monitor,
                buckets.c.state == "finished",
                buckets.c.start.in_(starts[place : place + 500]),
            )
            .values(state="stale", attempts=0, retries=0, next_attempt_at=None)
        )
        marked += done.rowcount
    return marked


def retry_now(connection: Connection, monitor: str, start: datetime, end: datetime) -> None:
    """Ask for the failed buckets of a stretch to be computed again, and for those that wait not to wait any longer."""
    stretch = sa.and_(buckets.c.monitor == monitor, buckets.c.start >= start, buckets.c.start < end)
    failed = sa.and_(buckets.c.state == "finished", buckets.c.result == "failed")
    connection.execute(
        sa.update(buckets)
        .where(stretch, failed)
        .values(state="stale", attempts=0, retries=1)  # 1: its rows may be gone by now
    )
    connection.execute(sa.update(buckets).where(stretch).values(next_attempt_at=None))


def failed_reasons(connection: Connection, monitor: str, start: datetime, end: datetime) -> list[str]:
    """Return the reason of every failed bucket of a stretch, oldest first."""
    query = sa.select(buckets.c.reason).where(
        buckets.c.monitor == monitor,
        buckets.c.state == "finished",
        buckets.c.result == "failed",
        buckets.c.start >= start,
        buckets.c.start < end,
    )
    return [reason or "" for reason in connection.execute(query.order_by(buckets.c.start)).scalars()]


def is_busy(connection: Connection, monitor: str) -> bool:
    """Say whether a bucket of a monitor is being computed, by whomever, or waits to be retried."""
    query = sa.select(buckets.c.start).where(buckets.c.monitor == monitor, buckets.c.state == "claimed")
    return connection.execute(query.limit(1)).one_or_none() is not None


def source_trouble(connection: Connection, monitor: str) -> str | None:
    """Return why a bucket waits for its source, None when none does."""
    query = sa.select(buckets.c.reason).where(
        buckets.c.monitor == monitor,
        buckets.c.state == "claimed",
        buckets.c.attempts == 0,
        buckets.c.next_attempt_at > now(connection),
    )
    return connection.execute(query.limit(1)).scalar_one_or_none()


def add_span(connection: Connection, monitor: str, kind: str, start: datetime, end: datetime | None) -> None:
    """Watch a stretch of time; asking again for the same changes nothing."""
    row = {"monitor": monitor, "kind": kind, "start": start, "end": end, "next": start}
    upsert(connection, spans, [row])


def list_spans(connection: Connection, monitor: str) -> list[BucketRange]:
    """Return the stretches of a monitor, oldest first."""
    query = sa.select(spans).where(spans.c.monitor == monitor).order_by(spans.c.start)
    return [BucketRange(row.kind, row.start, row.end, row.next) for row in connection.execute(query)]


def advance_span(
    connection: Connection, monitor: str, span: BucketRange, bucket: timedelta, done: set[datetime]
) -> None:
    """Remember how far a stretch is finished without a gap; end a finished one."""
    reached = advance(span, bucket, done)
    where = sa.and_(spans.c.monitor == monitor, spans.c.kind == span.kind, spans.c.start == span.start)
    if span.end is not None and reached >= span.end:
        connection.execute(sa.delete(spans).where(where))
    elif reached > span.next:
        connection.execute(sa.update(spans).where(where).values(next=reached))


def count_records(connection: Connection, monitor: str, start: datetime, end: datetime) -> tuple[int, int]:
    """Return the records and the labels of the finished buckets of a stretch, as they were counted last."""
    sums = [sa.func.coalesce(sa.func.sum(column), 0) for column in (buckets.c.source_rows, buckets.c.source_labels)]
    query = sa.select(*sums).where(
        buckets.c.monitor == monitor, buckets.c.state == "finished", buckets.c.start >= start, buckets.c.start < end
    )
    rows, labels = connection.execute(query).one()
    return int(rows), int(labels)


def logged_by_bucket(
    connection: Connection, monitor: str, start: datetime, end: datetime
) -> list[tuple[datetime, int, int]]:
    """Return start, records and labels of each finished bucket of a stretch, oldest first."""
    query = sa.select(
        buckets.c.start, sa.func.coalesce(buckets.c.source_rows, 0), sa.func.coalesce(buckets.c.source_labels, 0)
    ).where(
        buckets.c.monitor == monitor, buckets.c.state == "finished", buckets.c.start >= start, buckets.c.start < end
    )
    return [(at, int(rows), int(labels)) for at, rows, labels in connection.execute(query.order_by(buckets.c.start))]


def save_findings(connection: Connection, held: Claim, found: Sequence[Finding]) -> None:
    """Replace the findings of one bucket; what comparisons said at its time stays when it is computed again."""
    where = sa.and_(findings.c.monitor == held.monitor, findings.c.start == held.bucket.start)
    if held.revision > 0:
        where = sa.and_(where, findings.c.check.not_in(COMPARED))
        found = [finding for finding in found if finding.check not in COMPARED]
    connection.execute(sa.delete(findings).where(where))
    add_findings(connection, held.monitor, held.bucket.start, found)


def add_findings(connection: Connection, monitor: str, start: datetime, found: Sequence[Finding]) -> None:
    """Write findings of one bucket; one that stands already is kept."""
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
        for finding in found
    ]
    upsert(connection, findings, [shortened(findings, row) for row in rows])


def shortened(table: sa.Table, row: Mapping[str, object]) -> dict[str, object]:
    """Cut each text to the length of its column: PostgreSQL refuses a row whose texts are longer, SQLite takes it."""
    lengths = {column.name: getattr(column.type, "length", None) for column in table.c}
    return {name: value[: lengths[name]] if isinstance(value, str) else value for name, value in row.items()}


def load_sequential_state(connection: Connection, monitor: str, start: datetime) -> dict[str, State]:
    """Return what sequential detectors remembered at the end of a bucket, by finding key."""
    query = sa.select(findings.c.key, findings.c.detail).where(
        findings.c.monitor == monitor, findings.c.start == start, findings.c.method.in_(list(SEQUENTIAL))
    )
    return {row.key: row.detail["state"] for row in connection.execute(query) if row.detail and "state" in row.detail}


def save_changes(connection: Connection, monitor: str, seen: Sequence[Mapping[str, object]]) -> None:
    """Remember when each change was first seen, up to 1,000 of a monitor; late rows move a time back."""
    stored = connection.execute(
        sa.select(sa.func.count()).select_from(changes).where(changes.c.monitor == monitor)
    ).scalar_one()
    rows: list[dict[str, object]] = [{"monitor": monitor, **change} for change in seen][: max(0, MOST_CHANGES - stored)]
    upsert(connection, changes, rows, first_seen=earlier(changes))


def earlier(table: sa.Table) -> Callable[[Columns], sa.Case[datetime]]:
    """Return the earlier of the stored ``first_seen`` and the new one."""
    return lambda new: sa.case((new.first_seen < table.c.first_seen, new.first_seen), else_=table.c.first_seen)


def save_versions(connection: Connection, monitor: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Add the traffic of versions; ``rows`` of a recomputed bucket are the difference to before."""
    for row in rows:
        upsert(
            connection,
            versions,
            [{"monitor": monitor, **row}],
            rows=lambda new: versions.c.rows + new.rows,
            first_seen=earlier(versions),
            last_seen=lambda new: sa.case(
                (new.last_seen > versions.c.last_seen, new.last_seen), else_=versions.c.last_seen
            ),
        )


def save_watch(connection: Connection, monitor: str, **values: object) -> None:
    """Write what is known of a monitor as a whole."""
    row: dict[str, object] = {"monitor": monitor, "config": "", "seen_at": now(connection), **values}
    upsert(connection, watches, [{"late_rows": 0, **row}], **{"seen_at": row["seen_at"], **values})


def to_audit(connection: Connection, monitor: str, before: Sequence[datetime], most: int) -> list[AuditRow]:
    """Return finished buckets whose next audit is due; ``before`` gives the latest start for each audit."""
    due = sa.or_(*(sa.and_(buckets.c.audits == stage, buckets.c.start < latest) for stage, latest in enumerate(before)))
    query = (
        sa.select(*columns(buckets, AuditRow))
        .where(
            buckets.c.monitor == monitor,
            buckets.c.state == "finished",
            buckets.c.source_rows.is_not(None),
            due,
        )
        .order_by(buckets.c.start)
        .limit(most)
    )
    return read_all(connection, AuditRow, query)


def record_audit(connection: Connection, monitor: str, row: AuditRow, *, changed: bool, late: int) -> None:
    """Write down an audit; a changed bucket is owed again, and its late rows are counted."""
    values: dict[str, object] = {"audits": row.audits + 1}
    if changed:
        values["state"] = "stale"
    done = connection.execute(
        sa.update(buckets)
        .where(
            buckets.c.monitor == monitor,
            buckets.c.start == row.start,
            buckets.c.state == "finished",
            buckets.c.audits == row.audits,
        )
        .values(**values)
    )
    if done.rowcount and late:
        connection.execute(
            sa.update(watches).where(watches.c.monitor == monitor).values(late_rows=watches.c.late_rows + late)
        )


def give_up_or_put_back(connection: Connection, held: Claim, error: Exception) -> bool:
    """End a bucket as failed at the third attempt that counts, else put it back; says whether it has ended."""
    if is_passing(error):
        put_back(connection, held, describe_error(error), counts=False)
    elif held.attempts < ATTEMPTS:
        put_back(connection, held, describe_error(error), counts=True)
    else:
        give_up(connection, held, describe_error(error))
        return True
    return False


def is_passing(error: Exception) -> bool:
    """Say whether an error is of the source or of our own database, and not of what the bucket holds: it will pass."""
    if isinstance(error, SourceError):
        return error.reason != UNREADABLE
    return isinstance(error, DatabaseError) and is_unavailable(error)


def describe_error(error: Exception) -> str:
    """Return an error as the reason of a bucket; of our own errors the kind alone, for the text may quote a record."""
    return f"{error.reason}: {error}" if isinstance(error, SourceError) else f"internal: {type(error).__name__}"


def give_up(connection: Connection, held: Claim, reason: str) -> None:
    """End a bucket as failed."""
    finish(connection, held, result="failed", reason=reason, values={})
    if held.revision == 0:  # else what it was found to cost at first stands
        ledger.save(connection, held.monitor, held.bucket, CostSummary({ALL: SpendTotals(unknown=1)}))


def error_since(connection: Connection, monitor: str) -> datetime | None:
    """Return since when a source cannot be read."""
    query = sa.select(watches.c.error_since).where(watches.c.monitor == monitor)
    return connection.execute(query).scalar_one_or_none()
