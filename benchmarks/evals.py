"""Evaluations: how often an unchanged random model is called worse, and how often a real drop is found.

The first part runs `driftd eval run`'s own code against an endpoint on loopback, 200 times after one another, each
run compared with the last good one, and then as 200 independent pairs. The second part draws the scores themselves.

    python -m benchmarks.evals [--runs 200] [--cases 100] [--repeat 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from monitor.core.clock import SystemClock
from monitor.core.suite_run import OVERALL, CaseResult
from monitor.jobs.evals.compare import compare, pool, unchanged_runs
from monitor.jobs.evals.run import evaluate
from monitor.jobs.evals.suite import Suite
from monitor.store import migrate
from monitor.store.database import Database
from tests.support.llm import Model, serving, unsure

MEAN = 0.8
ALPHA = 0.01
PAIRS = 200


def rates(cases: int, chance: np.random.Generator) -> np.ndarray:
    """Return how often each case is answered right: most nearly always, some by the toss of a coin."""
    return chance.beta(5 * MEAN, 5 * (1 - MEAN), cases)


def suite(url: str, cases: int, repeat: int, compare_with: int) -> Suite:
    listed = [
        {"id": f"case-{n}", "prompt": f"question {n}", "expected": "right", "tags": [f"tag-{n % 4}"]}
        for n in range(cases)
    ]
    return Suite.model_validate(
        {
            "name": "bench",
            "endpoint": {"url": url, "model": "m", "concurrency": 8},
            "cases": listed,
            "repeat": repeat,
            "expect": ["exact", {"regex": "^(right|wrong)$", "name": "format"}],
            "compare_with": compare_with,
        }
    )


def over_the_wire(runs: int, cases: int, repeat: int, compare_with: int, seed: int, *, independent: bool) -> int:
    """Return how many of the runs of an unchanged model are called worse."""
    truth = rates(cases, np.random.default_rng(seed))
    model = Model(unsure(lambda text: float(truth[int(text.split()[-1])]), seed))
    found = 0
    with tempfile.TemporaryDirectory() as folder, serving(model):
        asked = suite(model.url, cases, repeat, compare_with)
        database = Database(f"sqlite:///{Path(folder) / 'evals.db'}")
        migrate.upgrade(database)
        for number in range(runs):
            if independent:
                asked = asked.model_copy(update={"name": f"bench-{number}"})
                evaluate(asked, database, SystemClock())
            found += evaluate(asked, database, SystemClock()).result == "regressed"
        database.close()
    return found


def drawn(share: np.ndarray, repeat: int, chance: np.random.Generator) -> list[CaseResult]:
    scores = (chance.random((len(share), repeat)) < share[:, None]).astype(np.float64)
    return [CaseResult(f"case-{n}", "d", (), {OVERALL: said}) for n, said in enumerate(scores)]


def called_worse(
    cases: int, repeat: int, past: int, after: Callable[[np.ndarray, np.random.Generator], np.ndarray]
) -> float:
    """Return the share of runs that are called worse after so many good ones, as `driftd eval run` decides it."""
    chance = np.random.default_rng(cases * 1000 + repeat * 100 + past)
    asked = suite("http://127.0.0.1:1/v1", cases, repeat, past)
    found = 0
    for _ in range(PAIRS):
        share = rates(cases, chance)
        good = [drawn(share, repeat, chance) for _ in range(past)]
        whole = compare(asked, drawn(after(share, chance), repeat, chance), pool(unchanged_runs(good)))[0]
        found += whole.regressed
    return found / PAIRS


def even(share: np.ndarray, _chance: np.random.Generator) -> np.ndarray:
    return share * (1 - 0.1 / MEAN)


def broken(share: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    return np.where(chance.random(len(share)) < 0.1 / MEAN, 0.0, share)


def trading(share: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Return another model that is as good: a third of the cases trade places."""
    moved, places = share.copy(), chance.choice(len(share), len(share) // 3, replace=False)
    moved[places] = chance.permutation(moved[places])
    return moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    print(f"false regressions of an unchanged model: {given.cases} cases, {given.repeat} samples each, alpha 0.01")
    for independent, compare_with in ((False, 1), (False, 3), (True, 1)):
        start = time.perf_counter()
        count = over_the_wire(
            given.runs,
            given.cases,
            given.repeat,
            compare_with,
            compare_with + 10 * independent,
            independent=independent,
        )
        kind = "independent pairs" if independent else f"runs after one another, compared with the last {compare_with}"
        print(f"  {count:3d} of {given.runs} {kind} ({time.perf_counter() - start:.0f} s)", flush=True)
    print(
        f"\nshare of {PAIRS} runs called worse than the good runs before them, at alpha {ALPHA}, as a suite is decided"
    )
    print("  cases samples good runs   no change  cases traded  -10 points, even  -10 points, broken")
    for cases, repeat in ((100, 3), (50, 3), (200, 3), (100, 1), (100, 5)):
        for past in (1, 3):
            shares = [
                called_worse(cases, repeat, past, how) for how in (lambda share, _chance: share, trading, even, broken)
            ]
            told = " ".join(f"{share:{width}.3f}" for share, width in zip(shares, (11, 13, 17, 19), strict=True))
            print(f"  {cases:5d} {repeat:7d} {past:9d} {told}", flush=True)


if __name__ == "__main__":
    main()
