"""Comparisons (experiments and shadows): counts of a bucket, and findings about the sums so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, Self

from detectors.base import Finding, Status
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Monitor
from monitor.core.aggregate import Aggregate
from monitor.core.schedule import Bucket, floor
from monitor.profiling.ab_counts import CHECK as EXPERIMENT
from monitor.profiling.ab_counts import Arms, definition, experiment_findings, required_columns
from monitor.profiling.comparison_reads import available_columns
from monitor.profiling.profile import Profiled
from monitor.profiling.shadow_join import CHECK as SHADOW
from monitor.profiling.shadow_join import Pairs, shadow_findings

Key = tuple[str, str]
"""Kind and name of a comparison."""
ComparisonReport = Mapping[str, object]
"""Report of a comparison as JSON types: by treatment for an experiment, a single one for a shadow."""


class Countable(Protocol):
    """Sums that can be added and subtracted."""

    def __add__(self, other: Self) -> Self:
        """Return the sums of the union of two disjoint sets of records."""

    def __sub__(self, other: Self) -> Self:
        """Return the sums without those of a subset."""

    def to_json(self) -> dict[str, object]:
        """Return the sums as JSON types."""

    def with_definition(self, definition: str) -> Aggregate:
        """Return the sums as an aggregate with a definition."""


@dataclass(frozen=True)
class ComparisonState:
    """Stored state of a comparison: the sum of its buckets before ``next``, and its last report."""

    kind: str
    name: str
    definition: str
    next: datetime
    total: Mapping[str, object] | None
    report: ComparisonReport
    reported_at: datetime | None


@dataclass(frozen=True)
class ComparisonCounts:
    """Counts of a bucket for a comparison. ``read`` converts JSON types to sums.

    ``report`` is the report including this bucket; None if an earlier bucket is missing.
    """

    kind: str
    name: str
    definition: str
    start: datetime
    sums: Countable
    read: Callable[[Mapping[str, object]], Countable]
    report: ComparisonReport | None = None

    @property
    def key(self) -> Key:
        """Return kind and name of the comparison."""
        return self.kind, self.name


@dataclass(frozen=True)
class ComparisonUpdate:
    """Counts of one or more buckets for the comparisons of a monitor, and the findings."""

    counts: Sequence[ComparisonCounts] = ()
    findings: Sequence[Finding] = ()
    step: timedelta = timedelta(0)

    @property
    def reports(self) -> dict[Key, ComparisonReport]:
        """Return the newest report by comparison; those without one are omitted."""
        return {counts.key: counts.report for counts in self.counts if counts.report is not None}


class Comparisons:
    """The experiments and shadows of one monitor.

    An experiment counts the rows of a bucket when it is profiled. A shadow counts a bucket later, when all records that
    may be paired with its requests have arrived.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.specs: dict[Key, Experiment | Shadow] = {
            **{(EXPERIMENT, spec.name): spec for spec in monitor.experiments},
            **{(SHADOW, spec.name): spec for spec in monitor.shadows},
        }
        self.definitions = {key: definition(monitor, spec) for key, spec in self.specs.items()}

    def evaluate(
        self,
        bucket: Bucket,
        profiled: Profiled,
        states: Mapping[Key, ComparisonState],
        recounted: Sequence[ComparisonCounts] = (),
    ) -> ComparisonUpdate:
        """Return the counts of a bucket, and the reports and findings of the comparisons.

        Parameters
        ----------
        recounted
            Buckets of shadows that changed by late records of this bucket.
        """
        counts: list[ComparisonCounts] = list(recounted)
        findings: list[Finding] = []
        available = available_columns(self.monitor, profiled.facts.schema)
        for key, spec in self.specs.items():
            state = self.state_during(key, states, bucket)
            if state is None:
                continue
            if spec.end is not None and bucket.start >= spec.end:
                findings += _final_findings(spec, state)
                continue
            missing = [name for name in required_columns(spec) if name not in available]
            if missing:
                findings.append(_unmeasured(key, f"missing_column: the compared column {missing[0]!r} is not logged"))
            if isinstance(spec, Shadow):
                findings += [] if missing else shadow_findings(spec, state.report)
                continue
            arms = profiled.arms[spec.name]
            report = None
            if not missing and bucket.start != state.next:
                findings.append(_unmeasured(key, f"catching_up: buckets are counted up to {state.next.isoformat()}"))
            elif not missing:
                report = (total_arms(spec, state) + arms).summarize(state.report, bucket.end)
                findings += experiment_findings(spec, report)
            counts.append(self.count(spec, bucket.start, arms, report))
        return ComparisonUpdate(counts, findings, self.monitor.bucket)

    def state_during(self, key: Key, states: Mapping[Key, ComparisonState], bucket: Bucket) -> ComparisonState | None:
        """Return the state of a comparison for a bucket; None before its start or if its definition has changed."""
        state = states.get(key)
        if state is None or state.definition != self.definitions[key] or bucket.end <= self.specs[key].start:
            return None
        return state

    def recount_range(self, spec: Shadow, state: ComparisonState, bucket: Bucket) -> tuple[datetime, datetime]:
        """Return the range of a shadow that late records of a bucket may change; it may be empty."""
        step = self.monitor.bucket
        start = max(floor(bucket.start - spec.within, step), floor(spec.start, step))
        return start, min(floor(bucket.end + spec.within + step, step), state.next)

    def count(
        self,
        spec: Experiment | Shadow,
        start: datetime,
        sums: Arms | Pairs,
        report: ComparisonReport | None = None,
    ) -> ComparisonCounts:
        """Return the counts of a bucket for a comparison."""
        kind, read = (
            (EXPERIMENT, partial(Arms.from_json, spec))
            if isinstance(spec, Experiment)
            else (SHADOW, partial(Pairs.from_json, spec))
        )
        return ComparisonCounts(kind, spec.name, self.definitions[kind, spec.name], start, sums, read, report)


def total_arms(spec: Experiment, state: ComparisonState) -> Arms:
    """Return the sum of an experiment before the next bucket."""
    return Arms(spec) if state.total is None else Arms.from_json(spec, state.total)


def _final_findings(spec: Experiment | Shadow, state: ComparisonState) -> list[Finding]:
    """Return the findings of a comparison that has ended, with status ok so that they do not alert."""
    findings = (
        experiment_findings(spec, state.report) if isinstance(spec, Experiment) else shadow_findings(spec, state.report)
    )
    return [
        replace(finding, status=Status.OK, statistic=None, reason=f"the comparison has ended; {finding.reason}")
        for finding in findings
    ]


def _unmeasured(key: Key, reason: str) -> Finding:
    kind, name = key
    return Finding(kind, name, "verdict" if kind == EXPERIMENT else "agreement", None, Status.INCONCLUSIVE, reason)


def mark_announced(report: ComparisonReport, arms: Sequence[str]) -> ComparisonReport:
    """Return a report with the verdicts of the given arms marked as announced; "" is the verdict of a shadow."""
    if "" in arms:
        return {**report, "announced": report["verdict"]}
    return {
        arm: {**each, "announced": each["verdict"]} if arm in arms and isinstance(each, Mapping) else each
        for arm, each in report.items()
    }
