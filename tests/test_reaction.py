"""The time from the first bad record to the request of an automatic rollback, on the daemon's own jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.reaction import GOOD, WORST_GOAL, Swap, is_verified, measure_storm, measure_unhelpful, run


@pytest.mark.nightly
def test_a_swap_is_rolled_back_in_time_and_once(tmp_path: Path) -> None:
    swaps = [Swap(1, 0.1, 0.4, 1.5, 120), Swap(2, 0.9, 0.4, 1.5, 120)]
    reactions = [run(swap, tmp_path) for swap in swaps]
    assert [reaction.targets for reaction in reactions] == [[GOOD], [GOOD]]
    assert all(10 < (reaction.seconds or 0) < WORST_GOAL for reaction in reactions)
    assert all(is_verified(reaction) for reaction in reactions)


@pytest.mark.nightly
def test_on_little_traffic_a_rollback_that_helps_is_verified_and_one_that_does_not_is_not(tmp_path: Path) -> None:
    swap = Swap(2000, 0.35, 0.42, 1.86, 60)
    assert [is_verified(run(replace(swap, helps=helps), tmp_path)) for helps in (True, False)] == [True, False]


@pytest.mark.nightly
def test_what_does_not_help_is_escalated_and_a_storm_waits(tmp_path: Path) -> None:
    swap = Swap(1, 0.5, 0.4, 1.5, 120)
    assert measure_unhelpful(swap, tmp_path)
    assert measure_storm(swap, tmp_path)
