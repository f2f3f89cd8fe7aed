"""States and transitions of the circuit breakers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from detectors.cost.breaker import STATES
from monitor.metrics.base import MetricRow, Sample
from monitor.store.reads import Snapshot


def _states(snapshot: Snapshot) -> Iterator[Sample]:
    for name, rows in snapshot.breakers.items():
        for state in STATES:
            yield (rows[0].monitor, name, state), float(sum(row.state == state for row in rows))


def _transitions(snapshot: Snapshot) -> Iterator[Sample]:
    for name, rows in snapshot.breakers.items():
        counts: Mapping[str, int] = next((row.counts for row in rows if not row.value), {})
        for state in STATES:
            yield (rows[0].monitor, name, state), float(counts.get(state, 0))


ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_breaker_state",
        "gauge",
        ("monitor", "breaker", "state"),
        "Values of a circuit breaker in this state, of those that ever changed; 1 or 0 for a breaker without values.",
        _states,
    ),
    MetricRow(
        "driftd_breaker_transitions_total",
        "counter",
        ("monitor", "breaker", "state"),
        "State changes of a circuit breaker, over all its values, by new state.",
        _transitions,
    ),
)
