"""A model swap from its first bad record to its end, with real servers and a real daemon: `make bench-rollback`.

Real: PostgreSQL (log and store), MLflow, Prometheus, Alertmanager, `driftd run` as a process with buckets of 15 seconds
and its own clock, and all that they say to each other. An application asks MLflow each second which version an alias
points at, and logs records of that version; so the traffic recovers only if the alias is moved back. Not real: the
records, which are drawn; the approver, a script that presses at once; and Slack, which is a server on loopback that
enforces the rules of its Web API and of Socket Mode. The window is a minute, shorter than one would choose, so that a
variant ends in 5 minutes. Steps are looked for four times a second, and printed when they are observed.

| variant | what is different |
|---|---|
| `slack` | a person approves by the button of the message in Slack and its dialog |
| `browser` | a person approves in a Chromium, on the page of the incident |
| `auto` | no approval |
| `storm` | four monitors of mode auto fire at once: nothing is sent until a person approves one rollback in Slack |
| `down` | MLflow does not answer the daemon for two minutes |
| `helpless` | the application keeps the bad version: not verified, escalated, not repeated |

Ends with 1 unless all that is expected happens within 5 minutes of the first bad record of each variant.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rollback.servers import start_servers
from benchmarks.rollback.timeline import Timeline
from benchmarks.rollback.variants import VARIANTS, run

SHOWN = ("firing", "Slack message", "alias moved back", "first good record", "verified", "not verified", "resolved")


def main() -> int:
    """Print the timelines and what they came to; return 1 if something expected did not happen."""
    parser = argparse.ArgumentParser(prog="make bench-rollback", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[one.name for one in VARIANTS], action="append")
    asked = parser.parse_args()
    began, timelines = time.monotonic(), dict[str, Timeline]()
    with TemporaryDirectory(prefix="driftd-rollback-") as folder, start_servers(Path(folder)) as servers:
        for variant in VARIANTS:
            if asked.only and variant.name not in asked.only:
                continue
            home = Path(folder) / variant.name
            home.mkdir()
            timelines[variant.name] = timeline = run(variant, servers, home)
            for problem in timeline.problems:
                print(f"FAILED: {problem}", flush=True)
            if timeline.problems:
                print("the last lines of the daemon:", *(home / "daemon.log").read_text().splitlines()[-15:], sep="\n")
    print_table(timelines)
    failed = [name for name, timeline in timelines.items() if timeline.problems]
    print(f"{time.monotonic() - began:.0f} s; {f'failed: {failed}' if failed else 'all variants passed'}")
    return 1 if failed else 0


def print_table(timelines: Mapping[str, Timeline]) -> None:
    """Print the seconds from the first bad record to each step, and how many conditions hold."""
    print(f"\n{'':10}{''.join(f'{name:>19}' for name in SHOWN)}  conditions  result")
    for name, one in timelines.items():
        cells = [f"{one.seconds[step]:.1f} s" if step in one.seconds else "-" for step in SHOWN]
        kept = f"{one.conditions - len(one.problems)} of {one.conditions}"
        print(
            f"{name:10}{''.join(f'{cell:>19}' for cell in cells)}  {kept:>10}  {'FAILED' if one.problems else 'passed'}"
        )


if __name__ == "__main__":
    sys.exit(main())
