"""Burn rates beside pandas on the same requests, and beside the workbook's own numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from detectors.base import Status
from detectors.signals import slow
from detectors.spend.objective import PAIRS, Events, burning, starts

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


def counted(log: pd.Series, period: timedelta = MONTH) -> dict[datetime, Events]:
    parts = {start: log[(log.index >= start) & (log.index < AT)] for start in starts(AT, period)}
    return {start: Events(len(part), float(part.sum())) for start, part in parts.items()}


def log(bad: float, since: timedelta, usual: float = 0.0005) -> pd.Series:
    """Return four days of requests, two a minute; from ``since`` before the end on, another share is bad."""
    rng = np.random.default_rng(0)
    index = pd.date_range(AT - timedelta(days=4), AT, freq="5s", inclusive="left")
    shares = np.where(index >= AT - since, bad, usual)
    return pd.Series((rng.random(len(index)) < shares).astype(float), index)


def test_the_factors_are_those_of_the_workbook() -> None:
    assert [round(pair.factor(MONTH), 2) for pair in PAIRS] == [14.4, 6.0, 3.0, 1.0]
    assert [round(pair.factor(timedelta(days=28)), 2) for pair in PAIRS] == [13.44, 5.6, 2.8, 0.93]
    assert [pair.long / pair.short for pair in PAIRS] == [12.0] * 4


@pytest.mark.parametrize(
    ("bad", "since", "urgency"),
    [(0.5, timedelta(hours=1), "page"), (0.02, timedelta(hours=7), "page"), (0.006, timedelta(hours=25), "ticket"),
     (0.0025, timedelta(days=4), "ticket")],
)  # fmt: skip
def test_an_outage_burns_as_pandas_says(bad: float, since: timedelta, urgency: str) -> None:
    rows = log(bad, since)
    told = burning("slo", "failed", 0.999, AT, counted(rows))
    assert told.status is Status.DRIFTED
    ratios = {
        pair: min(rows[rows.index >= AT - window].mean() for window in (pair.long, pair.short)) / 0.001
        for pair in PAIRS
    }
    beyond = {pair: ratios[pair] / pair.factor(MONTH) for pair in PAIRS}
    paging = [pair for pair in PAIRS if pair.urgency == "page" and beyond[pair] > 1]
    worst = max(paging or PAIRS, key=lambda pair: beyond[pair])
    assert told.statistic == pytest.approx(ratios[worst] / worst.factor(MONTH), rel=1e-12)
    assert told.detail["urgency"] == urgency == worst.urgency
    assert told.detail["left"] == pytest.approx(1 - rows.mean() / 0.001, rel=1e-12)


def test_what_has_stopped_or_never_was_does_not_page() -> None:
    over = log(0.0005, timedelta(days=4))
    over[(over.index >= AT - timedelta(hours=3)) & (over.index < AT - timedelta(hours=2, minutes=10))] = 1.0
    told = burning("slo", "failed", 0.999, AT, counted(over), urgency="page")
    assert told.status is Status.OK
    assert burning("slo", "failed", 0.99, AT, counted(log(0.004, timedelta(days=4)))).status is Status.OK


def test_few_requests_tell_nothing_and_none_is_no_failure() -> None:
    few = {start: Events(3, 1.0) for start in starts(AT, MONTH)}
    told = burning("slo", "failed", 0.999, AT, few)
    assert told.status is Status.INCONCLUSIVE
    assert "too_few: 3 requests" in told.reason
    none = burning("slo", "failed", 0.999, AT, dict.fromkeys(starts(AT, MONTH), Events()))
    assert (none.status, none.detail["value"]) == (Status.INCONCLUSIVE, 0.0)


def test_a_target_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        slow.configure(seconds=0.0)
