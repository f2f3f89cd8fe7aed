"""Parts of a statistic sum to the whole, and carriers are those that were changed."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from detectors import DETECTORS, Column, Profile, carriers, contribution, learn_numeric
from detectors.carriers import of_segments
from detectors.contribution import of_values, whole

SUMS = ("psi", "jensen_shannon", "hellinger", "chi_square", "kolmogorov_smirnov", "wasserstein", "rank", "mean")


def sides(seed: int = 0) -> tuple[Profile, Profile]:
    rng = np.random.default_rng(seed)
    old, new = rng.normal(size=9000), np.append(rng.normal(size=2000), rng.normal(1.5, 0.2, 700))
    layout = learn_numeric(old, old.min(), old.max())
    return Profile.of(Column.floats(old), layout), Profile.of(Column.floats(new), layout)


@pytest.mark.parametrize("module", [contribution, carriers])
def test_the_examples_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("method", SUMS)
def test_parts_sum_to_the_statistic_and_shares_to_one(method: str) -> None:
    old, new = sides()
    parts = of_values(method, old, new)
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    assert sum(part.baseline_share for part in parts) == pytest.approx(1.0)
    statistic = float(DETECTORS[method].measure(old, new).statistic)
    assert sum(part.part or 0.0 for part in parts) == pytest.approx(whole(method, statistic), rel=1e-6)


def test_a_change_in_every_segment_is_told_as_all_and_no_change_as_nothing() -> None:
    rng = np.random.default_rng(1)
    old = [rng.normal(size=5000) for _ in range(2)]
    layout = learn_numeric(np.concatenate(old), -5.0, 5.0)
    before = [Profile.of(Column.floats(x), layout) for x in old]
    moved = [Profile.of(Column.floats(rng.normal(1.0, size=1500)), layout) for _ in range(2)]
    parts = {f"m={place}": pair for place, pair in enumerate(zip(before, moved, strict=True))}
    detector = DETECTORS["kolmogorov_smirnov"]
    told = of_segments(detector, before[0] + before[1], moved[0] + moved[1], parts)
    assert (told[0].how, told[0].segment) == ("all", "m")
    same = {name: (side, side) for name, (side, _) in parts.items()}
    assert of_segments(detector, before[0] + before[1], before[0] + before[1], same) == ()


def test_a_change_of_the_mix_is_told_from_a_change_within() -> None:
    rng = np.random.default_rng(2)
    low, high = rng.normal(size=9000), rng.normal(3.0, size=1000)
    layout = learn_numeric(np.concatenate([low, high]), -5.0, 8.0)
    old = [Profile.of(Column.floats(x), layout) for x in (low, high)]
    new = [Profile.of(Column.floats(x), layout) for x in (rng.normal(size=1000), rng.normal(3.0, size=1000))]
    parts = {"m=low": (old[0], new[0]), "m=high": (old[1], new[1])}
    (told,) = of_segments(DETECTORS["kolmogorov_smirnov"], old[0] + old[1], new[0] + new[1], parts)
    assert told.how == "mix"
