"""The joint column: exact sums, its two detectors against what they should see, and against their own noise."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from detectors import DETECTORS
from detectors.binning import Binning, learn_categorical, learn_numeric
from detectors.joint import FEATURES, JOINT, learn_joint, project
from detectors.profile import Profile
from detectors.records import Column, Records
from detectors.stack import Stack
from tests.support.nightly import nightly_except

RNG = np.random.default_rng(0)
COLUMNS = 6


def records(rng: np.random.Generator, rows: int, rho: float = 0.6, shift: float = 0.0) -> dict[str, Column]:
    values = rng.normal(size=(rows, COLUMNS))
    values[:, 1] = rho * values[:, 0] + np.sqrt(1 - rho**2) * values[:, 1]
    values[:, 2] = np.exp(values[:, 2] + shift)
    page = {f"x{place}": Column.floats(values[:, place]) for place in range(COLUMNS)}
    page["plan"] = Column.of(rng.choice(["a", "b", "c"], rows).tolist())
    return page


@cache
def layouts() -> dict[str, Binning]:
    page = records(np.random.default_rng(1), 20_000)
    made = {
        name: learn_categorical(Counter(column.values.tolist()))
        if name == "plan"
        else learn_numeric(column.values, column.values.min(), column.values.max())
        for name, column in page.items()
    }
    joint = learn_joint(made)
    assert joint is not None
    return {**made, JOINT: joint}


def profile(page: Records) -> Profile:
    return Profile.of(project(page, layouts()), layouts()[JOINT])


@cache
def baseline() -> Profile:
    return profile(records(np.random.default_rng(2), 50_000))


def test_sums_are_exact_in_any_order_and_survive_storage() -> None:
    page = records(np.random.default_rng(3), 1000)
    whole = project(page, layouts())
    order = np.random.default_rng(4).permutation(1000)
    halves = [Profile.of(whole.take(rows), layouts()[JOINT]) for rows in (order[:300], order[300:])]
    assert halves[0] + halves[1] == profile(page)
    assert Profile.from_json(profile(page).to_json(), layouts()[JOINT]) == profile(page)
    assert Binning.from_json(layouts()[JOINT].to_json()).identity == layouts()[JOINT].identity
    assert (halves[0] + halves[1]).n == 1000


def test_a_rotation_of_one_correlation_is_seen_and_named_though_no_column_moved() -> None:
    turned = profile(records(np.random.default_rng(5), 600, rho=-0.6))
    seen = DETECTORS["correlation"].measure(baseline(), turned)
    assert seen.statistic > 2 * seen.noise
    assert seen.detail["pair"] == "x0, x1"
    assert seen.statistic == pytest.approx(1.2, abs=0.15)


def test_a_shift_of_the_joint_distribution_is_seen() -> None:
    moved = profile(records(np.random.default_rng(6), 2000, shift=1.0))
    seen = DETECTORS["mmd"].measure(baseline(), moved)
    assert seen.statistic > seen.noise


def test_mmd_is_that_of_the_features() -> None:
    page = records(np.random.default_rng(7), 500)
    waves = project(page, layouts()).values[:, -FEATURES:]
    before = baseline().counts[-FEATURES:] / 2**16 / baseline().n
    exact = np.sqrt(2 / FEATURES * np.sum((waves.mean(axis=0) - before) ** 2))
    assert DETECTORS["mmd"].measure(baseline(), profile(page)).statistic == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("method", ["correlation", "mmd"])
@pytest.mark.parametrize("rows", nightly_except([200, 2000], 200))
def test_the_noise_floor_holds_under_the_null(method: str, rows: int) -> None:
    rng = np.random.default_rng(8)
    windows = Stack.of([profile(records(rng, rows)) for _ in range(600)], layouts()[JOINT])
    seen = DETECTORS[method].measure(baseline(), windows)
    assert (seen.statistic > seen.noise).mean() <= 0.02


def test_missing_columns_values_and_categories_are_the_middle() -> None:
    page = {"x0": Column.of([None, "n/a", float("nan"), 1e300]), "plan": Column.of([None, "new", "a", 3])}
    vectors = project(page, layouts()).values
    assert np.isfinite(vectors).all()
    assert profile(page).n == 4


def test_fewer_than_two_columns_have_no_joint_one() -> None:
    assert learn_joint({"x0": layouts()["x0"]}) is None
    assert learn_joint({"plan": layouts()["plan"], "empty": Binning(kind="numeric")}) is None


def test_a_pair_that_never_moved_and_then_does_overflows_nothing() -> None:
    layout = learn_numeric(np.random.default_rng(5).normal(size=5000), -4.0, 4.0)
    layouts = {"x": layout, "y": layout}
    layouts[JOINT] = learn_joint(layouts)

    def still(value: float) -> Profile:
        both = Column.floats(np.full(200, value))
        return Profile.of(project({"x": both, "y": both}, layouts), layouts[JOINT])

    seen = DETECTORS["correlation"].measure(still(0.0), still(4.0))
    assert np.isfinite(seen.statistic)
    assert seen.detail["pair"] == "x, y"
