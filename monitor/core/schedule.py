"""Compute which buckets are due. Pure functions of UTC times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=2)


@dataclass(frozen=True, order=True)
class Bucket:
    """A half-open UTC interval."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class BucketRange:
    """A time range of which every bucket must be computed; ``end`` None means without end."""

    kind: str
    start: datetime
    end: datetime | None
    next: datetime


def floor(moment: datetime, bucket: timedelta) -> datetime:
    """Return the start of the bucket that contains a time."""
    return moment - (moment - EPOCH) % bucket


def latest_sealed_end(now: datetime, bucket: timedelta, settle: timedelta) -> datetime:
    """Return the end of the newest bucket that ended at least ``settle`` before ``now``."""
    return floor(now - settle, bucket)


def missing(span: BucketRange, until: datetime, bucket: timedelta, finished: Set[datetime]) -> Iterator[Bucket]:
    """Yield the unfinished buckets of a range up to ``until``, oldest first."""
    last = until if span.end is None else min(until, span.end)
    start = span.next
    while start + bucket <= last:
        if start not in finished:
            yield Bucket(start, start + bucket)
        start += bucket


def advance(span: BucketRange, bucket: timedelta, finished: Set[datetime]) -> datetime:
    """Return the start of the first unfinished bucket of a range."""
    start = span.next
    while start in finished:
        start += bucket
    return start


def window_starts(bucket: Bucket, window: timedelta) -> tuple[datetime, datetime]:
    """Return the starts of the first and the last bucket of the window that ends with a bucket."""
    return bucket.end - window, bucket.start


def audits_passed(age: timedelta, audit_ages: Sequence[timedelta]) -> int:
    """Return the number of audits that are unnecessary, as the bucket was computed ``age`` after its end."""
    return sum(age > due for due in audit_ages)


def retry_delay(retries: int) -> timedelta:
    """Return the delay before the next attempt at a bucket: doubles with each retry, from 2 s to 2 min."""
    return min(FIRST_RETRY * (1 << min(retries, 10)), LONGEST_RETRY)
