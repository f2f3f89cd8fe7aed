"""One bucket, top to bottom: collect, profile, detect, judge, act, and one commit.

Everything between the reading of the bucket and the commit is a pure function of what was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.base import Finding, Status
from monitor.config import ActionSpec
from monitor.engine.baseline import Baseline
from monitor.engine.detect import detect
from monitor.engine.profile import Profiled, profile_bucket
from monitor.rules import act_on, judge_all
from monitor.store import context
from monitor.store.buckets import Claim
from monitor.watch import Watch


def tick(watch: Watch, held: Claim, actions: Mapping[str, ActionSpec]) -> context.Outcome:
    """Compute a claimed bucket and commit what came of it."""
    monitor, bucket = watch.monitor, held.bucket
    baseline = watch.baseline

    # collect and profile
    layouts = baseline.layouts if baseline else {}
    profiled = profile_bucket(watch.reader, monitor, layouts, bucket)

    # detect
    findings: Sequence[Finding] = ()
    changes = []
    frozen = baseline if baseline and baseline.state == "active" else None
    history = frozen is not None and frozen.end is not None and bucket.end <= frozen.end
    if frozen and not history:
        findings = detect(monitor, frozen, watch.window(bucket, profiled))
        changes = context.first_sights(profiled.facts, frozen)
    result, reason = conclude(watch, profiled, findings, baseline)

    # judge and act: only what is live and new, for a bucket computed again must not page anew
    decisions, planned = [], []
    live = watch.live_since()
    if live is not None and bucket.start >= live and held.revision == 0:
        with watch.database.read() as connection:
            past = context.load(connection, monitor, bucket)
        silence = longest_silence(frozen)
        decisions = judge_all(monitor, findings, changes, past, bucket, result, reason, silence)
        decisions, planned = act_on(monitor, decisions, past, actions, bucket, watch.now())

    outcome = context.Outcome(
        result, reason, profiled, baseline.layout if baseline else None, findings, decisions, planned, changes,
        watch.audits_passed(bucket),
    )  # fmt: skip
    with watch.database.write() as connection:
        context.commit(connection, held, outcome)
    return outcome


def conclude(
    watch: Watch, profiled: Profiled, findings: Sequence[Finding], baseline: Baseline | None
) -> tuple[str, str | None]:
    """Say how a bucket ends, and why when it could tell nothing."""
    if baseline is None:
        return "inconclusive", watch.without_baseline
    if profiled.facts.rows == 0:
        return "inconclusive", "no_rows: the bucket is empty"
    if not findings:
        return "done", "part of the baseline"
    model = [finding for finding in findings if finding.check not in ("schema", "volume", "freshness")]
    if not any(finding.status in (Status.OK, Status.DRIFTED) for finding in model or findings):
        return "inconclusive", (model or list(findings))[0].reason
    return "done", None


def longest_silence(baseline: Baseline | None) -> int:
    """Return the longest run of empty buckets that the baseline knew."""
    runs = "".join("." if rows else "x" for rows in baseline.traffic.bucket_rows) if baseline else ""
    return max((len(run) for run in runs.split(".")), default=0)
