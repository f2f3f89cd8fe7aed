"""The list of mutants: each one can be applied, changes something, and names tests that there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.mutant_session import MutantSession
from scripts.mutants import (
    Equivalent,
    Mutant,
    MutantError,
    find_modules,
    locate,
    mutate,
    read_listed,
    read_set,
    read_sources,
)
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


def test_every_part_of_a_set_has_modules_and_tests_and_no_module_is_in_two() -> None:
    parts = read_set("acting")
    modules = [path for part in parts for path in part.modules]
    assert len(modules) == len(set(modules)) > 40
    assert {path for path in find_modules(["monitor/actions/**/*.py"]) if path not in modules} == set()
    assert [test for part in parts for test in part.tests if not (ROOT / test).exists()] == []
    assert parts[0].narrow("approval") == parts[0]
    assert parts[0].narrow("last_good").modules == ["monitor/actions/last_good.py"]
    with pytest.raises(MutantError, match="there is no set 'nothing'; sets: acting"):
        read_set("nothing")


def test_an_equivalent_mutant_is_one_change_of_one_line_of_its_module() -> None:
    known = Equivalent("monitor/one.py", "a = b", "a = c", "A reason.")
    difference = "--- monitor/one.py\n+++ monitor/one.py\n@@ -1 +1 @@\n-    a = b\n+    a = c\n x = 1"
    assert known.covers("monitor.one.x_f__mutmut_1", difference)
    assert not known.covers("monitor.other.x_f__mutmut_1", difference)
    assert not known.covers("monitor.one.x_f__mutmut_1", difference.replace("a = c", "a = d"))


def test_every_mutant_of_a_module_is_in_its_code_and_has_a_difference(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("class Sum:\n    def add(self, a):\n        return a + 1\n", "utf-8")
    differences = mutate(tmp_path, ["one.py"])
    code = (tmp_path / "one.py").read_text("utf-8")
    assert [name.rpartition("__")[2] for name in differences] == ["mutmut_1", "mutmut_2"]
    assert all(name.removeprefix("one.") in code for name in differences)
    minus, more = (text.splitlines()[-2:] for text in differences.values())
    assert (minus, more) == (
        ["-        return a + 1", "+        return a - 1"],
        ["-        return a + 1", "+        return a + 2"],
    )


def test_tests_that_noticed_other_mutants_of_a_function_run_first_then_the_fastest() -> None:
    session = MutantSession([], 1)
    session._tests, session._seconds = {"one.x_f": [0, 1, 2]}, [0.3, 0.2, 0.1]
    assert session._choose_tests("one.x_f__mutmut_1") == [2, 1, 0]
    session._killers = {"one.x_f": [0]}
    assert session._choose_tests("one.x_f__mutmut_2") == [0, 2, 1]
    assert session._choose_tests("one.x_g__mutmut_1") == []
