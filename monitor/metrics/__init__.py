"""METRICS: every exported metric is one row. To add one: a row in the module that it belongs to."""

from __future__ import annotations

from monitor.metrics import (
    breakers,
    comparisons,
    evaluations,
    findings,
    money,
    operation,
    performance,
    prompts,
    traffic,
)
from monitor.metrics.base import MetricRow

METRICS: tuple[MetricRow, ...] = (
    *findings.ROWS,
    *performance.ROWS,
    *traffic.ROWS,
    *money.ROWS,
    *breakers.ROWS,
    *comparisons.ROWS,
    *prompts.ROWS,
    *evaluations.ROWS,
    *operation.ROWS,
)
