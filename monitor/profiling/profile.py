"""The profile of a bucket: a pure function of its rows, whatever the batches they came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from detectors import Binning, Profile
from detectors.cost.ledger import CostSummary
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.profiling.ab_counts import Arms
from monitor.profiling.facts import Facts
from monitor.profiling.profiler import Profiler
from monitor.profiling.served import find_unserved
from monitor.profiling.source_columns import columns_to_read
from monitor.profiling.spend import till
from monitor.sources.base import Counts, Reader

READS = 3


@dataclass(frozen=True)
class Profiled:
    """The finished computation of one bucket."""

    counts: Counts
    facts: Facts
    profiles: dict[str | None, dict[str, Profile]]
    arms: Mapping[str, Arms] = field(default_factory=dict)
    bill: CostSummary | None = None


def profile_bucket(reader: Reader, monitor: Monitor, layouts: Mapping[str, Binning], bucket: Bucket) -> Profiled:
    """Read a sealed bucket and profile it; reads again when rows arrived meanwhile."""
    schema = reader.schema()
    columns = columns_to_read(monitor, layouts, schema)
    for _ in range(READS):
        counts = reader.counts(bucket.start, bucket.end)
        batches = reader.read(bucket.start, bucket.end, columns) if counts.rows else iter(())
        arms = {spec.name: Arms(spec) for spec in monitor.experiments}
        profiler = Profiler(monitor, layouts, list(arms.values()), till(monitor, schema))
        for batch in batches:
            profiler.add(batch)
        if reader.counts(bucket.start, bucket.end) == counts:
            break
    profiler.facts.schema = dict(schema)
    bill = profiler.till.bill() if profiler.till else None
    return Profiled(counts, profiler.facts, profiler.profiles(), arms, bill)


def newest_served(reader: Reader, monitor: Monitor, start: datetime) -> float | None:
    """Return when the newest served record was logged, at most, if there is none since ``start``."""
    newest = reader.newest()
    if newest is None:
        return None
    return (min(newest, start) if find_unserved(monitor) else newest).timestamp()
