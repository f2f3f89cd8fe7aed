"""Clients: columns that say whose rows they are, and how much noisier a window is that few of them dominate. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.clusters import Concentration, count_clients, inflation, typical
from detectors.records import Records

CLIENTS = ("tenant", "user", "session_id")
"""Columns whose values are clients, by canonical name."""

Sketches = Mapping[str, np.ndarray]
"""Column of clients to the sketch of a window, or to those of many."""


def sketch_clients(records: Records) -> dict[str, np.ndarray]:
    """Return the sketch of each column of clients that records have."""
    return {name: count_clients(records[name]) for name in CLIENTS if name in records}


def add_sketches(one: Mapping[str, list[int]], other: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Add up the sketches of two disjoint sets of rows."""
    total = dict(one)
    for name, counted in other.items():
        total[name] = [a + b for a, b in zip(total[name], counted, strict=True)] if name in total else list(counted)
    return total


def usual_clients(windows: Sketches) -> dict[str, Concentration]:
    """Return how the rows of a baseline's typical window spread over the clients of each column that names them."""
    typical_counts = {name: typical(counted) for name, counted in windows.items()}
    return {name: usual for name, usual in typical_counts.items() if usual is not None}


def noise_factor(windows: Sketches, usual: Mapping[str, Concentration], segment: str | None = None) -> np.ndarray:
    """Return by how much to multiply the noise of each window: the largest factor of any column of clients.

    The clients of all rows stand for those of a segment. A segment that is one client by itself, such as ``tenant=a``,
    is not made noisier by how many rows that column's other values have.
    """
    own = segment.partition("=")[0] if segment else None
    factors = [inflation(windows[name], usual[name]) for name in usual if name in windows and name != own]
    return np.max(factors, axis=0) if factors else np.ones(1)
