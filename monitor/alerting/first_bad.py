"""The time of the first bad record of an incident, from which its reaction time is counted. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.core.incident import VERSIONS, Incident


def find_first_bad(incident: Incident, bucket: timedelta) -> datetime:
    """Return the time of the first bad record: of the bad version, else the start of the first affected bucket."""
    suspect = incident.suspected_change
    if suspect is not None and suspect["kind"] in VERSIONS:
        return datetime.fromisoformat(suspect["first_seen"])
    items = [item for item in incident.evidence.values() if item["about"] != "pipe"]
    since = [item["attribution"]["since"] for item in items if item.get("attribution")]
    return min((datetime.fromisoformat(at) for at in since), default=incident.opened_at - bucket)
