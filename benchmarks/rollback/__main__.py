"""A model swap from its first bad record to its end, with real servers and a real daemon: `make bench-rollback`.

Real: PostgreSQL (log and store), MLflow, Prometheus, Alertmanager, `driftd run` as a process with buckets of 15 seconds
and its own clock, and all that they say to each other. An application asks MLflow each second which version an alias
points at, and logs records of that version; so the traffic recovers only if the alias is moved back. Not real: the
records, which are drawn; the approver, a script that presses at once; and Slack, which is a server on loopback that
enforces the rules of its Web API and of Socket Mode. The window is a minute, shorter than one would choose, so that a
variant ends in 5 minutes. Steps are looked for four times a second, and printed when they are observed.

Variants: `auto` (no approval), `slack` (approval by the button of the message), `helpless` (the application keeps the
bad version: not verified and escalated), `down` (MLflow does not answer for two minutes). Ends with 1 unless all that
is expected happens within 5 minutes of the first bad record.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rollback.servers import start_servers
from benchmarks.rollback.variants import VARIANTS, run


def main() -> int:
    """Print the timelines; return 1 if something expected did not happen."""
    parser = argparse.ArgumentParser(prog="make bench-rollback", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[one.name for one in VARIANTS], action="append")
    asked = parser.parse_args()
    began, problems = time.monotonic(), list[str]()
    with TemporaryDirectory(prefix="driftd-rollback-") as folder, start_servers(Path(folder)) as servers:
        for variant in VARIANTS:
            if asked.only and variant.name not in asked.only:
                continue
            home = Path(folder) / variant.name
            home.mkdir()
            found = run(variant, servers, home)
            print(f"{variant.name}: {'; '.join(found) or 'all as expected'}", flush=True)
            problems += found
            if found:
                print("the last lines of the daemon:", *(home / "daemon.log").read_text().splitlines()[-15:], sep="\n")
    print(f"\n{time.monotonic() - began:.0f} s; {'a variant failed' if problems else 'all variants are as expected'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
