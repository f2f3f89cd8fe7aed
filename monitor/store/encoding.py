"""Profiles and layouts as bytes: versioned JSON, compressed, with a size cap. No pickle, so no code."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import TypeVar

from detectors.layout import Layout
from detectors.profile import Profile
from monitor.checks.calibrate import SlotProfiles

T = TypeVar("T")
LARGEST = 256 * 1024 * 1024

Profiles = Mapping[str | None, Mapping[str, Profile]]
"""Segment (None for all rows) to column to profile."""


def pack(data: object) -> bytes:
    """Write JSON; refuses NaN and infinities, which are not JSON."""
    return zlib.compress(json.dumps(data, allow_nan=False, separators=(",", ":")).encode(), 3)


def unpack(blob: bytes, kind: type[T]) -> T:
    """Read what :func:`pack` wrote, up to 256 MiB; ``kind`` is ``dict`` or ``list``."""
    reader = zlib.decompressobj()
    text = reader.decompress(blob, LARGEST)
    if reader.unconsumed_tail:
        raise ValueError("a stored profile is larger than 256 MiB; it is damaged or was tampered with.")
    data = json.loads(text)
    if not isinstance(data, kind):
        raise ValueError(f"a stored {kind.__name__} holds something else; it is damaged or was tampered with.")  # noqa: TRY004
    return data


def pack_profiles(profiles: Profiles) -> bytes:
    """Write the profiles of one bucket."""
    return pack(
        [
            [segment, {column: profile.to_json() for column, profile in columns.items()}]
            for segment, columns in profiles.items()
        ]
    )


def unpack_profiles(blob: bytes, layouts: Mapping[str, Layout]) -> dict[str | None, dict[str, Profile]]:
    """Read the profiles of one bucket; columns that the layouts no longer know are left out."""
    return {
        segment: {name: Profile.from_json(data, layouts[name]) for name, data in columns.items() if name in layouts}
        for segment, columns in unpack(blob, list)
    }


def pack_slots(slots: SlotProfiles) -> bytes | None:
    """Write seasonal references; None when there are none."""
    if not slots:
        return None
    return pack(
        {
            season: [
                [slot, [[segment, {c: p.to_json() for c, p in columns.items()}] for segment, columns in held.items()]]
                for slot, held in of_season.items()
            ]
            for season, of_season in slots.items()
        }
    )


def unpack_slots(blob: bytes | None, layouts: Mapping[str, Layout]) -> SlotProfiles:
    """Read what :func:`pack_slots` wrote."""
    return {
        season: {
            slot: {
                segment: {c: Profile.from_json(data, layouts[c]) for c, data in columns.items() if c in layouts}
                for segment, columns in held
            }
            for slot, held in of_season
        }
        for season, of_season in (unpack(blob, dict) if blob else {}).items()
    }


def pack_layouts(layouts: Mapping[str, Layout]) -> bytes:
    """Write layouts by column."""
    return pack({column: layout.to_json() for column, layout in layouts.items()})


def unpack_layouts(blob: bytes) -> dict[str, Layout]:
    """Read layouts by column."""
    return {column: Layout.from_json(data) for column, data in unpack(blob, dict).items()}
