"""Does a change of the code change what driftd finds and does? ``make bench-replay``.

A recorded log in which everything happens (`recording.py`) is run through two versions of the code, each in a process
of its own (`driver.py`), and what they found, decided and sent is compared (`compare.py`). Ends with 0 where all of it
is identical, and with 1 where the differences are listed.

    make bench-replay ARGS="--before v0.1.0 --after HEAD"

A version is a commit, or a folder with a checkout. By default the last commit is compared with the working tree.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.replay.compare import compare, summary
from benchmarks.replay.recording import record

DRIVER = Path(__file__).with_name("driver.py")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Sums of floats depend on how they are split over threads, and more threads are not faster here."""


@contextmanager
def checked_out(version: str, folder: Path) -> Iterator[Path]:
    """Lend a folder with the code of a version: the version itself where it is a folder, else a commit's files."""
    if Path(version).is_dir():
        yield Path(version).resolve()
        return
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(folder), version], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], check=True)


def drive(code: Path, folder: Path, *words: str) -> dict[str, Any]:
    """Run the code of a folder over the recording beside ``folder``; returns its CPU seconds."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(code), "PYTHONHASHSEED": "random"}
    ran = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", str(DRIVER), str(folder), *words],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(ran.stdout)
    if told["code"] != str(code):
        raise RuntimeError(f"the code of {told['code']} was run instead of that of {code}")
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, run both versions side by side, compare."""
    parser = argparse.ArgumentParser(prog="make bench-replay", description=__doc__.splitlines()[0])
    parser.add_argument("--before", default="HEAD", help="a commit or a folder; by default the last commit")
    parser.add_argument("--after", default=".", help="a commit or a folder; by default the working tree")
    parser.add_argument("--buckets", type=int, default=1000, help="live buckets of 5 minutes")
    parser.add_argument("--keep", type=Path, help="folder that stores and logs are left in")
    asked = parser.parse_args(arguments)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftd-replay-")))
        folder = (asked.keep or scratch).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        record(folder, asked.buckets)
        sides = {side: folder / side for side in ("before", "after")}
        codes = {
            side: stack.enter_context(checked_out(getattr(asked, side), scratch / f"code-{side}")) for side in sides
        }
        began = time.monotonic()
        with ThreadPoolExecutor(len(sides)) as pool:
            used = list(pool.map(lambda side: drive(codes[side], sides[side]), sides))
        seconds = " and ".join(f"{one['cpu_seconds']} s" for one in used)
        print(f"{asked.buckets} buckets in {time.monotonic() - began:.0f} s, CPU {seconds}")
        found = compare(sides["before"], sides["after"])
    print(summary(found))
    return 1 if any(one.total for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
