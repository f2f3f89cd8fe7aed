"""Count shadows: join their pairs from the source, and decide their verdicts."""

from __future__ import annotations

from datetime import datetime

from monitor.actions.decide_and_plan import plan_comparisons
from monitor.actions.plan_actions import ActionPlan
from monitor.actions.plan_context import Receivers
from monitor.checks.comparisons import ComparisonCounts, Comparisons, ComparisonState, ComparisonUpdate
from monitor.config.arms import Shadow
from monitor.profiling.comparison_reads import join_shadow
from monitor.profiling.shadow_join import Pairs
from monitor.sources.base import Reader
from monitor.store import comparisons
from monitor.store.database import Database
from monitor.store.plans import save_plan
from monitor.store.shadow_history import load_shadow_history


class ShadowCatchUp:
    """Counts the shadows of one monitor up to their newest answered requests."""

    def __init__(self, database: Database, comparisons: Comparisons, receivers: Receivers) -> None:
        self._database = database
        self._comparisons = comparisons
        self._monitor = comparisons.monitor
        self._receivers = receivers

    def count(self, reader: Reader, spec: Shadow, state: ComparisonState, until: datetime, at: datetime | None) -> None:
        """Count the next buckets of a shadow; with ``at``, it has caught up and its verdict is decided at that time."""
        monitor = self._monitor
        total = Pairs(spec) if state.total is None else Pairs.from_json(spec, state.total)
        counts: list[ComparisonCounts] = []
        for start, sums in join_shadow(reader, monitor, spec, state.next, until, monitor.bucket):
            total = total + sums
            last = start + monitor.bucket >= until
            report = total.summarize(state.report) if last else None
            counts.append(self._comparisons.count(spec, start, sums, report))
        update = ComparisonUpdate(counts, step=monitor.bucket)
        with self._database.write() as connection:
            plan = ActionPlan()
            if at is not None:
                history = load_shadow_history(connection, monitor, spec, at)
                plan = plan_comparisons(monitor, self._receivers, update, history, at)
            if comparisons.save(connection, monitor.name, update, plan.announced):
                save_plan(connection, monitor.name, plan)
