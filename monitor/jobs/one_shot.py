"""One window against its baseline, without a store and without a daemon: for CI, for cron, for a first look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from detectors import PERFORMANCE
from detectors.base import Finding, Status
from detectors.layout import LABELLED, Layout
from detectors.outcome import OUTCOME
from detectors.performance.measured import ESTIMATED
from detectors.quality.traffic import Traffic
from monitor.alerting.attribution import attribute
from monitor.alerting.explain import explain
from monitor.alerting.first_seen import detect_new_values
from monitor.alerting.incidents import choose_suspect, find_explanation, merge_evidence, most_harmful
from monitor.checks.baseline import Baseline
from monitor.checks.baseline_review import sentences
from monitor.checks.detect import BucketSummary, Window, detect
from monitor.checks.evidently import measure_in_child
from monitor.config.models import BASELINE_RULE, ConfigError, Monitor
from monitor.config.rules import matches
from monitor.core.schedule import floor
from monitor.jobs import build_baseline
from monitor.jobs.label_fall import find_label_fall
from monitor.profiling.profile import Facts, Profiler, add_profiles, columns_to_read, newest_served
from monitor.profiling.spend import evaluate_budgets
from monitor.sources.base import Reader, SourceError

EXIT = {"ok": 0, "firing": 1, "inconclusive": 2, "error": 2}


def check(reader: Reader, monitor: Monitor, at: datetime) -> dict[str, Any]:
    """Return the verdict on the window that ends at a time, rounded down to a whole bucket.

    Returns
    -------
    dict
        ``{monitor, window: {start, end}, status, reason, suspected_change, findings}``, with ``labelled_window`` where
        labels come late; the status is ``firing`` when a finding that a rule watches has drifted, ``inconclusive``
        when nothing about the model, or nothing of the performance that was asked for, could be measured.
    """
    end = floor(at, monitor.bucket)
    window = {"start": (end - monitor.window).isoformat(), "end": end.isoformat()}
    stated: dict[str, Any] = {"monitor": monitor.name, "window": window}
    if monitor.labels_after:
        last = newest_labelled_end(monitor, end)
        stated["labelled_window"] = {"start": (last - monitor.window).isoformat(), "end": last.isoformat()}
    try:
        baseline = baseline_for(
            reader, monitor, end - monitor.window, newest_labelled_end(monitor, end) - monitor.window
        )
        if baseline is None:
            reason = f"no_baseline: fewer than {monitor.baseline.min_rows} rows in the baseline's range"
            return {**stated, "status": "inconclusive", "reason": reason, "findings": []}
        whole, baseline = baseline, before_the_last_shift(reader, monitor, baseline)
        baseline = build_baseline.with_previous(reader, monitor, baseline, end - monitor.window)
        seen, facts = read_window(reader, monitor, baseline, end)
        changes = detect_new_values(facts, baseline)
        findings = [*detect(monitor, baseline, seen, measure_in_child), *evaluate_budgets(monitor, None)]
        findings = attribute(monitor, baseline, seen, findings, changes, end)
        findings = explain(monitor, baseline, seen, findings, {}, changes, end)
        if "label_fall" in baseline.facts:
            stated["note"] = baseline.facts["label_fall"]
    except SourceError as error:
        return {**stated, "status": "error", "reason": f"{error.reason}: {error}", "findings": []}
    except ConfigError as error:
        return {**stated, "status": "error", "reason": str(error), "findings": []}
    status, reason = verdict(monitor, findings)
    suspect = choose_suspect(changes, end - monitor.window, merge_evidence({}, findings_under_rules(monitor, findings)))
    return {
        **stated,
        "status": status,
        "reason": reason,
        "suspected_change": _earliest_suspect(suspect, whole) if status == "firing" else None,
        "baseline": _describe_baseline(baseline),
        "findings": [as_json(f) for f in rank(findings)],
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


def _earliest_suspect(suspect: Mapping[str, Any] | None, whole: Baseline) -> Mapping[str, Any] | None:
    """Return a suspect as it was seen first: inside the range of the baseline, where that holds it."""
    if suspect is None:
        return None
    known = whole.facts.get("versions", {}).get(suspect["column"], {}).get(suspect["value"])
    return {**suspect, "first_seen": datetime.fromtimestamp(known[1], UTC).isoformat()} if known else suspect


def _describe_baseline(baseline: Baseline) -> dict[str, Any]:
    """Return the range that the window was compared with, and what was noticed in the configured one."""
    compared = {"from": baseline.start, "to": baseline.end}
    return {"compared_with": compared, "rows": baseline.rows, "notes": sentences(baseline.review)}


def read_window(reader: Reader, monitor: Monitor, baseline: Baseline, end: datetime) -> tuple[Window, Facts]:
    """Profile a whole window, and the newest one whose labels are due; return it with what was seen in it."""
    schema = reader.schema()
    summaries = profile_window(reader, monitor, baseline.layouts, end)
    starts, parts = list(summaries), list(summaries.values())
    facts = sum((part.facts for part in parts), Facts(schema=dict(schema)))
    newest = newest_served(reader, monitor, end - monitor.window) if facts.last is None else facts.last
    traffic = Traffic(
        bucket_rows=tuple(part.facts.whole_requests for part in parts),
        bucket_seconds=monitor.bucket.total_seconds(),
        schema=dict(schema),
        seconds_since_newest=None if newest is None else max(0.0, end.timestamp() - newest),
    )
    profiles = add_profiles([part.profiles for part in parts])
    labelled = add_profiles([part.profiles for part in _profile_labelled(reader, monitor, baseline, end)])
    return Window(profiles, traffic, starts, labelled=labelled, parts=parts), facts


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
    reader: Reader, monitor: Monitor, layouts: Mapping[str, Layout], end: datetime
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


def verdict(monitor: Monitor, findings: Sequence[Finding]) -> tuple[str, str]:
    """Say what the findings come to, and why."""
    watched = findings_under_rules(monitor, findings)
    if watched:
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
