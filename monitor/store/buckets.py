"""T1 and T2: claim a bucket, and commit everything that came of it in one transaction."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors import SEQUENTIAL
from detectors.base import Finding
from detectors.drift.cusum import Sums
from detectors.layout import Layout
from detectors.profile import Profile
from detectors.spend.bill import ALL, Bill
from detectors.spend.budget import Spent
from monitor.judge import COMPARED
from monitor.schedule import Bucket, Span, advance
from monitor.store import ledger
from monitor.store.database import insert_for, now, upsert
from monitor.store.encoding import unpack_profiles
from monitor.store.tables import buckets, changes, findings, spans, versions, watches

LEASE = timedelta(seconds=120)
OWNER = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
MOST_CHANGES = 1000
REASON_LENGTH = 512


class FenceLost(Exception):  # noqa: N818
    """Another replica took the bucket over while this one computed it; its result stands, ours is dropped."""


@dataclass(frozen=True)
class Claim:
    """The right to finish one bucket, as long as nobody has taken it over."""

    monitor: str
    bucket: Bucket
    fence: int
    attempts: int
    revision: int


def claim(connection: Connection, monitor: str, bucket: Bucket) -> Claim | None:
    """Take a bucket that nobody holds; the unique row is the lock. None when another replica has it."""
    moment = now(connection)
    insert = insert_for(connection)(buckets).values(
        monitor=monitor,
        start=bucket.start,
        state="claimed",
        fence=1,
        attempts=1,
        revision=0,
        audits=0,
        owner=OWNER,
        lease_until=moment + LEASE,
    )
    free = sa.or_(
        buckets.c.state == "stale",
        sa.and_(buckets.c.state == "claimed", buckets.c.lease_until < moment),
    )
    taken = insert.on_conflict_do_update(
        index_elements=["monitor", "start"],
        set_={
            "state": "claimed",
            "fence": buckets.c.fence + 1,
            "attempts": buckets.c.attempts + 1,
            "owner": OWNER,
            "lease_until": moment + LEASE,
        },
        where=free,
    ).returning(buckets.c.fence, buckets.c.attempts, buckets.c.revision)
    row = connection.execute(taken).one_or_none()
    return Claim(monitor, bucket, row.fence, row.attempts, row.revision) if row else None


def release(connection: Connection, held: Claim) -> None:
    """Give a bucket back unfinished, so that the next pass tries again."""
    connection.execute(
        sa.update(buckets)
        .where(_mine(held))
        .values(state="claimed", lease_until=now(connection) - timedelta(seconds=1), owner=None)
    )


def finish(
    connection: Connection,
    held: Claim,
    *,
    result: str,
    reason: str | None,
    values: Mapping[str, Any],
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
            owner=None,
            lease_until=None,
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
    """Release the claims of processes of this host that are gone, so that a restart need not wait."""
    host, _, _ = OWNER.partition(":")
    rows = connection.execute(
        sa.select(buckets.c.owner).distinct().where(buckets.c.state == "claimed", buckets.c.owner.like(f"{host}:%"))
    ).scalars()
    dead = [owner for owner in rows if owner != OWNER and not _alive(owner)]
    if not dead:
        return 0
    freed = connection.execute(
        sa.update(buckets)
        .where(buckets.c.state == "claimed", buckets.c.owner.in_(dead))
        .values(lease_until=now(connection) - timedelta(seconds=1), owner=None)
    )
    return freed.rowcount


def _alive(owner: str) -> bool:
    pid = int(owner.split(":")[1])
    return pid != os.getpid() and Path(f"/proc/{pid}").exists()


def finished_starts(connection: Connection, monitor: str, start: datetime, end: datetime | None) -> set[datetime]:
    """Return the starts of finished buckets of a stretch."""
    query = sa.select(buckets.c.start).where(
        buckets.c.monitor == monitor, buckets.c.state == "finished", buckets.c.start >= start
    )
    if end is not None:
        query = query.where(buckets.c.start < end)
    return set(connection.execute(query).scalars())


def stale_starts(connection: Connection, monitor: str) -> list[datetime]:
    """Return the starts of buckets that must be computed again."""
    query = sa.select(buckets.c.start).where(buckets.c.monitor == monitor, buckets.c.state == "stale")
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
            .values(state="stale", attempts=0)
        )
        marked += done.rowcount
    return marked


def add_span(connection: Connection, monitor: str, kind: str, start: datetime, end: datetime | None) -> None:
    """Watch a stretch of time; asking again for the same changes nothing."""
    row = {"monitor": monitor, "kind": kind, "start": start, "end": end, "next": start}
    upsert(connection, spans, [row])


def list_spans(connection: Connection, monitor: str) -> list[Span]:
    """Return the stretches of a monitor, oldest first."""
    query = sa.select(spans).where(spans.c.monitor == monitor).order_by(spans.c.start)
    return [Span(row.kind, row.start, row.end, row.next) for row in connection.execute(query)]


def advance_span(connection: Connection, monitor: str, span: Span, bucket: timedelta, done: set[datetime]) -> None:
    """Remember how far a stretch is finished without a gap; end a finished one."""
    reached = advance(span, bucket, done)
    where = sa.and_(spans.c.monitor == monitor, spans.c.kind == span.kind, spans.c.start == span.start)
    if span.end is not None and reached >= span.end:
        connection.execute(sa.delete(spans).where(where))
    elif reached > span.next:
        connection.execute(sa.update(spans).where(where).values(next=reached))


def window_rows(connection: Connection, monitor: str, first: datetime, last: datetime) -> list[Any]:
    """Return the finished buckets of a run, oldest first, with facts and profiles."""
    query = (
        sa.select(
            buckets.c.start, buckets.c.revision, buckets.c.layout, buckets.c.facts, buckets.c.profiles,
            buckets.c.result,
        )
        .where(
            buckets.c.monitor == monitor,
            buckets.c.start >= first,
            buckets.c.start <= last,
            buckets.c.revision > 0,
        )
        .order_by(buckets.c.start)
    )  # fmt: skip
    return list(connection.execute(query))


def logged(connection: Connection, monitor: str, start: datetime, end: datetime) -> tuple[int, int]:
    """Return the records and the labels of the finished buckets of a stretch, as they were counted last."""
    sums = [sa.func.coalesce(sa.func.sum(column), 0) for column in (buckets.c.source_rows, buckets.c.source_labels)]
    query = sa.select(*sums).where(
        buckets.c.monitor == monitor, buckets.c.state == "finished", buckets.c.start >= start, buckets.c.start < end
    )
    rows, labels = connection.execute(query).one()
    return int(rows), int(labels)


def profiles_of(row: Any, layouts: Mapping[str, Layout]) -> dict[str | None, dict[str, Profile]]:  # noqa: ANN401
    """Decode the profiles of one row of :func:`window_rows`."""
    return unpack_profiles(row.profiles, layouts) if row.profiles else {}


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
            "key": finding.key[:512],
            "check": finding.check,
            "column": finding.column,
            "method": finding.method,
            "segment": finding.segment,
            "status": finding.status.value,
            "reason": finding.reason[:REASON_LENGTH],
            "statistic": finding.statistic,
            "threshold": finding.threshold,
            "p_value": finding.p_value,
            "q_value": finding.q_value,
            "n_baseline": finding.n_baseline,
            "n_window": finding.n_window,
            "about": finding.about,
            "unit": finding.unit,
            "detail": dict(finding.detail),
        }
        for finding in found
    ]
    upsert(connection, findings, rows)


def accumulated(connection: Connection, monitor: str, start: datetime) -> dict[str, Sums]:
    """Return what sequential detectors had added up by the end of a bucket, by finding key."""
    query = sa.select(findings.c.key, findings.c.detail).where(
        findings.c.monitor == monitor, findings.c.start == start, findings.c.method.in_(list(SEQUENTIAL))
    )
    return {row.key: Sums(row.detail["up"], row.detail["down"]) for row in connection.execute(query) if row.detail}


def save_changes(connection: Connection, monitor: str, seen: Sequence[Mapping[str, Any]]) -> None:
    """Remember first sights, the earliest time of each, up to 1,000 a monitor."""
    held = connection.execute(
        sa.select(sa.func.count()).select_from(changes).where(changes.c.monitor == monitor)
    ).scalar_one()
    rows = [{"monitor": monitor, **change} for change in seen][: max(0, MOST_CHANGES - held)]
    upsert(connection, changes, rows)


def save_versions(connection: Connection, monitor: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add the traffic of versions; ``rows`` of a recomputed bucket are the difference to before."""
    for row in rows:
        upsert(
            connection,
            versions,
            [{"monitor": monitor, **row}],
            rows=lambda new: versions.c.rows + new.rows,
            first_seen=lambda new: sa.case(
                (new.first_seen < versions.c.first_seen, new.first_seen), else_=versions.c.first_seen
            ),
            last_seen=lambda new: sa.case(
                (new.last_seen > versions.c.last_seen, new.last_seen), else_=versions.c.last_seen
            ),
        )


def save_watch(connection: Connection, monitor: str, **values: Any) -> None:  # noqa: ANN401
    """Write what is known of a monitor as a whole."""
    row = {"monitor": monitor, "config": "", "seen_at": now(connection), **values}
    upsert(connection, watches, [{"late_rows": 0, **row}], **{"seen_at": row["seen_at"], **values})


def to_audit(connection: Connection, monitor: str, before: Sequence[datetime], most: int) -> list[Any]:
    """Return finished buckets whose next audit is due; ``before`` gives the latest start for each audit."""
    due = sa.or_(*(sa.and_(buckets.c.audits == stage, buckets.c.start < latest) for stage, latest in enumerate(before)))
    query = (
        sa.select(
            buckets.c.start, buckets.c.audits, buckets.c.source_rows, buckets.c.source_labels,
            buckets.c.source_feedback,
        )
        .where(
            buckets.c.monitor == monitor,
            buckets.c.state == "finished",
            buckets.c.source_rows.is_not(None),
            due,
        )
        .order_by(buckets.c.start)
        .limit(most)
    )  # fmt: skip
    return list(connection.execute(query))


def audited(connection: Connection, monitor: str, row: Any, *, changed: bool, late: int) -> None:  # noqa: ANN401
    """Write down an audit; a changed bucket is owed again, and its late rows are counted."""
    values: dict[str, Any] = {"audits": row.audits + 1}
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


ATTEMPTS = 3
TRANSIENT = ("unreachable", "timeout", "changed", "missing_file")


def give_up_or_release(connection: Connection, held: Claim, error: Exception) -> None:
    """End a bucket as failed at the third attempt, else give it back.

    A source that is away for a while fails no bucket: its buckets wait, and the lag shows it.
    """
    reason = str(getattr(error, "reason", "internal"))
    if reason in TRANSIENT or held.attempts < ATTEMPTS:
        release(connection, held)
        return
    detail = str(error) if reason != "internal" else type(error).__name__
    finish(connection, held, result="failed", reason=f"{reason}: {detail}", values={})
    if held.revision == 0:  # else what it was found to cost at first stands
        ledger.save(connection, held.monitor, held.bucket, Bill({ALL: Spent(unknown=1)}))


def error_since(connection: Connection, monitor: str) -> datetime | None:
    """Return since when a source cannot be read."""
    query = sa.select(watches.c.error_since).where(watches.c.monitor == monitor)
    return connection.execute(query).scalar_one_or_none()
