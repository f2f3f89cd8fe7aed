"""Compare the traffic after an effect with the baseline and with the bad traffic before it. Pure.

The worst value of a finding was measured on a window in which most of the traffic may have been good. The buckets
between the first bad record and the effect are not diluted by it, so that fewer records after it suffice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from detectors.base import Finding
from detectors.joint import JOINT
from detectors.recovery import measure_recovery
from monitor.alerting.first_bad import find_first_bad
from monitor.alerting.row_counts import ColumnCounts
from monitor.checks.baseline import Baseline
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.core.action import PastAction
from monitor.core.incident import Incident
from monitor.core.schedule import floor

RESOLUTION = timedelta(microseconds=1)
TOLD_APART = 2.0
"""Standard errors by which the traffic after an effect is nearer to the baseline than to the bad traffic."""


@dataclass(frozen=True)
class BadStretch:
    """The bad traffic of an incident before its effect, in a window that has traffic after it as well.

    Parameters
    ----------
    first, end
        Start of the first bad bucket, and end of the last one.
    """

    monitor: Monitor
    baseline: Baseline
    window: Window
    first: datetime
    end: datetime

    @classmethod
    def find(
        cls, monitor: Monitor, baseline: Baseline, window: Window, incident: Incident, effect: PastAction
    ) -> BadStretch | None:
        """Return the bad traffic before an effect; None if it has left the window.

        It is that of the buckets between the first bad record and the request; if there is none, that of all buckets
        that have some of this time.
        """
        bucket, began = monitor.bucket, find_first_bad(incident, monitor.bucket)
        sent = effect.sent_at
        whole = floor(began + bucket - RESOLUTION, bucket), floor(sent, bucket)
        for first, end in (whole, (floor(began, bucket), floor(sent + bucket, bucket))):
            if any(first <= start < end for start in window.starts):
                return cls(monitor, baseline, window, first, end)
        return None

    def is_over(self, finding: Finding, after: Window) -> bool | None:
        """Return whether rows after the effect are told apart from the bad ones; None if they cannot be compared.

        The rows are those of the column and the segment of a finding.
        """
        counts = self._count(finding)
        if counts is None:
            return None
        rows = counts.parts if finding.segment is None else counts.segments[finding.segment][1:]
        parts = list(zip(counts.starts, rows, strict=True))
        bad = [part for start, part in parts if self.first <= start < self.end]
        now = [part for start, part in parts if start >= after.starts[0]]
        if not bad or not now:
            return None
        factor = max(1.0, self.window.noise_factor(self.baseline, finding.segment))
        sides = counts.sides[0], np.sum(bad, axis=0), np.sum(now, axis=0)
        return measure_recovery(*sides, ordered=counts.ordered, noise_factor=factor) >= TOLD_APART

    def _count(self, finding: Finding) -> ColumnCounts | None:
        """Count the rows of the column of a finding by bucket."""
        if finding.column in (None, JOINT):
            return None
        counts = ColumnCounts.of(self.monitor, self.baseline, self.window, finding)
        is_known = counts is not None and (finding.segment is None or finding.segment in counts.segments)
        return counts if is_known else None
