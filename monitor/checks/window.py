"""A window of a monitor: the sum of a run of buckets. Pure."""

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
    """One bucket of a window."""

    facts: Facts
    profiles: Mapping[str | None, Mapping[str, Profile]]


@dataclass(frozen=True)
class Window:
    """The sum of a run of buckets, when each of them starts, and its newest bucket by itself.

    ``sums`` is what sequential detectors remembered, by finding key, before the newest bucket. ``labelled`` is
    the window whose labels have had their time to arrive. ``counted`` is what objectives count by signal, the newest
    bucket included, up to ``end``; None where it is not at hand. ``truths``
    are the labelled windows since the baseline, by metric: how the estimates of each compared with the truth.
    ``parts`` are the buckets of the window one by one, where they are at hand. Profiles of rows with weights are
    samples (:meth:`~detectors.profile.Profile.sample`), but for those of the parts.
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
        """Take the samples of profiles with weights."""
        object.__setattr__(self, "profiles", samples(self.profiles))
        object.__setattr__(self, "labelled", samples(self.labelled))
        object.__setattr__(self, "newest", samples(self.newest))

    def noise_factor(self, baseline: Baseline, segment: str | None) -> float:
        """Return by how much the window is noisier than its rows say, for the clients that sent them."""
        counted: dict[str, list[int]] = {}
        for part in self.parts:
            counted = add_sketches(counted, part.facts.clients)
        sketches = {name: np.array([sketch]) for name, sketch in counted.items()}
        return float(noise_factor(sketches, baseline.calibration.clients, segment)[0])
