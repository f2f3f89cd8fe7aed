"""A thin stream is no silence: what the baseline's own gaps explain alerts nobody, and an outage is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from detectors.quality.traffic import Gaps
from monitor.alerting.no_data import decide_no_data_incident
from monitor.config.models import Monitor, NoData
from monitor.core.incident import Incident, MissingData
from monitor.jobs.backtest import backtest
from monitor.sources.connect import connect

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ADDED = 10
"""Rows of a bucket from which on an accumulating statistic can use it, which counts as sight."""


def results(rows: np.ndarray, length: int, fewest: int) -> Iterator[tuple[str, str | None]]:
    """Yield how each bucket ends: what could be measured, and why not."""
    sums = np.convolve(rows, np.ones(length), "full")[: len(rows)]
    for own, window in zip(rows.tolist(), sums.tolist(), strict=True):
        if not own:
            yield "inconclusive", "no_rows: no records were logged"
        elif window >= fewest or own >= ADDED:
            yield "done", None
        else:
            yield "inconclusive", f"too_few: the window has {window:.0f} usable values, {fewest} needed"


def alerts(rows: np.ndarray, gaps: Gaps, length: int, fewest: int, bucket: timedelta) -> list[datetime]:
    """Return when no_data fired over a live stretch."""
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}
    monitor, setting = Monitor.model_validate({"name": "m", "source": source}), NoData()
    seen, incident, fired = MissingData(), None, list[datetime]()
    for place, (result, reason) in enumerate(results(rows, length, fewest)):
        seen = seen.then(result, reason)
        blind = seen.beyond(gaps, setting.after)
        blind = max(blind, incident.bad + 1) if blind and incident else blind
        at = START + (place + 1) * bucket
        decision = decide_no_data_incident(monitor, setting, blind, reason or "", incident, at)
        standing: Incident | None = decision.incident if decision else incident
        fired += [at] if decision and decision.transition == "firing" else []
        incident = None if standing is None or standing.state == "resolved" else standing
    return fired


def stream(case: str, days: int, bucket: timedelta, seed: int) -> np.ndarray:
    """Return the rows of each bucket: an even stream, nights without a row, or rows that come in clusters."""
    rng = np.random.default_rng(seed)
    places = np.arange(round(days * DAY / bucket))
    hour = (places * bucket / timedelta(hours=1)) % 24
    each = 20 * bucket / timedelta(hours=1)
    if case == "even":
        return rng.poisson(each, len(places))
    if case == "nights":
        return rng.poisson(np.where((hour >= 6) & (hour < 22), each, 0.0))
    if case == "clusters":
        return rng.poisson(each / 3, len(places)) * rng.integers(1, 6, len(places))
    return rng.poisson(each * 5 * np.where((hour >= 6) & (hour < 22), 1.0, 0.3))


CASES = [
    *[(case, minutes, 100) for case in ("even", "nights", "clusters", "busy days") for minutes in (5, 30)],
    ("even", 30, 20),
    ("even", 5, 20),
]


@pytest.mark.parametrize(("case", "minutes", "fewest"), CASES)
def test_four_quiet_weeks_of_a_thin_stream_alert_once_at_most(case: str, minutes: int, fewest: int) -> None:
    bucket = timedelta(minutes=minutes)
    length = 60 // minutes
    fired = []
    for seed in range(6):
        gaps = Gaps.of(stream(case, 14, bucket, seed).tolist(), length, fewest)
        fired.append(len(alerts(stream(case, 28, bucket, 100 + seed), gaps, length, fewest, bucket)))
    assert np.mean(fired) <= 1
    assert max(fired) <= 2


@pytest.mark.parametrize(("case", "minutes", "fewest"), CASES)
def test_an_outage_of_a_thin_stream_is_told(case: str, minutes: int, fewest: int) -> None:
    """Within an hour and a half at twenty rows an hour; after the length of a night where nights are empty."""
    bucket = timedelta(minutes=minutes)
    length = 60 // minutes
    allowed = timedelta(hours=9.5 if case == "nights" else 2.5 if case == "clusters" else 1.5)
    for seed in range(6):
        gaps = Gaps.of(stream(case, 14, bucket, seed).tolist(), length, fewest)
        rows = stream(case, 7, bucket, 100 + seed)
        outage = START + 3.5 * DAY
        rows[round(3.5 * DAY / bucket) : round(4 * DAY / bucket)] = 0
        fired = [at for at in alerts(rows, gaps, length, fewest, bucket) if at > outage]
        assert fired
        assert fired[0] - outage <= allowed


def test_a_backtest_of_twenty_rows_a_window_tells_an_outage_and_no_blindness(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    live, outage, back = START + 5 * DAY, START + 7 * DAY, START + 7.5 * DAY
    times = [START + seconds * timedelta(seconds=1) for seconds in np.sort(rng.uniform(0, 8 * 86400, 8 * 24 * 20))]
    rows = [
        {"at": at.strftime("%Y-%m-%d %H:%M:%S.%f"), "x": float(value)}
        for at, value in zip(times, rng.normal(size=len(times)), strict=True)
        if not outage <= at < back
    ]
    url = f"sqlite:///{tmp_path / 'log.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE log (at TEXT, x REAL)"))
        connection.execute(sa.text("INSERT INTO log VALUES (:at, :x)"), rows)
    engine.dispose()
    source = {"url": url, "table": "log", "columns": {"timestamp": "at"}}
    baseline = {"from": START.isoformat(), "to": live.isoformat()}
    monitor = Monitor.model_validate(
        {"name": "m", "source": source, "bucket": "30m", "window": "1h", "baseline": baseline, "checks": ["drift"]}
    )
    reader = connect(monitor.source)
    try:
        quiet = backtest(reader, monitor, (live, outage))
        broken = backtest(reader, monitor, (live, START + 8 * DAY))
    finally:
        reader.close()
    assert (quiet["no_data"], broken["no_data"]) == (0, 1)
