"""A monitor, findings, incidents and a specification of an effect, for tests of what is decided about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from detectors.base import Finding, Status
from monitor.alerting.incidents import IncidentContext
from monitor.config.models import Monitor
from monitor.config.receivers import EffectSettings, ReceiverConfig
from monitor.core.action import PastAction, Version
from monitor.core.incident import TRAFFIC, Change, Incident
from monitor.core.matchers import Matcher, Silence
from monitor.core.payload import RuleProgress, Suspect
from monitor.core.schedule import Bucket
from tests.support.receivers import settings_of, slack_settings

START = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
BUCKET = Bucket(START - MINUTE, START)
EFFECT = EffectSettings.model_validate({"kind": "rollback", "mode": "auto", "not_after": "15m"})
SPEC = settings_of("webhook", effect=EFFECT)
SLACK = slack_settings()


def webhook(kind: str = "rollback", **settings: Any) -> ReceiverConfig:
    """Return a webhook with an effect, or one that is sent messages where its kind is notify."""
    limits = {name: settings.pop(name) for name in EffectSettings.model_fields if name in settings}
    effect = None if kind == "notify" else {**EFFECT.model_dump(), "kind": kind, **limits}
    return settings_of("webhook", effect=effect, **settings)


def limited(**limits: Any) -> EffectSettings:
    """Return an effect with other limits."""
    return EFFECT.model_copy(update=limits)


def monitor_of(settings: dict[str, Any] | None = None, **rule: Any) -> Monitor:
    """Return a monitor with buckets of a minute, windows of five, and one rule about drift."""
    return Monitor.model_validate(
        {
            "name": "bot",
            "bucket": "1m",
            "window": "5m",
            "settle": "0s",
            "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}},
            "rules": [{"when": ["drift"], "do": ["slack"], **rule}],
            **(settings or {}),
        }
    )


def finding(statistic: float, status: Status = Status.DRIFTED, **changes: Any) -> Finding:
    """Return a finding about the column novelty; its threshold is 0.1."""
    base = Finding("drift", "novelty", "rank", None, status, "novelty rose", statistic, 0.1)
    return replace(base, **changes)


def clean(**changes: Any) -> Finding:
    """Return a finding that is far below its threshold."""
    return finding(0.01, Status.OK, **changes)


def unmeasured(**changes: Any) -> Finding:
    """Return a finding that could not be measured."""
    return replace(finding(0.0, Status.INCONCLUSIVE, **changes), statistic=None)


def evidence_of(**changes: Any) -> dict[str, Any]:
    """Return what an incident knows of one finding."""
    base = {
        "check": "drift",
        "column": "novelty",
        "method": "rank",
        "segment": None,
        "about": "model",
        "direction": "worse",
        "statistic": 0.3,
        "threshold": 0.1,
        "worst": 0.3,
        "since": START.isoformat(),
        "reason": "novelty rose",
    }
    return {**base, **changes}


BLAMED_SMALL: Suspect = {
    "kind": "model_version",
    "column": "model_version",
    "value": "small",
    "first_seen": START.isoformat(),
    "share": 1.0,
}


def incident_of(**changes: Any) -> Incident:
    """Return a firing incident that blames the version `small`."""
    base = Incident(
        "i-1",
        "bot",
        "drift",
        "critical",
        "firing",
        START,
        START,
        "novelty rose",
        bad=2,
        fired_at=START,
        evidence={"k": evidence_of(segment="model_version=small")},
        suspects=[{**BLAMED_SMALL}],
    )
    incident = replace(base, **changes)
    return incident if "rules" in changes else with_progress(incident)


def with_progress(incident: Incident) -> Incident:
    """Return an incident whose only rule is as far as it is itself."""
    firing, fired = incident.state == "firing", incident.fired_at is not None
    progress: RuleProgress = {"bad": incident.bad, "clean": incident.clean, "firing": firing, "fired": fired}
    return replace(incident, rules={incident.rule: progress})


def silence_of(number: int, **labels: str) -> Silence:
    """Return a silence of what has labels."""
    return Silence(number, [Matcher(label, "=", value) for label, value in labels.items()], START + HOUR)


def context_of(monitor: Monitor, at: datetime, changes: Sequence[Change] = ()) -> IncidentContext:
    """Return what the incident of the traffic of a monitor is decided with."""
    return IncidentContext(monitor, monitor.rules, TRAFFIC, at, changes)


def version(value: str, hours_old: float, rows: int = 1000) -> Version:
    """Return a model version that was first seen some hours before the start."""
    return Version("model_version", value, START - hours_old * HOUR, START, rows)


def change(value: str, first_seen: datetime, kind: str = "model_version") -> Change:
    """Return the first sight of a version."""
    return Change(kind, kind, value, first_seen)


def past(state: str, age: timedelta, **changes: Any) -> PastAction:
    """Return an earlier effect of the name `r` about the version `small`."""
    base = PastAction("r", START - age, state, kind="rollback", observed=("model_version", "small"))
    return replace(base, **changes)
