"""A challenger beside its champion on the same requests."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest

from detectors.experiment import shadow
from detectors.experiment.tally import Tally


def test_pairs_see_what_arms_apart_cannot() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 5, 4000)
    champion, challenger = hard + rng.normal(0, 0.2, 4000), hard + 0.05 + rng.normal(0, 0.2, 4000)
    found = shadow.sequence(shadow.pair_differences(champion, challenger))
    assert found.low > 0
    apart = Tally.of(champion).variance + Tally.of(challenger).variance
    assert shadow.pair_differences(champion, challenger).variance < apart / 100


@pytest.mark.nightly
def test_the_sequence_holds_at_every_look() -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(100):
        gaps = rng.exponential(1.0, 4000) - 1.0
        looks = [shadow.sequence(tally) for tally in accumulate(Tally.of(part) for part in np.array_split(gaps, 40))]
        missed += any(look.low > 0 or look.high < 0 for look in looks)
    assert missed / 100 <= 0.05


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ('{"a": true}', '{"a": 1}', 0.0),
        ('{"a": 1}', '{"a": 1.0}', 1.0),
        ("[" * 100_000, "[" * 100_000, 0.0),
        ("NaN", "NaN", 0.0),
        ('{"a": [1, {"b": null}]}', ' {"a":[1,{"b":null}]}', 1.0),
        ('{"a": 1, "b": {}}', '{"a": 1}', 0.5),
        ("[1, 2]", "[2, 1]", 0.0),
        (None, None, 0.0),
        ("not json", "not json", 0.0),
    ],
)
def test_json_agrees_by_what_it_says(one: object, other: object, near: float) -> None:
    assert shadow.leaf_agreement(one, other) == near


def test_numbers_agree_within_a_tolerance_and_what_is_none_with_nothing() -> None:
    agree, near = shadow.agreement("numeric", ["1.00", "n/a", 0, "inf", None], ["1.04", "n/a", 0.0, "inf", 1], 0.05)
    assert agree.tolist() == [True, False, True, True, False]
    assert near[[1, 4]].tolist() == [0.0, 0.0]


def test_meaning_agrees_where_words_differ() -> None:
    said = ["The refund was issued to your card yesterday.", "Our office opens at nine on weekdays."]
    other = ["Yesterday we issued the refund to your card.", "Bake the bread for forty minutes."]
    agree, near = shadow.agreement("semantic", said, other, similar=0.8)
    assert agree.tolist() == [True, False]
    assert near[0] > 0.8 > 0.5 > near[1]
    assert shadow.agreement("exact", said, other)[0].tolist() == [False, False]


def test_the_relative_difference_of_pairs_is_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(2)
    champion = rng.lognormal(0, 1, 1500)
    challenger = champion * rng.lognormal(-0.3, 0.3, 1500)
    rows = rng.integers(0, 1500, (2000, 1500))
    again = challenger[rows].sum(axis=1) / champion[rows].sum(axis=1)
    found = shadow.compare_pairs(shadow.pair_differences(champion, challenger), Tally.of(challenger, champion))
    assert found.error == pytest.approx(again.std(), rel=0.07)
    assert found.relative.value == pytest.approx(challenger.sum() / champion.sum() - 1)
    assert found.relative.high < 0
