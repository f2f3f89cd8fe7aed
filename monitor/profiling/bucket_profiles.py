"""The profiles of a bucket as one aggregate: its columns by segment, over the bins of a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from detectors.binning import Binning
from detectors.cost.objective import EventCounts
from detectors.encoding import pack, unpack
from detectors.profile import Profile
from monitor.core.aggregate import Aggregate, Key
from monitor.profiling.profile import Profiled

Profiles = Mapping[str | None, Mapping[str, Profile]]
"""Segment (None for all rows) to column to profile."""


@dataclass(frozen=True)
class BucketProfiles:
    """Profiles of one bucket, or of several together.

    Parameters
    ----------
    definition
        Fingerprint of the bins; profiles over other bins cannot be added.
    layouts
        The bins by column; only columns that have some are read.
    """

    definition: str
    layouts: Mapping[str, Binning]
    segments: Profiles = field(default_factory=dict)

    def __add__(self, other: BucketProfiles) -> BucketProfiles:
        """Return the profiles of two disjoint sets of records together."""
        return replace(self, segments=add_profiles([self.segments, other.segments]))

    def to_bytes(self) -> bytes:
        """Return the stored form."""
        return pack_profiles(self.segments)

    def from_bytes(self, data: bytes) -> BucketProfiles:
        """Return profiles over the same bins."""
        return replace(self, segments=unpack_profiles(data, self.layouts))


def collect_aggregates(
    profiled: Profiled, layout: str | None, events: Mapping[str, EventCounts]
) -> dict[Key, Aggregate]:
    """Return all that the records of a bucket come to and that is stored, but for comparisons.

    Parameters
    ----------
    layout
        Fingerprint of the bins that it was profiled over; None where there are none.
    events
        What it counts toward objectives, by signal.
    """
    aggregates: dict[Key, Aggregate] = {("facts", ""): profiled.facts}
    if layout is not None:
        aggregates["profile", ""] = BucketProfiles(layout, {}, profiled.profiles)
    if profiled.bill is not None and profiled.bill.total is not None:
        aggregates["cost", ""] = profiled.bill
    return {**aggregates, **{("events", signal): counted for signal, counted in events.items()}}


def pack_profiles(profiles: Profiles) -> bytes:
    """Write profiles by segment and column."""
    return pack(
        [
            [segment, {column: profile.to_json() for column, profile in columns.items()}]
            for segment, columns in profiles.items()
        ]
    )


def unpack_profiles(blob: bytes, layouts: Mapping[str, Binning]) -> dict[str | None, dict[str, Profile]]:
    """Read profiles by segment and column; columns that the layouts do not have are left out."""
    return {
        segment: {name: Profile.from_json(data, layouts[name]) for name, data in columns.items() if name in layouts}
        for segment, columns in unpack(blob, list)
    }


def add_profiles(
    parts: Sequence[Mapping[str | None, Mapping[str, Profile]]],
) -> dict[str | None, dict[str, Profile]]:
    """Sum the profiles of several buckets."""
    total: dict[str | None, dict[str, Profile]] = {}
    for part in parts:
        for segment, columns in part.items():
            profiles = total.setdefault(segment, {})
            for name, profile in columns.items():
                profiles[name] = profiles[name] + profile if name in profiles else profile
    return total
