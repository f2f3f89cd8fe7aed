"""The alert budget on columns as real tables have them, and what it costs in delay. `make bench-awkward`.

Quiet streams of every column family and pathology, eight live weeks each, by the real backtest with the defaults;
changes put into the same streams; pathologies added to a clean stream, and what they do to changes of the other
columns; Evidently and NannyML beside it. Ends with the goals that are not met, and then with exit code 1.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import structlog

from benchmarks.awkward import beside, changes, goals, quiet, streams
from benchmarks.awkward.goals import Goal

PARTS = ("quiet", "changes", "deafness", "peers")
STREAMS = 7
"""Of each kind: 56 live weeks."""


def _calm() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    warnings.simplefilter("ignore", RuntimeWarning)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.awkward", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, action="append", help="one part of it; may be given again")
    parser.add_argument("--kinds", type=_names, help=f"of {', '.join(streams.KINDS)}")
    parser.add_argument("--seeds", type=_numbers, help="of the streams of each kind, such as 1,2,3")
    parser.add_argument("--seed", type=int, default=1, help="the first one, if --seeds is not given (default: 1)")
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"how many seeds (default: {STREAMS})")
    parser.add_argument("--fewer", type=int, default=3, help="seeds of all but the quiet part at 1/week (default: 3)")
    parser.add_argument("--weeks", type=float, default=streams.LIVE_WEEKS, help="live weeks of a quiet stream")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--no-peers", action="store_true", help="leave Evidently and NannyML out")
    options = parser.parse_args(arguments)
    options.seeds = options.seeds or [options.seed + step for step in range(options.streams)]
    options.few = options.seeds[: options.fewer]
    options.parts = [part for part in options.only or PARTS if not (part == "peers" and options.no_peers)]
    options.kinds = options.kinds or list(streams.KINDS)
    return options


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in streams.KINDS]:
        raise argparse.ArgumentTypeError(f"unknown kind {unknown[0]!r}; known are {', '.join(streams.KINDS)}")
    return names


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


class Run:
    """One run of the command: where the work is done, and what it has found."""

    def __init__(self, options: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
        self.options, self._pool = options, pool
        self._begun = time.perf_counter()
        self.goals: list[Goal] = []
        self._found: list[changes.Found] = []

    def _each(self, work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> list[Any]:
        return list(self._pool.map(work, *zip(*jobs, strict=True)))

    def _print(self, title: str, text: str) -> None:
        print(f"\n## {title}\n\n{text}\n({time.perf_counter() - self._begun:.0f} s)", flush=True)

    def quiet(self) -> None:
        kinds, seeds, few, weeks = (getattr(self.options, name) for name in ("kinds", "seeds", "few", "weeks"))
        jobs = [(kind, seed, quiet.WEEK, weeks) for kind in kinds for seed in seeds]
        jobs += [(kind, seed, quiet.MONTH, weeks) for kind in kinds for seed in few]
        results = self._each(quiet.of_stream, jobs)
        for budget in quiet.ALLOWED:
            self._print(f"Alerts on quiet streams, budget {budget}", quiet.table(kinds, budget, results))
        self.goals += quiet.goals(kinds, results)

    def changes(self) -> None:
        kinds = self.options.kinds
        jobs = [(kind, seed) for kind in kinds for seed in self.options.few]
        self._found = [one for several in self._each(changes.of_stream, jobs) for one in several]
        self._print("Median delay and recall within 8 days, budget 1/week", changes.table(kinds, self._found))
        self.goals += changes.goals(kinds, self._found)

    def deafness(self) -> None:
        ill, few = list(streams.PATHOLOGIES), self.options.few
        jobs = [(pathology, seed) for pathology in ill for seed in few]
        found = [one for several in self._each(changes.of_pathology, jobs) for one in several]
        self._print("Median delay of changes of the other columns", changes.deafness_table(ill, found))
        weeks = [(pathology, seed, quiet.WEEK, self.options.weeks) for pathology, seed in jobs]
        results = self._each(quiet.of_stream, weeks)
        self._print("Alerts beside each pathology, budget 1/week", quiet.table(ill, quiet.WEEK, results))
        self.goals += changes.deafness_goals(ill, found) + quiet.goals(ill, results)

    def peers(self) -> None:
        kinds = self.options.kinds
        seen = [
            one
            for several in self._each(beside.of_peers, [(kind, self.options.few[0]) for kind in kinds])
            for one in several
        ]
        self._print("Alerts a week on quiet streams, the peers' defaults", beside.quiet_table(kinds, seen))
        title = "Median delay and recall of all kinds, the peers at one false alert a week"
        self._print(title, beside.changes_table(kinds, seen, self._found))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    _calm()
    with ProcessPoolExecutor(options.workers, initializer=_calm) as pool:
        run = Run(options, pool)
        for part in options.parts:
            getattr(run, part)()
    print(f"\n{goals.summary(run.goals)}")
    return 0 if all(goal.met for goal in run.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
