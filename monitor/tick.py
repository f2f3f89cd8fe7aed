"""One bucket, top to bottom: collect, profile, detect, judge, act, and one commit.

Everything between the reading of the bucket and the commit is a pure function of what was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.base import Finding
from detectors.quality.traffic import Gaps
from monitor.act import Action
from monitor.config import ActionSpec
from monitor.engine.attribution import attribute
from monitor.engine.detect import Window, conclude, detect
from monitor.engine.explain import explain
from monitor.engine.objectives import counted_in
from monitor.engine.profile import profile_bucket
from monitor.engine.sights import earliest, first_sights
from monitor.engine.spend import of_budgets
from monitor.engine.usage import used_in
from monitor.evidently import measure_in_child
from monitor.grounds import grounds_of
from monitor.judge import Change, Decision
from monitor.rules import act_on, judge_all, wants_retraining
from monitor.spending import broken_by, spending_of
from monitor.store import context
from monitor.store.buckets import Claim
from monitor.watch import Watch


def tick(watch: Watch, held: Claim, actions: Mapping[str, ActionSpec]) -> context.Outcome:
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
        changes = first_sights(profiled.facts, frozen)
    present = watch.is_live(bucket)
    spending = spending_of(watch, bucket, profiled) if present else None
    findings = [*findings, *of_budgets(monitor, spending)] if present else findings
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
        grounds = grounds_of(watch, asking, findings, profiled, window, bucket)
        decisions, planned = act_on(monitor, decisions, past, actions, bucket, watch.now(), grounds)
        planned = [*planned, *compared.news]
        broken = broken_by(watch, bucket, profiled, spending, past, decisions, actions)

    outcome = context.Outcome(
        result, reason, profiled, baseline.layout if baseline else None, findings, decisions, planned, changes,
        watch.audits_passed(bucket), used_in(monitor, window) if window else None, compared,
        counted_in(monitor, profiled), broken,
    )  # fmt: skip
    with watch.database.write() as connection:
        context.commit(connection, held, outcome)
    return outcome
