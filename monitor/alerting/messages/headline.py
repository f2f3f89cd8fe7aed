"""Headlines of messages about incidents: what is wrong, what is new, or that it is over."""

from __future__ import annotations

import re

from detectors import SEQUENTIAL
from monitor.alerting.consequence import most_harmful, restore_finding
from monitor.alerting.incidents import count_others
from monitor.alerting.messages.times import format_age
from monitor.alerting.suspects import describe_suspect
from monitor.core.incident import Incident
from monitor.core.payload import ActionKind, News, Suspect

CHANGED_AGAIN = "changed again: "
INTERVAL = re.compile(r" \(95 % interval [^)]*\)")
LONGEST_HEADLINE = 300
CODE = re.compile("^(no data for [^:]*: )[a-z_]+: ")
"""Code of the reason why there is no data."""


def leading_suspect(incident: Incident) -> Suspect | None:
    """Return the suspect of the latest change of an incident."""
    if len(incident.changes) > 1:
        return incident.changes[-1]["suspected_change"]
    return incident.suspected_change


def describe_situation(incident: Incident) -> str:
    """Return what an incident is about: the most harmful finding in natural units."""
    return f"{_subject(incident)}: {first_clause(incident.reason)}"


def write_headline(incident: Incident, kind: ActionKind, news: News) -> str:
    """Return the headline of a message: what fires, what is new, or that the incident continues or is resolved."""
    if kind == "resolved":
        peak = find_peak(incident)
        what = f"; peak: {peak}" if peak else f": {first_clause(incident.reason)}"
        return f"{_subject(incident)}: resolved after {format_age(incident.fired_at, incident.resolved_at)}{what}"
    if kind == "reminder" or (kind == "update" and not news):
        what = find_newest(incident) or first_clause(incident.reason)
        return f"{_subject(incident)}: still firing after {format_age(incident.fired_at, incident.updated_at)}: {what}"
    if kind == "update" and not news.get("again"):
        return f"{_subject(incident)}: {_describe_news(incident, news)}"
    return describe_situation(incident)


def _subject(incident: Incident) -> str:
    """Return the monitor, and for the result of a suite its name."""
    kind, _, suite = incident.rule.partition(".")
    return f"{incident.monitor}: evaluation {suite}" if kind == "evaluation" and suite else incident.monitor


def _describe_news(incident: Incident, news: News) -> str:
    findings, suspect = news.get("findings") or [], news.get("suspected_change")
    if changes := news.get("changes"):
        lead, again, rest = changes[-1]["reason"].rpartition(CHANGED_AGAIN)
        return f"{again}{first_clause(rest if again else lead or rest)}"
    if findings:
        return f"also {first_clause(findings[0]['reason'])}{count_others(len(findings))}"
    if news.get("severity"):
        return f"now {news['severity']}: {find_newest(incident) or first_clause(incident.reason)}"
    return f"now suspected: {describe_suspect(suspect)}" if suspect else first_clause(incident.reason)


def first_clause(reason: str) -> str:
    """Return the natural quantity of a finding's sentence, without the statistic and its threshold.

    Examples
    --------
    >>> first_clause("failure rate 31 % (95 % interval 28–34 %), baseline 5 %; rank shift 0.4, threshold 0.1")
    'failure rate 31 % (95 % interval 28–34 %), baseline 5 %'
    >>> first_clause("no data for 15m: no_rows: no records were logged")
    'no data for 15m: no records were logged'
    """
    return CODE.sub(r"\1", reason.partition("; ")[0])


def shorten_headline(headline: str) -> str:
    """Return a headline without intervals, for a list or a subject."""
    return INTERVAL.sub("", headline)[:LONGEST_HEADLINE]


def find_newest(incident: Incident) -> str:
    """Return the most harmful finding of an incident as it was measured last; empty if it has no findings."""
    return _describe_lead(incident, peak=False)


def find_peak(incident: Incident) -> str:
    """Return the most harmful finding of an incident at its worst; empty if it has no findings.

    An accumulated statistic is highest after its column was worst, so others come first.
    """
    return _describe_lead(incident, peak=True)


def _describe_lead(incident: Incident, *, peak: bool) -> str:
    known = list(incident.evidence.values())
    measured = [item for item in known if item["method"] not in SEQUENTIAL] if peak else []
    items = {item["reason"]: item for item in measured or known}
    if not items:
        return ""
    reason = most_harmful([restore_finding(item) for item in items.values()]).reason
    return first_clause(items[reason].get("peak", reason) if peak else reason)
