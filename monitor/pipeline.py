"""Process one bucket: observe, load the state, evaluate, decide, plan actions, and commit.

Our database is read once, in one snapshot, and written once. All steps between are pure functions of the observed data
and the loaded state; only the context of late records, and rows for tests of Evidently, are read from the source again.
"""

from __future__ import annotations

from dataclasses import replace

from monitor.actions.bucket import plan_bucket
from monitor.alerting.bucket import decide_bucket
from monitor.checks.evaluate import evaluate
from monitor.checks.monitor_plan import MonitorPlan
from monitor.checks.observe import BucketSource, observe, observe_late
from monitor.checks.row_values import RowStattests
from monitor.core.schedule import audits_passed
from monitor.core.tracing import span
from monitor.store.claims import Claim
from monitor.store.commit import BucketResult, commit
from monitor.store.database import Database
from monitor.store.state import BucketCache, load_state


def process_bucket(
    database: Database, source: BucketSource, plan: MonitorPlan, claim: Claim, cache: BucketCache
) -> BucketResult:
    """Compute a claimed bucket and commit its result."""
    bucket = claim.bucket
    observed = observe(source, plan, bucket, labels_imported=cache.labels_imported)
    with span("load_state"), database.read() as connection:
        state = load_state(connection, plan, claim, observed.profiled, cache)
    if state.labels_imported and cache.labels_imported is False:
        observed = observe(
            source, plan, bucket, labels_imported=True
        )  # the first labels were imported after the last bucket
    cache.update(state)
    observed = observe_late(source, plan, observed, state.sums, again=claim.revision > 0)

    stattests = RowStattests(source.reader, plan.monitor, plan.baseline, bucket.end)
    evaluation = evaluate(plan, observed, state.sums, stattests)
    audits = audits_passed(source.prepared_at - bucket.end, plan.monitor.audit_ages)
    result = BucketResult(observed.profiled, plan.layout, evaluation, audits=audits)
    if state.live:  # a bucket that is computed again sends no alerts
        decisions = decide_bucket(plan, evaluation, state.alerts, bucket)
        actions = plan_bucket(source, plan, observed, evaluation, decisions, state.actions)
        result = replace(result, decisions=decisions, plan=actions)

    with span("commit"), database.write() as connection:
        commit(connection, claim, result)
    return result
