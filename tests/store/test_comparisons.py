"""Sums of comparisons in the store: in whatever order, twice or late, the sum is that of the rows."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.experiment.tally import Tally
from monitor.checks.comparisons import ComparisonCounts
from monitor.config.arms import Experiment
from monitor.profiling.ab_counts import Arms
from monitor.store import comparisons
from monitor.store.database import Database
from tests.support.world import START

STEP = timedelta(minutes=5)
SPEC = Experiment.model_validate(
    {"name": "e", "control": "a", "treatments": ["b"], "from": START.isoformat(), "metrics": ["m"]}
)


def arms(seed: int) -> Arms:
    rng = np.random.default_rng(seed)
    return Arms(SPEC, {arm: {"m": Tally.of(rng.lognormal(0, 3, 20))} for arm in SPEC.arms})


def tallied(place: int, sums: Arms, definition: str = "d") -> ComparisonCounts:
    return ComparisonCounts("experiment", "e", definition, START + place * STEP, sums, partial(Arms.from_json, SPEC))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_sum_is_that_of_the_rows_before_next_whatever_the_order(database: Database, chance: random.Random) -> None:
    with database.write() as connection:
        comparisons.begin(connection, "m", "experiment", "e", "d", START)
    rows: dict[int, Arms] = {}
    for turn in range(12):
        place = chance.randrange(5)
        rows[place] = arms(chance.randrange(10**6))
        with database.write() as connection:
            assert comparisons.add(connection, "m", tallied(place, rows[place]), STEP, {"turn": turn})
    with database.read() as connection:
        held = comparisons.load_states(connection, "m")["experiment", "e"]
    reached = (held.next - START) // STEP
    expected = [rows[place] for place in sorted(rows) if place < reached]
    assert all(place in rows for place in range(reached))
    assert held.total == (sum(expected[1:], expected[0]).to_json() if expected else None)


def test_what_counts_something_else_is_not_added(database: Database) -> None:
    with database.write() as connection:
        comparisons.begin(connection, "m", "experiment", "e", "new", START)
        assert not comparisons.add(connection, "m", tallied(0, arms(1), "old"), STEP)
        assert not comparisons.add(connection, "other", tallied(0, arms(1)), STEP)
        assert comparisons.load_states(connection, "m")["experiment", "e"].total is None


def test_counts_of_old_buckets_are_dropped_and_stay_in_the_sum(database: Database) -> None:
    day = timedelta(days=1)
    with database.write() as connection:
        comparisons.begin(connection, "m", "experiment", "e", "d", START)
        for place in range(103):
            one = ComparisonCounts(
                "experiment", "e", "d", START + place * day, arms(place), partial(Arms.from_json, SPEC)
            )
            assert comparisons.add(connection, "m", one, day)
        again = ComparisonCounts("experiment", "e", "d", START, arms(999), partial(Arms.from_json, SPEC))
        before = comparisons.load_states(connection, "m")["experiment", "e"].total
        assert comparisons.add(connection, "m", again, day)
        assert comparisons.load_states(connection, "m")["experiment", "e"].total == before
        assert comparisons.first_start(connection, "m", "experiment", "e") == START + 2 * day
    everything = [arms(place) for place in range(103)]
    assert before == sum(everything[1:], everything[0]).to_json()
