"""Which windows of a baseline there are, and which of its steps each is compared with: small baselines by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest

from detectors import Stack
from detectors.binning import Binning
from detectors.clusters import COUNTERS
from detectors.season import ALL_TIMES
from monitor.checks.held_out import PREVIOUS, HeldOutWindows
from monitor.profiling.timeline import Timeline
from tests.support.decisions import HOUR, START

Group = tuple[list[int], list[int], list[int]]
LAYOUT = Binning("categorical", vocabulary=("a",))


def timeline_of(
    steps: int, length: int, *, step: timedelta = HOUR, missing: Sequence[int] = (), start: datetime = START
) -> Timeline:
    """Return a baseline whose steps are complete, but for some that are missing."""
    timeline = Timeline({}, start, step, steps, length)
    timeline.is_complete[:] = True
    timeline.is_complete[list(missing)] = False
    return timeline


def groups_of(held_out: HeldOutWindows, season: str = ALL_TIMES) -> list[Group]:
    """Return of each group the windows, the steps that are left out, and those that it is compared with."""
    steps = range(held_out.timeline.steps)
    return [(g.windows.tolist(), list(steps[g.without]), g.rest.tolist()) for g in held_out.groups(season)]


def test_a_window_is_compared_with_all_steps_that_share_none_with_the_windows_of_its_fold() -> None:
    held_out = HeldOutWindows(timeline_of(20, 3, missing=[5]))
    every = list(range(20))
    assert np.flatnonzero(held_out.whole).tolist() == [2, 3, 4, *range(8, 20)]  # those of 5 to 7 lack a step
    assert held_out.edges.tolist() == [0, 4, 8, 12, 16, 20]
    assert groups_of(held_out) == [
        ([2, 3], every[0:6], every[6:]),
        ([4], every[2:10], every[:2] + every[10:]),
        ([8, 9, 10, 11], every[6:14], every[:6] + every[14:]),
        ([12, 13, 14, 15], every[10:18], every[:10] + every[18:]),
        ([16, 17, 18, 19], every[14:20], every[:14]),
    ]


@pytest.mark.parametrize(
    ("steps", "length", "step", "edges"),
    [
        (240, 3, HOUR, range(0, 241, 24)),  # a day each
        (239, 3, HOUR, [0, 26, 53, 79, 106, 132, 159, 185, 212, 239]),  # nine whole days: 239 / 9 = 26.6 steps each
        (240, 20, HOUR, range(0, 241, 40)),  # two windows each, where that is more than a day
        (240, 24, HOUR, range(0, 241, 48)),
        (12, 2, HOUR, [0, 2, 4, 7, 9, 12]),  # five at least
        (16, 1, 6 * HOUR, [0, 3, 6, 9, 12, 16]),
        (28, 1, 6 * HOUR, range(0, 29, 4)),
    ],
)
def test_a_fold_is_a_day_or_two_windows_and_there_are_five_at_least(
    steps: int, length: int, step: timedelta, edges: Sequence[int]
) -> None:
    assert HeldOutWindows(timeline_of(steps, length, step=step)).edges.tolist() == list(edges)


def test_a_window_is_compared_with_the_slots_of_the_season_that_it_touches() -> None:
    held_out = HeldOutWindows(timeline_of(16, 2, step=6 * HOUR))  # four days, the least that shows the hours of the day
    assert list(held_out.slots) == [ALL_TIMES, "hour of the day"]
    assert list(HeldOutWindows(timeline_of(15, 2, step=6 * HOUR)).slots) == [ALL_TIMES]
    assert held_out.slots["hour of the day"].tolist() == [0, 6, 12, 18] * 4
    groups = groups_of(held_out, "hour of the day")
    assert groups[:5] == [
        ([1], [0, 1, 2, 3], [4, 5, 8, 9, 12, 13]),
        ([2], [0, 1, 2, 3], [5, 6, 9, 10, 13, 14]),
        ([3], [2, 3, 4, 5, 6], [7, 10, 11, 14, 15]),
        ([4], [2, 3, 4, 5, 6], [0, 7, 8, 11, 12, 15]),
        ([5], [2, 3, 4, 5, 6], [0, 1, 8, 9, 12, 13]),
    ]
    assert [windows for windows, *_ in groups] == [[end] for end in range(1, 16)]
    assert held_out.groups("hour of the day") is held_out.groups("hour of the day")


def test_a_window_is_compared_with_the_stretch_before_the_whole_window_that_it_begins_in() -> None:
    """Step i begins at hour i + 1; whole windows of three hours begin at hours 3, 6, 9, 12."""
    held_out = HeldOutWindows(timeline_of(15, 3, missing=[7], start=START + HOUR), previous=8 * HOUR)
    assert groups_of(held_out, PREVIOUS) == [
        ([10, 11, 12], [], list(range(8))),  # they begin at hours 9 to 11, and are compared with hours 1 to 8
        ([13, 14], [], list(range(3, 11))),
    ]
    assert groups_of(HeldOutWindows(held_out.timeline, previous=9 * HOUR), PREVIOUS) == [
        ([13, 14], [], list(range(2, 11))),
    ]
    assert held_out.weeks == pytest.approx((14 - 8) / 168)
    assert HeldOutWindows(held_out.timeline).weeks == pytest.approx(14 / 168)
    assert HeldOutWindows(held_out.timeline, previous=14 * HOUR).weeks == pytest.approx(1 / 168)  # a step at least


def test_the_noise_of_a_window_is_that_of_its_clients_beside_a_typical_whole_window() -> None:
    timeline = timeline_of(7, 1, missing=[0, 1, 2, 3])
    sketches = np.zeros((7, COUNTERS + 1), dtype=np.int64)
    sketches[:, 0] = 10  # one client of ten rows
    sketches[4:6, :10] = 1  # ten clients of a row each: they are usual among the whole windows
    timeline.clients["tenant"] = sketches
    held_out = HeldOutWindows(timeline)
    assert (held_out.usual["tenant"].size, held_out.usual["tenant"].clients) == (1.0, 10.0)
    dominated = 10**0.5  # the variance is ten times as large
    assert held_out.noise_factor(None).tolist() == pytest.approx([dominated] * 4 + [1, 1, dominated])
    assert held_out.noise_factor("plan=free").tolist() == held_out.noise_factor(None).tolist()
    assert held_out.noise_factor("tenant=a").tolist() == [1.0] * 7
    assert HeldOutWindows(timeline_of(7, 1)).noise_factor(None).tolist() == [1.0] * 7


def stack_of(counts: Sequence[int]) -> Stack:
    """Return a column of the value a, so many times at each step."""
    stack = Stack.empty(LAYOUT, len(counts))
    stack.counts[:, 0] = counts
    return stack


def test_sums_of_a_series_are_made_once_and_not_kept_for_another() -> None:
    held_out = HeldOutWindows(timeline_of(10, 2))
    first, last = held_out.groups(ALL_TIMES)[0], held_out.groups(ALL_TIMES)[-1]
    ones, other = stack_of(range(10)), stack_of([100] * 10)
    windows, rest = held_out.windows(ones), held_out.rest(ones, first)
    assert windows.n.tolist() == [0, 1, 3, 5, 7, 9, 11, 13, 15, 17]
    assert int(rest.n) == sum(range(3, 10))
    assert int(held_out.rest(ones, last).n) == sum(range(7))
    assert held_out.windows(ones) is windows
    assert held_out.rest(ones, first) is rest
    assert held_out.windows(other).n.tolist() == [100, *[200] * 9]
    assert int(held_out.rest(other, first).n) == 700
