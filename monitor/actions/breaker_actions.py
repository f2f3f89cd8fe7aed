"""Plan the messages about a state transition of a circuit breaker."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from detectors.cost.breaker import Breaker
from monitor.actions.identity import MESSAGE_NOT_AFTER, NAMESPACE, identity
from monitor.alerting.messages.notices import write_breaker_headline
from monitor.alerting.messages.render import render
from monitor.config.models import Monitor
from monitor.config.money import BreakerSpec
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import Action
from monitor.core.payload import ActionKind, Payload

KINDS: Mapping[str, ActionKind] = {"open": "firing", "half_open": "update", "closed": "resolved"}


def plan_transition(
    monitor: Monitor,
    spec: BreakerSpec,
    value: str,
    breaker: Breaker,
    receivers: Mapping[str, ReceiverConfig],
    now: datetime,
) -> list[Action]:
    """Return the messages of a transition. All messages of an episode, from opening to closing, share a thread."""
    start = (breaker.episode or breaker.since).isoformat()
    episode = str(uuid.uuid5(NAMESPACE, f"breaker/{spec.name}/{value}/{start}"))
    body = _payload(monitor, spec, value, breaker)
    planned = []
    for name in spec.do:
        if name not in receivers:
            continue
        kind: ActionKind = KINDS[breaker.state] if receivers[name].audience == "people" else "breaker"
        planned.append(
            Action(
                id=identity(episode, name, kind, breaker.number),
                monitor=monitor.name,
                incident=episode,
                name=name,
                kind=kind,
                mode="auto",
                state="pending",
                reason="every transition is announced",
                payload=body,
                created_at=now,
                sequence=breaker.number,
                not_after=now + MESSAGE_NOT_AFTER,
                dry_run=receivers[name].dry_run,
            )
        )
    return planned


def _payload(monitor: Monitor, spec: BreakerSpec, value: str, breaker: Breaker) -> Payload:
    """Return the payload, which is the same for every receiver."""
    subject = f"{spec.name} for {value}" if value else spec.name
    body: Payload = {
        "type": f"driftd.breaker.{breaker.state}",
        "timestamp": breaker.since.isoformat(),
        "data": {
            "monitor": monitor.name,
            "severity": "critical" if breaker.state == "open" else "warning",
            "headline": write_breaker_headline(monitor.name, subject, breaker.state),
            "breaker": {
                "name": spec.name,
                "value": value or None,
                "state": breaker.state,
                "number": breaker.number,
                "since": breaker.since.isoformat(),
                "until": breaker.until.isoformat() if breaker.until else None,
                "reason": breaker.reason,
                "by": breaker.who,
            },
        },
    }
    body["data"]["summary"] = render(KINDS[breaker.state], body).second_line
    return body
