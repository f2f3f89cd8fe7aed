"""One bucket, top to bottom: collect, profile, detect, judge, act, and one commit.

Everything between the reading of the bucket and the commit is a pure function of what was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.base import Finding
from detectors.quality.traffic import Gaps
from monitor.actions.budgets import evaluate_breakers, load_spend
from monitor.actions.plan import Action
from monitor.actions.retraining_context import build_retraining_context
from monitor.alerting.attribution import attribute
from monitor.alerting.explain import explain
from monitor.alerting.first_seen import detect_new_values, earliest
from monitor.alerting.incidents import Change, Decision
from monitor.alerting.rules import act_on, judge_all, wants_retraining
from monitor.checks.detect import Window, conclude, detect
from monitor.checks.evidently import measure_in_child
from monitor.checks.objectives import count_events
from monitor.checks.usage import usage_by_segment
from monitor.config.models import ActionSpec
from monitor.jobs.watch import Watch
from monitor.profiling.profile import profile_bucket
from monitor.profiling.spend import evaluate_budgets
from monitor.store import context
from monitor.store.buckets import Claim


def process_bucket(watch: Watch, held: Claim, actions: Mapping[str, ActionSpec]) -> context.Outcome:
    """Compute a claimed bucket and commit what came of it."""
    monitor, bucket = watch.monitor, held.bucket
    baseline = watch.baseline

    # collect and profile
    profiled = profile_bucket(watch.reader, monitor, baseline.layouts if baseline else {}, bucket)

    # detect
    window: Window | None = None
    findings: Sequence[Finding] = ()
    changes: Sequence[Change] = ()
    frozen = baseline if baseline and baseline.state == "active" else None
    history = frozen is not None and frozen.end is not None and bucket.end <= frozen.end
    if frozen and not history:
        window = watch.window(bucket, profiled)
        findings = detect(monitor, frozen, window, measure_in_child)
        changes = detect_new_values(profiled.facts, frozen)
    present = watch.is_live(bucket)
    spending = load_spend(watch, bucket, profiled) if present else None
    findings = [*findings, *evaluate_budgets(monitor, spending)] if present else findings
    result, reason = conclude(baseline, watch.without_baseline, profiled, findings)

    # compare arms: what experiments say needs no baseline
    live = present and held.revision == 0
    compared = watch.comparing.take(held, profiled, watch.reader, live=live)
    findings = [*findings, *compared.findings]

    # judge and act: only what is live and new, for a bucket computed again must not page anew
    decisions: Sequence[Decision] = ()
    planned: Sequence[Action] = ()
    broken = None
    if live:
        with watch.database.read() as connection:
            past = context.load(connection, monitor, bucket)
        known = earliest([*past.changes, *changes], past.versions)
        findings = attribute(monitor, frozen, window, findings, known, bucket.end)
        findings = explain(monitor, frozen, window, findings, past.open, known, bucket.end)
        gaps, moved = frozen.gaps(monitor) if frozen else Gaps(), watch.plateaus.moved(frozen, past.open, window)
        decisions = judge_all(monitor, findings, known, past, bucket, result, reason, gaps, moved)
        asking = wants_retraining(monitor, decisions, actions, past)
        grounds = build_retraining_context(watch, asking, findings, profiled, window, bucket)
        decisions, planned = act_on(monitor, decisions, past, actions, bucket, watch.now(), grounds)
        planned = [*planned, *compared.news]
        broken = evaluate_breakers(watch, bucket, profiled, spending, past, decisions, actions)

    outcome = context.Outcome(
        result, reason, profiled, baseline.layout if baseline else None, findings, decisions, planned, changes,
        watch.audits_passed(bucket), usage_by_segment(monitor, window) if window else None, compared,
        count_events(monitor, profiled), broken,
    )  # fmt: skip
    with watch.database.write() as connection:
        context.commit(connection, held, outcome)
    return outcome
