"""Select the verdicts of experiments and shadows that were not announced yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.checks.comparisons import ComparisonUpdate
from monitor.core.action import AlertHistory
from monitor.profiling.shadow_join import CHECK as SHADOW


@dataclass(frozen=True)
class VerdictChange:
    """A verdict about a treatment of an experiment, or a shadow, that was not announced yet."""

    kind: str
    name: str
    arm: str
    report: Mapping[str, object]


def find_new_verdicts(update: ComparisonUpdate, history: AlertHistory) -> list[VerdictChange]:
    """Return the verdicts that were not announced yet, except those of silenced comparisons."""
    changes = []
    for (kind, name), report in update.reports.items():
        if f"{kind}.{name}" in history.silences:
            continue
        parts: Mapping[str, object] = {"": report} if kind == SHADOW else report
        for arm, each in parts.items():
            if isinstance(each, Mapping) and each["verdict"] != each["announced"]:
                changes.append(VerdictChange(kind, name, arm, {**each, "announced": each["verdict"]}))
    return changes
