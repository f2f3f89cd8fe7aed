"""Distributions for people: every row is in one group, on either side."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from detectors.binning import Binning, learn_categorical, learn_numeric
from detectors.distribution import MISSING, compare_distributions
from detectors.profile import Profile
from detectors.records import Column


def both(old: list[object], new: list[object], layout: Binning) -> tuple[Profile, Profile]:
    return Profile.of(Column.of(old), layout), Profile.of(Column.of(new), layout)


@pytest.mark.parametrize("kind", ["smooth", "masses", "flag", "constant"])
def test_the_shares_of_numbers_add_up_and_keep_their_order(kind: str) -> None:
    rng = np.random.default_rng(1)
    old = {
        "smooth": rng.lognormal(size=3000),
        "masses": np.where(rng.random(3000) < 0.6, 0.0, rng.exponential(size=3000)),
        "flag": (rng.random(3000) < 0.1).astype(float),
        "constant": np.ones(3000),
    }[kind]
    layout = learn_numeric(old, old.min(), old.max())
    new = [*(old[:500] if kind == "flag" else 2 * old[:500]), None, float("nan")]
    groups = compare_distributions(*both(old.tolist(), new, layout), groups=6)
    assert sum(one.share for one in groups) == pytest.approx(1)
    assert sum(one.baseline_share for one in groups) == pytest.approx(1)
    assert (groups[-1].value, groups[-1].share, groups[-1].baseline_share) == (MISSING, pytest.approx(2 / 502), 0)
    if kind == "flag":
        assert [one.value for one in groups][:2] == ["0", "1"]
    if kind == "smooth":
        assert [round(one.baseline_share, 1) for one in groups[:6]] == [0.2] * 6


def test_categories_are_the_most_frequent_of_either_side() -> None:
    old = ["a"] * 60 + ["b"] * 30 + ["c"] * 9 + ["d"]
    layout = learn_categorical(Counter(old))
    groups = compare_distributions(*both(old, ["d"] * 5 + ["new"] * 3 + ["a"] * 2, layout), groups=2)
    shown = [(one.value, round(one.baseline_share, 2), one.share) for one in groups]
    assert shown == [("a", 0.6, 0.2), ("d", 0.01, 0.5), ("2 other categories", 0.39, 0.0), ("new categories", 0.0, 0.3)]


def test_there_is_nothing_to_compare_without_rows() -> None:
    layout = learn_numeric(np.arange(9.0), 0.0, 8.0)
    assert compare_distributions(*both([1.0], [], layout)) == []
    assert compare_distributions(*both([], [1.0], layout)) == []
