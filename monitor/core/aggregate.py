"""Aggregates: fixed-size summaries of records that add up over buckets, and the registry of their kinds."""

from __future__ import annotations

from typing import Protocol, Self

from detectors.registry import Registry

Key = tuple[str, str]
"""Kind and name of an aggregate."""


class Aggregate(Protocol):
    """A summary of the records of a bucket that can be added to those of other buckets.

    It is a pure function of the records: storing it again replaces the stored one. A class that is built directly from
    records also has a method ``add``, which adds a :class:`~monitor.core.record_batch.RecordBatch`.
    """

    @property
    def definition(self) -> str:
        """Return a key of the settings it depends on. Aggregates with different definitions cannot be added."""

    def __add__(self, other: Self, /) -> Self:
        """Return the aggregate of the union of two disjoint sets of records."""

    def to_bytes(self) -> bytes:
        """Serialise the aggregate."""

    def from_bytes(self, data: bytes, /) -> Self:
        """Return an aggregate of the same definition from the output of :meth:`to_bytes`."""


KINDS: Registry[type[Aggregate]] = Registry(
    {
        "facts": "monitor.profiling.facts:Facts",
        "profile": "monitor.profiling.bucket_profiles:BucketProfiles",
        "cost": "detectors.cost.ledger:CostSummary",
        "events": "detectors.cost.objective:EventCounts",
        "experiment": "monitor.profiling.ab_counts:Arms",
        "shadow": "monitor.profiling.shadow_join:Pairs",
        "savings": "detectors.cost.savings:DayCells",
    }
)
"""Classes of the stored aggregates, by kind, as ``module:attribute``."""
