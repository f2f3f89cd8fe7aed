"""Save the aggregates of a bucket, and load facts and profiles as windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import add

from sqlalchemy.engine import Connection

from detectors.cost.ledger import CostSummary
from detectors.profile import Profile
from monitor.checks.baseline import Baseline
from monitor.checks.window import BucketSummary
from monitor.core.aggregate import Aggregate, Key
from monitor.profiling.bucket_profiles import BucketProfiles, Profiles, add_profiles
from monitor.profiling.facts import Facts
from monitor.store import aggregates, ledger, rollups
from monitor.store.aggregates import Entry, Range, StoredAggregate
from monitor.store.claims import Claim

FACTS, PROFILE = ("facts", ""), ("profile", "")


def save_bucket(connection: Connection, claim: Claim, aggregates_to_save: Mapping[Key, Aggregate]) -> None:
    """Store the aggregates of a bucket, or replace them if it is computed again."""
    monitor, bucket, again = claim.monitor, claim.bucket, claim.revision > 0
    entries = {key: Entry(key, bucket.start, aggregate) for key, aggregate in aggregates_to_save.items()}
    bill = aggregates_to_save.get(ledger.COST)
    costs = isinstance(bill, CostSummary) and ledger.needs_saving(connection, monitor, bucket, bill, again=again)
    if not costs:
        entries.pop(ledger.COST, None)
    if again and PROFILE not in entries:
        aggregates.delete(connection, monitor, PROFILE, bucket.start)
    aggregates.save(connection, monitor, entries.values())
    if costs:
        ledger.sum_hour(connection, monitor, bucket)


def load_window(
    connection: Connection, monitor: str, baseline: Baseline, start: datetime, end: datetime
) -> dict[datetime, BucketSummary]:
    """Return the buckets of a half-open interval that were profiled over the bins of a baseline, oldest first."""
    facts, profiles = aggregates.load(connection, monitor, window_ranges(baseline, start, end))
    return decode_window(baseline, facts, profiles)


def sum_range(
    connection: Connection, monitor: str, baseline: Baseline, start: datetime, end: datetime
) -> tuple[Facts, Profiles, list[datetime]]:
    """Return facts and profiles over an interval, and the starts of the buckets that they sum.

    Of buckets whose own aggregates are no longer stored, the sums of the hours or days that overlap the interval.
    """
    facts, profiles = aggregates.load(connection, monitor, window_ranges(baseline, start, end))
    parts = [rollups.Part("facts", row.definition, frozenset([row.start]), row.data) for row in facts if row.start]
    parts += rollups.load(connection, monitor, FACTS[0], Facts.definition, start, end)
    sums = rollups.load(connection, monitor, PROFILE[0], baseline.layout, start, end)
    empty = BucketProfiles(baseline.layout, baseline.layouts)
    stored = [(row.start, row.data) for row in profiles if row.start] + [(one.start, one.data) for one in sums]
    summed = [empty.from_bytes(data).segments for _, data in sorted(stored)]
    ordered = sorted(parts, key=lambda part: part.start)
    total = reduce(add, (Facts.from_bytes(part.data) for part in ordered), Facts())
    return total, add_profiles(summed), sorted(at for part in parts for at in part.buckets)


def window_ranges(baseline: Baseline, start: datetime, end: datetime) -> list[Range]:
    """Return the ranges that :func:`decode_window` needs."""
    return [Range(*FACTS, start, end), Range(*PROFILE, start, end, baseline.layout)]


def decode_window(
    baseline: Baseline, facts: Sequence[StoredAggregate], profiles: Sequence[StoredAggregate]
) -> dict[datetime, BucketSummary]:
    """Return the buckets with profiles, by start."""
    by_start = {row.start: row.data for row in facts}
    empty = BucketProfiles(baseline.layout, baseline.layouts)
    return {
        row.start: BucketSummary(Facts.from_bytes(by_start[row.start]), empty.from_bytes(row.data).segments)
        for row in profiles
        if row.start in by_start and row.start is not None
    }


def sum_profiles(baseline: Baseline, profiles: Sequence[StoredAggregate]) -> dict[str | None, dict[str, Profile]]:
    """Sum profiles over the bins of a baseline."""
    empty = BucketProfiles(baseline.layout, baseline.layouts)
    return add_profiles([empty.from_bytes(row.data).segments for row in profiles])


def load_facts(connection: Connection, monitor: str, start: datetime) -> Facts:
    """Return the facts of one bucket; empty if it was not computed."""
    stored = aggregates.load_one(connection, monitor, FACTS, start)
    return Facts() if stored is None else Facts.from_bytes(stored)
