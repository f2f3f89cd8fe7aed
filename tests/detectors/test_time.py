"""No text takes a signal, a scanner, a guard or an expectation longer than a stated time: each has a time limit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache

import pytest

from detectors import SIGNALS
from detectors.policy import SETTINGS, built_in
from detectors.scan import GROUPS
from tests.support.hostile import (
    KNOWN_SLOW,
    LENGTHS,
    ONCE_SLOW,
    PATTERN_LENGTH,
    Shape,
    compiled_patterns,
    pumped,
    shapes,
    targets,
    texts,
)
from tests.support.stopwatch import Stopwatch

SEED = 7
DRAWN, DRAWN_NIGHTLY = 1, 30
"""Worst cases that each target gets of all that there are; another choice for each."""
DRAWN_TEXTS = 1
"""Texts of other kinds that each target gets of all that there are; `make nightly` takes all."""
SHORT_AND_LONG = (LENGTHS[1], LENGTHS[-1])
SECONDS = 3.0
"""Of processor time for a text of 20,000 code points; the slowest takes half a second where nothing else runs."""
LONG = 200_000
"""Code points of the longest text that is read at all."""
LONG_SECONDS = 25.0
"""For such a text: what grows in proportion takes a few seconds at most, and what grows with the square minutes."""
PARTS = 12
"""A test takes a part of the targets: whoever collects the tests need not import all that is measured."""


@pytest.fixture(scope="module")
def stopwatch() -> Iterator[Stopwatch]:
    process = Stopwatch()
    yield process
    process.close()


@cache
def all_shapes() -> list[Shape]:
    return shapes(SEED)


@cache
def all_texts(length: int) -> list[tuple[str, str]]:
    return list(texts(length, SEED))


@cache
def names() -> list[str]:
    return sorted(targets())


def lengths_of(target: str, lengths: Sequence[int]) -> list[int]:
    """Leave out lengths of which a pattern sees no more than of a shorter one."""
    return [length for length in lengths if length <= PATTERN_LENGTH or not target.startswith("pattern ")]


def check(stopwatch: Stopwatch, target: str, text: str, said: str, limit: float) -> None:
    """Fail where the target is stuck, or too slow three times: a machine may be busy once."""
    for _ in range(3):
        seconds = stopwatch.seconds(target, text)
        assert seconds is not None, f"{target} is stuck on {said}, {len(text)} code points"
        if seconds < limit:
            return
    pytest.fail(f"{target} takes {seconds:.1f} s for {said}, {len(text)} code points")


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(PARTS))
def test_none_of_many_texts_takes_long(stopwatch: Stopwatch, part: int) -> None:
    for target in names()[part::PARTS]:
        lengths = lengths_of(target, LENGTHS)
        for shape in [*ONCE_SLOW, *random.Random(f"{SEED} {target} nightly").sample(all_shapes(), DRAWN_NIGHTLY)]:
            for length in lengths:
                check(stopwatch, target, shape.text(length), str(shape), SECONDS)
        for name, text in all_texts(lengths[-1]):
            check(stopwatch, target, text, name, SECONDS)


@pytest.mark.xdist_group("stopwatch")
@pytest.mark.parametrize("part", range(PARTS))
def test_no_text_takes_long(stopwatch: Stopwatch, part: int) -> None:
    for target in names()[part::PARTS]:
        rng = random.Random(f"{SEED} {target}")
        chosen = [*ONCE_SLOW, *rng.sample(all_shapes(), DRAWN)]
        if target.startswith("pattern "):
            chosen += pumped(compiled_patterns()[target.removeprefix("pattern ")].pattern, rng)
        lengths = lengths_of(target, SHORT_AND_LONG)
        for shape in chosen:
            for length in lengths:
                check(stopwatch, target, shape.text(length), str(shape), SECONDS)
        for name, text in rng.sample(all_texts(lengths[-1]), DRAWN_TEXTS):
            check(stopwatch, target, text, name, SECONDS)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(PARTS))
def test_the_time_for_the_longest_text_is_in_proportion(stopwatch: Stopwatch, part: int) -> None:
    for target in [name for name in names() if not name.startswith("pattern ")][part::PARTS]:
        for shape in ONCE_SLOW:
            check(stopwatch, target, shape.text(LONG), str(shape), LONG_SECONDS)


@pytest.mark.xdist_group("stopwatch")
def test_whatever_is_registered_is_measured() -> None:
    assert {f"signal {name}" for name in SIGNALS} <= set(names())
    assert {f"scanner {name}" for name in GROUPS} <= set(names())
    assert {f"guard {name}" for name in (*built_in(), *SETTINGS)} <= set(names())
    assert {f"evidence {name}" for name, signal in SIGNALS.items() if signal.evidence} - set(names()) == {
        "evidence entailment"
    }, "only the signal that needs a model is measured with one of its own"


@pytest.mark.xdist_group("stopwatch")
def test_the_stopwatch_ends_what_is_stuck_and_goes_on() -> None:
    process = Stopwatch()
    try:
        assert process.seconds("stuck", "x", 1.0) is None
        assert process.seconds("signal response_length", "x") is not None
    finally:
        process.close()


@pytest.mark.xdist_group("stopwatch")
def test_a_pattern_that_backtracks_is_found_by_what_is_derived_from_it() -> None:
    """The generator finds the pattern that once froze the daemon, and a plain one of its kind."""
    process = Stopwatch()
    try:
        for name, pattern in KNOWN_SLOW.items():
            made = pumped(pattern, random.Random(1))
            assert any(process.seconds(f"pattern {name}", shape.text(1_000), 1.0) is None for shape in made), name
    finally:
        process.close()


@pytest.mark.xdist_group("stopwatch")
def test_the_texts_differ_from_seed_to_seed_and_have_the_length() -> None:
    assert shapes(1, 20) == shapes(1, 20)
    assert shapes(1, 20) != shapes(2, 20)
    assert all(len(shape.text(5_000)) <= 5_000 for shape in all_shapes() if len(shape.unit) < 99)
