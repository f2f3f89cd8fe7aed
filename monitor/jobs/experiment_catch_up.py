"""Count experiments before the live buckets, from stored counts and from the source."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from monitor.checks.comparisons import ComparisonCounts, Comparisons, ComparisonState, total_arms
from monitor.config.arms import Experiment
from monitor.profiling.ab_counts import CHECK, Arms, experiment_findings
from monitor.profiling.comparison_reads import count_arms
from monitor.sources.base import Reader
from monitor.store import comparisons
from monitor.store.database import Database
from monitor.store.findings import add_findings


class ExperimentCatchUp:
    """Counts the experiments of one monitor before its live buckets."""

    def __init__(self, database: Database, configured: Comparisons) -> None:
        self._database = database
        self._comparisons = configured
        self._monitor = configured.monitor

    def count(self, reader: Reader, spec: Experiment, state: ComparisonState, until: datetime) -> None:
        """Count the next buckets of an experiment."""
        monitor, total, report = self._monitor, total_arms(spec, state), state.report
        counts: list[ComparisonCounts] = []
        with self._database.read() as connection:
            stored = set(comparisons.bucket_starts(connection, monitor.name, CHECK, spec.name, state.next))
        for start, arms in self._read_arms(reader, spec, state.next, until, stored):
            total = total + arms
            report = total.summarize(report, start + monitor.bucket)
            counts.append(self._comparisons.count(spec, start, arms, report))
        with self._database.write() as connection:
            for each in counts:
                if not comparisons.add(connection, monitor.name, each, monitor.bucket, each.report):
                    return
                findings = experiment_findings(spec, each.report or {})
                add_findings(connection, monitor.name, each.start, findings)

    def _read_arms(
        self, reader: Reader, spec: Experiment, start: datetime, until: datetime, stored: set[datetime]
    ) -> Iterator[tuple[datetime, Arms]]:
        """Yield the counts of each bucket, oldest first, from the store or from the source."""
        step = self._monitor.bucket
        while start < until:
            if start in stored:
                with self._database.read() as connection:
                    data = comparisons.sums_at(connection, self._monitor.name, CHECK, spec.name, start)
                yield start, Arms.from_json(spec, data or {})
            else:
                yield start, count_arms(reader, self._monitor, spec, start, start + step)
            start += step
