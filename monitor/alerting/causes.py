"""Which findings have one cause: columns whose affected rows agree. Findings of another cause are another incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from detectors.base import Finding
from detectors.joint import JOINT
from detectors.split_attribution import ENOUGH
from monitor.alerting.incidents import is_known, merge_evidence
from monitor.alerting.suspects import AttributedColumn, list_attributed
from monitor.core.incident import Incident
from monitor.core.payload import IncidentFinding

LATEST = "9999"
"""After every time in ISO format."""


@dataclass(frozen=True)
class Cause:
    """What explains a column: the versions and the segment whose rows are affected, else when all rows changed."""

    names: frozenset[str]
    is_input: bool
    onset: tuple[str, str] | None

    @classmethod
    def of(cls, column: AttributedColumn) -> Cause:
        """Return what explains an attributed column."""
        attribution = column.attribution
        names = {name for name in attribution["explained"] if name and column.share(name) >= ENOUGH}
        names |= {attribution["segment"]} if attribution["segment"] else set()
        has_version = not column.is_input and any(column.share(name) >= column.share("") for name in names)
        if has_version or not column.affects_all:
            return cls(frozenset(names), column.is_input, None)
        since = attribution["since"]
        return cls(frozenset(names), column.is_input, (since, attribution.get("until", since)))

    def agrees(self, other: Cause) -> bool:
        """Return whether one cause may explain both.

        They have a version or segment in common, or all rows changed at the same time. Where neither is an input, and
        no version or segment tells them apart, a fault may have got worse by steps.
        """
        if self.names & other.names:
            return True
        if self.onset and other.onset and self.onset[0] <= other.onset[1] and other.onset[0] <= self.onset[1]:
            return True
        if self.names and other.names:
            return False
        return not (self.is_input or other.is_input) or not (self.names or other.names)


def assign_causes(
    evidence: Sequence[Mapping[str, IncidentFinding]], columns: Sequence[AttributedColumn]
) -> dict[str, int]:
    """Return for each column the place of its cause: that of the first evidence that agrees, else one behind all.

    Parameters
    ----------
    evidence
        Of the open incidents. One without attributed columns agrees with everything.
    columns
        Attributed columns that are in none of them. Columns that agree with each other have the same place.
    """
    causes = [[Cause.of(one) for one in list_attributed(items)] for items in evidence]
    unknown = {place for place, some in enumerate(causes) if not some}
    places = {}
    for column in columns:
        cause = Cause.of(column)
        agreeing = (
            place for place, some in enumerate(causes) if place in unknown or any(cause.agrees(one) for one in some)
        )
        places[column.column] = place = next(agreeing, len(causes))
        if place == len(causes):
            causes.append([])
        causes[place].append(cause)
    return places


def release_columns(incident: Incident, findings: Sequence[Finding]) -> Incident:
    """Return an incident without the columns that turn out to have another cause than the column it had first.

    A new finding concerns so few rows that nothing is known of its cause, and joins the open incident. Its column
    leaves when the rows of both columns disagree. An attribution that lacks a version which the first column knows is
    too old to tell: that version has left the window.
    """
    since: dict[str, str] = {}
    for item in incident.evidence.values():
        column = str(item["column"])
        since[column] = min(since.get(column, LATEST), item.get("since") or "")
    now = list_attributed(merge_evidence({}, [f for f in findings if f.is_adverse and str(f.column) in since]))
    known = {one.column: one for one in (*now, *list_attributed(incident.evidence))}
    if not known:
        return incident
    first = min(known, key=lambda column: (since[column], -known[column].attribution.get("strength", 0.0)))
    versions = set(known[first].attribution["explained"])
    telling = {
        one.column: Cause.of(one)
        for one in now
        if one.column != first and versions <= set(one.attribution["explained"])
    }
    staying = [Cause.of(one) for column, one in known.items() if column not in telling]
    for column in sorted(telling, key=lambda column: since[column]):
        if any(telling[column].agrees(other) for other in staying):
            staying += [telling[column], Cause.of(known[column])]
    leaving = {column for column, cause in telling.items() if not any(cause.agrees(other) for other in staying)}
    kept = {key: item for key, item in incident.evidence.items() if str(item["column"]) not in leaving}
    rows = known[first].attribution  # those of this bucket may be the first that are known
    kept |= {key: {"attribution": rows, **item} for key, item in kept.items() if str(item["column"]) == first}
    return replace(incident, evidence=kept) if leaving else incident


def share_findings(findings: Sequence[Finding], incidents: Sequence[Incident]) -> list[list[Finding]]:
    """Divide findings among the open incidents, and causes that none of them has.

    An incident gets the findings that are in its evidence, and new ones of the same column or cause. A finding about
    the model whose rows are not known joins the first cause that is about the model; whatever belongs nowhere else
    joins the first one.

    Parameters
    ----------
    incidents
        The newest first.

    Returns
    -------
    list of list of Finding
        One for each incident, at least one, and one for each further cause.
    """
    columns = [{str(item["column"]) for item in one.evidence.values()} for one in incidents]
    new = [f for f in findings if f.is_adverse and not any(str(f.column) in some for some in columns)]
    attributed = list_attributed(merge_evidence({}, new))
    places = assign_causes([one.evidence for one in incidents], attributed)
    shares: list[list[Finding]] = [[] for _ in range(max(len(incidents), *(place + 1 for place in places.values()), 1))]
    places = {column: place for place in reversed(range(len(columns))) for column in columns[place]} | places
    of_model = {place for place, one in enumerate(incidents) if _is_about_model(one)}
    of_model |= {places[one.column] for one in attributed if one.about == "model"}
    for finding in findings:
        owners = [place for place, one in enumerate(incidents) if is_known(finding, one)]
        other = min(of_model, default=0) if finding.about == "model" and finding.is_adverse else 0
        for place in owners or [places.get(str(finding.column), other)]:
            shares[place].append(finding)
    return shares


def _is_about_model(incident: Incident) -> bool:
    return any(item["about"] == "model" and item["column"] != JOINT for item in incident.evidence.values())
