"""Columns and layouts that several tests need."""

from __future__ import annotations

from collections import Counter

import numpy as np

from detectors.binning import Binning, learn_categorical, learn_numeric
from detectors.profile import Profile
from detectors.records import Column
from detectors.stack import Stack


def numeric_layout(values: np.ndarray) -> Binning:
    finite = values[np.isfinite(values)]
    return learn_numeric(finite, float(finite.min()), float(finite.max()))


def numeric_pair(old: np.ndarray, new: np.ndarray) -> tuple[Profile, Profile]:
    layout = numeric_layout(old)
    return Profile.of(Column.floats(old), layout), Profile.of(Column.floats(new), layout)


def categorical_pair(old: list[str], new: list[str]) -> tuple[Profile, Profile]:
    layout = learn_categorical(Counter(old))
    return Profile.of(Column.of(old), layout), Profile.of(Column.of(new), layout)


def pair(kind: str, rng: np.random.Generator, n: int, shift: float) -> tuple[Profile, Profile]:
    """Return a baseline and a window whose difference grows with ``shift`` (0: none)."""
    if kind == "numeric":
        return numeric_pair(rng.normal(size=20_000), rng.normal(shift, size=n))
    odds = np.array([4.0, 3.0, 2.0, 1.0])
    moved = odds * np.exp(shift * np.arange(4))
    words = np.array(["a", "b", "c", "d"])
    old = rng.choice(words, 20_000, p=odds / odds.sum())
    new = rng.choice(words, n, p=moved / moved.sum())
    return categorical_pair(old.tolist(), new.tolist())


def null_windows(old: Profile, n: int, draws: int, seed: int) -> Stack:
    """Draw many windows from the very shares of the baseline."""
    counts = np.random.default_rng(seed).multinomial(n, old.counts / old.counts.sum(), size=draws)
    nothing = np.zeros(draws, dtype=np.int64)
    return Stack(old.layout, counts, nothing, nothing, nothing, np.zeros(draws), np.zeros(draws))
