"""Prompt versions in the records that were never pushed."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.metrics.base import MetricRow, Sample, label_values
from monitor.store.reads import Snapshot


def _unregistered(state: Snapshot) -> Iterator[Sample]:
    configured = {monitor.name for monitor in state.monitors}
    for monitor, count in (state.unregistered or {}).items():
        if monitor in configured:
            yield label_values(monitor), float(count)


ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_prompts_unregistered",
        "gauge",
        ("monitor",),
        "Prompt versions in the records of the last day that were never pushed; absent if none was ever pushed.",
        _unregistered,
    ),
)
