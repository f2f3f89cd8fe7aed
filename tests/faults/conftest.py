"""A server that tests may stop, and the summary of the fault tests, which `make faults` prints."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import tally
from tests.support import postgres


@pytest.fixture
def own_server() -> Iterator[postgres.OwnServer]:
    """Lend a server that a test may stop."""
    if os.environ.get("DRIFTD_TEST_POSTGRES"):
        pytest.skip("needs a server of its own")
    folder = postgres.make_folder()
    server = postgres.OwnServer(folder, synchronous_commit="on")
    try:
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was tried, and how many promises did not hold; each test is a fault, and asserts a promise."""
    here = "tests/faults/"
    held, broken = (
        [report for report in terminalreporter.getreports(outcome) if report.nodeid.startswith(here)]
        for outcome in ("passed", "failed")
    )
    counted = {"tried": len(held) + len(broken), "survived": len(held), "counts": tally.COUNTS, "worst": tally.WORST}
    if path := os.environ.get("DRIFTD_TALLY"):
        Path(path).write_text(json.dumps(counted))
    if not tally.COUNTS and not tally.WORST:
        return
    terminalreporter.section("faults")
    terminalreporter.line(f"faults tried: {len(held) + len(broken)}; survived: {len(held)}")
    terminalreporter.line(f"promises broken: {len(broken)}")
    for what, number in sorted(tally.COUNTS.items()):
        terminalreporter.line(f"{what}: {number}")
    for what, seconds in sorted(tally.WORST.items()):
        terminalreporter.line(f"{what}, worst: {seconds:.2f} s")
