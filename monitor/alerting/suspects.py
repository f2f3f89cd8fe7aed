"""Suspects: what most likely caused the findings of an incident. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from detectors.split_attribution import ENOUGH
from monitor.alerting.consequence import HARMFUL
from monitor.core.incident import SEGMENT, UPSTREAM, VERSIONS, Change
from monitor.core.payload import Attribution, IncidentFinding, Suspect

MAJORITY = 0.5
"""A suspect explains at least this part of the findings whose rows are attributed."""


def choose_suspect(
    changes: Sequence[Change], since: datetime, evidence: Mapping[str, IncidentFinding]
) -> Suspect | None:
    """Return the most likely cause of the evidence; None if nothing in the log explains it.

    Where rows are attributed (:mod:`monitor.alerting.attribution`), a version must explain most of the findings. If
    none does, a segment whose rows alone are affected is suspected, then a column that changed by itself. Versions that
    explain the same are ranked by whether they are a drifted segment, then by kind (model, prompt), then by time,
    newest first. New categories and columns cannot be told apart and come last.
    """
    attributions = [item["attribution"] for item in evidence.values() if "attribution" in item]
    blamed = {item["segment"] for item in evidence.values() if item["segment"]}
    votes = {change: _vote(change_key(change), attributions) for change in changes if change.first_seen >= since}
    columns = {item["column"] for item in evidence.values()}
    possible = [change for change in votes if change.kind in VERSIONS and votes[change] >= MAJORITY]
    if attributions and not possible:
        possible = [change for change in votes if change.kind == "category" and change.column in columns]
    if not possible and attributions:
        other = _choose_segment(attributions) or _choose_column(evidence)
        if other is not None:
            return other
    possible = possible or [change for change in votes if change.kind not in VERSIONS]
    best = max(
        possible,
        key=lambda change: (
            votes[change],
            change_key(change) in blamed,
            change.kind == "model_version",
            change.kind == "prompt_version",
            change.first_seen,
        ),
        default=None,
    )
    return None if best is None else _suspect(best.kind, best.column, best.value, best.first_seen.isoformat())


def describe_suspect(suspect: Suspect) -> str:
    """Return what is suspected, without its time."""
    if suspect["kind"] == SEGMENT:
        return f"only {suspect['column']} {suspect['value']!r} is affected"
    if suspect["kind"] == UPSTREAM:
        return f"the values of {suspect['column']!r} are different"
    return f"{suspect['column']} {suspect['value']!r}"


def change_key(change: Change) -> str:
    """Return the key of a change, which equals the name of its segment."""
    return f"{change.column}={change.value}"


def affects_all(item: IncidentFinding) -> bool:
    """Return whether all rows changed since a moment; true where no rows are attributed."""
    return "attribution" not in item or item["attribution"]["explained"].get("", 0.0) >= ENOUGH


def explains(version: str, evidence: Mapping[str, IncidentFinding]) -> bool:
    """Return whether a version, `role=value`, explains most of the findings; true where no rows are attributed."""
    return _vote(version, [item["attribution"] for item in evidence.values() if "attribution" in item]) >= MAJORITY


def _vote(name: str, attributions: Sequence[Attribution]) -> float:
    """Return the part of the attributed findings that a version or segment explains; 1 if there is none."""
    if not attributions:
        return 1.0
    found = [one["segment"] == name or one["explained"].get(name, 0.0) >= ENOUGH for one in attributions]
    return sum(found) / len(found)


def _choose_segment(attributions: Sequence[Attribution]) -> Suspect | None:
    names = {one["segment"] for one in attributions if one["segment"] is not None}
    votes = {name: sum(one["segment"] == name for one in attributions) for name in sorted(names)}
    name = max(votes, key=lambda one: votes[one], default=None)
    if name is None or votes[name] < MAJORITY * len(attributions):
        return None
    column, _, value = name.partition("=")
    return _suspect(SEGMENT, column, value, min(one["since"] for one in attributions if one["segment"] == name))


def _choose_column(evidence: Mapping[str, IncidentFinding]) -> Suspect | None:
    """Return the one column that all attributed findings are about, if all of its rows changed since a moment."""
    items = [item for item in evidence.values() if "attribution" in item]
    columns = {str(item["column"]) for item in items}
    if len(columns) != 1 or columns & HARMFUL:
        return None
    everywhere = [item["attribution"]["explained"][""] >= ENOUGH for item in items]
    if sum(everywhere) < MAJORITY * len(items):
        return None
    (column,) = columns
    return _suspect(UPSTREAM, column, column, min(item["attribution"]["since"] for item in items))


def _suspect(kind: str, column: str, value: str, first_seen: str) -> Suspect:
    return {"kind": kind, "column": column, "value": value, "first_seen": first_seen}


def merge_attribution(before: Attribution | None, now: Attribution | None) -> Attribution | None:
    """Return the attribution that tells the versions apart best.

    One with additional versions replaces the old one, and one that lacks a version never does: it is too old to be in
    the window. The first affected bucket is the earliest that was found.
    """
    if now is None or before is None:
        return now or before
    fresh, older = set(now["explained"]), set(before["explained"])
    replaces = bool(fresh - older) or (fresh == older and now["contrast"] >= before["contrast"])
    chosen = now if replaces else before
    if now["segment"] == before["segment"]:
        return {**chosen, "since": min(now["since"], before["since"])}
    return chosen
