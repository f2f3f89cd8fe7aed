"""Baseline: frozen profiles, their bins, and the frame of the traffic they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from detectors.layout import Layout
from detectors.profile import Profile
from detectors.quality.traffic import Traffic


@dataclass(frozen=True)
class Baseline:
    """What windows are compared with. ``profiles`` is segment to column to profile."""

    id: int
    layout: str
    layouts: Mapping[str, Layout]
    profiles: Mapping[str | None, Mapping[str, Profile]]
    traffic: Traffic
    rows: int
    start: datetime | None = None
    end: datetime | None = None
    state: str = "active"
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def longest_silence(self) -> int:
        """Return the longest run of empty buckets that the baseline knew."""
        runs = "".join("." if rows else "x" for rows in self.traffic.bucket_rows).split(".")
        return max(len(run) for run in runs)
