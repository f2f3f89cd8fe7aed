"""A metric that is not one of ours."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.metrics.base import MetricRow, Sample
from monitor.store.reads import Snapshot


def _letters(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        yield (monitor.name,), float(len(monitor.name))


ROWS = (MetricRow("driftd_name_letters", "gauge", ("monitor",), "Letters of the monitor's name.", _letters),)
