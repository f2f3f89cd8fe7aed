"""A detector, a signal, a preset and a metric cost one file and one line each: the rest follows from the line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from tests.support.tools import ROOT

CONTRACT = "tests/detectors/test_contract.py"
FOLDER = ROOT / "tests" / "support" / "extension"


def run_with_extension(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process in which the extension was registered first."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.extension", "-p", "no:cacheprovider", "-n", "0"]
    return subprocess.run(
        [*command, "-q", "-rA", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )


def passed(output: str, words: Sequence[str] = ()) -> list[str]:
    """Return the tests that passed and have all of some words in their names."""
    names = [line.split(" ", 1)[1] for line in output.splitlines() if line.startswith("PASSED ")]
    return [name for name in names if all(word in name for word in words)]


def test_an_extension_appears_wherever_names_are_listed() -> None:
    done = run_with_extension(*map(str, FOLDER.glob("*.py")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(passed(done.stdout, ["appears.py"])) == 6


def test_the_contract_of_detectors_and_signals_is_tested_of_an_extension() -> None:
    done = run_with_extension(CONTRACT, "-k", "doubled_gap or exclamations")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(passed(done.stdout, ["doubled_gap"])) >= 20
    assert passed(done.stdout, ["exclamations"])
