"""Laws of profiles: merging is exact, associative and commutative, and nothing is lost in writing."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.binning import Binning, category, learn_categorical, learn_numeric
from detectors.exact import ExactSum
from detectors.profile import Profile
from detectors.records import Column
from tests.detectors.columns import numeric_layout

finite = st.floats(allow_nan=False, allow_infinity=False)
anything = st.one_of(st.none(), st.floats(), st.integers(), st.booleans(), st.text(max_size=5), st.just(float("nan")))
LAYOUT = numeric_layout(np.random.default_rng(0).normal(size=500))
WORDS = learn_categorical(Counter("aabbbc"))


@given(st.lists(finite))
def test_sums_are_exact(values: list[float]) -> None:
    assert ExactSum.of(np.array(values)).fraction() == sum((Fraction(value) for value in values), Fraction(0))


@given(st.lists(st.integers(-(2**53), 2**53).map(float) | st.integers(-3, 3).map(float), max_size=20))
def test_whole_numbers_are_summed_and_rounded_as_any_others(values: list[float]) -> None:
    exact = ExactSum.of(np.array(values))
    whole = sum((Fraction(value) for value in values), Fraction(0))
    assert exact.fraction() == whole
    assert float(exact) == float(whole)


@given(st.lists(anything), st.lists(anything), st.lists(anything))
@pytest.mark.parametrize("layout", [LAYOUT, WORDS], ids=["numeric", "categorical"])
def test_merging_is_associative_commutative_and_equals_the_whole(
    layout: Binning, first: list[object], second: list[object], third: list[object]
) -> None:
    a, b, c = (Profile.of(Column.of(part), layout) for part in (first, second, third))
    whole = Profile.of(Column.of([*first, *second, *third]), layout)
    assert (a + b) + c == a + (b + c) == c + a + b == whole
    assert whole.rows == len(first) + len(second) + len(third)
    assert a + Profile.empty(layout) == a


@given(st.lists(anything))
@pytest.mark.parametrize("layout", [LAYOUT, WORDS], ids=["numeric", "categorical"])
def test_a_profile_survives_being_written(layout: Binning, values: list[object]) -> None:
    profile = Profile.of(Column.of(values), layout)
    written = json.dumps(profile.to_json(), allow_nan=False)
    assert Profile.from_json(json.loads(written), layout) == profile


@given(st.lists(finite, min_size=1))
def test_a_layout_survives_being_written_and_counts_its_own_sample_inside(values: list[float]) -> None:
    sample = np.array(values)
    layout = learn_numeric(sample, sample.min(), sample.max())
    again = Binning.from_json(json.loads(json.dumps(layout.to_json(), allow_nan=False)))
    assert again.identity == layout.identity
    assert layout.scale > 0
    inside = Profile.of(Column.floats(sample), again)
    assert inside.n == len(values)
    assert inside.counts[0] == 0
    assert sample.max() == np.finfo(float).max or inside.outside == 0


def test_missing_not_finite_and_mistyped_are_counted_apart() -> None:
    column = Column.of([1.0, "2.5", None, float("nan"), float("inf"), "n/a", True])
    profile = Profile.of(column, LAYOUT)
    assert (profile.n, profile.missing, profile.nonfinite, profile.mistyped) == (3, 1, 2, 1)
    assert profile.mean == pytest.approx(4.5 / 3)
    assert (profile.minimum, profile.maximum) == (1.0, 2.5)


def test_moments_do_not_cancel() -> None:
    x = 1e9 + np.random.default_rng(1).normal(size=10_000)
    profile = Profile.of(Column.floats(x), numeric_layout(x))
    assert profile.mean == pytest.approx(np.mean(x), rel=1e-15)
    assert profile.variance == pytest.approx(np.var(x), rel=1e-6)


def test_profiles_of_other_bins_or_versions_are_refused() -> None:
    other = numeric_layout(np.arange(100.0))
    profile = Profile.of(Column.floats(np.arange(5.0)), LAYOUT)
    with pytest.raises(ValueError, match="different bins"):
        profile + Profile.empty(other)
    with pytest.raises(ValueError, match="other bins"):
        Profile.from_json(profile.to_json(), other)
    with pytest.raises(ValueError, match="version 9"):
        Profile.from_json({**profile.to_json(), "v": 9}, LAYOUT)


def test_the_same_value_through_another_driver_is_the_same_category() -> None:
    assert category(1) == category(1.0) == category(np.float64(1)) == "1"
    assert category(True) == category(np.True_) == "true"
    assert len(category("x" * 10_000)) == 256
