"""Messages about other subjects than incidents: verdicts, breakers, approvals that nobody gave, tests of receivers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from shlex import quote

from monitor.alerting.messages.incident import read_severity, read_title, write_footer
from monitor.alerting.messages.message import Message, Step
from monitor.alerting.messages.times import Times
from monitor.core.payload import EventData

TREATMENT: Mapping[str, str] = {
    "win": "{new} is better than {old}",
    "lose": "{new} is worse than {old}",
    "no difference": "{new} is as good as {old}",
    "keep running": "{new} and {old} cannot be told apart yet",
    "invalid": "{new} cannot be compared with {old}",
}
VERDICT_STEPS: Mapping[str, str] = {
    "win": "To do: decide whether to roll it out, and end the comparison.",
    "lose": "To do: keep {old}, and end the comparison.",
    "no difference": "To do: choose the cheaper one, and end the comparison.",
    "invalid": "To do: correct the assignment of the traffic; the figures are not comparable.",
}
BREAKER_STATES: Mapping[str, str] = {
    "open": "is open: requests are refused",
    "half_open": "is half-open: probes are allowed",
    "closed": "is closed again: requests are allowed",
}


def write_verdict_headline(monitor: str, kind: str, name: str, new: str, old: str, verdict: object) -> str:
    """Return the headline about a verdict of an experiment or a shadow."""
    result = TREATMENT.get(str(verdict), f"{{new}} against {{old}}: {verdict}").format(new=new, old=old)
    return f"{monitor}: {kind} {name}: {result}"


def write_breaker_headline(monitor: str, subject: str, state: str) -> str:
    """Return the headline about a new state of a breaker."""
    return f"{monitor}: breaker {subject} {BREAKER_STATES[state]}"


def write_expired_headline(monitor: str, kind: str, name: str, not_after: datetime | None) -> str:
    """Return the headline about an effect that nobody approved in time."""
    before = f" before {not_after:%Y-%m-%d %H:%M} UTC" if not_after else ""
    return f"{monitor}: the {kind} {name!r} was not approved{before}; it will not be sent"


def render_verdict(data: EventData, times: Times) -> Message:
    """Return a message about a verdict."""
    report = data.get("experiment") or data.get("shadow") or {}
    since = (data.get("window") or {}).get("start")
    pairs = f" from {report['pairs']} pairs" if "pairs" in report else ""
    verdict = str(report.get("verdict"))
    summary = f"Verdict {verdict!r}{pairs}, since {times.full(since)}: {report.get('reason')}." if report else ""
    step = VERDICT_STEPS.get(verdict)
    old = report.get("control") or report.get("champion")
    return Message(
        "info",
        read_severity(data),
        read_title(data),
        summary,
        Step(step.format(old=old)) if step else None,
        footer=write_footer(data, times),
    )


def render_breaker(data: EventData, times: Times) -> Message:
    """Return a message about a transition of a breaker."""
    breaker = data.get("breaker") or {}
    state = str(breaker.get("state"))
    by = f", by {breaker['by']}" if breaker.get("by") else ""
    until = f" It stays so until {times.short(breaker['until'])}." if breaker.get("until") and state == "open" else ""
    since = f"{read_severity(data).capitalize()} since" if state == "open" else "Since"
    summary = f"{since} {times.full(breaker.get('since'))}{by}: "
    name, value = breaker.get("name"), breaker.get("value")
    command = f"driftd breakers close {name}{f' --value {quote(str(value))}' if value else ''} --reason …"
    return Message(
        "resolved" if state == "closed" else "firing",
        read_severity(data),
        read_title(data),
        f"{summary}{breaker.get('reason')}.{until}" if breaker else "",
        Step("To allow requests at once", command) if state == "open" else None,
        link=data.get("link"),
    )


def render_test(data: EventData, times: Times) -> Message:
    """Return a message of a test of a receiver; it says on its first line that it is one."""
    incident = data.get("incident")
    is_over = incident is not None and incident["state"] == "resolved"
    what = "The test is over; nothing is wrong." if is_over else "Nothing is wrong, and nothing is to be done."
    since = f" Sent at {times.full(incident['opened_at'])}." if incident else ""
    return Message(
        "resolved" if is_over else "firing",
        read_severity(data),
        read_title(data),
        f"{what}{since}",
        link=data.get("link"),
    )


def render_expired(data: EventData, times: Times) -> Message:
    """Return a message about an effect that nobody approved in time."""
    incident = data.get("incident")
    summary = f"The incident is open since {times.full(incident['opened_at'])}." if incident else ""
    step = Step("To do: if it is still needed, do it by hand; driftd plans it again when the cause changes.")
    return Message("firing", read_severity(data), read_title(data), summary, step, link=data.get("link"))
