"""The newest run of every suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

from monitor.core.suite_run import Result
from monitor.metrics.base import MetricRow, Sample, label_values, seconds
from monitor.store.reads import Snapshot


def _each(value: Callable[[Any], float | None]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for run in state.evaluations:
            number = value(run)
            if number is not None:
                yield label_values(run.suite), float(number)

    return samples


def _results(state: Snapshot) -> Iterator[Sample]:
    for run in state.evaluations:
        for result in get_args(Result):
            yield label_values(run.suite, result), float(run.result == result)


def _failure_share(run: Any) -> float | None:  # noqa: ANN401
    return run.failed / run.samples if run.samples else None


ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_evaluation_score",
        "gauge",
        ("suite",),
        "Mean score of the newest run of a suite, from 0 to 1; absent if nothing could be scored.",
        _each(lambda run: run.score),
    ),
    MetricRow(
        "driftd_evaluation_result",
        "gauge",
        ("suite", "result"),
        "1 for the result of the newest run of a suite: good, regressed, below or inconclusive.",
        _results,
    ),
    MetricRow(
        "driftd_evaluation_failed_ratio",
        "gauge",
        ("suite",),
        "Share of the newest run's samples without an answer.",
        _each(_failure_share),
    ),
    MetricRow(
        "driftd_evaluation_timestamp_seconds",
        "gauge",
        ("suite",),
        "Start of the newest run of a suite, in seconds since the epoch.",
        _each(lambda run: seconds(run.started_at)),
    ),
)
