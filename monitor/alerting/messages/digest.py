"""Messages about many incidents at once: how many, since when, what they share, and a line for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from monitor.alerting.messages.causes import PLACES, describe_evidence, name_suspect
from monitor.alerting.messages.incident import read_severity, read_title
from monitor.alerting.messages.message import IncidentLine, Message, State, Step
from monitor.alerting.messages.steps import describe_effect, name_effect
from monitor.alerting.messages.times import Times, format_age, parse
from monitor.config.rules import SEVERITIES
from monitor.core.incident import NO_DATA
from monitor.core.payload import ActionKind, ActionSummary, DigestData, DigestEntry, EventData, Suspect

MOST_COMMANDS = 5
PIPE = "the log, the database, the network or the gateway"
"""What monitors share, as a suspect if most of them fire."""


def write_digest_headline(kind: ActionKind, digest: DigestData, at: datetime) -> str:
    """Return the headline of a digest: how many incidents fire, how many are new, or that all are resolved."""
    what = f"{digest['incidents']} incidents in {_count(digest['monitors'], 'monitor')}"
    since = parse(digest["since"])
    if kind == "resolved":
        return f"{what}: all resolved after {format_age(since, parse(digest['resolved_at']))}"
    if kind == "firing":
        return f"{what} since {Times(at=at.isoformat()).short(digest['since'])}"
    new = f", {digest['new']} of them new" if digest["new"] else ""
    return f"{what}: {digest['firing']} still firing after {format_age(since, at)}{new}"


def render_digest(kind: ActionKind, data: EventData, times: Times, *, follows: bool) -> Message:
    """Return a message about many incidents.

    Parameters
    ----------
    follows
        Whether it is in the thread of an earlier digest, so that it says only what is new.
    """
    digest = data["digest"]
    entries = digest["entries"]
    common = digest.get("suspect") if kind == "resolved" else find_common_suspect(entries)
    if kind == "resolved":
        summary = [f"They fired from {times.full(digest['since'])} to {times.short(digest['resolved_at'])}."]
        summary += [f"Likely cause: {_describe_cause(common, times)}."] if common else []
        step = None
    else:
        summary = [] if follows else [_count_severities(entries, times.full(digest["since"]))]
        step = _advise(digest, common)
    if kind != "resolved" and (digest["new"] or not follows):
        summary.append(_state_cause(digest, common, times))
    summary.append(_state_earlier(digest))
    commands = [] if kind == "resolved" else _list_commands(entries, times)
    return Message(
        "resolved" if kind == "resolved" else "firing",
        read_severity(data),
        read_title(data),
        " ".join(filter(None, summary)),
        None if follows and kind == "update" and not digest["new"] else step,
        steps=commands,
        link=data.get("link"),
        footer=f"{digest['left_out']} more are in the list of incidents" if digest["left_out"] else "",
        entries=[_describe_entry(one, common) for one in entries],
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _count_severities(entries: Sequence[DigestEntry], since: str) -> str:
    counts = Counter(entry["severity"] for entry in entries)
    parts = [f"{counts[name]} {name}" for name in SEVERITIES if counts[name]]
    return f"{', '.join(parts).capitalize()}, since {since}."


def find_common_suspect(entries: Sequence[DigestEntry]) -> Suspect | None:
    """Return the change that most incidents suspect; None if fewer than half do, or only one."""
    suspects = [one for entry in entries if (one := entry["suspect"]) and one.get("kind") not in PLACES]
    counts = Counter((one.get("kind"), one.get("value")) for one in suspects)
    for (kind, value), number in counts.most_common(1):
        if number > 1 and 2 * number >= len(entries):
            alike = [one for one in suspects if (one.get("kind"), one.get("value")) == (kind, value)]
            return min(alike, key=lambda one: str(one.get("first_seen")))
    return None


def _count_alike(entries: Sequence[DigestEntry], common: Suspect) -> int:
    return sum(_is_common(entry, common) for entry in entries)


def _is_common(entry: DigestEntry, common: Suspect | None) -> bool:
    suspect = entry["suspect"]
    if suspect is None or common is None:
        return False
    return (suspect.get("kind"), suspect.get("value")) == (common.get("kind"), common.get("value"))


def _state_cause(digest: DigestData, common: Suspect | None, times: Times) -> str:
    """Return what the incidents share: a change that most of them suspect, else the pipe if most monitors fire."""
    entries = digest["entries"]
    share = f"{digest['firing_monitors']} of {digest['watched']} monitors fire at once" if digest["most"] else ""
    if common is not None:
        cause = f"Likely cause of {_count_alike(entries, common)} of them: {_describe_cause(common, times)}."
        return f"{share}. {cause}" if share else cause
    if share:
        return f"{share}: suspect what they share ({PIPE}) rather than each model."
    silent = sum(entry["rule"] == NO_DATA for entry in entries)
    return f"{silent} of them have no data." if 2 * silent > len(entries) else "No cause is common to them."


def _describe_cause(common: Suspect, times: Times) -> str:
    return describe_evidence({**common, "share": None}, times)  # type: ignore[typeddict-item]


def _state_earlier(digest: DigestData) -> str:
    """Return how many of the incidents were announced one by one, before they were many."""
    earlier = sum(entry["alone"] for entry in digest["entries"])
    return f"{earlier} of them {'was' if earlier == 1 else 'were'} announced before." if earlier else ""


def _advise(digest: DigestData, common: Suspect | None) -> Step:
    if common is not None:
        return Step(f"To do: check {name_suspect(common)} first.")
    if digest["most"]:
        return Step(f"To do: check {PIPE} first.")
    if 2 * sum(entry["rule"] == NO_DATA for entry in digest["entries"]) > len(digest["entries"]):
        return Step("To do: check that the applications still write their logs, and that driftd can read them.")
    return Step("To do: begin with the first, which is the worst.")


def _list_commands(entries: Sequence[DigestEntry], times: Times) -> list[Step]:
    """Return the effects that wait for approval, each with its command."""
    waiting: list[tuple[DigestEntry, ActionSummary]] = [
        (entry, action)
        for entry in entries
        for action in entry["actions"]
        if action.get("state") == "awaiting_approval" and entry["state"] == "firing"
    ]
    steps = [describe_effect(action, times) for _, action in waiting[:MOST_COMMANDS]]
    named = [
        Step(f"{entry['monitor']}: {step.text}", step.command) for step, (entry, _) in zip(steps, waiting, strict=False)
    ]
    more = len(waiting) - MOST_COMMANDS
    return [
        *named,
        *[Step(f"{more} more {'waits' if more == 1 else 'wait'} for approval", "driftd actions list")] * (more > 0),
    ]


def _describe_entry(entry: DigestEntry, common: Suspect | None) -> IncidentLine:
    """Return the line of an incident: its headline, its suspect if others have another, and what is done."""
    suspect = entry["suspect"]
    parts = [entry["headline"]]
    if entry["state"] == "resolved" and "resolved after" not in entry["headline"]:
        parts.append("resolved since")
    if suspect and suspect.get("kind") not in PLACES and not _is_common(entry, common):
        parts.append(f"likely cause: {name_suspect(suspect)}")
    if entry["state"] != "resolved":
        parts += [_state_effect(action) for action in entry["actions"]]
    if entry["escalation"]:
        parts.append(str(entry["escalation"]))
    if entry["alone"]:
        parts.append("announced before")
    state: State = "resolved" if entry["state"] == "resolved" else "firing"
    return IncidentLine(state, entry["severity"], "; ".join(filter(None, parts)), entry["link"])


def _state_effect(action: ActionSummary) -> str:
    """Return what becomes of an effect in a few words; empty for one that is not sent."""
    what = name_effect(action)
    states = {"awaiting_approval": "waits for approval", "pending": "is being sent", "delivered": "was sent"}
    state = states.get(str(action.get("state")))
    return f"{what[:1].lower()}{what[1:]} {state}" if state else ""
