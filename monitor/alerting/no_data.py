"""Whether a monitor has data at all: an incident of its own, about the pipe and never about the model. Pure."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime

from detectors.quality.traffic import Gaps
from monitor.alerting.incidents import IDENTITY
from monitor.checks.baseline import Baseline
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor, NoData
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
    """Decide whether the monitor has data at all; nothing where the evaluation does not say."""
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
    """Say whether a bucket is inconclusive because the baseline is still to be learnt, which is no missing data.

    When a fixed range is over and there is no baseline nevertheless, its rows are too few, and people must know.
    """
    end = monitor.baseline.end
    return reason.startswith("no_baseline") and (end is None or bucket.end <= end)


def decide_no_data_incident(
    monitor: Monitor, setting: NoData, blind: int, why: str, incident: Incident | None, at: datetime
) -> Decision | None:
    """Decide about not seeing: a state of its own, which pages the owners of the pipe and nobody else.

    ``blind`` is the number of buckets in a row, this one included, that could tell nothing, without those that the
    baseline's own gaps explain; 0 means sight.
    """
    if blind == 0:
        if incident is None:
            return None
        reason = "the monitor sees again"
        done = replace(incident, state="resolved", resolved_at=at, updated_at=at, reason=reason)
        return Decision(done, "resolved", reason)
    if incident is None:
        identity = str(uuid.uuid5(IDENTITY, f"{monitor.name}/{NO_DATA}/{at.isoformat()}"))
        incident = Incident(identity, monitor.name, NO_DATA, setting.severity, "pending", at, at, "", group=NO_DATA)
        opened: IncidentState | None = "pending"
    else:
        opened = None
    grown = replace(incident, bad=blind, updated_at=at)
    if incident.state == "firing":
        return Decision(grown, None, "still blind")
    reason = f"nothing could be told for {blind} bucket{'s' * (blind > 1)}: {why}"
    if blind < setting.after:
        return Decision(replace(grown, reason=reason), opened, reason)
    return Decision(replace(grown, state="firing", fired_at=at, reason=reason), "firing", reason)
