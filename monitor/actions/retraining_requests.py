"""Select the incidents that request a retraining, and the time range that it needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from monitor.actions.effects import is_outdated
from monitor.actions.plan import is_unannounced
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.config.rules import rule_name
from monitor.core.action import UNSENT, AlertHistory
from monitor.core.incident import Decision
from monitor.core.schedule import Bucket, floor


def retraining_rules(monitor: Monitor, specs: Mapping[str, ReceiverConfig]) -> set[str]:
    """Return the names of the rules with a receiver of retrainings."""
    effects = {name: spec.effect_settings for name, spec in specs.items()}
    retraining = {name for name, effect in effects.items() if effect and effect.kind == "retrain"}
    return {rule_name(rule) for rule in monitor.rules if retraining.intersection(rule.do)}


def find_retraining_requests(
    monitor: Monitor, decisions: Sequence[Decision], specs: Mapping[str, ReceiverConfig], past: AlertHistory
) -> list[Decision]:
    """Return the decisions that may request a retraining: of firing incidents without a timely retraining so far."""
    rules = retraining_rules(monitor, specs)
    return [
        decision
        for decision in decisions
        if not rules.isdisjoint(decision.incident.announcing_rules)
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


def earliest_moment(monitor: Monitor, past: AlertHistory, bucket: Bucket, rules: Collection[str]) -> datetime:
    """Return the earliest time that the payload of a retraining may refer to.

    An incident whose retraining was sent requests no other, so a long incident causes no further reads.
    """
    retrained = {
        row.incident for row in past.past if row.kind == "retrain" and not row.missed and row.state not in UNSENT
    }
    standing = [*past.open.values(), *past.older, *past.resolved.values()]
    requesting = [
        incident
        for incident in standing
        if not set(rules).isdisjoint(incident.announcing_rules)
        and (incident.state != "firing" or is_unannounced(incident, past.past) or incident.id not in retrained)
    ]
    back = monitor.window + monitor.bucket
    moments = [bucket.end - back, *(incident.opened_at - back for incident in requesting)]
    suspects = [incident.suspected_change for incident in requesting]
    moments += [datetime.fromisoformat(suspect["first_seen"]) for suspect in suspects if suspect]
    return floor(min(moments), monitor.bucket)
