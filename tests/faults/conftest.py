"""The summary of the fault tests: `make faults` prints it."""

from __future__ import annotations

import pytest

from tests.faults import tally


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was tried, and how many promises did not hold; each test is a fault, and asserts a promise."""
    here = "tests/faults/"
    held, broken = (
        [report for report in terminalreporter.getreports(outcome) if report.nodeid.startswith(here)]
        for outcome in ("passed", "failed")
    )
    if not tally.COUNTS and not tally.WORST:
        return
    terminalreporter.section("faults")
    terminalreporter.line(f"faults tried: {len(held) + len(broken)}; survived: {len(held)}")
    terminalreporter.line(f"promises broken: {len(broken)}")
    for what, number in sorted(tally.COUNTS.items()):
        terminalreporter.line(f"{what}: {number}")
    for what, seconds in sorted(tally.WORST.items()):
        terminalreporter.line(f"{what}, worst: {seconds:.2f} s")
