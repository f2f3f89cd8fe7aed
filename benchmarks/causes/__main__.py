"""Does an incident say what caused it, and is one cause one incident? ``make bench-causes``.

At least two hundred streams whose causes are known run through the daemon's own jobs, a bucket at a time: observed,
evaluated, decided, planned, stored and delivered. The incidents and actions are compared with the truth.

    make bench-causes ARGS="--seed 1 --only tenant_fault --verbose"
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import structlog

from benchmarks.causes.kinds import KINDS, draw
from benchmarks.causes.run import run
from benchmarks.causes.score import Score, score
from benchmarks.causes.tables import missed_goals, render

SCENARIOS = 210
Task = tuple[str, int, int]


def prepare() -> None:
    """Leave only errors in the log of a process."""
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def measure(task: Task) -> Score:
    """Draw, run and score a scenario."""
    scenario = draw(*task)
    return score(scenario, run(scenario))


def list_tasks(kinds: Sequence[str], scenarios: int, seed: int) -> list[Task]:
    """Return which scenarios are run: as many of each kind as of any other, or one more."""
    return [(kinds[place % len(kinds)], place // len(kinds), seed) for place in range(scenarios)]


def measure_all(tasks: Sequence[Task], jobs: int) -> list[Score]:
    """Measure scenarios, several at a time; returns them by kind."""
    if jobs == 1:
        prepare()
        return [measure(task) for task in tasks]
    with ProcessPoolExecutor(jobs, initializer=prepare) as pool:
        return list(pool.map(measure, tasks))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and say which goals are missed."""
    parser = argparse.ArgumentParser(prog="make bench-causes", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="draws all scenarios")
    parser.add_argument("--scenarios", type=int, default=SCENARIOS, help="how many, shared among the kinds")
    parser.add_argument("--only", choices=list(KINDS), action="append", help="a kind; may be given several times")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--verbose", action="store_true", help="say of each scenario that failed what came")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a goal is missed")
    asked = parser.parse_args(arguments)
    kinds = asked.only or list(KINDS)
    scenarios = asked.scenarios if not asked.only else max(len(kinds), asked.scenarios * len(kinds) // len(KINDS))
    began = time.monotonic()
    scores = measure_all(list_tasks(kinds, scenarios, asked.seed), asked.jobs)
    scores.sort(key=lambda one: kinds.index(one.kind))
    print(render(scores))
    if asked.verbose:
        print("\n".join(f"{one.name}: {problem}" for one in scores for problem in one.problems))
    missed = missed_goals(scores)
    print(f"{len(scores)} scenarios in {time.monotonic() - began:.0f} s.", *(f"Missed: {goal}." for goal in missed))
    return 1 if asked.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
