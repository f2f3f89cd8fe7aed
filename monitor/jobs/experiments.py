"""Experiments and shadows beside the live buckets: begun, and caught up with from the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import structlog

from monitor.actions.notifications import thread_key
from monitor.actions.plan_actions import ActionPlan, PlanContext, plan_actions
from monitor.alerting.decide import Known, decide
from monitor.checks.comparisons import (
    ComparisonCounts,
    Comparisons,
    ComparisonState,
    ComparisonUpdate,
    total_arms,
)
from monitor.checks.evaluation import Evaluation
from monitor.config.arms import Experiment, Shadow
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket, floor
from monitor.profiling.ab_counts import CHECK as EXPERIMENT
from monitor.profiling.ab_counts import Arms, experiment_findings
from monitor.profiling.comparison_reads import count_arms, join_shadow
from monitor.profiling.shadow_join import CHECK as SHADOW
from monitor.profiling.shadow_join import Pairs
from monitor.sources.base import Reader
from monitor.store import buckets, comparisons, incidents, outbox
from monitor.store.commit import save_comparisons, save_plan
from monitor.store.database import Connection, Database

LOG = structlog.get_logger(__name__)
MOST_PER_TURN = timedelta(hours=6)
"""How much of the log is caught up with in one turn; live buckets come first."""


class ComparisonCatchUp:
    """Counts what lies before the live buckets of the comparisons of one monitor."""

    def __init__(self, database: Database, comparisons: Comparisons, receivers: Mapping[str, ReceiverConfig]) -> None:
        self._database = database
        self._comparisons = comparisons
        self._monitor = comparisons.monitor
        self._receivers = receivers
        self._prepared = False

    def prepare(self, reader: Reader) -> None:
        """Begin what is new or counts something else now, once a process; forget what is no longer configured."""
        if self._prepared:
            return
        monitor, specs, definitions = self._monitor, self._comparisons.specs, self._comparisons.definitions
        with self._database.read() as connection:
            stored = comparisons.positions(connection, monitor.name)
        new = [key for key in specs if key not in stored or stored[key][0] != definitions[key]]
        oldest = reader.oldest() if new else None
        with self._database.write() as connection:
            comparisons.forget(connection, monitor.name, set(stored) - set(specs))
            for key in new:
                start = specs[key].start
                first = floor(max(start, oldest or start), monitor.bucket)
                comparisons.begin(connection, monitor.name, *key, definitions[key], first)
                LOG.info("comparison_begun", monitor=monitor.name, kind=key[0], name=key[1], since=str(first))
        self._prepared = True

    def catch_up(self, reader: Reader, now: datetime) -> None:
        """Add what lies between a comparison's sum and the live buckets, read from the log where nobody counted it."""
        monitor, specs = self._monitor, self._comparisons.specs
        if not specs:
            return
        with self._database.read() as connection:
            places = comparisons.positions(connection, monitor.name)
            spans = buckets.list_spans(connection, monitor.name)
        reached = next((span.next for span in spans if span.kind == "live"), None)
        for key, spec in specs.items():
            definition, place = places.get(key, ("", None))
            if reached is None or place is None or definition != self._comparisons.definitions[key]:
                continue
            until = reached if isinstance(spec, Experiment) else floor(reached - spec.within, monitor.bucket)
            until = min(until, spec.end) if spec.end else until
            if place >= until:
                continue
            with self._database.read() as connection:
                state = comparisons.load_states(connection, monitor.name)[key]
            last = until
            until = min(until, state.next + max(MOST_PER_TURN, monitor.bucket))
            if isinstance(spec, Experiment):
                self._count_experiment(reader, spec, state, until)
            else:
                self._count_shadow(reader, spec, state, until, now if until == last else None)

    def _count_experiment(self, reader: Reader, spec: Experiment, state: ComparisonState, until: datetime) -> None:
        monitor, total, report = self._monitor, total_arms(spec, state), state.report
        counts: list[ComparisonCounts] = []
        with self._database.read() as connection:
            stored = set(comparisons.bucket_starts(connection, monitor.name, EXPERIMENT, spec.name, state.next))
        for start, arms in self._read_arms(reader, spec, state.next, until, stored):
            total = total + arms
            report = total.told(report, start + monitor.bucket)
            counts.append(self._comparisons.count(spec, start, arms, report))
        with self._database.write() as connection:
            for each in counts:
                if not comparisons.add(connection, monitor.name, each, monitor.bucket, each.report):
                    return
                findings = experiment_findings(spec, each.report or {})
                buckets.add_findings(connection, monitor.name, each.start, findings)

    def _read_arms(
        self, reader: Reader, spec: Experiment, start: datetime, until: datetime, stored: set[datetime]
    ) -> Iterator[tuple[datetime, Arms]]:
        """Yield the sums of each bucket, oldest first: as stored, or read from the log."""
        step = self._monitor.bucket
        while start < until:
            if start in stored:
                with self._database.read() as connection:
                    data = comparisons.sums_at(connection, self._monitor.name, EXPERIMENT, spec.name, start)
                yield start, Arms.from_json(spec, data or {})
            else:
                yield start, count_arms(reader, self._monitor, spec, start, start + step)
            start += step

    def _count_shadow(
        self, reader: Reader, spec: Shadow, state: ComparisonState, until: datetime, at: datetime | None
    ) -> None:
        """Count the next buckets of a shadow; its verdict is decided when it has caught up, ``at`` that time."""
        monitor = self._monitor
        total = Pairs(spec) if state.total is None else Pairs.from_json(spec, state.total)
        counts: list[ComparisonCounts] = []
        for start, sums in join_shadow(reader, monitor, spec, state.next, until, monitor.bucket):
            total = total + sums
            last = start + monitor.bucket >= until
            report = total.told(state.report) if last else None
            counts.append(self._comparisons.count(spec, start, sums, report))
        update = ComparisonUpdate(counts, step=monitor.bucket)
        with self._database.write() as connection:
            plan = ActionPlan()
            if at is not None:
                plan = self._decide(connection, spec, update, at)
            if save_comparisons(connection, monitor.name, update, plan):
                save_plan(connection, monitor.name, plan)

    def _decide(self, connection: Connection, spec: Shadow, update: ComparisonUpdate, at: datetime) -> ActionPlan:
        """Decide and plan what the newest report of a shadow means."""
        monitor = self._monitor.model_copy(update={"rules": []})
        end = update.counts[-1].start + monitor.bucket
        history = AlertHistory(
            silences=incidents.silenced_rules(connection, monitor.name, [f"{SHADOW}.{spec.name}"], at),
            sequences=outbox.next_sequences(
                connection, [thread_key(monitor.name, spec.name, spec.challenger, "shadow")]
            ),
        )
        bucket = Bucket(end - monitor.bucket, end)
        decisions = decide(monitor, Evaluation(comparisons=update), Known(history), bucket)
        return plan_actions(monitor, self._receivers, decisions, PlanContext(history, bucket, at))
