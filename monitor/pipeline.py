"""One bucket, top to bottom: observe, load the state, evaluate, judge, act, and one commit.

Our database is read once, in one snapshot, and written once. Everything between the two is a pure function of what was
observed and loaded; only what late records belong to is read again from the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from detectors.base import Finding
from detectors.quality.traffic import Gaps
from monitor.actions.breakers import Broken, firing_after, silence_name, work
from monitor.actions.retraining_context import Observation, build_retraining_context
from monitor.alerting.attribution import attribute
from monitor.alerting.explain import explain
from monitor.alerting.first_seen import detect_new_values, earliest
from monitor.alerting.rules import act_on, judge_all, retraining_rules, wants_retraining
from monitor.alerting.second_shift import compare_with_plateaus
from monitor.checks.detect import Window, conclude, detect
from monitor.checks.evidently import measure_in_child
from monitor.checks.objectives import count_events
from monitor.checks.usage import usage_by_segment
from monitor.checks.window import newest_time, sum_window
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import Action
from monitor.core.incident import Change, Decision
from monitor.core.schedule import Bucket
from monitor.jobs.watch import Watch
from monitor.profiling.profile import Profiled, newest_served, profile_bucket
from monitor.profiling.spend import evaluate_budgets
from monitor.store import context
from monitor.store.buckets import Claim
from monitor.store.state import State, load_state


def process_bucket(watch: Watch, held: Claim, actions: Mapping[str, ReceiverConfig]) -> context.Outcome:
    """Compute a claimed bucket and commit what came of it."""
    monitor, bucket, baseline = watch.monitor, held.bucket, watch.baseline
    frozen = watch.with_previous(baseline, bucket) if baseline and baseline.state == "active" else None
    history = frozen is not None and frozen.end is not None and bucket.end <= frozen.end
    compared_with = None if history else frozen

    # observe their database, then read ours
    profiled = profile_bucket(watch.bucket_reader, monitor, baseline.layouts if baseline else {}, bucket)
    rules = retraining_rules(monitor, actions)
    with watch.database.read() as connection:
        state = load_state(connection, monitor, held, profiled, compared_with, rules, watch.plateaus)
    if state.labels_imported and watch.labels_imported is False:
        watch.labels_imported = True
        return process_bucket(watch, held, actions)  # the first labels have come since the bucket before
    watch.labels_imported = state.labels_imported
    late = watch.comparing.recount(held, state.comparisons, watch.reader, profiled.facts.schema)
    now = watch.now() if state.live else watch.prepared_at or watch.now()

    # detect
    window: Window | None = None
    findings: Sequence[Finding] = ()
    changes: Sequence[Change] = ()
    if compared_with and state.window is not None:
        newest = newest_time(state.window, profiled)
        if newest is None:
            newest = newest_served(watch.reader, monitor, bucket.end - monitor.window)
        window = sum_window(monitor, compared_with, bucket, profiled, state.window, newest)
        findings = detect(monitor, compared_with, window, measure_in_child)
        changes = detect_new_values(profiled.facts, compared_with)
    findings = [*findings, *evaluate_budgets(monitor, state.spending)] if state.present else findings
    result, reason = conclude(baseline, watch.without_baseline, profiled, findings)

    # compare arms: what experiments say needs no baseline
    compared = watch.comparing.take(bucket, profiled, state.comparisons, state.past, late, actions, live=state.live)
    findings = [*findings, *compared.findings]

    # judge and act: only what is live and new, for a bucket computed again must not page anew
    decisions: Sequence[Decision] = ()
    planned: Sequence[Action] = ()
    broken = None
    if state.live:
        past = state.past
        known = earliest([*past.changes, *changes], past.versions)
        findings = attribute(monitor, frozen, window, findings, known, bucket.end)
        findings = explain(monitor, frozen, window, findings, past.open, known, bucket.end)
        watch.plateaus = state.plateaus
        gaps = frozen.gaps(monitor) if frozen else Gaps()
        moved = compare_with_plateaus(monitor, frozen, past.open, state.plateaus, window)
        decisions = judge_all(monitor, findings, known, past, bucket, result, reason, gaps, moved)
        asking = wants_retraining(monitor, decisions, actions, past)
        observation = Observation(bucket, profiled, window, watch.reader)
        retraining = build_retraining_context(monitor, compared_with, asking, findings, observation, state.history)
        decisions, planned = act_on(monitor, decisions, past, actions, bucket, now, retraining)
        planned = [*planned, *compared.news]
        broken = _evaluate_breakers(monitor, bucket, profiled, state, decisions, actions, now)

    outcome = context.Outcome(
        result,
        reason,
        profiled,
        baseline.layout if baseline else None,
        findings,
        decisions,
        planned,
        changes,
        watch.audits_passed(bucket, now),
        usage_by_segment(monitor, window) if window else None,
        compared,
        count_events(monitor, profiled),
        broken,
    )
    with watch.database.write() as connection:
        context.commit(connection, held, outcome)
    return outcome


def _evaluate_breakers(
    monitor: Monitor,
    bucket: Bucket,
    profiled: Profiled,
    state: State,
    decisions: Sequence[Decision],
    actions: Mapping[str, ReceiverConfig],
    now: datetime,
) -> Broken | None:
    """Evaluate the breakers of a monitor against a bucket that has been judged; None where there are none."""
    if not monitor.breakers:
        return None
    rates = profiled.bill.rates if profiled.bill else {}
    firing = firing_after([*state.past.open.values(), *state.past.older], decisions)
    silenced = [spec.name for spec in monitor.breakers if silence_name(spec) in state.past.silences]
    return work(monitor, bucket, state.breakers, state.spending, rates, firing, actions, now, silenced)
