"""Buckets of UTC: contiguous, never overlapping, never in the future, whatever the zone or the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.schedule import BucketRange, advance, floor, latest_sealed_end, missing

MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(9990, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
BUCKETS = st.sampled_from([timedelta(seconds=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)])


@given(MOMENTS, BUCKETS)
def test_every_moment_lies_in_exactly_one_bucket(moment: datetime, bucket: timedelta) -> None:
    start = floor(moment, bucket)
    assert start <= moment < start + bucket
    assert floor(start, bucket) == start
    assert floor(start - timedelta(microseconds=1), bucket) == start - bucket


@given(MOMENTS, BUCKETS, st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_nothing_is_sealed_before_its_end_and_the_settling_have_passed(
    now: datetime, bucket: timedelta, settle: timedelta
) -> None:
    until = latest_sealed_end(now, bucket, settle)
    assert until + settle <= now
    assert until + bucket + settle > now


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2028-02-29", "2038-01-19"])
def test_a_utc_day_has_24_hours_wherever_the_clocks_change(day: str) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    span = BucketRange("live", start, start + timedelta(days=1), start)
    due = list(missing(span, start + timedelta(days=2), timedelta(hours=1), set()))
    assert len(due) == 24
    assert all(first.end == second.start for first, second in zip(due, due[1:], strict=False))
    local = floor(start.astimezone(ZoneInfo("Australia/Lord_Howe")), timedelta(hours=1))
    assert local == start


def test_finished_buckets_are_not_owed_and_a_gap_is() -> None:
    start, hour = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1)
    span = BucketRange("live", start, None, start)
    done = {start, start + 2 * hour}
    assert [b.start for b in missing(span, start + 4 * hour, hour, done)] == [start + hour, start + 3 * hour]
    assert advance(span, hour, done) == start + hour
    assert list(missing(span, start - 5 * hour, hour, set())) == []
