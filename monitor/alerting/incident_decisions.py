"""Decide all incidents of a bucket, and which of them are muted. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.base import Finding
from monitor.alerting.alert_context import AlertContext
from monitor.alerting.inhibition import without_unseen
from monitor.alerting.muting import Muting
from monitor.alerting.no_data import decide_no_data
from monitor.alerting.rules import decide_rules
from monitor.alerting.unmeasured import decide_unmeasured
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.incident import NO_DATA, Change, Decision
from monitor.core.schedule import Bucket


def decide_incidents(
    monitor: Monitor,
    evaluation: Evaluation,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    context: AlertContext,
    bucket: Bucket,
) -> tuple[list[Decision], Muting]:
    """Decide the incidents of an evaluation; return them with what mutes alerts.

    Parameters
    ----------
    findings
        Those of the evaluation with their explanations.
    changes
        All changes of the monitor, each with its earliest sighting.
    """
    history = context.history
    watched = without_unseen(findings, evaluation, history)

    def decide_muted(muting: Muting) -> list[Decision]:
        decided = decide_no_data(monitor, evaluation, history, context.baseline, bucket)
        if evaluation.is_between_buckets:
            decided = list_waiting(history)
        elif evaluation.missing_buckets is not None:
            decided += [one for one in list_waiting(history) if one.incident.group != NO_DATA]
        else:
            decided = [
                *decide_rules(monitor, watched, changes, history, bucket, context.shifts, muting.find_muted(watched)),
                *decided,
                *decide_unmeasured(monitor, watched, history, bucket.end, has_all_rules=context.has_all_rules),
            ]
        return [muting.mute(decision, history.find(decision.incident.id)) for decision in decided]

    muting = Muting.after(monitor, history, bucket.end)
    decided = decide_muted(muting)
    if monitor.muting.inhibit:
        muting = Muting.after(monitor, history, bucket.end, decided)
        decided = decide_muted(muting)  # again, as what fires now inhibits as well
    return decided, muting


def list_waiting(history: AlertHistory) -> list[Decision]:
    """Return the firing incidents that are not measured now; they may escalate."""
    known = [*history.open.values(), *history.older]
    return [Decision(one, None, "it is not measured", waiting=True) for one in known if one.state == "firing"]
