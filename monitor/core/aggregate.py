"""Aggregates: fixed-size summaries of records that add up over buckets, and the registry of their kinds."""

from __future__ import annotations

from typing import Protocol, Self

from detectors.registry import Registry

Key = tuple[str, str]
"""Kind and name of an aggregate."""


class Aggregate(Protocol):
    """A summary of the records of a bucket that can be added to those of other buckets.

    It is a pure function of the records: stored again, it replaces what was stored before. A class that is built from
    records itself has a method ``add`` too, which takes a page of them.
    """

    @property
    def definition(self) -> str:
        """Return what it depends on besides the records: two aggregates of different definitions cannot be added."""

    def __add__(self, other: Self, /) -> Self:
        """Return the aggregate of two disjoint sets of records together."""

    def to_bytes(self) -> bytes:
        """Return the stored form."""

    def from_bytes(self, data: bytes, /) -> Self:
        """Return the aggregate of the same definition that :meth:`to_bytes` wrote."""


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
"""Kinds of aggregates that are stored, by the name of the kind."""
