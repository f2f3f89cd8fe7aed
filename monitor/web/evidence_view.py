"""Rank the evidence of an incident for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.alerting.consequence import rank_harm, restore_finding
from monitor.core.payload import IncidentFinding


def rank_evidence(evidence: Mapping[str, IncidentFinding]) -> list[dict[str, Any]]:
    """Return the evidence of an incident with its keys and ratios to the threshold, the worst consequence first."""
    items = [{**item, "key": key, "excess": threshold_ratio(item)} for key, item in evidence.items()]
    harm = {key: rank_harm(restore_finding(item)) for key, item in evidence.items()}
    return sorted(items, key=lambda item: (-harm[item["key"]], -(item["excess"] or 0.0), item["key"]))


def threshold_ratio(item: Mapping[str, Any]) -> float | None:
    """Return the statistic in units of its threshold."""
    statistic, threshold = item.get("statistic"), item.get("threshold")
    return float(statistic) / float(threshold) if statistic is not None and threshold else None
