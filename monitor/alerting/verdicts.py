"""Verdicts of experiments and shadows that people were not told of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.checks.comparisons import ComparisonUpdate
from monitor.core.action import AlertHistory
from monitor.profiling.shadow_join import CHECK as SHADOW


@dataclass(frozen=True)
class VerdictChange:
    """A verdict of an experiment's treatment, or of a shadow, that people were not told of."""

    kind: str
    name: str
    arm: str
    report: Mapping[str, object]


def find_new_verdicts(update: ComparisonUpdate, history: AlertHistory) -> list[VerdictChange]:
    """Return the verdicts that people were not told of, those of silenced comparisons left out."""
    changes = []
    for (kind, name), report in update.reports.items():
        if f"{kind}.{name}" in history.silences:
            continue
        parts: Mapping[str, object] = {"": report} if kind == SHADOW else report
        for arm, each in parts.items():
            if isinstance(each, Mapping) and each["verdict"] != each["announced"]:
                changes.append(VerdictChange(kind, name, arm, {**each, "announced": each["verdict"]}))
    return changes
