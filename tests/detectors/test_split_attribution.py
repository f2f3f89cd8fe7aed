"""Which rows an effect is in: a new version, a segment, or all rows since a moment. Drawn with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.split_attribution import (
    ENOUGH,
    NOISE,
    REJECTED,
    Scores,
    explained,
    gain,
    measure_score,
    score_rows,
    split_since,
    unexplained,
    variance_of_rows,
)

BUCKETS, BINS = 12, 20


class Drawn:
    """A baseline and twelve buckets of rows with a version and a tenant; a condition says which rows are affected."""

    def __init__(self, seed: int, affected: str, shift: float = 1.5, rows: int = 100) -> None:
        rng = np.random.default_rng(seed)
        bucket = np.repeat(np.arange(BUCKETS + 1), [BUCKETS * rows, *[rows] * BUCKETS])
        version = (bucket >= 6) & (rng.random(len(bucket)) < 0.4)
        quiet, tenant = bucket >= 4, rng.random(len(bucket)) < 0.5
        parts = {"version": version, "quiet": quiet, "tenant": tenant & (bucket >= 6), "time": bucket >= 6}
        values = rng.normal(size=len(bucket)) + shift * parts[affected]
        edges = np.quantile(values[bucket == 0], np.linspace(0, 1, BINS)[1:-1])
        place = np.searchsorted(edges, values)
        table = {
            name: np.array([np.bincount(place[mask & (bucket == b)], minlength=BINS) for b in range(BUCKETS + 1)])
            for name, mask in {
                "": np.ones(len(bucket), bool),
                "version": version,
                "quiet": quiet,
                "tenant": tenant,
            }.items()
        }
        score = measure_score(table[""][0].astype(float), table[""][1:].sum(axis=0).astype(float), ordered=True)
        weights = [1.0] * (BUCKETS + 1)
        scores = {name: score_rows(list(counts), score, weights) for name, counts in table.items()}
        whole, variance = scores[""], variance_of_rows(list(table[""]), score, weights)
        self.gains = {name: gain(*scores[name].since(1), whole, variance) for name in ("version", "quiet")}
        self.time = split_since(whole, whole, variance)
        self.tenant = split_since(scores["tenant"], whole, variance)
        self.best = max([*self.gains.values(), self.time.gain, self.tenant.gain])


@pytest.mark.parametrize("seed", range(8))
def test_the_rows_that_are_affected_separate_the_scores_best(seed: int) -> None:
    canary = Drawn(seed, "version")
    shares = explained({**canary.gains, "time": canary.time.gain, "tenant": canary.tenant.gain}, canary.best)
    assert shares["version"] >= ENOUGH
    assert max(shares["quiet"], shares["time"], shares["tenant"]) < ENOUGH
    tenant = Drawn(seed, "tenant")
    assert tenant.tenant.gain == tenant.best
    assert tenant.tenant.first == 6
    everywhere = Drawn(seed, "time")
    assert everywhere.time == split_since_best(everywhere)
    shares = explained({**everywhere.gains, "tenant": everywhere.tenant.gain}, everywhere.best)
    assert max(shares.values()) < ENOUGH


def split_since_best(drawn: Drawn) -> object:
    """Return the split by time, which must be the best of all and begin where the effect does."""
    assert drawn.time.gain == drawn.best
    assert drawn.time.first == 6
    return drawn.time


def test_without_an_effect_no_split_is_far_above_chance() -> None:
    best = np.array([Drawn(seed, "version", shift=0.0).best for seed in range(200)])
    assert np.quantile(best, 0.5) < REJECTED
    assert np.quantile(best, 0.95) < 2.5 * REJECTED


def test_a_split_that_is_worse_by_chance_only_is_not_told_apart() -> None:
    assert explained({"a": 100.0, "b": 92.0, "c": 50.0}, 100.0) == {"a": 1.0, "b": 0.92, "c": 0.5}
    assert explained({"a": 20.0, "b": 11.0}, 20.0) == {"a": 1.0, "b": ENOUGH}
    assert explained({"a": 20.0, "b": 10.9}, 20.0)["b"] == pytest.approx(0.545)
    assert explained({"a": 0.0}, 0.0) == {"a": ENOUGH}


def test_the_gain_is_the_sum_of_squares_between_two_groups() -> None:
    rng = np.random.default_rng(3)
    group, scores = rng.random(500) < 0.3, rng.normal(size=500)
    scores += group
    whole = Scores(np.array([500.0]), np.array([scores.sum()]), np.array([(scores**2).sum()]))
    mean = scores.mean()
    between = sum(mask.sum() * (scores[mask].mean() - mean) ** 2 for mask in (group, ~group))
    assert gain(group.sum(), scores[group].sum(), whole, 1.0) == pytest.approx(between)
    assert gain((~group).sum(), scores[~group].sum(), whole, 1.0) == 0.0  # these rows depart less
    assert gain(0.0, 0.0, whole, 1.0) == gain(500.0, scores.sum(), whole, 1.0) == gain(9.0, 9.0, whole, 0.0) == 0.0


def test_the_score_is_the_clearest_way_to_depart() -> None:
    even = np.array([250.0, 250.0, 250.0, 250.0, 0.0])
    shifted = measure_score(even, np.array([10.0, 20.0, 30.0, 40.0, 0.0]), ordered=True)
    assert (np.diff(shifted[:-1]) > 0).all()
    wider = measure_score(even, np.array([40.0, 10.0, 10.0, 40.0, 0.0]), ordered=True)
    assert wider[0] == wider[3] > wider[1] == wider[2]
    missing = measure_score(even, np.array([15.0, 15.0, 15.0, 15.0, 40.0]), ordered=True)
    assert missing.argmax() == 4
    assert (missing[:-1] <= 0).all() or missing[:-1].sum() == 0
    few = measure_score(np.array([990.0, 10.0, 0.0]), np.array([9.0, 1.0, 0.0]), ordered=False)
    assert (few == 0).all()  # nothing exceeds the noise of ten rows
    assert NOISE == 3.0


def test_the_variance_that_is_left_is_positive() -> None:
    whole = Scores(np.array([100.0]), np.array([1.0]), np.array([1.0]))
    assert unexplained(40.0, whole, 0.1, 1.0) == pytest.approx(0.6)
    assert unexplained(100.0, whole, 0.0, 1.0) == 1e-3
    assert unexplained(40.0, whole, 1.2, 0.6) == pytest.approx(2.0)  # the affected rows vary more than the others
    assert unexplained(40.0, whole, 1.2, 0.0) == pytest.approx(0.6)
    assert variance_of_rows([np.zeros(2)], np.array([0.0, 1.0]), [1.0]) == 0.0
    assert variance_of_rows([np.array([50.0, 50.0])], np.array([0.0, 1.0]), [1.0]) == pytest.approx(0.25)


def test_the_variance_since_a_bucket_is_that_of_its_rows() -> None:
    values = [np.array([0.0, 0.0]), np.array([0.0, 1.0, 1.0, 2.0]), np.array([3.0])]
    scores = Scores(*(np.array([f(part) for part in values]) for f in (len, np.sum, lambda part: (part**2).sum())))
    assert scores.variance_since(1) == pytest.approx(np.concatenate(values[1:]).var())
    assert scores.scaled(np.array([0.5, 0.5, 0.5])).variance_since(1) == pytest.approx(scores.variance_since(1))
    assert Scores(*np.zeros((3, 2))).variance_since(0) == 0.0
