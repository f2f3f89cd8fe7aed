"""Evidently's tests get values of rows, in the proportions of the profiles, of a bounded sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats

from detectors.binning import learn_numeric
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from detectors.records import Column
from monitor.checks.baseline import Baseline
from monitor.checks.evidently import Request, StatTestResult, request
from monitor.checks.row_values import ROWS, RowStattests
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch
from monitor.sources.base import Counts, SourceError
from tests.support.world import START

HOUR = timedelta(hours=1)
END = START + 25 * HOUR
MONITOR = Monitor.model_validate(
    {"name": "rows", "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}, "window": "1h"}
)


class Rows:
    """A source with heavy-tailed prices at even times: a day of baseline, then the window, in which they double."""

    def __init__(self, a_day: int = 24_000, in_window: int = 1500) -> None:
        rng = np.random.default_rng(3)
        at = np.concatenate([np.linspace(0, 24, a_day, endpoint=False), np.linspace(24, 25, in_window, endpoint=False)])
        self.times = START.timestamp() + at * 3600
        self.prices = rng.lognormal(0, 1.5, len(at)) * np.where(at < 24, 1, 2)
        self.read_rows = 0
        self.is_gone = False

    def of(self, start: datetime, end: datetime) -> np.ndarray:
        return self.prices[(self.times >= start.timestamp()) & (self.times < end.timestamp())]

    def schema(self) -> dict[str, str]:
        return {"timestamp": "time", "price": "numeric"}

    def counts(self, start: datetime, end: datetime) -> Counts:
        return Counts(len(self.of(start, end)))

    def read(self, start: datetime, end: datetime, _columns: Sequence[str]) -> Iterator[RecordBatch]:
        if self.is_gone:
            raise SourceError("missing_table", "there is no table t.")
        inside = (self.times >= start.timestamp()) & (self.times < end.timestamp())
        self.read_rows += int(inside.sum())
        columns = {"timestamp": self.times[inside], "price": self.prices[inside]}
        yield RecordBatch({name: Column.floats(values) for name, values in columns.items()})


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.setattr("monitor.checks.row_values._samples", {})
    return Rows()


def ask(rows: Rows) -> tuple[Request, Request]:
    """Return the request as profiles give it, and as rows do."""
    day, hour = rows.of(START, START + 24 * HOUR), rows.of(START + 24 * HOUR, END)
    layout = learn_numeric(day, day.min(), day.max())
    before, after = (Profile.of(Column.floats(side), layout) for side in (day, hour))
    profiles: dict[str | None, Any] = {None: {"price": before}}
    baseline = Baseline(1, "a", {"price": layout}, profiles, Traffic((), 0.0), len(day), START, START + 24 * HOUR)
    sent: list[Request] = []

    def measure(requests: Sequence[Request]) -> list[StatTestResult]:
        sent.extend(requests)
        return [StatTestResult() for _ in requests]

    from_profiles = request("wasserstein", before, after, "price")
    RowStattests(rows, MONITOR, baseline, END, measure)([from_profiles])  # type: ignore[arg-type]
    return from_profiles, sent[0]


def test_the_values_are_those_of_rows_and_their_distance_is_that_of_the_rows(rows: Rows) -> None:
    from_profiles, from_rows = ask(rows)
    window = rows.of(START + 24 * HOUR, END)
    assert sorted(from_rows.window) == sorted(window.tolist()), "a window that is read as a whole is the window"
    real = set(rows.prices.tolist())
    assert np.mean([value in real for value in from_rows.baseline]) > 0.98
    wanted = stats.wasserstein_distance(rows.of(START, START + 24 * HOUR), window)
    errors = [abs(stats.wasserstein_distance(one.baseline, one.window) - wanted) for one in (from_profiles, from_rows)]
    assert errors[1] < errors[0] / 3


def test_a_long_baseline_is_read_in_part_and_once(rows: Rows) -> None:
    ask(rows)
    first = rows.read_rows
    assert first < 1500 + 2 * ROWS
    ask(rows)
    assert rows.read_rows == first + 1500


def test_rows_that_cannot_be_read_are_replaced_by_the_profile(rows: Rows) -> None:
    rows.is_gone = True
    from_profiles, sent = ask(rows)
    assert sent == from_profiles
