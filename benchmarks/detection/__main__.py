"""driftd beside Evidently and NannyML: false pages on quiet streams, delays on changes. `make bench-detection`.

driftd is run as its users run it: `driftd backtest` over the stream, with the defaults and an alert budget. The
peers get the same windows and their own defaults; for delays they also get the threshold that pages as often on a
quiet week as driftd's budget allows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import structlog

from benchmarks.detection import estimates, ours, peers, streams, tables
from benchmarks.detection.streams import Stream
from detectors import DETECTORS, assess, learn_numeric
from detectors.profile import Profile
from detectors.records import Column

BUDGETS = ("1/week", "1/month")
WORKERS = 2
THIN = {"min_samples": 5, "segments": []}
"""For streams with a dozen rows a window: driftd wants 100 of them unless it is told otherwise."""
HOUR = timedelta(hours=1)


def _each(work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    with ProcessPoolExecutor(WORKERS, initializer=_calm) as pool:
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
    return [stream.name, len(stream.columns), budget, told["budget_per_week"], round(ours.weeks_of(told, stream), 2),
            told["pages"], ours.rate(told, stream)]  # fmt: skip


def quiet_table(seed: int) -> str:
    """Pages a week of the live part, with a 95 % interval; BROKEN where all of it lies above the budget."""
    jobs = [(name, seed, budget) for name in quiet_streams(seed) for budget in BUDGETS]
    head = ["quiet stream", "columns", "budget", "a week", "weeks", "pages", "pages a week"]
    return tables.table(head, list(_each(_quiet, jobs)))


# ------------------------------------------------------------------------------------------------- changes


@dataclass(frozen=True)
class Seen:
    """How late one method found one change; None when it did not. And its pages on the quiet day before."""

    delay: timedelta | None
    before: int


def _our_delay(kind: str, seed: int) -> Seen:
    stream = streams.injected(kind, seed)
    told = ours.run(stream, BUDGETS[0])
    change = stream.changes[0].to_pydatetime()
    before = sum(pd.Timestamp(incident["opened_at"]) < change for incident in told["incidents"])
    return Seen(ours.delay(told), before)


def _peer_delays(seed: int, kinds: Sequence[str]) -> Iterator[tuple[str, str, Seen | None]]:
    calm = streams.injected("none", seed + 1000, live_days=7)
    calm_spans = peers.windows(calm)
    calm_found, calm_weeks = peers.run_peers(calm, calm_spans), peers.weeks(calm_spans)
    for kind in kinds:
        stream = streams.injected(kind, seed)
        for name, verdicts in peers.run_peers(stream, peers.windows(stream)).items():
            quiet = calm_found[name]
            if isinstance(verdicts, str) or isinstance(quiet, str):
                yield kind, name, None
                continue
            scaled = peers.standardise(quiet, quiet), peers.standardise(quiet, verdicts)
            equal = peers.at_equal_false_alarms(*scaled, 1.0, calm_weeks, stream.changes[0])
            yield kind, name, Seen(equal.delay, equal.false_pages)


def injected_table(seeds: Sequence[int]) -> str:
    """Median delay, recall within two days, and pages on the quiet day before, at one false page a week for all."""
    jobs = [(kind, seed) for kind in streams.KINDS for seed in seeds]
    found: dict[tuple[str, str], list[Seen]] = {}
    for (kind, _), seen in zip(jobs, _each(_our_delay, jobs), strict=True):
        found.setdefault((kind, "driftd"), []).append(seen)
    for seed in seeds:
        for kind, name, peer in _peer_delays(seed, streams.KINDS):
            if peer is not None:
                found.setdefault((kind, name), []).append(peer)
    names = ("driftd", *peers.PEERS)
    rows = [
        [kind, *(_summary(found.get((kind, name), [])) for name in names), _best(kind, found)] for kind in streams.KINDS
    ]
    return tables.table(["change", *names, "fastest"], rows)


def _median(seen: Sequence[Seen]) -> float:
    """Return the median delay in hours; what was missed took for ever."""
    return statistics.median([np.inf if one.delay is None else one.delay / HOUR for one in seen]) if seen else np.inf


def _summary(seen: Sequence[Seen]) -> str:
    if not seen:
        return "not run"
    hours = _median(seen)
    caught = sum(one.delay is not None for one in seen)
    late = "missed" if np.isinf(hours) else f"{hours:.1f} h"
    return f"{late}, {caught}/{len(seen)}, {sum(one.before for one in seen)} before"


def _best(kind: str, found: dict[tuple[str, str], list[Seen]]) -> str:
    hours = {name: _median(seen) for (of, name), seen in found.items() if of == kind}
    least = min(hours.values())
    return "none" if np.isinf(least) else " = ".join(name for name, late in hours.items() if late == least)


def _known(index: int) -> list[object]:
    stream = [*streams.annotated(), *streams.known()][index]
    told = ours.run(stream, BUDGETS[0], **THIN)
    opened = [pd.Timestamp(change["at"]) for incident in told["incidents"] for change in incident["changes"]]
    within = 2 * stream.window
    hit = sum(any(change < at <= change + within for at in opened) for change in stream.changes)
    other = sum(not any(change < at <= change + within for change in stream.changes) for at in opened)
    return [stream.name, len(stream.changes), f"{hit} found, {other} other"]


def known_table() -> str:
    """Changes that people marked: pages of their own within two windows, and all other pages."""
    count = len(streams.annotated()) + len(streams.known())
    return tables.table(["stream", "changes", "driftd"], list(_each(_known, [(index,) for index in range(count)])))


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
    parser.add_argument("--seeds", type=int, default=3, help="streams of each injected change (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated streams (default: 1)")
    parser.add_argument("--only", choices=["size", "quiet", "injected", "known", "estimates"], help="one part of it")
    parser.add_argument("--no-peers", action="store_true", help="leave Evidently and NannyML out of quiet and known")
    options = parser.parse_args()
    _calm()
    begun = time.perf_counter()

    def part(name: str, title: str, write: Callable[[], str]) -> None:
        if options.only in (None, name):
            print(f"\n## {title}\n\n{write()}\n({time.perf_counter() - begun:.0f} s)", flush=True)

    peers_too = not options.no_peers
    seeds = [options.seed + step for step in range(options.seeds)]
    part("size", "The same shift of 0.02 standard deviations at three sample sizes", invariance_table)
    part("quiet", "Pages a week on quiet streams (95 % interval), driftd", lambda: quiet_table(options.seed))
    if peers_too:
        part(
            "quiet", "The same, the peers' defaults on up to 168 windows", lambda: peers.quiet_table(seed=options.seed)
        )
    part(
        "injected",
        f"Median delay, recall, pages before: {len(seeds)} streams of 30 columns each",
        lambda: injected_table(seeds),
    )
    part("known", "Changes that people marked, driftd", known_table)
    if peers_too:
        part("known", "The same, the peers' defaults", peers.known_table)
    if options.only in (None, "estimates"):
        print("\n## Performance without labels, beside NannyML and the labels")
        estimates.report()


if __name__ == "__main__":
    main()
