"""Whether a change is an improvement: of one window, of many, and as every signal states it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from detectors import SIGNALS
from detectors.binning import Binning, learn_categorical, learn_numeric
from detectors.direction import Preference, change_direction, has_improved
from detectors.profile import Profile
from detectors.records import Column
from detectors.stack import Stack

RNG = np.random.default_rng(5)
SECONDS = RNG.lognormal(0, 1, 20_000)
LAYOUT = learn_numeric(SECONDS, SECONDS.min(), SECONDS.max())


def profile(values: np.ndarray, layout: Binning = LAYOUT) -> Profile:
    return Profile.of(Column.floats(values), layout)


BULK = np.quantile(SECONDS, 0.9) > SECONDS
BULK_FASTER_TAIL_SLOWER = np.where(BULK, SECONDS * 0.8, SECONDS * 5)
TAIL_FASTER_BULK_SLOWER = np.where(BULK, SECONDS * 1.2, SECONDS * 0.6)


@pytest.mark.parametrize(
    ("better", "window", "expected"),
    [
        ("lower", SECONDS * 0.5, "better"),
        ("lower", SECONDS * 2, "worse"),
        ("higher", SECONDS * 0.5, "worse"),
        ("higher", SECONDS * 2, "better"),
        ("lower", BULK_FASTER_TAIL_SLOWER, "worse"),
        ("lower", TAIL_FASTER_BULK_SLOWER, "worse"),
        ("lower", SECONDS, "worse"),
        ("lower", np.array([]), "worse"),
        ("neutral", SECONDS * 2, "neutral"),
        (None, SECONDS * 0.5, "worse"),
    ],
)
def test_a_change_is_better_only_when_neither_its_mean_nor_its_ranks_are_worse(
    better: Preference | None, window: np.ndarray, expected: str
) -> None:
    assert change_direction(better, profile(SECONDS), profile(window)) == expected


def test_many_windows_at_once_give_what_each_gives_alone() -> None:
    windows = [profile(SECONDS * factor) for factor in (0.3, 0.9, 1.0, 1.1, 3.0)] + [profile(np.array([]))]
    stack = Stack.of(windows, LAYOUT)
    for better in ("lower", "higher", "neutral", None):
        alone = [bool(has_improved(better, profile(SECONDS), window)) for window in windows]
        assert has_improved(better, profile(SECONDS), stack).tolist() == alone


def test_only_a_number_improves() -> None:
    words = Column.of(["yes", "no", "yes"])
    side = Profile.of(words, learn_categorical(Counter(["yes", "no", "yes"])))
    assert change_direction("lower", side, side) == "worse"


def test_every_signal_of_one_number_says_which_way_is_better() -> None:
    """Only what the operator defines, a pattern, has no better side that we could know."""
    assert {name for name, s in SIGNALS.items() if s.kind == "numeric" and s.better is None} == {"matches"}
