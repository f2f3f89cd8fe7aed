"""Plan a test of a receiver: marked as a test in its payload, and no part of any incident. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.actions.identity import identity
from monitor.alerting.messages.render import render
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import TEST, Action
from monitor.core.payload import EventData, Payload

NOT_AFTER = timedelta(minutes=5)
VERSION = "driftd-test"
"""Value of both versions in a test of an effect: no real version, and the same before and after."""
LONGEST_ID = 36
STATES = ("firing", "resolved")


def plan_test(name: str, config: ReceiverConfig, by: str, at: datetime, key: str) -> list[Action]:
    """Return the actions that test a receiver.

    A receiver of effects gets one. A receiver of messages gets two, so that an alerting service closes the alert that
    it opened. They belong to no monitor, so that they count for no cooldown, cap or verification.

    Parameters
    ----------
    key
        Unique for each test; with a mark, it takes the place of the id of an incident.
    """
    incident = f"{TEST}-{key}"[:LONGEST_ID]
    states = STATES if config.effect_settings is None else STATES[:1]
    return [
        Action(
            id=identity(incident, name, TEST, place),
            monitor="",
            incident=incident,
            name=name,
            kind=TEST,
            mode="auto",
            state="pending",
            reason=f"test by {by}",
            payload=_describe(name, config, state, by, at, incident),
            created_at=at,
            sequence=place,
            not_after=at + NOT_AFTER,
            dry_run=config.dry_run,
        )
        for place, state in enumerate(states)
    ]


def _describe(name: str, config: ReceiverConfig, state: str, by: str, at: datetime, incident: str) -> Payload:
    data: EventData = {
        "test": True,
        "monitor": "driftd",
        "severity": "info",
        "headline": f"Test of the receiver {name!r} by {by}",
        "incident": {"id": incident, "state": state, "rule": TEST, "opened_at": at.isoformat(), "reason": "test"},
        "link": config.external_url,
    }
    effect = config.effect_settings
    if effect is not None:
        role = getattr(config, "role", "model_version")
        data |= {
            "observed_version": {role: VERSION},
            "target": {role: VERSION},
            "not_after": (at + NOT_AFTER).isoformat(),
            "dry_run": config.dry_run,
        }
    body: Payload = {"type": "driftd.test", "timestamp": at.isoformat(), "data": data}
    data["summary"] = render(TEST, body).second_line
    return body
