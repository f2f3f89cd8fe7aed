"""Select the verdicts of experiments and shadows that were not announced yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.alerting.muting import Muting
from monitor.checks.comparisons import ComparisonUpdate
from monitor.profiling.shadow_join import CHECK as SHADOW

SEVERITY = {"lose": "warning", "invalid": "warning"}
"""Severity of a verdict; any other is `info`."""


@dataclass(frozen=True)
class VerdictChange:
    """A verdict about a treatment of an experiment, or a shadow, that was not announced yet."""

    kind: str
    name: str
    arm: str
    report: Mapping[str, object]


def find_new_verdicts(update: ComparisonUpdate, muting: Muting) -> list[VerdictChange]:
    """Return the verdicts that were not announced yet, except those that are muted."""
    changes = []
    for (kind, name), report in update.reports.items():
        parts: Mapping[str, object] = {"": report} if kind == SHADOW else report
        for arm, each in parts.items():
            if not isinstance(each, Mapping) or each["verdict"] == each["announced"]:
                continue
            severity = SEVERITY.get(str(each["verdict"]), "info")
            if muting.find_reason(f"{kind}.{name}", severity, check=kind) is None:
                changes.append(VerdictChange(kind, name, arm, {**each, "announced": each["verdict"]}))
    return changes
