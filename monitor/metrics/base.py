"""The type of the rows of METRICS, and helpers that they share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitor.core.plain import visible
from monitor.store.reads import MonitorState, Snapshot

LONGEST_LABEL = 100

Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True)
class MetricHead:
    """What is exported of a metric besides its samples."""

    name: str
    type: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    help: str


@dataclass(frozen=True)
class MetricRow(MetricHead):
    """One exported metric of the store, with the function that yields its samples."""

    samples: Callable[[Snapshot], Iterable[Sample]]


def make_family(head: MetricHead, samples: Iterable[Sample]) -> Metric:
    """Return a metric with its samples."""
    kind = CounterMetricFamily if head.type == "counter" else GaugeMetricFamily
    family = kind(head.name, head.help, labels=head.labels)
    for labels, value in samples:
        family.add_metric([label(one) for one in labels], value)
    return family


def each(value: Callable[[MonitorState], float | None]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            number = value(monitor)
            if number is not None:
                yield (monitor.name,), number

    return samples


def label_values(*values: str | None) -> tuple[str, ...]:
    return tuple(value or "" for value in values)


def label(value: str) -> str:
    """Return an exported label: short and without control characters; a digest distinguishes changed values."""
    value_text = visible(value, keep="")
    if value_text == value and len(value) <= LONGEST_LABEL:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{value_text[: LONGEST_LABEL - 9]}~{digest}"


def seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
