"""Clients: sketch how rows spread over clients, and compute the noise of windows that few clients dominate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.clusters import Concentration, count_clients, inflation, typical
from detectors.records import Records

CLIENTS = ("tenant", "user", "session_id")
"""Canonical names of columns that identify clients."""

Sketches = Mapping[str, np.ndarray]
"""Sketches of one or many windows by column of clients."""


def sketch_clients(records: Records) -> dict[str, np.ndarray]:
    """Return the sketch of each column of clients."""
    return {name: count_clients(records[name]) for name in CLIENTS if name in records}


def add_sketches(one: Mapping[str, list[int]], other: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Add the sketches of two disjoint sets of rows."""
    total = dict(one)
    for name, counted in other.items():
        total[name] = [a + b for a, b in zip(total[name], counted, strict=True)] if name in total else list(counted)
    return total


def usual_clients(windows: Sketches) -> dict[str, Concentration]:
    """Return the concentration of rows on clients in a typical window, by column of clients."""
    typical_counts = {name: typical(counted) for name, counted in windows.items()}
    return {name: usual for name, usual in typical_counts.items() if usual is not None}


def noise_factor(windows: Sketches, usual: Mapping[str, Concentration], segment: str | None = None) -> np.ndarray:
    """Return the factor by which the noise of each window is multiplied, the largest over the columns of clients.

    The clients of all rows are used for segments too, except that a segment that is a client, such as ``tenant=a``,
    ignores its own column.
    """
    own = segment.partition("=")[0] if segment else None
    factors = [inflation(windows[name], usual[name]) for name in usual if name in windows and name != own]
    return np.max(factors, axis=0) if factors else np.ones(1)
