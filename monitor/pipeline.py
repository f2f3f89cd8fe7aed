"""One bucket, top to bottom: observe, load the state, evaluate, decide, plan actions, and one commit.

Our database is read once, in one snapshot, and written once. Everything between the two is a pure function of what was
observed and loaded; only what late records belong to is read again from the source.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from monitor.actions.breakers import BreakerInput
from monitor.actions.plan_actions import ActionPlan, PlanContext, Receivers, plan_actions
from monitor.actions.retraining_context import RetrainingInput, retraining_rules
from monitor.alerting.change_point import Plateaus
from monitor.alerting.decide import Decisions, Known, decide
from monitor.alerting.second_shift import compare_with_plateaus
from monitor.checks.comparisons import ComparisonCounts
from monitor.checks.evaluate import evaluate
from monitor.checks.evaluation import Evaluation, MonitorPlan, Observed
from monitor.checks.evidently import measure_in_child
from monitor.checks.window_sum import newest_time
from monitor.config.arms import Shadow
from monitor.core.schedule import audits_passed
from monitor.profiling.comparison_reads import join_shadow
from monitor.profiling.profile import newest_served, profile_bucket
from monitor.sources.base import Reader
from monitor.store.claims import Claim
from monitor.store.commit import BucketResult, commit
from monitor.store.database import Database
from monitor.store.state import State, load_state


class BucketSource(Protocol):
    """The source of a monitor as a bucket reads it."""

    @property
    def reader(self) -> Reader:
        """Return the reader of the source."""

    def bucket_reader(self, *, labels_imported: bool | None) -> Reader:
        """Return the reader of one bucket; ``labels_imported`` need not be looked up where it is known."""

    def now(self) -> datetime:
        """Return the source's own time."""

    @property
    def prepared_at(self) -> datetime:
        """Return the source's time when the turn of the monitor began."""


@dataclass
class BucketCache:
    """What the next bucket of a monitor need not read again."""

    plateaus: Plateaus = field(default_factory=dict)
    labels_imported: bool | None = None


def process_bucket(
    database: Database, source: BucketSource, plan: MonitorPlan, claim: Claim, receivers: Receivers, cache: BucketCache
) -> BucketResult:
    """Compute a claimed bucket and commit what came of it."""
    observed = observe(source, plan, claim, cache)
    with database.read() as connection:
        rules = retraining_rules(plan.monitor, receivers)
        state = load_state(connection, plan, claim, observed.profiled, rules, cache.plateaus)
    if state.labels_imported and cache.labels_imported is False:
        cache.labels_imported = True
        observed = observe(source, plan, claim, cache)  # the first labels were imported after the bucket before
    cache.labels_imported = state.labels_imported
    if state.live:
        cache.plateaus = state.plateaus
    observed = observe_late(source, plan, claim, observed, state)

    evaluation = evaluate(plan, observed, state.sums, measure_in_child)
    decisions, actions = Decisions(evaluation.findings), ActionPlan()
    if state.live:  # a bucket that is computed again alerts nobody again
        baseline, window = plan.active_baseline, evaluation.window
        shifts = compare_with_plateaus(plan.monitor, baseline, state.history.open, state.plateaus, window)
        known = Known(state.history, baseline, shifts)
        decisions = decide(plan.monitor, evaluation, known, claim.bucket)
        context = plan_context(source, plan, observed, evaluation, state)
        actions = plan_actions(plan.monitor, receivers, decisions, context)

    layout = plan.baseline.layout if plan.baseline else None
    audits = audits_passed(source.prepared_at - claim.bucket.end, plan.monitor.audit_ages)
    result = BucketResult(observed.profiled, layout, evaluation, decisions, actions, audits)
    with database.write() as connection:
        commit(connection, claim, result)
    return result


def observe(source: BucketSource, plan: MonitorPlan, claim: Claim, cache: BucketCache) -> Observed:
    """Read and profile a bucket."""
    reader = source.bucket_reader(labels_imported=cache.labels_imported)
    layouts = plan.baseline.layouts if plan.baseline else {}
    return Observed(claim.bucket, profile_bucket(reader, plan.monitor, layouts, claim.bucket))


def observe_late(source: BucketSource, plan: MonitorPlan, claim: Claim, observed: Observed, state: State) -> Observed:
    """Read what depends on the state: when the newest record came, and the pairs of late records."""
    newest = observed.newest
    if state.sums.window is not None:
        newest = newest_time(state.sums.window, observed.profiled)
        if newest is None:
            newest = newest_served(source.reader, plan.monitor, claim.bucket.end - plan.monitor.window)
    return replace(observed, newest=newest, recounted=_recount_shadows(source, plan, claim, observed, state))


def _recount_shadows(
    source: BucketSource, plan: MonitorPlan, claim: Claim, observed: Observed, state: State
) -> list[ComparisonCounts]:
    """Join again the pairs that late records of a bucket may belong to."""
    if claim.revision == 0:
        return []
    counts = []
    for key, spec in plan.comparisons.specs.items():
        standing = plan.comparisons.state_during(key, state.sums.comparisons, claim.bucket)
        if not isinstance(spec, Shadow) or standing is None:
            continue
        start, until = plan.comparisons.recount_range(spec, standing, claim.bucket)
        if start < until:
            schema, step = observed.profiled.facts.schema, plan.monitor.bucket
            pairs = join_shadow(source.reader, plan.monitor, spec, start, until, step, schema)
            counts += [plan.comparisons.count(spec, at, sums) for at, sums in pairs]
    return counts


def plan_context(
    source: BucketSource, plan: MonitorPlan, observed: Observed, evaluation: Evaluation, state: State
) -> PlanContext:
    """Return what planning looks at beside the decisions."""
    retraining, bill = None, observed.profiled.bill
    baseline, window = plan.reference(observed.bucket), evaluation.window
    if baseline is not None and window is not None and state.logged is not None:
        bucket, profiled, reader = observed.bucket, observed.profiled, source.reader
        retraining = RetrainingInput(bucket, profiled, window, baseline, state.logged, reader)
    breakers = BreakerInput(state.breakers, state.sums.spending, bill.rates if bill else {})
    return PlanContext(state.history, observed.bucket, source.now(), retraining, breakers)
