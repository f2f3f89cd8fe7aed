"""Injected changes over many streams: delay, recall and false pages of driftd and of the peers, at one rate for all.

The streams of one seed share everything but the column that changes, and that only after the change. So what a method
says of the rest is computed once a seed: driftd learns one baseline, the peers judge the other columns once.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from benchmarks.detection import ours, peers, streams, tables
from benchmarks.detection.peers import Verdict
from benchmarks.detection.streams import Stream

HOUR = timedelta(hours=1)
RATE = 1.0
"""False pages a week for everybody."""
METHODS = ("driftd", *peers.AT_EQUAL_RATES)
QUIET = "quiet"
LIVE_DAYS = 2
"""A quiet day, and one with the change."""


@dataclass(frozen=True)
class Seen:
    """How late one method told of one change (None: not in its day), or its false pages on the days without one."""

    kind: str
    method: str
    delay: timedelta | None = None
    false_pages: int = 0


def of_driftd(seed: int) -> list[Seen]:
    """Backtest every kind of change, and the same days without one, over one learnt baseline."""
    calm = streams.injected("none", seed, live_days=LIVE_DAYS)
    baseline = ours.learn(calm, "1/week")
    found = [Seen(QUIET, "driftd", None, ours.run(calm, "1/week", baseline=baseline)["pages"])]
    for kind in streams.KINDS:
        stream = streams.injected(kind, seed, live_days=LIVE_DAYS)
        start = (stream.changes[0] - stream.window).to_pydatetime()
        told = ours.run(stream, "1/week", baseline, start)
        found.append(Seen(kind, "driftd", ours.delay(told)))
    return found


def of_peers(seed: int) -> list[Seen]:
    """Judge every kind of change at thresholds that page once in a quiet week of another stream of the same kind."""
    quiet = streams.injected("none", seed + 1000, live_days=7)
    quiet_spans = peers.windows(quiet)
    quiet_found, weeks = peers.run_peers(quiet, quiet_spans), peers.weeks(quiet_spans)
    calm = streams.injected("none", seed, live_days=LIVE_DAYS)
    calm_found = peers.run_peers(calm, peers.windows(calm))
    found = []
    for kind in streams.KINDS:
        stream = streams.injected(kind, seed, live_days=LIVE_DAYS)
        changed = judged_again(calm, calm_found, stream)
        for method, (of, score) in peers.AT_EQUAL_RATES.items():
            usual, live = quiet_found[of], changed[of]
            if isinstance(usual, str) or isinstance(live, str):
                continue
            equal = peers.at_equal_false_alarms(score(usual, usual), score(usual, live), RATE, weeks, stream.changes[0])
            found.append(Seen(kind, method, equal.delay))
    for method, (of, score) in peers.AT_EQUAL_RATES.items():
        usual, live = quiet_found[of], calm_found[of]
        if not isinstance(usual, str) and not isinstance(live, str):
            equal = peers.at_equal_false_alarms(score(usual, usual), score(usual, live), RATE, weeks)
            found.append(Seen(QUIET, method, None, equal.false_pages))
    return found


def judged_again(
    calm: Stream, known: Mapping[str, list[Verdict] | str], stream: Stream
) -> dict[str, list[Verdict] | str]:
    """Return the verdicts of a stream, asking the peers only about the columns that are not as in the calm one."""
    columns = [name for name in stream.columns if not stream.frame[name].equals(calm.frame[name])]
    part = replace(stream, frame=stream.frame[["timestamp", *columns]])
    spans = peers.windows(stream)
    again: dict[str, list[Verdict] | str] = {}
    whole = peers.run_reconstruction(stream, spans)
    for name, new in {**peers.run_univariate(part, spans), **whole}.items():
        before = known[name]
        if isinstance(new, str) or isinstance(before, str) or name in whole:
            again[name] = new
            continue
        again[name] = [b._replace(scores={**b.scores, **n.scores}) for b, n in zip(before, new, strict=True)]
    return again


def table(seeds: Sequence[int], of_the_peers: Sequence[int], each: Callable[..., Iterator[Any]]) -> str:
    """Median delay and recall within a day, and the false pages a week of the same days without a change."""
    jobs = [(of_driftd.__name__, seed) for seed in seeds] + [(of_peers.__name__, seed) for seed in of_the_peers]
    found = [seen for several in each(_one, jobs) for seen in several]
    rows = [
        [kind, *(_summary(_of(found, kind, name)) for name in METHODS), _fastest(found, kind)] for kind in streams.KINDS
    ]
    rows.append(["false pages a week", *(_false(_of(found, QUIET, name)) for name in METHODS), ""])
    return tables.table(["change", *METHODS, "fastest"], rows)


def _one(name: str, seed: int) -> list[Seen]:
    return {"of_driftd": of_driftd, "of_peers": of_peers}[name](seed)


def _of(found: Sequence[Seen], kind: str, method: str) -> list[Seen]:
    return [seen for seen in found if (seen.kind, seen.method) == (kind, method)]


def _median(seen: Sequence[Seen]) -> float:
    """Return the median delay in hours; what was missed took for ever."""
    return statistics.median([np.inf if one.delay is None else one.delay / HOUR for one in seen]) if seen else np.inf


def _summary(seen: Sequence[Seen]) -> str:
    if not seen:
        return "not run"
    hours = _median(seen)
    caught = sum(one.delay is not None for one in seen)
    return f"{'missed' if np.isinf(hours) else f'{hours:.1f} h'}, {caught}/{len(seen)}"


def _false(seen: Sequence[Seen]) -> str:
    return tables.rate(sum(one.false_pages for one in seen), LIVE_DAYS * len(seen) / 7) if seen else "not run"


def _fastest(found: Sequence[Seen], kind: str) -> str:
    hours = {name: _median(_of(found, kind, name)) for name in METHODS}
    least = min(hours.values())
    return "none" if np.isinf(least) else " = ".join(name for name, late in hours.items() if late == least)
