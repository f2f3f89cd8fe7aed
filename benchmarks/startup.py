"""CPU time and memory of the commands that are run often or looked at first: `make bench-startup`.

Each command is run several times as a process of its own and the cheapest run counts, for other work on the machine
only adds. The ratio is to `python -c pass`, the least that any command costs. This module imports nothing large itself,
because the memory of a process counts for what it starts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

DRIFTD = Path(sysconfig.get_path("scripts")) / "driftd"
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "driftd version": [str(DRIFTD), "version"],
    "driftd health": [str(DRIFTD), "health", "--listen", "127.0.0.1:1"],
    "driftd --help": [str(DRIFTD), "--help"],
    "import monitor.config.models": [sys.executable, "-c", "import monitor.config.models"],
    "driftd config schema": [str(DRIFTD), "config", "schema"],
}
LIMITED = ("driftd version", "driftd health")
SECONDS, MEGABYTES = 0.25, 60.0
"""Limits of these commands."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of user and system, and the largest resident set in MB."""

    seconds: float
    megabytes: float


def measure(command: list[str]) -> Cost:
    """Run a command once."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> int:
    """Print the table; exit 1 where a limited command costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    costs = {
        name: min((measure(command) for _ in range(runs)), key=lambda cost: cost.seconds)
        for name, command in COMMANDS.items()
    }
    least = costs["python -c pass"].seconds
    print(f"{'command':<22}{'CPU s':>8}{'ratio':>8}{'MB':>6}")
    for name, cost in costs.items():
        print(f"{name:<22}{cost.seconds:>8.3f}{cost.seconds / least:>8.0f}{cost.megabytes:>6.0f}")
    within = all(costs[name].seconds < SECONDS and costs[name].megabytes < MEGABYTES for name in LIMITED)
    print(f"limit of {' and '.join(LIMITED)}, {SECONDS} s and {MEGABYTES:.0f} MB: {'held' if within else 'exceeded'}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
