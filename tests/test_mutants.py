"""The list of mutants: each one can be applied, changes something, and names tests that there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.mutants import Mutant, MutantError, locate, read_listed, read_sources
from tests.support.tools import ROOT


def test_every_listed_mutant_can_be_applied() -> None:
    sources, mutants = read_sources(ROOT), read_listed()
    assert len(mutants) >= 44
    for mutant in mutants:
        assert mutant.old in sources[locate(mutant, sources)]
        assert mutant.old != mutant.new
        assert mutant.reason.endswith(".")
        assert [test for test in mutant.tests if not (ROOT / test).is_file()] == []
        assert mutant.tests


def test_a_mutant_that_cannot_be_applied_is_an_error() -> None:
    mutant = Mutant("A decision.", "a > b", "a >= b", ["tests/test_mutants.py"])
    assert locate(mutant, {"one.py": "x = a > b", "two.py": ""}) == "one.py"
    with pytest.raises(MutantError, match="does not occur"):
        locate(replace(mutant, old="c > d"), {"one.py": "x = a > b"})
    with pytest.raises(MutantError, match="occurs 3 times"):
        locate(mutant, {"one.py": "a > b or a > b", "two.py": "a > b"})
