"""The season of a column: four days of words that change with the hour of the day, in steps of six hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from detectors import Stack
from detectors.binning import Binning, Kind
from detectors.season import ALL_TIMES
from monitor.checks.column_seasons import ColumnSeasons
from monitor.checks.held_out import PREVIOUS, HeldOutWindows
from monitor.config.models import Monitor
from monitor.profiling.timeline import Timeline
from tests.support.decisions import HOUR, START, monitor_of

DAY = "hour of the day"
WORDS = Binning("categorical", vocabulary=("night", "day"))
HOURS = np.tile([[100, 0, 0], [50, 50, 0], [0, 100, 0], [50, 50, 0]], (4, 1))
"""Of four days: words at midnight, in the morning, at noon and in the evening."""


def seasons_of(
    monitor: Monitor | None = None, previous: timedelta | None = None, missing: Sequence[int] = ()
) -> ColumnSeasons:
    timeline = Timeline({}, START, 6 * HOUR, 16, 1)
    timeline.is_complete[:] = True
    timeline.is_complete[list(missing)] = False
    return ColumnSeasons(monitor or monitor_of({"min_samples": 100}), HeldOutWindows(timeline, previous))


def stack_of(counts: np.ndarray = HOURS, layout: Binning = WORDS) -> Stack:
    stack = Stack.empty(layout, len(counts))
    stack.counts[:] = counts
    return stack


def rows_of(seasons: ColumnSeasons) -> dict[Any, Any]:
    """Return the counts of every slot, by season, slot, segment and column."""
    return {
        (season, slot, segment, column): profile.counts.tolist()
        for season, slots in seasons.slots.items()
        for slot, segments in slots.items()
        for segment, columns in segments.items()
        for column, profile in columns.items()
    }


def test_a_column_with_a_rhythm_is_compared_within_the_hours_and_so_are_its_segments() -> None:
    seasons, steady = seasons_of(), np.tile([50, 50, 0], (16, 1))
    assert seasons.choose(None, "word", stack_of()) == DAY
    assert seasons.choose(None, "steady", stack_of(steady)) == ALL_TIMES
    segment = stack_of(np.where(np.arange(16)[:, None] % 4 == 2, 0, steady))
    assert seasons.choose("plan=free", "word", segment) == DAY
    assert seasons.choose("plan=free", "steady", stack_of()) == ALL_TIMES  # chosen for all rows, and kept
    assert seasons.choose("plan=free", "new", stack_of()) == ALL_TIMES
    assert seasons.chosen == {"word": DAY}
    assert rows_of(seasons) == {
        (DAY, 0, None, "word"): [400, 0, 0],
        (DAY, 6, None, "word"): [200, 200, 0],
        (DAY, 12, None, "word"): [0, 400, 0],
        (DAY, 18, None, "word"): [200, 200, 0],
        **{(DAY, hour, "plan=free", "word"): [200, 200, 0] for hour in (0, 6, 18)},  # it has no rows at noon
    }


@pytest.mark.parametrize(("kind", "chosen"), [("numeric", DAY), ("categorical", DAY), ("errors", ALL_TIMES)])
def test_a_season_is_chosen_for_kinds_that_have_a_detector_for_it(kind: Kind, chosen: str) -> None:
    layout = Binning(kind, edges=np.array([1.0, 2.0]), vocabulary=("night", "day"), width=3)
    assert seasons_of().choose(None, "amount", stack_of(layout=layout)) == chosen


def test_a_season_is_chosen_only_where_rows_suffice() -> None:
    assert seasons_of(monitor_of({"min_samples": 101})).choose(None, "word", stack_of()) == ALL_TIMES
    assert seasons_of(missing=range(16)).choose(None, "word", stack_of()) == ALL_TIMES


@pytest.mark.parametrize(("empty", "chosen"), [([6, 10, 11, 13, 14, 15], DAY), ([6, 7, 10, 11, 13, 14, 15], ALL_TIMES)])
def test_a_season_must_leave_nine_tenths_of_the_windows_measurable(empty: list[int], chosen: str) -> None:
    """Only one day has rows at noon, so its window has nothing of its hour beside it: one of ten, then two of nine."""
    stack = stack_of()
    stack.counts[empty] = 0
    assert seasons_of().choose(None, "word", stack) == chosen


def test_windows_are_compared_with_what_lies_before_them_where_that_is_asked_for() -> None:
    monitor = monitor_of({"baseline": {"rolling": "4d", "previous": "1d"}})
    seasons = seasons_of(monitor, timedelta(days=1))
    assert seasons.choose(None, "word", stack_of()) == PREVIOUS
    assert seasons.choose("plan=free", "word", stack_of()) == PREVIOUS
    errors = stack_of(layout=Binning("errors", width=3))
    assert seasons.choose(None, "outcome", errors) == ALL_TIMES  # labels come too late
    assert (seasons.chosen, seasons.slots) == ({}, {})
