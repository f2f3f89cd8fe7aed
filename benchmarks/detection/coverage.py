"""How often the truth lies where estimates without labels said it would: real data and long simulated streams.

The same interval is asked under four knowledges of the labels: none after the baseline, and labels that come one, two
and ten windows late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from benchmarks.detection import tables
from detectors.binning import Binning
from detectors.outcome import learn_scores, outcomes
from detectors.performance.interval_calibration import MISSES, Residual, ResidualHistory, Z, follow
from detectors.performance.metrics import METRICS
from detectors.performance.tables import expected_table, labelled_table, unlike
from detectors.profile import Profile
from detectors.records import Column
from detectors.stack import Stack

LAGS = (None, 1.0, 2.0, 10.0)
BASELINE, LIVE, ROWS = 40, 300, 1000
"""Windows of a simulated baseline, windows after it, and rows of each."""
SEEDS = 2


@dataclass(frozen=True)
class Series:
    """Windows of one metric: those of the baseline, and those that follow; ``unit`` is what widths are told in."""

    data: str
    metric: str
    known: ResidualHistory
    later: Sequence[Residual]
    unit: float = 1.0


Stream = Callable[[np.random.Generator, float], tuple[np.ndarray, np.ndarray | float]]
"""Scores of a window, and by how much the logit of the truth lies off theirs; time is below 0 in the baseline, then
goes from 0 to 1."""


def _plain(rng: np.random.Generator, _: float) -> tuple[np.ndarray, float]:
    return rng.beta(2, 2, ROWS), 0.0


def _inputs(rng: np.random.Generator, time: float) -> tuple[np.ndarray, float]:
    return rng.beta(2 + 2 * max(0.0, time), 2, ROWS), 0.0


def _mixture(rng: np.random.Generator, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Two groups whose scores err in opposite ways; the share of one grows, so the meaning of a score moves."""
    group = rng.random(ROWS) < 0.2 + 0.6 * max(0.0, time)
    return np.where(group, rng.beta(3, 2, ROWS), rng.beta(2, 3, ROWS)), np.where(group, 0.8, -0.2)


def _slow(rng: np.random.Generator, time: float) -> tuple[np.ndarray, float]:
    return rng.beta(2, 2, ROWS), 1.2 * max(0.0, time)


def _abrupt(rng: np.random.Generator, time: float) -> tuple[np.ndarray, float]:
    return rng.beta(2, 2, ROWS), -1.0 if time >= 0.5 else 0.0  # noqa: PLR2004


def _season(rng: np.random.Generator, time: float) -> tuple[np.ndarray, float]:
    return rng.beta(2, 2, ROWS), 0.3 * np.sin(2 * np.pi * time * LIVE / 7)


def _wander(rng: np.random.Generator, _: float) -> tuple[np.ndarray, float]:
    return rng.beta(2, 2, ROWS), rng.normal(0, 0.2)


STREAMS: dict[str, Stream] = {
    "no drift": _plain,
    "inputs drift": _inputs,
    "inputs drift, hidden group": _mixture,
    "slow concept drift": _slow,
    "abrupt concept drift": _abrupt,
    "season of 7 windows": _season,
    "windows wander": _wander,
}


def _window(rng: np.random.Generator, stream: Stream, time: float, layout: Binning) -> Profile:
    score, off = stream(rng, time)
    true = rng.random(ROWS) < special.expit(0.8 * special.logit(score) + off)
    records = {"score": Column.floats(score), "label": Column.floats(true.astype(np.float64))}
    return Profile.of(outcomes(records, layout), layout)


def simulated(name: str, seed: int, metrics: Sequence[str] = ("accuracy", "roc_auc")) -> Iterator[Series]:
    """Draw a stream and estimate its windows: those of the baseline from one another, later ones from all of it."""
    rng, layout = np.random.default_rng(seed), learn_scores()
    times = (np.arange(BASELINE + LIVE) - BASELINE) / LIVE
    stack = Stack.of([_window(rng, STREAMS[name], time, layout) for time in times.tolist()], layout)
    first = stack.take(np.arange(BASELINE)).sum()
    later = stack.take(np.arange(BASELINE, BASELINE + LIVE))
    for metric in metrics:
        known = []
        for place in range(BASELINE):
            one = stack.take(np.array([place]))
            known += _seen(metric, first - one.sum(), one, place)
        yield Series(name, metric, ResidualHistory(tuple(known)), _seen(metric, first, later, BASELINE))


def _seen(metric: str, baseline: Stack, windows: Stack, start: int) -> list[Residual]:
    (value, error), (truth, _) = (
        METRICS[metric](expected_table(baseline, windows)),
        METRICS[metric](labelled_table(windows)),
    )
    told = zip((truth - value).tolist(), error.tolist(), unlike(baseline, windows).tolist(), strict=True)
    return [Residual(float(start + place), *one) for place, one in enumerate(told)]


def _row(name: str, series: Sequence[Series]) -> list[object]:
    """Return how often the truth lies inside: by chance alone, and by the record under each lag of labels."""
    plain = np.concatenate([[abs(one.residual) <= Z * one.error for one in each.later] for each in series])
    width = np.mean([2 * Z * one.error / each.unit for each in series for one in each.later])
    found: list[object] = [name, len(plain), f"{plain.mean():.1%}", f"{width:.3f}"]
    for lag in LAGS:
        stated = [follow(each.known, each.later, lag) for each in series]
        pairs = [
            (said, one, each.unit)
            for each, all_of in zip(series, stated, strict=True)
            for said, one in zip(all_of, each.later, strict=True)
        ]
        inside = sum(said.low <= one.residual <= said.high for said, one, _ in pairs)
        sure = stats.binomtest(inside, len(pairs)).proportion_ci(method="wilson")
        width = np.mean([(said.high - said.low) / unit for said, _, unit in pairs])
        found += [f"{inside / len(pairs):.1%} ({sure.low:.0%} to {sure.high:.0%})", f"{width:.3f}"]
    return found


HEAD = ["data", "intervals", "chance alone", "width"]
HEAD += [part for lag in LAGS for part in ("no labels" if lag is None else f"labels {lag:g} late", "width")]


def report(real: Sequence[Series]) -> str:
    """Return both tables: real data, all metrics together; and simulated streams, long enough to tell a rate."""
    by_data = {name: [one for one in real if one.data == name] for name in dict.fromkeys(one.data for one in real)}
    chunks = [_row(name, series) for name, series in by_data.items()]
    streams = [_row(name, [one for seed in range(SEEDS) for one in simulated(name, seed)]) for name in STREAMS]
    return "\n".join(
        [
            "",
            f"Truth inside the {1 - MISSES:.0%} interval: of chance alone; by the record of the baseline only; by that",
            "with labels that come so many windows late. Beside it the 95 % interval of that share (as if windows and",
            "metrics were independent, which those of one chunk are not), and the mean width in units of the metric,",
            "or of the reference's loss.",
            "",
            "Real data, all metrics together",
            "",
            tables.table(HEAD, chunks),
            "",
            f"Simulated: {SEEDS} streams of {BASELINE} windows of baseline and {LIVE} after it, {ROWS} rows each,",
            "accuracy and ROC AUC",
            "",
            tables.table(HEAD, streams),
        ]
    )
