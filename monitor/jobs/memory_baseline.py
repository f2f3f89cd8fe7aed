"""Build the baseline of a check without a store, from the configured file or range."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from detectors.outcome import OUTCOME
from monitor.baselines.learning_range import baseline_range
from monitor.checks.baseline import Baseline
from monitor.config.models import Monitor
from monitor.jobs.file_baseline import baseline_from_file
from monitor.jobs.label_fall import find_label_fall
from monitor.jobs.source_baseline import baseline_from_source
from monitor.sources.base import Reader


def baseline_for(
    reader: Reader, monitor: Monitor, before: datetime, labels_until: datetime | None = None
) -> Baseline | None:
    """Build the baseline in memory, or return None if it has too few rows.

    A rolling baseline ends at ``before``, and its labels end at ``labels_until``, or at an earlier lasting fall of the
    labelled performance.
    """
    if monitor.baseline.file is not None:
        baseline = baseline_from_file(monitor, reader.schema())
        return baseline if baseline.rows >= monitor.baseline.min_rows else None
    start, end = baseline_range(monitor, before)
    if reader.counts(start, end).rows < monitor.baseline.min_rows:
        return None
    labels_until = labels_until if monitor.baseline.rolling else None
    baseline = baseline_from_source(reader, monitor, start, end, labels_until)
    if monitor.performance and labels_until is not None:
        fall = find_label_fall(reader, monitor, baseline.layouts.get(OUTCOME), start, labels_until)
        if fall is not None:
            baseline = baseline_from_source(reader, monitor, start, end, fall.at)
            baseline = replace(baseline, facts={**baseline.facts, "label_fall": fall.sentence()})
    return baseline if baseline.rows >= monitor.baseline.min_rows else None


def before_the_last_shift(reader: Reader, monitor: Monitor, baseline: Baseline) -> Baseline:
    """Return the part of a baseline before the last shift in its range, so that a fault is not part of the reference.

    The notes on the whole range remain.
    """
    review = baseline.review
    if review is None or review.before is None:
        return baseline
    part = baseline_from_source(reader, monitor, *review.before)
    if part.rows < monitor.baseline.min_rows:
        return baseline
    return replace(part, facts={**part.facts, "review": review.to_json()})
