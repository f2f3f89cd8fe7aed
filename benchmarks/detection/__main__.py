"""driftd beside Evidently and NannyML: false pages on quiet streams, delays on changes. `make bench-detection`.

driftd is run as its users run it: `driftd backtest` over the stream, with the defaults and an alert budget. The
peers get the same windows and their own defaults; for delays they also get the threshold that pages as often on a
quiet week as driftd's budget allows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import structlog

from benchmarks.detection import estimates, injected, known, ours, peers, streams, tables
from benchmarks.detection.streams import Stream
from detectors import DETECTORS, assess, learn_numeric
from detectors.profile import Profile
from detectors.records import Column

BUDGETS = ("1/week", "1/month")
WORKERS = 2


def _each(workers: int, work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    with ProcessPoolExecutor(workers, initializer=_calm) as pool:
        yield from pool.map(work, *zip(*jobs, strict=True))


def _calm() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


# ------------------------------------------------------------------------------------------- quiet streams


def quiet_streams(seed: int) -> dict[str, Callable[[], Stream]]:
    """Return the streams without a known change, real ones first."""
    real: dict[str, Callable[[], Stream]] = {s.name: partial(lambda one: one, s) for s in streams.quiet()}
    return real | {f"{name}_{seed}": partial(make, seed) for name, make in streams.SIMULATED.items()}


def _quiet(name: str, seed: int, budget: str) -> list[object]:
    stream = quiet_streams(seed)[name]()
    told = ours.run(stream, budget)
    return [
        stream.name,
        len(stream.columns),
        budget,
        told["budget_per_week"],
        round(ours.weeks_of(told, stream), 2),
        told["pages"],
        ours.rate(told, stream),
        told["updates"],
    ]


def quiet_table(seed: int, each: Callable[..., Iterator[Any]]) -> str:
    """Pages a week of the live part, with a 95 % interval; BROKEN where all of it lies above the budget."""
    jobs = [(name, seed, budget) for name in quiet_streams(seed) for budget in BUDGETS]
    head = ["quiet stream", "columns", "budget", "a week", "weeks", "pages", "pages a week", "updates"]
    return tables.table(head, list(each(_quiet, jobs)))


# --------------------------------------------------------------------------------------------- sample size


def invariance_table(shift: float = 0.02, seed: int = 0) -> str:
    """Verdict and statistic of one small shift at three sample sizes, by driftd's defaults and by a p-value."""
    rng = np.random.default_rng(seed)
    old = rng.normal(size=1_000_000)
    layout = learn_numeric(old, old.min(), old.max())
    baseline = Profile.of(Column.floats(old), layout)
    rows: list[list[object]] = []
    for n in (10**3, 10**5, 10**7):
        window = Profile.of(Column.floats(rng.normal(shift, size=n)), layout)
        for method in ("rank", "kolmogorov_smirnov", "wasserstein"):
            finding = assess(DETECTORS[method], baseline, window, column="x")
            p_value = DETECTORS[method].measure(baseline, window).p_value
            by_p = "-" if p_value is None else ("drifted" if p_value < 0.05 else "ok")  # noqa: PLR2004
            rows.append([f"{n:,}", method, f"{finding.statistic:.4f}", finding.status.value, by_p])
    return tables.table(["values", "method", "statistic", "driftd", "by p < 0.05"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="streams of each injected change (default: 10)")
    parser.add_argument("--peer-seeds", type=int, default=5, help="how many of them the peers see (default: 5)")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"processes (default: {WORKERS})")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated streams (default: 1)")
    parser.add_argument("--only", choices=["size", "quiet", "injected", "known", "estimates"], help="one part of it")
    parser.add_argument("--no-peers", action="store_true", help="leave Evidently and NannyML out")
    options = parser.parse_args()
    _calm()
    begun = time.perf_counter()

    def part(name: str, title: str, write: Callable[[], str]) -> None:
        if options.only in (None, name):
            print(f"\n## {title}\n\n{write()}\n({time.perf_counter() - begun:.0f} s)", flush=True)

    peers_too = not options.no_peers
    each = partial(_each, options.workers)
    seeds = [options.seed + step for step in range(options.seeds)]
    part("size", "The same shift of 0.02 standard deviations at three sample sizes", invariance_table)
    part("quiet", "Pages a week on quiet streams (95 % interval), driftd", lambda: quiet_table(options.seed, each))
    if peers_too:
        part(
            "quiet", "The same, the peers' defaults on up to 168 windows", lambda: peers.quiet_table(seed=options.seed)
        )
    part(
        "injected",
        f"Median delay and recall within a day, {len(seeds)} streams of 30 columns, one false page a week for all",
        lambda: injected.table(seeds, seeds[: options.peer_seeds] if peers_too else [], each),
    )
    part(
        "known",
        "Changes that people marked or documented, found within two windows; the peers by default",
        lambda: known.table(each, with_peers=peers_too),
    )
    if options.only in (None, "estimates"):
        print("\n## Performance without labels, beside NannyML and the labels")
        estimates.report()


if __name__ == "__main__":
    main()
