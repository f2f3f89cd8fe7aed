"""Serialize the bins and seasonal references of baselines."""

from __future__ import annotations

from collections.abc import Mapping

from detectors.binning import Binning
from detectors.encoding import pack, unpack
from detectors.profile import Profile
from monitor.checks.calibration import SlotProfiles


def pack_slots(slots: SlotProfiles) -> bytes | None:
    """Serialize seasonal references; None if there are none."""
    if not slots:
        return None
    return pack(
        {
            season: [
                [
                    slot,
                    [[segment, {c: p.to_json() for c, p in columns.items()}] for segment, columns in profiles.items()],
                ]
                for slot, profiles in of_season.items()
            ]
            for season, of_season in slots.items()
        }
    )


def unpack_slots(blob: bytes | None, layouts: Mapping[str, Binning]) -> SlotProfiles:
    """Deserialize the result of :func:`pack_slots`."""
    return {
        season: {
            slot: {
                segment: {c: Profile.from_json(data, layouts[c]) for c, data in columns.items() if c in layouts}
                for segment, columns in profiles
            }
            for slot, profiles in of_season
        }
        for season, of_season in (unpack(blob, dict) if blob else {}).items()
    }


def pack_layouts(layouts: Mapping[str, Binning]) -> bytes:
    """Serialize the bins of each column."""
    return pack({column: layout.to_json() for column, layout in layouts.items()})


def unpack_layouts(blob: bytes) -> dict[str, Binning]:
    """Deserialize the bins of each column."""
    return {column: Binning.from_json(data) for column, data in unpack(blob, dict).items()}
