"""Count experiments and shadows from their start, without a store."""

from __future__ import annotations

from monitor.checks.comparisons import Comparisons, ComparisonState, Key
from monitor.config.arms import Experiment
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket, floor
from monitor.profiling.ab_counts import Arms
from monitor.profiling.comparison_reads import count_arms, join_shadow
from monitor.profiling.shadow_join import Pairs
from monitor.sources.base import Reader


def count_comparisons(reader: Reader, comparisons: Comparisons, bucket: Bucket) -> dict[Key, ComparisonState]:
    """Count every experiment from its start up to a bucket, and every shadow up to its newest answered requests."""
    monitor = comparisons.monitor
    states = {}
    for key, spec in comparisons.specs.items():
        start = floor(spec.start, monitor.bucket)
        until = min(bucket.start, spec.end) if spec.end else bucket.start
        if isinstance(spec, Experiment):
            arms = count_arms(reader, monitor, spec, start, until)
            total, report = arms.to_json(), arms.summarize({}, until)
        else:
            until = floor(until - spec.within, monitor.bucket)
            step = max(until - start, monitor.bucket)
            pairs = Pairs(spec)
            for _, sums in join_shadow(reader, monitor, spec, start, until, step) if start < until else ():
                pairs = pairs + sums
            total, report = pairs.to_json(), pairs.summarize({})
        states[key] = ComparisonState(*key, comparisons.definitions[key], bucket.start, total, report, until)
    return states


def read_arms(reader: Reader, monitor: Monitor, bucket: Bucket) -> dict[str, Arms]:
    """Count the records of one bucket for every experiment."""
    return {spec.name: count_arms(reader, monitor, spec, bucket.start, bucket.end) for spec in monitor.experiments}
