"""The plan of a monitor: its configuration, baseline and receivers, which do not change within a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.checks.baseline import Baseline
from monitor.checks.comparisons import Comparisons
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.schedule import Bucket


@dataclass(frozen=True)
class MonitorPlan:
    """Configuration, comparisons and baseline with which the buckets of a monitor are evaluated.

    Parameters
    ----------
    baseline
        The newest baseline, which may still be learning. With `baseline.previous:` it includes the range before the
        window.
    without_baseline
        Why there is no baseline.
    receivers
        All configured receivers by name.
    """

    monitor: Monitor
    comparisons: Comparisons
    baseline: Baseline | None = None
    without_baseline: str = ""
    receivers: Mapping[str, ReceiverConfig] = field(default_factory=dict)

    @property
    def layout(self) -> str | None:
        """Return the id of the bins of the baseline; None without a baseline."""
        return self.baseline.layout if self.baseline else None

    @property
    def active_baseline(self) -> Baseline | None:
        """Return the baseline if its state is active."""
        return self.baseline if self.baseline is not None and self.baseline.state == "active" else None

    def reference(self, bucket: Bucket) -> Baseline | None:
        """Return the baseline of a bucket; None for a bucket that is part of the baseline."""
        active = self.active_baseline
        part_of_it = active is not None and active.end is not None and bucket.end <= active.end
        return None if part_of_it else active
