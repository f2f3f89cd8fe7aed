"""Aggregates of every kind: what is stored is what was computed, in whatever order buckets are computed and read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from detectors.binning import Binning
from detectors.cost.budget import Requests, SpendTotals
from detectors.cost.ledger import CostSummary
from detectors.cost.objective import EventCounts
from detectors.cost.savings import Cell, DayCells
from detectors.exact import ExactSum
from detectors.experiment.tally import Tally
from detectors.profile import Profile
from detectors.records import Column
from monitor.config.arms import Experiment, Shadow
from monitor.core.aggregate import KINDS, Aggregate
from monitor.profiling.ab_counts import Arms
from monitor.profiling.bucket_profiles import BucketProfiles
from monitor.profiling.facts import Facts
from monitor.profiling.shadow_join import Pairs
from monitor.store import aggregates
from monitor.store.aggregates import Entry, Range
from monitor.store.database import Database
from tests.support.world import START

MINUTES = timedelta(minutes=5)
FROM = START.isoformat()
TRIAL = Experiment.model_validate({"name": "e", "control": "a", "treatments": ["b"], "from": FROM, "metrics": ["m"]})
SHADOW = Shadow.model_validate({"name": "s", "champion": "a", "challenger": "b", "join": "id", "from": FROM})
LAYOUT = Binning(kind="numeric", edges=(0.0, 1.0, 2.0))


def facts(seed: int) -> Facts:
    return Facts(rows=seed, first=float(seed), last=seed + 1.0, versions={"model_version": {"m": [seed, 1.0, 2.0]}})


def profiles(seed: int) -> BucketProfiles:
    profile = Profile.of(Column.of(np.random.default_rng(seed).normal(1, 1, 20).tolist()), LAYOUT)
    return BucketProfiles("layout", {"amount": LAYOUT}, {None: {"amount": profile}})


def bill(seed: int) -> CostSummary:
    spent = SpendTotals(float(seed), seed, 1)
    return CostSummary(
        {("", ""): spent, ("tenant", f"t{seed % 2}"): spent}, {100: Requests(seed, 1, 2.0)}, {"bad": (1.5, 3)}
    )


def arms(seed: int) -> Arms:
    rng = np.random.default_rng(seed)
    return Arms(TRIAL, {arm: {"m": Tally.of(rng.lognormal(0, 3, 20))} for arm in TRIAL.arms}, "definition")


def pairs(seed: int) -> Pairs:
    agreement = {"agreement": Tally.of(np.random.default_rng(seed).random(9))}
    return Pairs(SHADOW, agreement, {"a": seed}, [{"request": f"r{seed}", "severity": 1.0, "at": FROM}], "definition")


def day(seed: int) -> DayCells:
    amounts = ExactSum.of(np.random.default_rng(seed).random(9))
    return DayCells("plan", START, {(0, "m", "4-16"): Cell(seed, seed, amounts, amounts)})


MADE: dict[str, Callable[[int], Aggregate]] = {
    "facts": facts,
    "profile": profiles,
    "cost": bill,
    "events": lambda seed: EventCounts(seed + 10, seed / 2),
    "experiment": arms,
    "shadow": pairs,
    "savings": day,
}


def test_every_kind_is_tested_here() -> None:
    assert set(MADE) == set(KINDS)
    assert {kind: type(make(1)) for kind, make in MADE.items()} == {kind: KINDS[kind] for kind in KINDS}


@pytest.mark.parametrize("kind", MADE)
def test_what_is_read_is_what_was_written(kind: str) -> None:
    one, other = MADE[kind](1), MADE[kind](2)
    again = other.from_bytes(one.to_bytes())
    assert again.to_bytes() == one.to_bytes() != other.to_bytes()
    assert again.definition == one.definition != ""


@pytest.mark.parametrize("kind", MADE)
def test_a_sum_does_not_depend_on_how_it_is_grouped(kind: str) -> None:
    one, two, three = (MADE[kind](seed) for seed in (1, 2, 3))
    assert ((one + two) + three).to_bytes() == (one + (two + three)).to_bytes()
    assert (one + two).definition == one.definition
    stored = one.from_bytes(one.to_bytes()) + one.from_bytes(two.to_bytes())
    assert stored.to_bytes() == (one + two).to_bytes()


def test_stored_again_it_replaces_what_was_stored(database: Database) -> None:
    for events in (EventCounts(3, 1.0), EventCounts(9, 2.0)):
        with database.write() as connection:
            aggregates.save(connection, "bot", [Entry(("events", "failed"), START, events)])
    with database.read() as connection:
        ((row,),) = aggregates.load(connection, "bot", [Range("events", "failed", START, START + MINUTES)])
    assert (row.start, EventCounts.from_bytes(row.data)) == (START, EventCounts(9, 2.0))


def test_several_ranges_are_read_with_one_statement(database: Database) -> None:
    places = [START + place * MINUTES for place in range(6)]
    with database.write() as connection:
        for at in reversed(places):
            kept = {("events", name): EventCounts(1, 0.0) for name in ("failed", "slow")} | {("cost", ""): bill(1)}
            aggregates.save(connection, "bot", [Entry(key, at, one) for key, one in kept.items()])
            aggregates.save(connection, "other", [Entry(("events", "failed"), at, EventCounts(100, 0.0))])
        aggregates.save(connection, "bot", [Entry(("profile", ""), places[0], profiles(1))])
        ranges = [
            Range("events", "failed", places[1], places[4]),
            Range("events", "slow", places[0], places[5], dated=False),
            Range("events", "unknown", places[0], places[5]),
            Range("profile", "", places[0], places[5], "layout"),
            Range("profile", "", places[0], places[5], "another"),
        ]
        found = aggregates.load(connection, "bot", ranges)
        assert aggregates.load(connection, "bot", []) == []
    assert [len(rows) for rows in found] == [3, 5, 0, 1, 0]
    assert [row.start for row in found[0]] == places[1:4]
    assert {row.start for row in found[1]} == {None}


def test_what_is_dropped_is_of_one_kind_and_name(database: Database) -> None:
    places = [START + place * MINUTES for place in range(4)]
    keys = [("events", "failed"), ("events", "slow"), ("shadow", "failed")]
    with database.write() as connection:
        for key in keys:
            aggregates.save(connection, "bot", [Entry(key, at, EventCounts(1, 0.0)) for at in places])
        aggregates.delete(connection, "bot", keys[0], places[3])
        aggregates.delete_before(connection, "bot", "events", places[1], "failed")
        assert aggregates.starts(connection, "bot", keys[0], START) == places[1:3]
        aggregates.delete_before(connection, "bot", "events", places[2])
        left = [(aggregates.oldest(connection, "bot", key), aggregates.newest(connection, "bot", key)) for key in keys]
        aggregates.delete(connection, "bot", keys[2])
        assert aggregates.oldest(connection, "bot", keys[2]) is None
        assert aggregates.load_one(connection, "bot", keys[1], places[2]) == EventCounts(1, 0.0).to_bytes()
        assert aggregates.load_one(connection, "bot", keys[1], places[0]) is None
    assert left == [(places[2], places[2]), (places[2], places[3]), (places[0], places[3])]
