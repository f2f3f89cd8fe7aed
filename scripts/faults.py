"""Run the fault tests and the deliberate bugs, and print one table at the end: `make faults`.

Arguments go to pytest: `python -m scripts.faults -k stop`. The environment has the seeds and seconds of the nemesis and
the stride of the kill points; see the Makefile. With `-k` no deliberate bug is tried. Exits 1 if a promise is broken.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.mutants import ROOT, read_listed, run_listed

BUGS = "Fault: "
TOTALS = (
    "kill points",
    "situations of SIGTERM",
    "nemesis seeds",
    "faults of the nemesis",
    "violations",
    "fences lost",
    "canaries seen",
)
"""Counts of the tests that the table begins with; further ones follow."""


def main(arguments: list[str]) -> int:
    """Run everything; return the exit code."""
    tests, tally = run_tests(arguments)
    bugs = [] if "-k" in arguments else [each for each in read_listed() if each.reason.startswith(BUGS)]
    missed = run_listed(bugs, int(os.environ.get("WORKERS", "0")) or os.cpu_count() or 1) if bugs else []
    for name, value in tabulate(tally, len(bugs), len(missed)):
        print(f"{name:<45} {value:>10}")
    return 1 if tests or missed or tally["counts"].get("violations") else 0


def run_tests(arguments: list[str]) -> tuple[int, dict[str, Any]]:
    """Run the tests without workers, so that one process counts; return its exit code and what it counted."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        file = Path(folder) / "tally.json"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/faults", *arguments]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "DRIFTD_TALLY": str(file)}, check=False)
        empty = {"tried": 0, "survived": 0, "counts": {}, "worst": {}}
        return done.returncode, json.loads(file.read_text()) if file.exists() else empty


def tabulate(tally: Mapping[str, Any], bugs: int, missed: int) -> list[tuple[str, str]]:
    """Return the rows of the table.

    Examples
    --------
    >>> tally = {"tried": 5, "survived": 4, "counts": {"fences lost": 2, "a": 1}, "worst": {"SIGTERM": 3.21}}
    >>> dict(tabulate(tally, 11, 1))["promises broken"], dict(tabulate(tally, 11, 1))["deliberate bugs caught"]
    ('1', '10 of 11')
    """
    counts = dict(tally["counts"])
    rows = [
        ("faults tried", str(tally["tried"])),
        ("survived", str(tally["survived"])),
        ("promises broken", str(tally["tried"] - tally["survived"])),
        *((name, str(counts.pop(name, 0))) for name in TOTALS),
        *((name, str(number)) for name, number in sorted(counts.items())),
        ("deliberate bugs caught", f"{bugs - missed} of {bugs}" if bugs else "not tried"),
    ]
    return rows + [(f"{name}, worst", f"{seconds:.2f} s") for name, seconds in sorted(tally["worst"].items())]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
