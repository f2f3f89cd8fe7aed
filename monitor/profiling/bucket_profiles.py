"""Profiles of a bucket as an aggregate: its columns by segment, over the bins of a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from detectors.binning import Binning
from detectors.cost.objective import EventCounts
from detectors.encoding import SMALL, pack, unpack
from detectors.profile import Profile
from monitor.core.aggregate import Aggregate, Key
from monitor.profiling.profile import Profiled

Profiles = Mapping[str | None, Mapping[str, Profile]]
"""Profiles by segment (None for all rows) and column."""


@dataclass(frozen=True)
class BucketProfiles:
    """Profiles of one or more buckets.

    Parameters
    ----------
    definition
        Fingerprint of the bins; profiles with different bins cannot be added.
    layouts
        Bins by column; other columns are ignored when reading.
    """

    definition: str
    layouts: Mapping[str, Binning]
    segments: Profiles = field(default_factory=dict)

    def __add__(self, other: BucketProfiles) -> BucketProfiles:
        """Return the profiles of the union of two disjoint sets of records."""
        return replace(self, segments=add_profiles([self.segments, other.segments]))

    def to_bytes(self) -> bytes:
        """Serialise the profiles."""
        return pack_profiles(self.segments)

    def from_bytes(self, data: bytes) -> BucketProfiles:
        """Return profiles over the same bins from the output of :meth:`to_bytes`."""
        return replace(self, segments=unpack_profiles(data, self.layouts))


def collect_aggregates(
    profiled: Profiled, layout: str | None, events: Mapping[str, EventCounts]
) -> dict[Key, Aggregate]:
    """Return the stored aggregates of a bucket, except those of comparisons.

    Parameters
    ----------
    layout
        Fingerprint of the bins of the profiles; None without bins.
    events
        Counts for objectives, by signal.
    """
    aggregates: dict[Key, Aggregate] = {("facts", ""): profiled.facts}
    if layout is not None:
        aggregates["profile", ""] = BucketProfiles(layout, {}, profiled.profiles)
    if profiled.bill is not None and profiled.bill.total is not None:
        aggregates["cost", ""] = profiled.bill
    return {**aggregates, **{("events", signal): counted for signal, counted in events.items()}}


def pack_profiles(profiles: Profiles) -> bytes:
    """Serialise profiles by segment and column."""
    return pack(
        [
            [segment, {column: profile.to_json() for column, profile in columns.items()}]
            for segment, columns in profiles.items()
        ],
        SMALL,
    )


def unpack_profiles(blob: bytes, layouts: Mapping[str, Binning]) -> dict[str | None, dict[str, Profile]]:
    """Deserialise profiles by segment and column; columns without a layout are ignored."""
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
