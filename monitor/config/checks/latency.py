"""Configuration of latency checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.json_schema import SkipJsonSchema

from monitor.config.checks.base import Columns, MeasuredConfig
from monitor.config.sections import Duration

PERCENTILES = ("p50", "p90", "p95", "p99")


class LatencyConfig(MeasuredConfig):
    """Compares percentiles of durations with targets, or with the baseline's."""

    renamed: ClassVar[Mapping[str, str]] = {"max_increase": "threshold"}

    kind: SkipJsonSchema[str] = "latency"
    columns: Columns = "auto"
    """`auto`, or a list of columns with durations in seconds."""
    p50: Duration | None = None
    """Target of the median; if no percentile has a target, increases over the baseline are monitored."""
    p90: Duration | None = None
    """Target of the 90th percentile."""
    p95: Duration | None = None
    """Target of the 95th percentile."""
    p99: Duration | None = None
    """Target of the 99th percentile."""

    @property
    def targets(self) -> dict[str, float]:
        """Return the percentiles that have a target, and the targets in seconds."""
        limits = {name: getattr(self, name) for name in PERCENTILES}
        return {name: target.total_seconds() for name, target in limits.items() if target}

    def fixed_threshold(self, method: str) -> float | None:
        """Return the target of a percentile, or the configured threshold."""
        return self.targets.get(method) or self.threshold
