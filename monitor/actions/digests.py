"""Plan the digest of a storm: one message about many incidents. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.actions.identity import MESSAGE_NOT_AFTER, identity
from monitor.alerting.consequence import rank_harm, restore_finding
from monitor.alerting.messages.digest import find_common_suspect, write_digest_headline
from monitor.alerting.messages.headline import shorten_headline
from monitor.alerting.messages.render import render
from monitor.config.receivers import DigestSettings, ReceiverConfig
from monitor.config.rules import SEVERITIES
from monitor.core.action import Action, ActionRecord
from monitor.core.firing import FiringMonitors
from monitor.core.incident import IncidentState
from monitor.core.payload import ActionKind, DigestData, DigestEntry, EventData, Payload, Suspect

MOST_ENTRIES = 20
MOST_ACTIONS = 3
ALL_MONITORS = "*"
"""Monitor of a digest."""


@dataclass(frozen=True)
class StormIncident:
    """An incident of a storm as it is now."""

    id: str
    monitor: str
    severity: str
    state: IncidentState
    fired_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True)
class Storm:
    """Many incidents that a receiver gets in one thread of digests.

    Parameters
    ----------
    sequence
        Number of the next digest.
    incidents
        All of them, with those that were announced before the first digest.
    alone
        The announcements before the first digest, each of which was a message of its own.
    messages
        The messages that the next digest stands for, oldest first.
    firing
        What fires in the whole store.
    previous_at
        When the last digest was sent, or planned.
    suspect
        The common suspect that the last digest named.
    """

    id: str
    sequence: int
    incidents: Sequence[StormIncident]
    alone: Sequence[ActionRecord]
    messages: Sequence[ActionRecord]
    firing: FiringMonitors
    previous_at: datetime | None = None
    suspect: Suspect | None = None

    @property
    def is_over(self) -> bool:
        """Return whether all incidents are resolved."""
        return all(one.state == "resolved" for one in self.incidents)


def plan_digest(name: str, receiver: ReceiverConfig, settings: DigestSettings, storm: Storm, at: datetime) -> Action:
    """Return the next digest of a storm.

    It waits for further messages, and follows the last one after an interval; the last digest of a storm does not wait.
    """
    kind: ActionKind = "resolved" if storm.is_over else "update" if storm.sequence else "firing"
    address = receiver.external_url
    data: EventData = {
        "monitor": ALL_MONITORS,
        "severity": _highest([one.severity for one in storm.incidents if storm.is_over or one.state == "firing"]),
        "digest": describe_storm(storm),
        "link": f"{address.rstrip('/')}/incidents" if address else None,
        "dry_run": receiver.dry_run,
    }
    data["headline"] = write_digest_headline(kind, data["digest"], at)
    body: Payload = {"type": f"driftd.digest.{kind}", "timestamp": at.isoformat(), "data": data}
    data["summary"] = render(kind, body, follows=storm.sequence > 0).second_line
    begun = min((message.created_at for message in storm.messages), default=at)
    due = [at] if storm.is_over and storm.sequence else [at, begun + settings.wait]
    if storm.previous_at is not None and not storm.is_over:
        due.append(storm.previous_at + settings.interval)
    return Action(
        id=identity(storm.id, name, "digest", storm.sequence),
        monitor=ALL_MONITORS,
        incident=storm.id,
        name=name,
        kind=kind,
        mode="auto",
        state="pending",
        reason=f"{len(storm.incidents)} incidents at once are announced together",
        payload=body,
        created_at=at,
        sequence=storm.sequence,
        not_after=at + MESSAGE_NOT_AFTER,
        dry_run=receiver.dry_run,
        not_before=max(due),
    )


def describe_storm(storm: Storm) -> DigestData:
    """Return the data of the next digest: the storm as a whole, and the incidents that the digest is about."""
    since = min((one.fired_at for one in storm.incidents), default=None)
    ends = [one.resolved_at for one in storm.incidents if one.resolved_at]
    states = {one.id: one.state for one in storm.incidents}
    entries = {one.incident: _describe_entry(one, states, alone=True) for one in storm.alone}
    entries |= {one.incident: _describe_entry(one, states, alone=False) for one in storm.messages}
    ordered = sorted(entries.values(), key=_rank_entry)
    recent = storm.firing.list_since(since) if since else []
    return {
        "since": since.isoformat() if since else "",
        "resolved_at": max(ends).isoformat() if storm.is_over and ends else None,
        "incidents": len(storm.incidents),
        "monitors": len({one.monitor for one in storm.incidents}),
        "firing": sum(one.state == "firing" for one in storm.incidents),
        "firing_monitors": len(recent),
        "watched": max(storm.firing.watched, len(recent)),
        "most": since is not None and storm.firing.are_most(since),
        "new": len({one.incident for one in storm.messages if one.kind == "firing"}),
        "alone": [one.incident for one in storm.alone],
        "entries": ordered[:MOST_ENTRIES],
        "left_out": len(ordered[MOST_ENTRIES:]),
        "suspect": find_common_suspect(ordered) or storm.suspect,
    }


def _describe_entry(message: ActionRecord, states: dict[str, IncidentState], *, alone: bool) -> DigestEntry:
    data = message.payload["data"]
    incident = data["incident"]
    findings = data.get("findings") or []
    return {
        "id": message.incident,
        "monitor": message.monitor,
        "rule": incident["rule"],
        "severity": data["severity"],
        "state": states.get(message.incident, incident["state"]),
        "headline": shorten_headline(data["headline"]),
        "harm": max((rank_harm(restore_finding(one)) for one in findings), default=0),
        "since": incident.get("fired_at") or incident["opened_at"],
        "suspect": data.get("suspected_change"),
        "actions": list(data.get("actions") or [])[:MOST_ACTIONS],
        "escalation": data.get("escalation"),
        "link": data.get("link"),
        "alone": alone,
    }


def _rank_entry(entry: DigestEntry) -> tuple[bool, int, int, str, str]:
    """Return the key by which the worst entry comes first: it fires, it is severe, it harms users, it is older."""
    severity = SEVERITIES.index(entry["severity"]) if entry["severity"] in SEVERITIES else len(SEVERITIES)
    return entry["state"] == "resolved", severity, -entry["harm"], entry["since"], entry["id"]


def _highest(severities: Sequence[str]) -> str:
    known = [one for one in severities if one in SEVERITIES]
    return min(known, key=SEVERITIES.index, default="warning")
