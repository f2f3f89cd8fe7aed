"""Read and profile a bucket. The result depends on its rows only, not on the batches in which they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from detectors import Binning, Profile
from detectors.cost.ledger import CostSummary
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.profiling.ab_counts import Arms
from monitor.profiling.facts import Facts
from monitor.profiling.profiler import Profiler
from monitor.profiling.source_columns import columns_to_read
from monitor.profiling.spend import make_accumulator
from monitor.sources.base import Counts, Reader

READS = 3


@dataclass(frozen=True)
class Profiled:
    """The aggregates of a bucket."""

    counts: Counts
    facts: Facts
    profiles: dict[str | None, dict[str, Profile]]
    arms: Mapping[str, Arms] = field(default_factory=dict)
    bill: CostSummary | None = None


def profile_bucket(reader: Reader, monitor: Monitor, layouts: Mapping[str, Binning], bucket: Bucket) -> Profiled:
    """Read a sealed bucket and profile it; read it again if rows arrived meanwhile."""
    schema = reader.schema()
    columns = columns_to_read(monitor, layouts, schema)
    for _ in range(READS):
        counts = reader.counts(bucket.start, bucket.end)
        batches = reader.read(bucket.start, bucket.end, columns) if counts.total else iter(())
        arms = {spec.name: Arms(spec) for spec in monitor.experiments}
        profiler = Profiler(monitor, layouts, list(arms.values()), make_accumulator(monitor, schema))
        for batch in batches:
            profiler.add(batch)
        if reader.counts(bucket.start, bucket.end) == counts:
            break
    profiler.facts.schema = dict(schema)
    bill = profiler.costs.bill() if profiler.costs else None
    return Profiled(counts, profiler.facts, profiler.profiles(), arms, bill)
