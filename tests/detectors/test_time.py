"""No text takes a signal, a scanner, a guard or an expectation longer than a stated time: each has a time limit."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from detectors import SIGNALS
from detectors.policy import SETTINGS, built_in
from detectors.scan import GROUPS
from tests.support.hostile import (
    KNOWN_SLOW,
    LENGTHS,
    ONCE_SLOW,
    Stopwatch,
    compiled_patterns,
    pumped,
    shapes,
    targets,
    texts,
)

SEED = 7
DRAWN, DRAWN_NIGHTLY = 6, 30
"""Worst cases that each target gets of all that there are; another choice for each."""
SECONDS = 3.0
"""Of processor time for a text of 20,000 code points; the slowest takes half a second where nothing else runs."""
LONG = 200_000
"""Code points of the longest text that is read at all."""
LONG_SECONDS = 25.0
"""For such a text: what grows in proportion takes a few seconds at most, and what grows with the square minutes."""
SHAPES = shapes(SEED)
NAMES = sorted(targets())


@pytest.fixture(scope="module")
def stopwatch() -> Iterator[Stopwatch]:
    process = Stopwatch()
    yield process
    process.close()


def check(stopwatch: Stopwatch, target: str, text: str, said: str, limit: float) -> None:
    """Fail where the target is stuck, or too slow three times: a machine may be busy once."""
    for _ in range(3):
        seconds = stopwatch.seconds(target, text)
        assert seconds is not None, f"{target} is stuck on {said}, {len(text)} code points"
        if seconds < limit:
            return
    pytest.fail(f"{target} takes {seconds:.1f} s for {said}, {len(text)} code points")


@pytest.mark.nightly
@pytest.mark.parametrize("target", NAMES)
def test_none_of_many_texts_takes_long(stopwatch: Stopwatch, target: str) -> None:
    for shape in random.Random(f"{SEED} {target} nightly").sample(SHAPES, DRAWN_NIGHTLY):
        for length in LENGTHS:
            check(stopwatch, target, shape.text(length), str(shape), SECONDS)


@pytest.mark.parametrize("target", NAMES)
def test_no_text_takes_long(stopwatch: Stopwatch, target: str) -> None:
    rng = random.Random(f"{SEED} {target}")
    chosen = [*ONCE_SLOW, *rng.sample(SHAPES, DRAWN)]
    if target.startswith("pattern "):
        pattern = compiled_patterns()[target.removeprefix("pattern ")]
        chosen += pumped(pattern.pattern, rng)
    for shape in chosen:
        for length in LENGTHS:
            check(stopwatch, target, shape.text(length), str(shape), SECONDS)
    for name, text in texts(LENGTHS[-1], SEED):
        check(stopwatch, target, text, name, SECONDS)


@pytest.mark.nightly
@pytest.mark.parametrize("target", [name for name in NAMES if not name.startswith("pattern ")])
def test_the_time_for_the_longest_text_is_in_proportion(stopwatch: Stopwatch, target: str) -> None:
    for shape in ONCE_SLOW:
        check(stopwatch, target, shape.text(LONG), str(shape), LONG_SECONDS)


def test_whatever_is_registered_is_measured() -> None:
    assert {f"signal {name}" for name in SIGNALS} <= set(NAMES)
    assert {f"scanner {name}" for name in GROUPS} <= set(NAMES)
    assert {f"guard {name}" for name in (*built_in(), *SETTINGS)} <= set(NAMES)
    assert {f"evidence {name}" for name, signal in SIGNALS.items() if signal.evidence} - set(NAMES) == {
        "evidence entailment"
    }, "only the signal that needs a model is measured with one of its own"


def test_the_stopwatch_ends_what_is_stuck_and_goes_on() -> None:
    process = Stopwatch()
    try:
        assert process.seconds("stuck", "x", 1.0) is None
        assert process.seconds("signal response_length", "x") is not None
    finally:
        process.close()


def test_a_pattern_that_backtracks_is_found_by_what_is_derived_from_it() -> None:
    """The generator finds the pattern that once froze the daemon, and a plain one of its kind."""
    process = Stopwatch()
    try:
        for name, pattern in KNOWN_SLOW.items():
            made = pumped(pattern, random.Random(1))
            assert any(process.seconds(f"pattern {name}", shape.text(1_000), 2.0) is None for shape in made), name
    finally:
        process.close()


def test_the_texts_differ_from_seed_to_seed_and_have_the_length() -> None:
    assert shapes(1, 20) == shapes(1, 20)
    assert shapes(1, 20) != shapes(2, 20)
    assert all(len(shape.text(5_000)) <= 5_000 for shape in SHAPES if len(shape.unit) < 99)
