"""Decide the incident `no_data` of a monitor, which is about the data pipeline and never about the model."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime

from detectors.quality.traffic import Gaps
from monitor.alerting.incidents import IDENTITY
from monitor.checks.baseline import Baseline
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor, NoData
from monitor.config.sections import format_duration
from monitor.core.action import AlertHistory
from monitor.core.incident import NO_DATA, Decision, Incident, IncidentState
from monitor.core.schedule import Bucket


def decide_no_data(
    monitor: Monitor,
    evaluation: Evaluation,
    history: AlertHistory,
    baseline: Baseline | None,
    bucket: Bucket,
) -> list[Decision]:
    """Decide the incident `no_data`; no decision if the evaluation is not that of a bucket or source."""
    incident, reason = history.open.get(NO_DATA), evaluation.reason or ""
    missing = evaluation.missing_buckets
    if missing is None:
        if evaluation.result is None:
            return []
        counts, missing = history.missing.then(evaluation.result, reason), 0
        if counts.blind and not is_learning(monitor, reason, bucket):
            gaps = baseline.gaps(monitor) if baseline else Gaps()
            missing = counts.beyond(gaps, monitor.no_data.after)
        if missing and incident is not None:
            missing = max(missing, incident.bad + 1)
    decision = decide_no_data_incident(monitor, monitor.no_data, missing, reason, incident, bucket.end)
    return [] if decision is None else [decision]


def is_learning(monitor: Monitor, reason: str, bucket: Bucket) -> bool:
    """Return whether a bucket is inconclusive because the baseline is not learnt yet, which is not missing data.

    If a fixed range has ended and there is still no baseline, it has too few rows, which is missing data.
    """
    end = monitor.baseline.end
    return reason.startswith("no_baseline") and (end is None or bucket.end <= end)


def decide_no_data_incident(
    monitor: Monitor, setting: NoData, blind: int, why: str, incident: Incident | None, at: datetime
) -> Decision | None:
    """Decide the incident `no_data` from the number of buckets without a result.

    ``blind`` is the number of consecutive buckets without a result, including this one and excluding gaps as long as
    in the baseline; 0 if this bucket has a result.
    """
    if blind == 0:
        if incident is None:
            return None
        reason = "data is available again"
        over = max(at, incident.updated_at)  # after an outage the first bucket is older than the last error
        done = replace(incident, state="resolved", resolved_at=over, updated_at=over, reason=reason)
        return Decision(done, "resolved", reason)
    if incident is None:
        identity = str(uuid.uuid5(IDENTITY, f"{monitor.name}/{NO_DATA}/{at.isoformat()}"))
        incident = Incident(identity, monitor.name, NO_DATA, setting.severity, "pending", at, at, "", group=NO_DATA)
        opened: IncidentState | None = "pending"
    else:
        opened = None
    grown = replace(incident, bad=blind, updated_at=at)
    if incident.state == "firing":
        return Decision(grown, None, "still no data")
    reason = f"no data for {format_duration(blind * monitor.bucket)}: {why}"
    if blind < setting.after:
        return Decision(replace(grown, reason=reason), opened, reason)
    return Decision(replace(grown, state="firing", fired_at=at, reason=reason), "firing", reason)
