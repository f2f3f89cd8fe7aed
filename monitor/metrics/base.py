"""What a row of METRICS is, and what the rows share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from monitor.store.reads import MonitorState, Snapshot

LONGEST_LABEL = 100

Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True)
class MetricRow:
    """One exported metric: its name, type, labels, help, and where its samples come from."""

    name: str
    type: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    help: str
    samples: Callable[[Snapshot], Iterable[Sample]]


def each(value: Callable[[MonitorState], float | None]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            number = value(monitor)
            if number is not None:
                yield (monitor.name,), number

    return samples


def label_values(*values: str | None) -> tuple[str, ...]:
    return tuple(short(value or "") for value in values)


def short(value: str) -> str:
    """Cut a long label; its digest keeps two that begin alike apart."""
    if len(value) <= LONGEST_LABEL:
        return value
    return f"{value[: LONGEST_LABEL - 9]}~{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
