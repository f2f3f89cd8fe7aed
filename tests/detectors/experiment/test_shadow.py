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
    found = shadow.sequence(shadow.paired(champion, challenger))
    assert found.low > 0
    apart = Tally.of(champion).variance + Tally.of(challenger).variance
    assert shadow.paired(champion, challenger).variance < apart / 100


def test_the_sequence_holds_at_every_look() -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(100):
        gaps = rng.exponential(1.0, 4000) - 1.0
        looks = [shadow.sequence(tally) for tally in accumulate(Tally.of(part) for part in np.array_split(gaps, 40))]
        missed += any(look.low > 0 or look.high < 0 for look in looks)
    assert missed / 100 <= 0.05


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ('{"a": true}', '{"a": 1}', False),
        ('{"a": 1}', '{"a": 1.0}', True),
        ("[" * 100_000, "[" * 100_000, False),
        ("NaN", "NaN", False),
        ('{"a": [1, {"b": null}]}', ' {"a":[1,{"b":null}]}', True),
        (None, None, False),
    ],
)
def test_json_agrees_by_what_it_says(one: object, other: object, agree: bool) -> None:
    assert shadow.same_json(one, other) is agree


def test_the_gravest_disagreements_come_first_and_nothing_but_ids_is_kept() -> None:
    found = shadow.worst([f"r{n}" for n in range(5)], np.array([0.0, np.nan, 3.0, -1.0, 7.0]))
    assert found == [("r4", 7.0), ("r2", 3.0)]
