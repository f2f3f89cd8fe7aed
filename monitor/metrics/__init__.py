"""The exported metrics, one row each. To add a metric, add a row to its module, or a module and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.registry import Registry

if TYPE_CHECKING:
    from monitor.metrics.base import MetricRow

METRIC_GROUPS: Registry[tuple[MetricRow, ...]] = Registry(
    {
        "findings": "monitor.metrics.findings:ROWS",
        "performance": "monitor.metrics.performance:ROWS",
        "traffic": "monitor.metrics.traffic:ROWS",
        "money": "monitor.metrics.money:ROWS",
        "breakers": "monitor.metrics.breakers:ROWS",
        "comparisons": "monitor.metrics.comparisons:ROWS",
        "prompts": "monitor.metrics.prompts:ROWS",
        "evaluations": "monitor.metrics.evaluations:ROWS",
        "operation": "monitor.metrics.operation:ROWS",
    }
)
"""Rows by the module that defines them, in the order in which they are exported."""


def list_metrics() -> list[MetricRow]:
    """Return every exported metric."""
    return [row for rows in METRIC_GROUPS.values() for row in rows]
