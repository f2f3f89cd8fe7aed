"""Headlines of messages about incidents."""

from __future__ import annotations

from datetime import datetime

from monitor.alerting.incidents import count_others
from monitor.alerting.suspects import describe_suspect
from monitor.core.incident import SEGMENT, UPSTREAM, Incident
from monitor.core.payload import ActionKind, News, Suspect


def leading_suspect(incident: Incident) -> Suspect | None:
    """Return the suspect of the latest change of an incident."""
    if len(incident.changes) > 1:
        return incident.changes[-1]["suspected_change"]
    return incident.suspected_change


def write_headline(incident: Incident, kind: ActionKind, news: News, *, is_first: bool) -> str:
    """Return the headline of a message: what fires, what is new, or that the incident continues or is resolved."""
    name, why = incident.monitor, _suspicion(leading_suspect(incident))
    if kind == "resolved":
        times = f"from {_clock(incident.fired_at)} to {_clock(incident.resolved_at)}"
        what = f" {incident.changes[-1]['reason']}{why};" if incident.changes and is_first else ""
        return f"{name}: resolved, {incident.reason};{what} it fired {times}"
    if kind == "reminder":
        return f"{name}: still firing since {_clock(incident.fired_at)}: {incident.reason}{why}"
    if kind == "update" and not news.get("again") and not news.get("changes"):
        return f"{name}: {_new_findings(news) or _new_severity(news, incident) or 'now suspected'}{why}"
    return describe_situation(incident)


def describe_situation(incident: Incident) -> str:
    """Return what an incident is about, and what is suspected."""
    return f"{incident.monitor}: {incident.reason}{_suspicion(leading_suspect(incident))}"


def _new_findings(news: News) -> str:
    """Describe the new findings of an incident: the first one, and the number of others."""
    findings = news.get("findings") or []
    if not findings:
        return ""
    return f"also {findings[0]['reason']}{count_others(len(findings))}"


def _new_severity(news: News, incident: Incident) -> str:
    return f"now {news['severity']}: {incident.reason}" if news.get("severity") else ""


def _suspicion(suspect: Suspect | None) -> str:
    if not suspect:
        return ""
    prompt = f" ({suspect['prompt']})" if suspect.get("prompt") else ""
    first_time = _clock(datetime.fromisoformat(suspect["first_seen"]))
    if suspect["kind"] in (SEGMENT, UPSTREAM):
        return f"; {describe_suspect(suspect)} since {first_time}"
    return f"; {suspect['column']} {suspect['value']!r} first appeared at {first_time}{prompt}"


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "an unknown time"
