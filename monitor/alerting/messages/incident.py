"""Messages about incidents: the first one has all facts, later ones in its thread only what is new."""

from __future__ import annotations

import re
from collections.abc import Sequence

from monitor.alerting.messages.causes import advise, capitalize, describe_cause, rank_suspects, state_cause
from monitor.alerting.messages.headline import first_clause
from monitor.alerting.messages.message import Message, Step
from monitor.alerting.messages.steps import WAITING, describe_cure, is_waiting, list_steps
from monitor.alerting.messages.times import Times
from monitor.core.payload import ActionKind, ActionSummary, EventData, IncidentFinding, News

MOST_FACTS = 5
NO_NEWS: News = {}
VALUE = re.compile(r" -?\d")


def render_incident(kind: ActionKind, data: EventData, times: Times, *, follows: bool) -> Message:
    """Return a message about an incident.

    Parameters
    ----------
    follows
        Whether it is in the thread of an earlier message.
    """
    if kind == "resolved":
        return _render_resolved(data, times, follows=follows)
    if follows and kind == "update":
        return _render_update(data, times)
    if follows and kind == "reminder":
        return _render_reminder(data, times)
    return _render_first(data, times)


def _render_first(data: EventData, times: Times) -> Message:
    severity, title, actions = read_severity(data), read_title(data), data.get("actions") or []
    steps = list_steps(actions, times)
    since = capitalize(f"{severity} since {times.full(_since(data))}.".strip()) if data.get("incident") else ""
    first = steps[0] if steps else advise(data) if data.get("incident") else None
    if first and steps and not any(one.get("state") in (*WAITING, "delivered") for one in actions):
        advice = advise(data)
        first = Step(f"{first.text} {advice.text}", advice.command)
    return Message(
        "firing",
        severity,
        title,
        _sentences(since, state_escalation(data), describe_cause(data, times)),
        first,
        list_facts(data.get("findings") or [], title),
        rank_suspects(data, times),
        steps[1:],
        data.get("link"),
        write_footer(data, times),
    )


def _render_update(data: EventData, times: Times) -> Message:
    news = data.get("news") or NO_NEWS
    suspect, summary = news.get("suspected_change"), []
    if news.get("again"):
        summary.append(f"It fires again since {times.full(_since(data))}.")
    if suspect:
        summary.append(state_cause(suspect, times, "Likely cause now"))
    summary.append(state_handling(data))
    steps = list_steps(find_new(data), times)
    facts = list_facts(news.get("findings") or [], read_title(data))
    return Message(
        "firing",
        read_severity(data),
        read_title(data),
        _sentences(*summary),
        steps[0] if steps else None,
        facts,
        rank_suspects(data, times) if suspect else [],
        steps[1:],
        data.get("link"),
    )


def _render_reminder(data: EventData, times: Times) -> Message:
    steps = list_steps(find_new(data), times)
    peak = data.get("peak")
    return Message(
        "firing",
        read_severity(data),
        read_title(data),
        _sentences(f"Peak so far: {peak}." if peak and peak not in read_title(data) else "", state_handling(data)),
        steps[0] if steps else None,
        steps=steps[1:],
        link=data.get("link"),
    )


def _render_resolved(data: EventData, times: Times, *, follows: bool) -> Message:
    incident = data.get("incident")
    summary = []
    if incident:
        start, end = incident.get("fired_at") or incident["opened_at"], incident.get("resolved_at")
        summary.append(f"It fired from {times.full(start)} to {times.short(end)}; {incident['reason']}.")
    if not follows and (changes := data.get("changes")):
        summary.append(f"Nobody was told before: {first_clause(changes[-1]['reason'])}.")
    summary += [describe_cause(data, times, "Cause"), state_handling(data)]
    return Message(
        "resolved",
        read_severity(data),
        read_title(data),
        _sentences(*summary),
        describe_cure(data.get("actions") or [], times),
        [] if follows else list_facts(data.get("findings") or [], read_title(data)),
        link=data.get("link"),
        footer="" if follows else write_footer(data, times),
    )


def find_new(data: EventData) -> list[ActionSummary]:
    """Return the actions that are new since the last message, and those that still wait for approval.

    That an approval came too late has been announced by a message of its own.
    """
    known = [one for one in data.get("actions") or [] if one.get("state") != "expired" or one.get("reason")]
    return [one for one in known if one.get("is_new", is_waiting(one)) or one.get("state") == "awaiting_approval"]


def list_facts(findings: Sequence[IncidentFinding], title: str) -> list[str]:
    """Return the findings that exceed their threshold as lines, each once, without what the title says.

    A segment with the same values as all rows is left out.
    """
    lines: dict[str, str] = {}
    for item in findings:
        reason = str(item.get("reason", "?"))
        recovers = (item.get("statistic") or 0.0) < (item.get("threshold") or 0.0)
        if recovers or title.endswith(reason):
            continue
        quantity, separator, statistic = reason.partition("; ")
        fact = f"{name_quantity(quantity)}: {statistic}" if separator and quantity in title else reason
        why = item.get("explanation")
        values = f"{item.get('column')} {quantity.removeprefix(name_quantity(quantity))}"
        lines.setdefault(values, f"{fact} (n {_number(item.get('n_window'))}){f'; {why}' if why else ''}")
    facts = list(lines.values())
    more = len(facts) - MOST_FACTS
    return [*facts[:MOST_FACTS], *[f"and {more} more"] * (more > 0)]


def name_quantity(quantity: str) -> str:
    """Return the name of a quantity without its values.

    Examples
    --------
    >>> name_quantity("p95 latency of model_version=model-35c 1.64 s (95 % interval 1.54–1.74 s), baseline 0.43 s")
    'p95 latency of model_version=model-35c'
    """
    return VALUE.split(quantity, maxsplit=1)[0]


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"


def read_title(data: EventData) -> str:
    """Return the headline of a message."""
    return str(data.get("headline", "driftd"))


def read_severity(data: EventData) -> str:
    """Return the severity of a message."""
    return str(data.get("severity", ""))


def write_footer(data: EventData, times: Times) -> str:
    """Return monitor, rule and window of a message."""
    window, incident = data.get("window"), data.get("incident")
    parts = [f"monitor {data['monitor']}"] if data.get("monitor") else []
    if incident:
        parts.append(f"rule {incident['rule']}")
    if window:
        parts.append(f"window {times.short(window.get('start'))} to {times.short(window.get('end'))}")
    return " · ".join(parts)


def _since(data: EventData) -> object:
    """Return the start of an incident; if it fires again, the time of that."""
    incident, changes = data.get("incident"), data.get("changes")
    if incident is None:
        return None
    if changes and str(incident.get("reason", "")).startswith("again: "):
        return changes[-1]["at"]
    return incident["opened_at"]


def state_handling(data: EventData) -> str:
    """Return sentences about who acknowledged an incident and to whom it is assigned; empty if nobody and to nobody."""
    by, to = data.get("acknowledged_by"), data.get("assignee")
    return _sentences(f"Acknowledged by {by}." if by else "", f"Assigned to {to}." if to else "")


def state_escalation(data: EventData) -> str:
    """Return a sentence that says why an incident escalated to the receiver; empty if it did not."""
    escalation = data.get("escalation")
    return f"{capitalize(escalation)}." if escalation else ""


def _sentences(*parts: str) -> str:
    return " ".join(filter(None, parts))
