"""Parts of a statistic sum to the whole, and carriers are those that were changed."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from detectors import DETECTORS, Column, Profile, contribution, learn_numeric, segment_attribution
from detectors.contribution import contributing_values
from detectors.segment_attribution import find_contributing_segments

SUMS = ("psi", "jensen_shannon", "hellinger", "chi_square", "kolmogorov_smirnov", "wasserstein", "rank", "mean")

SQUARED = ("jensen_shannon", "chi_square", "hellinger")
"""Methods whose square is the sum."""


def sides(seed: int = 0) -> tuple[Profile, Profile]:
    rng = np.random.default_rng(seed)
    old, new = rng.normal(size=9000), np.append(rng.normal(size=2000), rng.normal(1.5, 0.2, 700))
    layout = learn_numeric(old, old.min(), old.max())
    return Profile.of(Column.floats(old), layout), Profile.of(Column.floats(new), layout)


@pytest.mark.parametrize("module", [contribution, segment_attribution])
def test_the_examples_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("method", SUMS)
def test_parts_sum_to_the_statistic_and_shares_to_one(method: str) -> None:
    old, new = sides()
    parts = contributing_values(DETECTORS[method], old, new)
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    assert sum(part.baseline_share for part in parts) == pytest.approx(1.0)
    statistic = float(DETECTORS[method].measure(old, new).statistic)
    expected = statistic**2 if method in SQUARED else statistic
    assert sum(part.part or 0.0 for part in parts) == pytest.approx(expected, rel=1e-6)


def test_a_change_in_every_segment_is_told_as_all_and_no_change_as_nothing() -> None:
    rng = np.random.default_rng(1)
    old = [rng.normal(size=5000) for _ in range(2)]
    layout = learn_numeric(np.concatenate(old), -5.0, 5.0)
    before = [Profile.of(Column.floats(x), layout) for x in old]
    moved = [Profile.of(Column.floats(rng.normal(1.0, size=1500)), layout) for _ in range(2)]
    parts = {f"m={place}": pair for place, pair in enumerate(zip(before, moved, strict=True))}
    detector = DETECTORS["kolmogorov_smirnov"]
    told = find_contributing_segments(detector, before[0] + before[1], moved[0] + moved[1], parts)
    assert (told[0].how, told[0].segment) == ("all", "m")
    same = {name: (side, side) for name, (side, _) in parts.items()}
    assert find_contributing_segments(detector, before[0] + before[1], before[0] + before[1], same) == ()


def test_a_change_of_the_mix_is_told_from_a_change_within() -> None:
    rng = np.random.default_rng(2)
    low, high = rng.normal(size=9000), rng.normal(3.0, size=1000)
    layout = learn_numeric(np.concatenate([low, high]), -5.0, 8.0)
    old = [Profile.of(Column.floats(x), layout) for x in (low, high)]
    new = [Profile.of(Column.floats(x), layout) for x in (rng.normal(size=1000), rng.normal(3.0, size=1000))]
    parts = {"m=low": (old[0], new[0]), "m=high": (old[1], new[1])}
    (told,) = find_contributing_segments(DETECTORS["kolmogorov_smirnov"], old[0] + old[1], new[0] + new[1], parts)
    assert told.how == "mix"


def rows_with(ones: int, rows: int, layout_of: np.ndarray | None = None) -> Profile:
    """Return the profile of a flag, over the bins of a baseline that holds both values or only zeros."""
    values = np.zeros(1000) if layout_of is None else layout_of
    layout = learn_numeric(values, values.min(), values.max())
    return Profile.of(Column.floats(np.repeat([0.0, 1.0], [rows - ones, ones])), layout)


def test_three_rows_carry_nothing_however_much_of_the_statistic_is_theirs() -> None:
    detector = DETECTORS["spread"]
    old = {"m=old": rows_with(0, 12000)}
    new = {"m=old": rows_with(0, 1053), "m=gpt-4o": rows_with(3, 3)}
    parts = {"m=old": (old["m=old"], new["m=old"]), "m=gpt-4o": (None, new["m=gpt-4o"])}
    assert find_contributing_segments(detector, old["m=old"], new["m=old"] + new["m=gpt-4o"], parts) == ()
    many = {"m=old": rows_with(0, 1053), "m=gpt-4o": rows_with(30, 60)}
    parts = {"m=old": (old["m=old"], many["m=old"]), "m=gpt-4o": (None, many["m=gpt-4o"])}
    (told,) = find_contributing_segments(detector, old["m=old"], many["m=old"] + many["m=gpt-4o"], parts)
    assert (told.segment, told.how) == ("m=gpt-4o", "only")


@pytest.mark.parametrize("method", ["kolmogorov_smirnov", "rank", "spread"])
def test_a_change_of_all_rows_is_not_said_to_be_in_one_small_segment_only(method: str) -> None:
    """Sixty streams of six segments that all change alike: "only in" a small one is said by chance at most."""
    rng = np.random.default_rng(3)
    sizes = (20, 30, 60, 120, 300, 700)
    sample = rng.normal(size=20000)
    layout = learn_numeric(sample, sample.min(), sample.max())
    wrong = 0
    for _ in range(60):
        sides = {}
        for place, size in enumerate(sizes):
            old, new = rng.normal(size=8 * size), rng.normal(0.3, 1.2, size)
            sides[f"m={place}"] = tuple(Profile.of(Column.floats(x), layout) for x in (old, new))
        before, now = (sum((pair[side] for pair in sides.values()), Profile.empty(layout)) for side in (0, 1))
        told = find_contributing_segments(DETECTORS[method], before, now, sides)
        wrong += bool(told) and told[0].how == "only" and told[0].share < 0.3
    assert wrong <= 1


def test_a_small_segment_that_alone_has_changed_is_named() -> None:
    rng = np.random.default_rng(4)
    sample = rng.normal(size=20000)
    layout = learn_numeric(sample, sample.min(), sample.max())
    named = 0
    for _ in range(20):
        old, new, odd = rng.normal(size=8000), rng.normal(size=900), rng.normal(2.0, 1.0, 100)
        profiles = [Profile.of(Column.floats(x), layout) for x in (old, new, odd)]
        parts = {"m=big": (profiles[0], profiles[1]), "m=small": (None, profiles[2])}
        told = find_contributing_segments(DETECTORS["rank"], profiles[0], profiles[1] + profiles[2], parts)
        named += bool(told) and told[0].segment == "m=small" and told[0].how in ("only", "mostly")
    assert named >= 19


def test_a_mix_of_a_handful_of_rows_is_no_mix() -> None:
    low, high = rows_with(0, 2000), rows_with(40, 40)
    few, more = (rows_with(0, 1000), rows_with(26, 26)), (rows_with(0, 1000), rows_with(60, 60))
    before = low + high
    for now, how in ((few, []), (more, ["mix"])):
        parts = {"m=low": (low, now[0]), "m=high": (high, now[1])}
        told = find_contributing_segments(DETECTORS["spread"], before, now[0] + now[1], parts, 1)
        assert [carrier.how for carrier in told] == how


@pytest.mark.parametrize(
    ("values", "seen", "name"),
    [
        (np.zeros(1000), np.repeat([0.0, 2.5], [300, 100]), "above 0"),
        (np.zeros(1000), np.repeat([0.0, 1.0], [300, 100]), "1"),
        (np.zeros(1000), np.repeat([0.0, -1.0], [300, 100]), "below 0"),
        (np.repeat([0.0, 1.0], [900, 100]), np.repeat([0.0, 1.0], [300, 100]), "1"),
        (np.full(1000, 5.0), np.repeat([5.0, 7.0], [300, 100]), "above 5"),
        (np.append(np.zeros(500), np.linspace(1, 9, 500)), np.repeat([0.0, 2.0], [200, 400]), "above 0 up to 3.0"),
    ],
)
def test_a_value_that_many_rows_share_is_an_edge_by_its_own_name(
    values: np.ndarray, seen: np.ndarray, name: str
) -> None:
    layout = learn_numeric(values, values.min(), values.max(), bins=8)
    old, new = (Profile.of(Column.floats(x), layout) for x in (values, seen))
    told = [part for part in contributing_values(DETECTORS["kolmogorov_smirnov"], old, new) if part.kind != "rest"]
    assert name in [part.value for part in told if part.points > 0]
    assert not any("e-3" in part.value for part in told)
