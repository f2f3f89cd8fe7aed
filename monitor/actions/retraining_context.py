"""What a retraining is told: its stretches of the log, how each is selected, and what the drift has cost. Pure.

Only the condition that selects a stretch is asked of the reader, for it is written in words of the source.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from detectors.base import Finding
from monitor.actions.drift_cost import MeasuredBucket, payback_since
from monitor.actions.plan import is_outdated, is_unannounced
from monitor.actions.retraining import Grounds, retraining
from monitor.alerting.decide import Decisions
from monitor.checks.baseline import Baseline
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.config.rules import rule_name
from monitor.core.action import UNSENT, AlertHistory
from monitor.core.incident import Decision, Incident
from monitor.core.payload import RetrainingData
from monitor.core.schedule import Bucket, floor
from monitor.profiling.profile import Profiled
from monitor.sources.base import Reader


@dataclass(frozen=True)
class History:
    """What is known of earlier buckets when a retraining is asked for.

    Parameters
    ----------
    counts
        Start, records and labels of each finished bucket that an incident may be about.
    of_baseline
        Records and labels of the baseline's range.
    measured
        What was found of the measure that says what errors cost.
    """

    counts: Sequence[tuple[datetime, int, int]]
    of_baseline: tuple[int, int]
    measured: Sequence[MeasuredBucket] = ()


@dataclass(frozen=True)
class RetrainingInput:
    """What a retraining is built from.

    Parameters
    ----------
    reader
        Writes the conditions that select rows; nothing is read.
    """

    bucket: Bucket
    profiled: Profiled
    window: Window
    baseline: Baseline
    history: History
    reader: Reader


def plan_retraining(
    monitor: Monitor,
    receivers: Mapping[str, ReceiverConfig],
    decisions: Decisions,
    history: AlertHistory,
    inputs: RetrainingInput | None,
) -> Mapping[str, RetrainingData]:
    """Return by incident what a retraining is sent with."""
    if inputs is None:
        return {}
    requests = find_retraining_requests(monitor, decisions.incidents, receivers, history)
    return build_retraining_context(monitor, requests, decisions.findings, inputs)


def retraining_rules(monitor: Monitor, specs: Mapping[str, ReceiverConfig]) -> set[str]:
    """Return the names of the rules that ask for a retraining."""
    effects = {name: spec.effect_settings for name, spec in specs.items()}
    retraining = {name for name, effect in effects.items() if effect and effect.kind == "retrain"}
    return {rule_name(rule) for rule in monitor.rules if retraining.intersection(rule.do)}


def find_retraining_requests(
    monitor: Monitor, decisions: Sequence[Decision], specs: Mapping[str, ReceiverConfig], past: AlertHistory
) -> list[Decision]:
    """Return the decisions that may ask for a retraining now: their incident fires, and none was decided in time."""
    asking = retraining_rules(monitor, specs)
    return [
        decision
        for decision in decisions
        if decision.incident.rule in asking
        and decision.incident.state == "firing"
        and (
            decision.transition == "firing"
            or is_unannounced(decision.incident, past.past)
            or any(
                row.missed or is_outdated(row, decision.incident)
                for row in past.past
                if row.incident == decision.incident.id and row.kind == "retrain"
            )
        )
    ]


def earliest_asked(monitor: Monitor, past: AlertHistory, bucket: Bucket, rules: Collection[str]) -> datetime:
    """Return the earliest moment that a retraining which is decided with a bucket may speak of.

    An incident whose retraining was sent asks for no other, so a long one costs nothing.
    """
    retrained = {
        row.incident for row in past.past if row.kind == "retrain" and not row.missed and row.state not in UNSENT
    }
    standing = [*past.open.values(), *past.older, *past.resolved.values()]
    asking = [
        incident
        for incident in standing
        if incident.rule in rules
        and (incident.state != "firing" or is_unannounced(incident, past.past) or incident.id not in retrained)
    ]
    back = monitor.window + monitor.bucket
    moments = [bucket.end - back, *(incident.opened_at - back for incident in asking)]
    suspects = [incident.suspected_change for incident in asking]
    moments += [datetime.fromisoformat(suspect["first_seen"]) for suspect in suspects if suspect]
    return floor(min(moments), monitor.bucket)


def build_retraining_context(
    monitor: Monitor, requests: Sequence[Decision], findings: Sequence[Finding], inputs: RetrainingInput
) -> Mapping[str, RetrainingData]:
    """Return by incident what a retraining is sent with."""
    bucket, profiled, window = inputs.bucket, inputs.profiled, inputs.window
    baseline, history, reader = inputs.baseline, inputs.history, inputs.reader

    def rows(start: datetime, end: datetime) -> tuple[int, int]:
        """Count the finished buckets, and this one, which is not stored yet."""
        first = floor(start, monitor.bucket)
        before = history.of_baseline
        if (start, end) != (baseline.start, baseline.end):
            kept = [one for one in history.counts if first <= one[0] < end]
            before = (sum(one[1] for one in kept), sum(one[2] for one in kept))
        own = profiled.counts if first <= bucket.start < end else None
        return (before[0] + own.rows, before[1] + own.labels) if own else before

    return {
        decision.incident.id: retraining(
            monitor,
            decision.incident,
            findings,
            baseline,
            bucket.end,
            sum(window.traffic.bucket_rows),
            Grounds(
                rows,
                reader.condition,
                profiled.facts.schema,
                reader.dialect,
                _cost(monitor, decision.incident, history),
            ),
        )
        for decision in requests
    }


def _cost(monitor: Monitor, incident: Incident, history: History) -> float | None:
    """Return what the drift has cost up to the bucket before, where the operator says what an error costs."""
    spec = monitor.savings.retraining if monitor.savings else None
    if spec is None:
        return None
    paid = payback_since(history.measured, monitor, spec, incident.opened_at)
    return float(paid["cost"]["value"]) if "cost" in paid else None
