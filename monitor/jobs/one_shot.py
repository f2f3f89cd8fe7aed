"""Compare one window with its baseline without a store or a daemon, for `driftd check`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitor.actions.plan_context import Receivers
from monitor.checks.baseline import Baseline
from monitor.checks.baseline_review import sentences
from monitor.config.models import ConfigError, Monitor
from monitor.core.schedule import Bucket, floor
from monitor.jobs.evaluate_window import evaluate_window
from monitor.jobs.memory_baseline import baseline_for, before_the_last_shift
from monitor.jobs.profile_window import newest_labelled_end
from monitor.jobs.source_baseline import with_previous
from monitor.jobs.window_decision import decide_window
from monitor.sources.base import Reader, SourceError

EXIT = {"ok": 0, "firing": 1, "inconclusive": 2, "error": 2}


def check(reader: Reader, monitor: Monitor, at: datetime, receivers: Receivers | None = None) -> dict[str, Any]:
    """Return the decision of the daemon about the window that ends at ``at``, rounded down to a whole bucket.

    Experiments and shadows are counted from their start. A rule fires at once regardless of its `for`, and nothing is
    sent.

    Returns
    -------
    dict
        ``{monitor, window: {start, end}, status, reason, suspected_change, findings, actions}``, with
        ``labelled_window`` if labels arrive late. The status is ``firing`` if a finding of a rule has drifted, and
        ``inconclusive`` if no finding about the model, or none of a configured `performance` check, could be measured.
        ``actions`` are those that the daemon would plan.
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
        baseline = with_previous(reader, monitor, baseline, end - monitor.window)
        evaluation = evaluate_window(reader, monitor, baseline, end)
        if "label_fall" in baseline.facts:
            stated["note"] = baseline.facts["label_fall"]
    except SourceError as error:
        return {**stated, "status": "error", "reason": f"{error.reason}: {error}", "findings": []}
    except ConfigError as error:
        return {**stated, "status": "error", "reason": str(error), "findings": []}
    return {
        **stated,
        **decide_window(monitor, evaluation, baseline, whole, Bucket(end - monitor.bucket, end), receivers or {}),
        "baseline": _describe_baseline(baseline),
    }


def _describe_baseline(baseline: Baseline) -> dict[str, Any]:
    """Return the range that the window was compared with, and notes on the configured range."""
    compared = {"from": baseline.start, "to": baseline.end}
    return {"compared_with": compared, "rows": baseline.rows, "notes": sentences(baseline.review)}
