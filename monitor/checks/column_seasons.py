"""Choose the season (such as hour of the day) of each column of a baseline, and sum the profiles of its slots."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors import DETECTORS, Stack
from detectors.binning import LABELLED, Kind
from detectors.null_distribution import WIDE
from detectors.season import ALL_TIMES, choose
from monitor.checks.calibration import SlotProfiles
from monitor.checks.held_out import PREVIOUS, HeldOutWindows
from monitor.checks.held_out_statistics import measure_windows
from monitor.config.models import Monitor

RHYTHM: Mapping[Kind, str] = {"numeric": "kolmogorov_smirnov", "categorical": "jensen_shannon", "vector": "mmd"}
"""Detector by which the season of a column is chosen."""
MEASURED = 0.9
"""Minimum share of the windows that must be measurable under a season."""


class ColumnSeasons:
    """The season of each column, chosen over all rows and used for its segments.

    Attributes
    ----------
    slots
        Profiles by season, slot, segment and column.
    """

    def __init__(self, monitor: Monitor, held_out: HeldOutWindows) -> None:
        self.slots: SlotProfiles = {}
        self._seasons: dict[str, str] = {}
        self._monitor, self._held_out = monitor, held_out

    @property
    def chosen(self) -> dict[str, str]:
        """Return the season of each column that has one."""
        return {column: season for column, season in self._seasons.items() if season != ALL_TIMES}

    def choose(self, segment: str | None, column: str, stack: Stack) -> str:
        """Return the season of a series. The series of all rows must come before those of segments."""
        if self._monitor.baseline.previous is not None and stack.layout.kind not in LABELLED:
            return PREVIOUS
        if segment is None:
            self._seasons[column] = self._choose_season(stack)
        season = self._seasons.get(column, ALL_TIMES)
        if season != ALL_TIMES:
            self._sum_slots(season, segment, column, stack)
        return season

    def _choose_season(self, stack: Stack) -> str:
        """Choose the season under which the statistics of the baseline's windows are smallest."""
        if stack.layout.kind not in RHYTHM:
            return ALL_TIMES
        detector, held_out = DETECTORS[RHYTHM[stack.layout.kind]], self._held_out
        measured = {
            season: measure_windows(held_out, detector, stack, season, self._monitor.min_samples)[0]
            for season in held_out.slots
        }
        finite = {season: statistic[np.isfinite(statistic)] for season, statistic in measured.items()}
        enough = MEASURED * len(finite[ALL_TIMES])
        if enough == 0:
            return ALL_TIMES
        return choose({name: float(np.quantile(each, WIDE)) for name, each in finite.items() if len(each) >= enough})

    def _sum_slots(self, season: str, segment: str | None, column: str, stack: Stack) -> None:
        slots, places = self.slots.setdefault(season, {}), self._held_out.slots[season]
        for slot in np.unique(places).tolist():
            summed = stack.take(places == slot).sum().profile()
            if summed.rows:
                slots.setdefault(slot, {}).setdefault(segment, {})[column] = summed
