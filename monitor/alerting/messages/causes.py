"""Sentences about suspected causes, and what to do about each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.alerting.messages.message import Step
from monitor.alerting.messages.times import Times
from monitor.alerting.suspects import describe_suspect
from monitor.core.deploy_event import DEPLOY
from monitor.core.incident import EVERYWHERE, LABEL, NO_DATA, SEGMENT, TRAFFIC_GROWTH, UPSTREAM, VERSIONS
from monitor.core.payload import EventData, Suspect, read_companions

EXPLAINS = (*VERSIONS, "category", "column", DEPLOY, UPSTREAM)
"""Kinds of suspects whose share of the effect is stated."""
APPEARS = (*VERSIONS, "category", "column")
"""Kinds of suspects that are first seen; the others hold since some time."""
PLACES = (SEGMENT, EVERYWHERE)
"""Kinds of suspects that say where the effect is, not why."""
UNEXPLAINED = "No cause is known: no version, value or segment in the log explains it."
WITHOUT_SUSPECTS = (NO_DATA, "baseline", "evaluation", "unmeasured")
TO_DO: Mapping[str, str] = {
    NO_DATA: "check that the application still writes its log, and that driftd can read it",
    "unmeasured": "check whether enough records are logged, with the columns that the check needs",
    "baseline": "decide whether the baseline is still what the application should be compared with",
    "evaluation": "look at the cases that failed",
    "category": "check whether {column} {value!r} is expected",
    "column": "check whether the new column {value!r} is expected",
    SEGMENT: "look at the records of {column} {value!r}",
    UPSTREAM: "ask those who fill the column {value!r} what they changed",
    LABEL: "check whether the new balance of the labels is real; going back to another model does not change it",
    DEPLOY: "check what it changed, and undo it if that explains the incident",
    TRAFFIC_GROWTH: "check whether the application has the capacity for the traffic",
}
"""By rule or by kind of the suspect."""
COMMANDS: Mapping[str, str] = {"baseline": "driftd baseline show --monitor {monitor}", "evaluation": "driftd eval list"}


def list_suspects(data: EventData) -> Sequence[Suspect]:
    """Return the suspects of an incident, the most likely first."""
    if suspects := data.get("suspects"):
        return suspects
    suspect = data.get("suspected_change")
    return [suspect] if suspect else []


def describe_cause(data: EventData, times: Times, label: str = "Likely cause") -> str:
    """Return the most likely cause as a sentence, or that none is known."""
    suspects = list_suspects(data)
    if suspects:
        return state_cause(suspects[0], times, label)
    return "" if find_topic(data) in ("", *WITHOUT_SUSPECTS) else UNEXPLAINED


def state_cause(suspect: Suspect, times: Times, label: str) -> str:
    """Return a suspect as a sentence; one that says only where the effect is gets no label."""
    evidence = describe_evidence(suspect, times)
    return f"{capitalize(evidence)}." if suspect.get("kind") in PLACES else f"{label}: {evidence}."


def describe_evidence(suspect: Suspect, times: Times) -> str:
    """Return a suspect, since when, the share of the effect that it explains, and who made the change."""
    first_seen = times.short(suspect.get("first_seen"))
    if suspect.get("kind") == EVERYWHERE:
        return f"all records are affected since {first_seen}; no change in the log explains it"
    since = "first seen at" if suspect.get("kind") in APPEARS else "at" if suspect.get("kind") == DEPLOY else "since"
    share = suspect.get("share") if suspect.get("kind") in EXPLAINS else None
    author, commit = suspect.get("author"), suspect.get("commit")
    parts = [
        name_suspect(suspect),
        f"{since} {first_seen}" + ("" if share is None else f" (explains {100 * share:.0f} % of the effect)"),
        suspect.get("prompt") or "",
        f"by {author}" if author else "",
        f"commit {commit[:12]}" if commit else "",
        suspect.get("link") or "",
    ]
    return ", ".join(filter(None, parts))


def name_suspect(suspect: Suspect) -> str:
    """Return a suspect without its time; messages of earlier versions may have no column."""
    return describe_suspect({**suspect, "column": suspect.get("column", suspect.get("kind", ""))})


def rank_suspects(data: EventData, times: Times) -> list[str]:
    """Return the changes after the first suspect, which the summary names, as numbered lines.

    Segments are left out: beside a cause they only say how the effect is distributed.
    """
    others = [one for one in list_suspects(data)[1:] if one.get("kind") not in PLACES]
    return [f"{place}. {describe_evidence(one, times)}" for place, one in enumerate(others, 2)]


def find_topic(data: EventData) -> str:
    """Return the rule of an incident without the name of a suite."""
    incident = data.get("incident")
    return str(incident["rule"]).partition(".")[0] if incident else ""


def advise(data: EventData) -> Step:
    """Return what to do about an incident that no action is planned for."""
    suspect = next(iter(list_suspects(data)), None)
    topic = find_topic(data)
    if topic not in TO_DO and suspect is not None:
        topic = suspect.get("kind", "")
    if topic in VERSIONS and suspect is not None:
        return Step(_advise_rollback(data, suspect))
    text = TO_DO.get(topic, "compare records from before and after, and what changed outside of the log")
    command = COMMANDS[topic].format(monitor=data.get("monitor")) if topic in COMMANDS else None
    values = {"column": suspect.get("column"), "value": suspect.get("value")} if suspect is not None else {}
    return Step(f"To do: {text.format(**values)}{'' if command else '.'}", command)


def _advise_rollback(data: EventData, suspect: Suspect) -> str:
    target = describe_target(data.get("target"))
    if target:
        return f"To do: consider going back to {target}, the last version without an incident."
    return f"To do: check {name_suspect(suspect)}; no earlier version is known to be good."


def describe_version(target: Mapping[str, object] | None) -> str:
    """Return the version that a rollback goes back to; empty if there is none."""
    return next((f"{role} {target[role]!r}" for role in VERSIONS if role in target), "") if target else ""


def describe_target(target: Mapping[str, object] | None) -> str:
    """Return the version that a rollback goes back to, and what belongs to it; empty if there is none.

    The other version is named only if it changed as well.
    """
    version, together = describe_version(target), read_companions(target)
    if not version:
        return version
    changed = "instead_of" in together
    parts = [f"{role} {together[role]!r}" for role in VERSIONS if changed and role in together]
    if together.get("commit"):
        parts.append(f"commit {str(together['commit'])[:8]}")
    if together.get("data"):
        parts.append(f"data {together['data']!r}")
    return f"{version} with {', '.join(parts)}" if parts else version


def capitalize(text: str) -> str:
    """Return a sentence that begins with a capital letter."""
    return text[:1].upper() + text[1:]
