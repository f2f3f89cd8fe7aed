"""The plan of a monitor: what its buckets are compared with, and who is told."""

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
    """What a bucket of a monitor is compared with.

    Parameters
    ----------
    baseline
        The newest one, which may still be learning; with the stretch before the window where windows are compared
        with that.
    without_baseline
        Why there is none, where there is none.
    receivers
        All that are configured; the rules name them.
    """

    monitor: Monitor
    comparisons: Comparisons
    baseline: Baseline | None = None
    without_baseline: str = ""
    receivers: Mapping[str, ReceiverConfig] = field(default_factory=dict)

    @property
    def layout(self) -> str | None:
        """Return the bins that buckets are profiled over; None where there are none."""
        return self.baseline.layout if self.baseline else None

    @property
    def active_baseline(self) -> Baseline | None:
        """Return the baseline if it is learnt."""
        return self.baseline if self.baseline is not None and self.baseline.state == "active" else None

    def reference(self, bucket: Bucket) -> Baseline | None:
        """Return what the window of a bucket is compared with; None for a bucket of the baseline itself."""
        active = self.active_baseline
        part_of_it = active is not None and active.end is not None and bucket.end <= active.end
        return None if part_of_it else active
