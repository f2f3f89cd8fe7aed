"""Columns that two causes change: which rows tell of which cause. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from detectors.base import Finding
from detectors.split_attribution import ENOUGH
from monitor.alerting.incidents import merge_evidence
from monitor.alerting.suspects import AttributedColumn, list_attributed
from monitor.core.incident import VERSIONS, Change, Incident


def attribute_columns(findings: Sequence[Finding]) -> dict[str | None, AttributedColumn]:
    """Return the attributed columns of findings by name."""
    return {one.column: one for one in list_attributed(merge_evidence({}, findings))}


def departs_by(versions: Collection[str], column: AttributedColumn, *, is_known: bool) -> bool:
    """Return whether rows show that a version changed a column; true where they cannot depart farther than they do.

    A column that an incident has already changed departs in all rows. Those of the version must depart farther.
    """
    if not is_known:
        return explains_any(versions, column) or departs_farther(versions, column)
    return "beyond" not in column.attribution or departs_farther(versions, column)


def departs_farther(versions: Collection[str], column: AttributedColumn | None) -> bool:
    """Return whether the rows of one of some versions depart farther than those before it that were affected."""
    return column is not None and any(name in column.attribution.get("beyond", ()) for name in versions)


def explains_any(versions: Collection[str], column: AttributedColumn | None) -> bool:
    """Return whether one of some versions explains a column."""
    return column is not None and any(column.share(name) >= ENOUGH for name in versions)


def without_rows(finding: Finding) -> Finding:
    """Return a finding without the rows that it is attributed to."""
    return replace(finding, detail={name: item for name, item in finding.detail.items() if name != "attribution"})


def keep_own_rows(
    incident: Incident, findings: Sequence[Finding], others: Sequence[Incident], changes: Sequence[Change]
) -> list[Finding]:
    """Return findings without the attributions that are about another cause than that of a firing incident.

    Two causes may change one column. Then its rows tell of both, and mostly of the clearer one. What is known of the
    cause of an incident stays as it is from the first version on that came after it fired. A later version has no
    evidence but the rows that it explains.

    Parameters
    ----------
    others
        The open incidents.
    changes
        All changes of the monitor.
    """
    later = {c.key for c in changes if c.kind in VERSIONS and incident.fired_at and c.first_seen > incident.fired_at}
    attributed = {item["column"] for item in incident.evidence.values() if "attribution" in item}
    before = {item["column"] for one in others if one.opened_at < incident.opened_at for item in one.evidence.values()}
    suspect = incident.suspected_change
    own = [incident.suspected_segment or ""] if suspect is not None and suspect["kind"] in VERSIONS else None

    def is_foreign(name: str | None, column: AttributedColumn) -> bool:
        if later and (name in attributed or departs_farther(later, column) or explains_any(later, column)):
            return True
        return own is not None and name in before and not explains_any(own, column)

    rows = attribute_columns([finding for finding in findings if finding.is_adverse])
    foreign = {name for name, column in rows.items() if is_foreign(name, column)}
    return [without_rows(f) if f.column in foreign else f for f in findings]
