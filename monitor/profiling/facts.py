"""Facts: counts, times, schema, versions and new categories of a bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from detectors.encoding import pack, unpack
from detectors.weights import UNIT, natural
from monitor.profiling.clients import add_sketches

VERSION_ROLES = ("model_version", "prompt_version")
MOST_VERSIONS = 200
MOST_UNSEEN = 10
NEWER = ("clients", "excess_weight", "invalid_weights", "invalid_labels", "quarantined")
"""Fields that were added later, and are omitted if empty."""


@dataclass
class Facts:
    """Facts of a bucket besides the profiles. All fields are sums, minima or maxima."""

    rows: int = 0
    duplicates: int = 0
    first: float | None = None
    last: float | None = None
    schema: dict[str, str] = field(default_factory=dict)
    versions: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # role, value: rows, first, last
    unseen: dict[str, dict[str, float]] = field(default_factory=dict)  # column, category: first occurrence
    dropped_segments: int = 0
    clients: dict[str, list[int]] = field(default_factory=dict)  # column: sketch of the rows by client
    excess_weight: int = 0  # of all rows, beyond 1 each, in units of 1/65536
    invalid_weights: int = 0  # rows that were ignored
    invalid_labels: int = 0  # labels that were left out
    quarantined: dict[str, int] = field(default_factory=dict)  # reason: rows without signals
    definition: ClassVar[str] = "1"

    def __add__(self, other: Facts) -> Facts:
        """Return the facts of two time ranges together; ``other`` is the later one and determines the schema."""
        return Facts(
            rows=self.rows + other.rows,
            duplicates=self.duplicates + other.duplicates,
            first=min((f for f in (self.first, other.first) if f is not None), default=None),
            last=max((f for f in (self.last, other.last) if f is not None), default=None),
            schema=other.schema or self.schema,
            versions={
                role: _add_versions(self.versions.get(role, {}), other.versions.get(role, {}))
                for role in {**self.versions, **other.versions}
            },
            unseen={
                column: _add_unseen(self.unseen.get(column, {}), other.unseen.get(column, {}))
                for column in {**self.unseen, **other.unseen}
            },
            dropped_segments=self.dropped_segments + other.dropped_segments,
            clients=add_sketches(self.clients, other.clients),
            excess_weight=self.excess_weight + other.excess_weight,
            invalid_weights=self.invalid_weights + other.invalid_weights,
            invalid_labels=self.invalid_labels + other.invalid_labels,
            quarantined=dict(Counter(self.quarantined) + Counter(other.quarantined)),
        )

    @property
    def requests(self) -> float:
        """Number of requests that the rows represent."""
        return natural(self.rows * UNIT + self.excess_weight)

    @property
    def whole_requests(self) -> int:
        """Number of requests, rounded; 0 only if there are no rows."""
        return max(round(self.requests), min(self.rows, 1))

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON types; empty fields of ``NEWER`` are omitted, as in older buckets."""
        data = asdict(self)
        return {name: value for name, value in data.items() if value or name not in NEWER}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Facts:
        """Return facts from the output of :meth:`to_json`."""
        return cls(**(data or {}))

    def to_bytes(self) -> bytes:
        """Serialise the facts."""
        return pack(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes) -> Facts:
        """Return facts from the output of :meth:`to_bytes`."""
        return cls.from_json(unpack(data, dict))


def _add_versions(one: Mapping[str, list[float]], other: Mapping[str, list[float]]) -> dict[str, list[float]]:
    total = {value: list(counted) for value, counted in one.items()}
    for value, (count, first, last) in other.items():
        if value in total:
            before = total[value]
            total[value] = [before[0] + count, min(before[1], first), max(before[2], last)]
        elif len(total) < MOST_VERSIONS:
            total[value] = [count, first, last]
    return total


def _add_unseen(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    total = dict(one)
    for value, first in other.items():
        if value in total or len(total) < MOST_UNSEEN:
            total[value] = min(first, total.get(value, first))
    return total
