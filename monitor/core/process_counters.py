"""Counters of this process, for `/metrics`; a restart begins them again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence


class ProcessCounter:
    """A counter with labels; ``initial`` are values of the labels that are exported before anything is counted."""

    def __init__(self, initial: Sequence[tuple[str, ...]] = ()) -> None:
        self._lock = threading.Lock()
        self._counts = Counter(dict.fromkeys(initial, 0))

    def add(self, *values: str, number: int = 1) -> None:
        """Add to the count of some values of the labels."""
        with self._lock:
            self._counts[values] += number

    def samples(self) -> list[tuple[tuple[str, ...], float]]:
        """Return the counts by values of the labels."""
        with self._lock:
            return [(values, float(count)) for values, count in sorted(self._counts.items())]


FENCES_LOST = ProcessCounter([("bucket",), ("action",)])
"""Dropped results, by what had been taken over."""
QUARANTINED_RECORDS = ProcessCounter()
"""Records without signals, by monitor and reason."""
