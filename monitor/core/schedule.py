"""Which buckets are due: pure arithmetic on UTC, for a scheduler only wakes us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=2)


@dataclass(frozen=True, order=True)
class Bucket:
    """Half-open UTC interval of one monitor."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class BucketRange:
    """A stretch of time of which every bucket must be finished; ``end`` None means for ever."""

    kind: str
    start: datetime
    end: datetime | None
    next: datetime


def floor(moment: datetime, bucket: timedelta) -> datetime:
    """Return the start of the bucket that holds a moment."""
    return moment - (moment - EPOCH) % bucket


def latest_sealed_end(now: datetime, bucket: timedelta, settle: timedelta) -> datetime:
    """Return the end of the newest bucket that the clock has passed by ``settle``."""
    return floor(now - settle, bucket)


def missing(span: BucketRange, until: datetime, bucket: timedelta, finished: Set[datetime]) -> Iterator[Bucket]:
    """Yield the buckets of a span up to ``until`` that are not finished, oldest first."""
    last = until if span.end is None else min(until, span.end)
    start = span.next
    while start + bucket <= last:
        if start not in finished:
            yield Bucket(start, start + bucket)
        start += bucket


def advance(span: BucketRange, bucket: timedelta, finished: Set[datetime]) -> datetime:
    """Return the first bucket start of a span that is not finished."""
    start = span.next
    while start in finished:
        start += bucket
    return start


def window_starts(bucket: Bucket, window: timedelta) -> tuple[datetime, datetime]:
    """Return the first and last bucket start of the window that ends with this bucket."""
    return bucket.end - window, bucket.start


def audits_passed(age: timedelta, audit_ages: Sequence[timedelta]) -> int:
    """Return how many audits a bucket needs no more, because it was computed so long after its end."""
    return sum(age > due for due in audit_ages)


def retry_delay(retries: int) -> timedelta:
    """Return the pause before the next attempt at a bucket that was retried so often: doubling, from 2 s to 2 min."""
    return min(FIRST_RETRY * (1 << min(retries, 10)), LONGEST_RETRY)
