"""Window: the sum of a run of buckets, with the data that checks read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from detectors import Profile
from detectors.cost.objective import EventCounts
from detectors.performance.interval_calibration import Residual
from detectors.profile import samples
from detectors.quality.traffic import Traffic
from detectors.sequential import State
from monitor.checks.baseline import Baseline
from monitor.profiling.clients import add_sketches, noise_factor
from monitor.profiling.facts import Facts


@dataclass(frozen=True)
class BucketSummary:
    """Facts and profiles of a bucket of a window."""

    facts: Facts
    profiles: Mapping[str | None, Mapping[str, Profile]]


@dataclass(frozen=True)
class Window:
    """The sum of a run of buckets. Profiles of weighted rows are samples, except in ``parts``.

    Parameters
    ----------
    profiles
        Profiles by segment and column; segment None is all rows.
    starts
        Start of each bucket.
    newest
        Profiles of the newest bucket.
    sums
        State of sequential detectors before the newest bucket, by finding key.
    labelled
        Profiles of the window that ended `labels_after` ago.
    counted
        Counts for objectives by signal and start of the period, up to ``end``; None if not loaded.
    truths
        Errors of estimates in the labelled windows since the baseline, by metric.
    parts
        The single buckets, if they are loaded.
    """

    profiles: Mapping[str | None, Mapping[str, Profile]]
    traffic: Traffic
    starts: Sequence[datetime] = ()
    newest: Mapping[str | None, Mapping[str, Profile]] = field(default_factory=dict)
    sums: Mapping[str, State] = field(default_factory=dict)
    labelled: Mapping[str | None, Mapping[str, Profile]] = field(default_factory=dict)
    counted: Mapping[str, Mapping[datetime, EventCounts]] | None = None
    end: datetime | None = None
    truths: Mapping[str, Sequence[Residual]] = field(default_factory=dict)
    parts: Sequence[BucketSummary] = ()

    def __post_init__(self) -> None:
        """Convert profiles of weighted rows to samples (:meth:`~detectors.profile.Profile.sample`)."""
        object.__setattr__(self, "profiles", samples(self.profiles))
        object.__setattr__(self, "labelled", samples(self.labelled))
        object.__setattr__(self, "newest", samples(self.newest))

    def noise_factor(self, baseline: Baseline, segment: str | None) -> float:
        """Return the factor by which clustering of rows by client increases the noise of a segment."""
        counted: dict[str, list[int]] = {}
        for part in self.parts:
            counted = add_sketches(counted, part.facts.clients)
        sketches = {name: np.array([sketch]) for name, sketch in counted.items()}
        return float(noise_factor(sketches, baseline.calibration.clients, segment)[0])
