"""One window against its baseline, without a store and without a daemon: for CI, for cron, for a first look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from detectors import PERFORMANCE
from detectors.base import Finding, Status
from detectors.binning import LABELLED, Binning
from detectors.outcome import OUTCOME
from detectors.performance.measured import ESTIMATED
from monitor.actions.decide_and_plan import decide_and_plan
from monitor.actions.plan_actions import Receivers
from monitor.alerting.decide import AlertContext
from monitor.alerting.incidents import find_explanation, merge_evidence, most_harmful
from monitor.checks.baseline import Baseline
from monitor.checks.baseline_review import sentences
from monitor.checks.comparisons import Comparisons, ComparisonState, Key
from monitor.checks.evaluate import evaluate
from monitor.checks.evaluation import Evaluation, Observed, StoredSums
from monitor.checks.evidently import measure_in_child
from monitor.checks.monitor_plan import MonitorPlan
from monitor.checks.new_values import detect_new_values
from monitor.checks.sequential import fold_sequential
from monitor.checks.window import BucketSummary
from monitor.checks.window_sum import StoredWindow, newest_time
from monitor.config.arms import Experiment
from monitor.config.models import BASELINE_RULE, ConfigError, Monitor
from monitor.config.rules import matches
from monitor.core.payload import Suspect
from monitor.core.schedule import Bucket, floor
from monitor.jobs import build_baseline
from monitor.jobs.label_fall import find_label_fall
from monitor.profiling.ab_counts import Arms
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.comparison_reads import count_arms, join_shadow
from monitor.profiling.profile import Profiled, newest_served
from monitor.profiling.profiler import Profiler
from monitor.profiling.shadow_join import Pairs
from monitor.profiling.source_columns import columns_to_read
from monitor.profiling.spend import evaluate_budgets
from monitor.sources.base import Counts, Reader, SourceError

EXIT = {"ok": 0, "firing": 1, "inconclusive": 2, "error": 2}
SEVERITIES = ("critical", "warning", "info")


def check(reader: Reader, monitor: Monitor, at: datetime, receivers: Receivers | None = None) -> dict[str, Any]:
    """Return what the daemon would decide about the window that ends at a time, rounded down to a whole bucket.

    Experiments and shadows are counted from their start. A rule fires at once, whatever its `for` is, and nothing is
    sent.

    Returns
    -------
    dict
        ``{monitor, window: {start, end}, status, reason, suspected_change, findings, actions}``, with
        ``labelled_window`` where labels come late; the status is ``firing`` when a finding that a rule watches has
        drifted, ``inconclusive`` when nothing about the model, or nothing of the performance that was asked for, could
        be measured. ``actions`` are those that the daemon would plan.
    """
    end = floor(at, monitor.bucket)
    window = {"start": (end - monitor.window).isoformat(), "end": end.isoformat()}
    stated: dict[str, Any] = {"monitor": monitor.name, "window": window}
    if monitor.labels_after:
        last = newest_labelled_end(monitor, end)
        stated["labelled_window"] = {"start": (last - monitor.window).isoformat(), "end": last.isoformat()}
    try:
        whole = baseline_for(reader, monitor, end - monitor.window, newest_labelled_end(monitor, end) - monitor.window)
        if whole is None:
            reason = f"no_baseline: fewer than {monitor.baseline.min_rows} rows in the baseline's range"
            return {**stated, "status": "inconclusive", "reason": reason, "findings": []}
        baseline = before_the_last_shift(reader, monitor, whole)
        baseline = build_baseline.with_previous(reader, monitor, baseline, end - monitor.window)
        evaluation = evaluate_window(reader, monitor, baseline, end)
        if "label_fall" in baseline.facts:
            stated["note"] = baseline.facts["label_fall"]
    except SourceError as error:
        return {**stated, "status": "error", "reason": f"{error.reason}: {error}", "findings": []}
    except ConfigError as error:
        return {**stated, "status": "error", "reason": str(error), "findings": []}
    return {
        **stated,
        **_decide(monitor, evaluation, baseline, whole, Bucket(end - monitor.bucket, end), receivers or {}),
        "baseline": _describe_baseline(baseline),
    }


def _decide(
    monitor: Monitor, evaluation: Evaluation, baseline: Baseline, whole: Baseline, bucket: Bucket, receivers: Receivers
) -> dict[str, Any]:
    """Decide and plan what an evaluation means by itself, with no history and no rule that waits."""
    at_once = [rule.model_copy(update={"for_": 1}) for rule in monitor.rules]
    alone, known = monitor.with_rules(at_once), AlertContext(baseline=baseline)
    decisions, plan = decide_and_plan(alone, receivers, evaluation, known, bucket, bucket.end)
    firing = [one.incident for one in plan.incidents if one.incident.state == "firing"]
    status, reason = verdict(monitor, decisions.findings, firing=bool(firing))
    worst = min(firing, key=lambda incident: SEVERITIES.index(incident.severity), default=None)
    return {
        "status": status,
        "reason": reason,
        "suspected_change": _earliest_suspect(worst.suspected_change, whole) if worst else None,
        "findings": [as_json(finding) for finding in rank(decisions.findings)],
        "actions": [
            {"receiver": action.name, "kind": action.kind, "state": action.state, "reason": action.reason}
            for action in plan.actions
        ],
    }


def baseline_for(
    reader: Reader, monitor: Monitor, before: datetime, labels_until: datetime | None = None
) -> Baseline | None:
    """Build the baseline in memory; None when it holds too few rows.

    A rolling baseline ends at ``before``, and its labels end at ``labels_until``; earlier, where the performance by
    labels fell for good before that.
    """
    if monitor.baseline.file is not None:
        baseline = build_baseline.baseline_from_file(monitor, reader.schema())
        return baseline if baseline.rows >= monitor.baseline.min_rows else None
    start, end = build_baseline.baseline_range(monitor, before)
    if reader.counts(start, end).rows < monitor.baseline.min_rows:
        return None
    labels_until = labels_until if monitor.baseline.rolling else None
    baseline = build_baseline.baseline_from_source(reader, monitor, start, end, labels_until)
    if monitor.performance and labels_until is not None:
        fall = find_label_fall(reader, monitor, baseline.layouts.get(OUTCOME), start, labels_until)
        if fall is not None:
            baseline = build_baseline.baseline_from_source(reader, monitor, start, end, fall.at)
            baseline = replace(baseline, facts={**baseline.facts, "label_fall": fall.sentence()})
    return baseline if baseline.rows >= monitor.baseline.min_rows else None


def before_the_last_shift(reader: Reader, monitor: Monitor, baseline: Baseline) -> Baseline:
    """Return what lies before the last shift inside a baseline's range: a fault must not be what it is compared with.

    What was said of the whole range is kept.
    """
    review = baseline.review
    if review is None or review.before is None:
        return baseline
    part = build_baseline.baseline_from_source(reader, monitor, *review.before)
    if part.rows < monitor.baseline.min_rows:
        return baseline
    return replace(part, facts={**part.facts, "review": review.to_json()})


def _earliest_suspect(suspect: Suspect | None, whole: Baseline) -> Mapping[str, Any] | None:
    """Return a suspect as it was seen first: inside the range of the baseline, where that holds it."""
    if suspect is None:
        return None
    known = whole.facts.get("versions", {}).get(suspect["column"], {}).get(suspect["value"])
    return {**suspect, "first_seen": datetime.fromtimestamp(known[1], UTC).isoformat()} if known else suspect


def _describe_baseline(baseline: Baseline) -> dict[str, Any]:
    """Return the range that the window was compared with, and what was noticed in the configured one."""
    compared = {"from": baseline.start, "to": baseline.end}
    return {"compared_with": compared, "rows": baseline.rows, "notes": sentences(baseline.review)}


def evaluate_window(reader: Reader, monitor: Monitor, baseline: Baseline, end: datetime) -> Evaluation:
    """Read a whole window, and the newest one whose labels are due, and evaluate it as the daemon does its last bucket.

    Budgets and objectives need sums of a month, which a single check does not read.
    """
    plan = MonitorPlan(monitor, Comparisons(monitor), baseline)
    observed, stored = observe_window(reader, monitor, baseline, end)
    states = read_comparisons(reader, plan.comparisons, observed.bucket)
    evaluation = evaluate(plan, observed, StoredSums(stored, None, states), measure_in_child)
    facts = sum((part.facts for part in stored.parts), observed.profiled.facts)
    findings = [*evaluation.findings, *evaluate_budgets(monitor, None)]
    return replace(evaluation, findings=findings, changes=detect_new_values(facts, baseline), result=None)


def observe_window(
    reader: Reader, monitor: Monitor, baseline: Baseline, end: datetime
) -> tuple[Observed, StoredWindow]:
    """Read a whole window: its last bucket, and what the store would hold of the buckets before."""
    summaries = profile_window(reader, monitor, baseline.layouts, end)
    starts, parts = list(summaries), list(summaries.values())
    facts, columns = parts[-1].facts, parts[-1].profiles
    facts.schema = dict(reader.schema())
    bucket = Bucket(end - monitor.bucket, end)
    stored = StoredWindow(
        starts[:-1],
        parts[:-1],
        add_profiles([part.profiles for part in _profile_labelled(reader, monitor, baseline, end)]),
        fold_sequential(monitor, baseline, add_profiles([part.profiles for part in parts]), starts[:-1], parts[:-1]),
    )
    by_segment = {segment: dict(profiles) for segment, profiles in columns.items()}
    profiled = Profiled(Counts(facts.rows), facts, by_segment, read_arms(reader, monitor, bucket))
    newest = newest_time(stored, profiled)
    if newest is None:
        newest = newest_served(reader, monitor, end - monitor.window)
    return Observed(bucket, profiled, newest), stored


def read_comparisons(reader: Reader, comparisons: Comparisons, bucket: Bucket) -> dict[Key, ComparisonState]:
    """Count every experiment from its start up to a bucket, and every shadow as far as its requests are answered."""
    monitor = comparisons.monitor
    states = {}
    for key, spec in comparisons.specs.items():
        start = floor(spec.start, monitor.bucket)
        until = min(bucket.start, spec.end) if spec.end else bucket.start
        if isinstance(spec, Experiment):
            arms = count_arms(reader, monitor, spec, start, until)
            total, report = arms.to_json(), arms.told({}, until)
        else:
            until = floor(until - spec.within, monitor.bucket)
            step = max(until - start, monitor.bucket)
            pairs = Pairs(spec)
            for _, sums in join_shadow(reader, monitor, spec, start, until, step) if start < until else ():
                pairs = pairs + sums
            total, report = pairs.to_json(), pairs.told({})
        states[key] = ComparisonState(*key, comparisons.definitions[key], bucket.start, total, report, until)
    return states


def read_arms(reader: Reader, monitor: Monitor, bucket: Bucket) -> dict[str, Arms]:
    """Count the records of one bucket for every experiment."""
    return {spec.name: count_arms(reader, monitor, spec, bucket.start, bucket.end) for spec in monitor.experiments}


def newest_labelled_end(monitor: Monitor, end: datetime) -> datetime:
    """Return the end of the newest window whose labels have had their time to arrive at a moment."""
    return floor(end - monitor.labels_after, monitor.bucket)


def _profile_labelled(reader: Reader, monitor: Monitor, baseline: Baseline, end: datetime) -> Iterable[BucketSummary]:
    """Profile what needs labels over the newest window whose labels are due; nothing where labels come at once."""
    if not monitor.labels_after:
        return ()
    layouts = {name: layout for name, layout in baseline.layouts.items() if layout.kind in LABELLED}
    return profile_window(reader, monitor, layouts, newest_labelled_end(monitor, end)).values()


def profile_window(
    reader: Reader, monitor: Monitor, layouts: Mapping[str, Binning], end: datetime
) -> dict[datetime, BucketSummary]:
    """Profile the window that ends at a time, by the start of each bucket; an id counts once."""
    columns = columns_to_read(monitor, layouts, reader.schema())
    parts: dict[datetime, BucketSummary] = {}
    ids: set[object] = set()
    start = end - monitor.window
    while start < end:
        profiler = Profiler(monitor, layouts, seen=ids)
        for page in reader.read(start, start + monitor.bucket, columns):
            profiler.add(page)
        parts[start] = BucketSummary(profiler.facts, profiler.profiles())
        start += monitor.bucket
    return parts


def verdict(monitor: Monitor, findings: Sequence[Finding], *, firing: bool) -> tuple[str, str]:
    """Say what the findings come to, and why."""
    if firing:
        watched = findings_under_rules(monitor, findings)
        worst = most_harmful([f for f in watched if f.check != BASELINE_RULE] or watched)
        named = f"{worst.check} of {worst.column}" if worst.column else worst.check
        why = find_explanation(watched, merge_evidence({}, watched))
        return "firing", f"{len(watched)} of {len(findings)} checks drifted; worst: {named}: {worst.reason}{why}"
    of_columns = [f for f in findings if f.column is not None] or list(findings)
    measured = [f for f in of_columns if f.status in (Status.OK, Status.DRIFTED)]
    if not measured:
        return "inconclusive", of_columns[0].reason if of_columns else "no check is configured"
    if (unlabelled := _without_labels(monitor, findings)) is not None:
        return "inconclusive", f"the performance could not be measured: {unlabelled.reason}"
    unsure = len(findings) - sum(f.status in (Status.OK, Status.DRIFTED) for f in findings)
    return "ok", f"{len(measured)} checks measured" + (f", {unsure} could not be" if unsure else "")


def _without_labels(monitor: Monitor, findings: Sequence[Finding]) -> Finding | None:
    """Return a finding that lacked labels, where no metric of a check of performance could be measured by them.

    An estimate does not stand in for the labels that ``labels_after`` promises: it cannot see that the right answer to
    the same input has changed.
    """
    asked = monitor.performance
    if asked is None:
        return None
    measured = [f for f in findings if f.method in PERFORMANCE and not f.method.startswith(ESTIMATED)]
    if any(f.status in (Status.OK, Status.DRIFTED) for f in measured):
        return None
    estimated = any(f.status in (Status.OK, Status.DRIFTED) for f in findings if f.method.startswith(ESTIMATED))
    return measured[0] if measured and (asked.labels_after or not estimated) else None


def findings_under_rules(monitor: Monitor, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that a rule watches and that drifted, improvements left out."""
    return [f for f in findings if f.is_adverse and any(matches(rule, f) for rule in monitor.rules)]


def rank(findings: Sequence[Finding]) -> list[Finding]:
    """Put drifted findings first, the largest excess first."""
    return sorted(findings, key=lambda f: (f.status is not Status.DRIFTED, -min(f.excess, 1e9), f.key))


def as_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data."""
    return {
        "check": finding.check,
        "column": finding.column,
        "method": finding.method,
        "segment": finding.segment,
        "statistic": finding.statistic,
        "threshold": finding.threshold,
        "status": finding.status.value,
        "direction": finding.direction,
        "reason": finding.reason,
        "n_baseline": finding.n_baseline,
        "n_window": finding.n_window,
        "p_value": finding.p_value,
        "q_value": finding.q_value,
        "unit": finding.unit,
        "detail": dict(finding.detail),
    }
