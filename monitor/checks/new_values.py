"""Detect versions, categories and columns that occur for the first time: candidate causes of incidents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from monitor.checks.baseline import Baseline
from monitor.core.action import Version
from monitor.core.incident import Change
from monitor.profiling.facts import Facts


def detect_new_values(facts: Facts, baseline: Baseline) -> list[Change]:
    """Return the versions, categories and columns of a bucket or window that are not in the baseline."""
    versions = baseline.facts.get("versions", {})
    new_values = [
        Change(role, role, value, moment(first))
        for role, values in facts.versions.items()
        for value, (_, first, _) in values.items()
        if value not in versions.get(role, {})
    ]
    new_values += [
        Change("category", column, value[:256], moment(first))
        for column, values in facts.unseen.items()
        for value, first in values.items()
    ]
    if baseline.traffic.schema and facts.schema and facts.first is not None:
        new = set(facts.schema) - set(baseline.traffic.schema)
        new_values += [Change("column", column, column, moment(facts.first)) for column in sorted(new)]
    return new_values


def earliest(changes: Iterable[Change], versions: Iterable[Version] = ()) -> list[Change]:
    """Return the earliest occurrence of each change, in order of time.

    Parameters
    ----------
    versions
        Traffic of versions; a version may have occurred before its change was recorded.
    """
    first_changes: dict[tuple[str, str, str], Change] = {}
    version_starts = {(version.role, version.role, version.value): version.first_seen for version in versions}
    for change in changes:
        key = (change.kind, change.column, change.value)
        first = min(change.first_seen, version_starts.get(key, change.first_seen))
        if key not in first_changes or first < first_changes[key].first_seen:
            first_changes[key] = replace(change, first_seen=first)
    return sorted(
        first_changes.values(), key=lambda change: (change.first_seen, change.kind, change.column, change.value)
    )


def moment(seconds: float) -> datetime:
    """Convert seconds since 1970 to a UTC time."""
    return datetime.fromtimestamp(seconds, UTC)
