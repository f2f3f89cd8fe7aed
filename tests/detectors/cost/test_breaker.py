"""The breaker's state machine: every transition has a reason, and not knowing opens nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.cost.breaker import (
    STATES,
    Breaker,
    BreakerObservation,
    observe_budget,
    observe_rate,
    standing,
    step,
    with_state,
)
from detectors.cost.budget import SpendTotals

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
CLOSED = Breaker("closed", NOON, "no state change yet")
BAD, GOOD, UNKNOWN = (
    BreakerObservation(True, "bad"),
    BreakerObservation(False, "good"),
    BreakerObservation(None, "no traffic"),
)


def run(*seen: BreakerObservation, renews: bool = False, begin: Breaker = CLOSED) -> list[Breaker]:
    stands, path = begin, []
    for place, one in enumerate(seen):
        stands = step(stands, one, NOON + (place + 1) * FIVE, 2 * FIVE, renews=renews)
        path.append(stands)
    return path


def test_a_rate_opens_waits_probes_and_closes() -> None:
    path = run(GOOD, BAD, UNKNOWN, UNKNOWN, UNKNOWN, GOOD)
    assert [one.state for one in path] == ["closed", "open", "open", "half_open", "half_open", "closed"]
    assert [one.number for one in path] == [0, 1, 1, 2, 2, 3]
    assert path[1].until == path[1].since + 2 * FIVE
    assert {one.episode for one in path[1:5]} == {path[1].since}
    assert path[-1].reason == "the probes succeeded: good"


def test_bad_probes_open_it_again_within_the_same_episode() -> None:
    path = run(BAD, BAD, BAD, BAD)
    assert [one.state for one in path] == ["open", "open", "half_open", "open"]
    assert path[-1].episode == path[0].since
    assert path[-1].until == path[-1].since + 2 * FIVE


def test_a_budget_stays_open_until_its_period_ends_and_needs_no_probes() -> None:
    gone = BreakerObservation(True, "gone", MIDNIGHT)
    path = run(gone, gone, UNKNOWN, GOOD, renews=True)
    assert [one.state for one in path] == ["open", "open", "open", "closed"]
    assert path[0].until == MIDNIGHT
    longer = run(gone, BreakerObservation(True, "the month's too", MIDNIGHT + timedelta(days=9)), renews=True)[-1]
    assert (longer.number, longer.until) == (1, MIDNIGHT + timedelta(days=9))


def test_a_persons_word_holds_until_it_ends() -> None:
    by_hand = with_state(CLOSED, "open", NOON, "a loop", who="ada", held_until=NOON + 3 * FIVE, until=NOON + 3 * FIVE)
    path = run(GOOD, GOOD, GOOD, begin=by_hand, renews=True)
    assert [one.state for one in path] == ["open", "open", "closed"]
    assert path[-1].who is None
    kept = with_state(run(BAD)[0], "closed", NOON, "we know", who="ada", held_until=None)
    assert run(BAD, BAD, BAD, begin=kept)[-1] == kept
    assert standing(by_hand, NOON + 2 * FIVE, renews=True) == by_hand
    assert standing(by_hand, NOON + 3 * FIVE, renews=True).reason == "the manual setting has expired"


def test_between_two_buckets_what_was_to_end_has_ended() -> None:
    opened = run(BAD)[0]
    assert opened.until is not None
    assert standing(opened, opened.until - timedelta(seconds=1), renews=False) == opened
    assert standing(opened, opened.until, renews=False).state == "half_open"
    assert standing(opened, opened.until, renews=True).state == "closed"
    assert standing(replace(opened, until=None), NOON + timedelta(days=9), renews=False).state == "open"


@given(
    st.lists(st.sampled_from([BAD, GOOD, UNKNOWN, BreakerObservation(True, "gone", MIDNIGHT)]), max_size=40),
    st.booleans(),
)
def test_whatever_happens_states_follow_one_another_as_they_may(seen: list[BreakerObservation], renews: bool) -> None:
    allowed = {("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed")}
    allowed |= {("open", "closed")} if renews else set()
    before = CLOSED
    for one, after in zip(seen, run(*seen, renews=renews), strict=True):
        assert after.state in STATES
        assert after.reason
        if after.state != before.state:
            assert (before.state, after.state) in allowed
            assert after.number == before.number + 1
        else:
            assert after.number == before.number
        if one.bad is None:
            assert after.state != "open" or before.state == "open"
            assert after.state != "closed" or before.state == "closed"
        before = after


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("late", [0.0, 0.1, 0.5])
def test_at_a_steady_pace_no_more_than_a_bucket_is_overspent(share: float, late: float) -> None:
    """Spend 1 a bucket, cross the budget anywhere within a bucket, and look ``late`` buckets after the end of each."""
    budget = 20 + share
    bucket = next(
        count
        for count in range(1, 60)
        if observe_budget("daily", SpendTotals(float(count), 1), budget, 1.0, late, MIDNIGHT, "USD").bad
    )
    assert bucket + late - budget <= 1.0 + 1e-9
    ahead = next(
        count
        for count in range(1, 60)
        if observe_budget("daily", SpendTotals(float(count), 1), budget, 1.0, late + 1, MIDNIGHT, "USD").bad
    )
    assert ahead + late <= budget + 1e-9
    assert ahead + late > budget - 1.0 - 1e-9  # no sooner than it must


def test_requests_without_a_price_are_said_with_the_figure() -> None:
    seen = observe_budget("daily", SpendTotals(100.0, 50, 7), 100.0, 0.0, 0.0, MIDNIGHT, "USD")
    assert "at least: 7 of 50 requests have no known price" in seen.reason


def test_few_requests_tell_nothing() -> None:
    assert observe_rate("failed", 1.0, 19, 0.2, 20).bad is None
    assert observe_rate("failed", 1.0, 20, 0.2, 20).bad is True
    assert observe_rate("failed", 0.2, 20, 0.2, 20).bad is False
