"""What people did about an incident, from the audit log, for its timeline."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.operation import AuditEntry
from monitor.store.audit import load_entries
from monitor.store.database import Connection
from monitor.web.views import TimelineEntry

CHANNELS: Mapping[str, str] = {"cli": "the command line", "api": "the API", "web": "the web page"}
VERBS: Mapping[str, str] = {
    "approve": "approved by",
    "reject": "rejected by",
    "replay": "sent again by",
    "acknowledge": "acknowledged by",
    "comment": "comment by",
    "silence": "silenced by",
}


def load_people_entries(connection: Connection, incident: str) -> list[TimelineEntry]:
    """Return what people did about an incident and its effects, newest first; refused operations are left out."""
    entries = load_entries(connection, incident=incident)
    return [
        TimelineEntry(entry.at, "response", describe_operation(entry), entry.reason)
        for entry in entries
        if entry.result == "done"
    ]


def describe_operation(entry: AuditEntry) -> str:
    """Return what was done, by whom and by which channel, such as ``Rollback approved by Ada via Slack``."""
    by = f"{entry.by} via {CHANNELS.get(entry.channel, entry.channel.capitalize())}"
    if entry.operation == "assign":
        return f"Assigned to {entry.detail.get('assignee')} by {by}"
    text = f"{VERBS.get(entry.operation, f'{entry.operation} by')} {by}"
    kind = entry.detail.get("kind")
    if entry.subject_kind == "action" and kind:
        text = f"{kind} {text}"
    if entry.operation == "approve" and entry.detail.get("to") == "awaiting_approval":
        text += "; another person must approve"
    return text[:1].upper() + text[1:]
