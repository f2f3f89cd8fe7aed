"""A source with other traffic is counted, sampled and dated as if it had served traffic only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from monitor.config.models import Monitor
from monitor.sources.base import Reader, SourceError
from monitor.sources.connect import connect_monitor
from monitor.sources.reader import SqlReader

START = datetime(2026, 11, 1, tzinfo=UTC)
HOURS = 30
TRAFFIC = {"probe": {"column": "environment", "values": ["probe"]}}
Open = Callable[..., Reader]


def served() -> pd.DataFrame:
    """Return a record a minute, of which the first and the last hours have none."""
    minutes = np.arange(60 * 2, 60 * (HOURS - 10))
    return pd.DataFrame(
        {
            "at": [START + timedelta(minutes=int(minute)) for minute in minutes],
            "environment": ["live", None] * (len(minutes) // 2),
            "latency": np.linspace(1, 2, len(minutes)),
            "topic": "refund",
            "label": [1.0, None] * (len(minutes) // 2),
        }
    )


def probes() -> pd.DataFrame:
    """Return five records a minute, before, during and after served traffic, with values of other types."""
    seconds = 12 * np.arange(HOURS * 60 * 5)
    times = [START + timedelta(seconds=int(second), milliseconds=500) for second in seconds]
    texts = [f"probe of the machine number {place}" for place in range(len(times))]
    return pd.DataFrame({"at": times, "environment": "probe", "latency": 99.0, "topic": texts, "label": 0.0})


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    readers: list[Reader] = []

    def write_and_open(*parts: pd.DataFrame, traffic: dict[str, Any] = TRAFFIC, **source: Any) -> Reader:
        url = f"sqlite:///{tmp_path / f'{len(readers)}.db'}"
        frame = pd.concat(parts).sort_values("at", kind="stable").reset_index(drop=True)
        engine = sa.create_engine(url)
        frame.assign(at=frame["at"].dt.tz_localize(None)).to_sql("calls", engine, index=False)
        engine.dispose()
        columns = {"timestamp": "at", "label": "label"}
        origin = {"url": url, "columns": columns, **({"table": "calls"} | source if "query" not in source else source)}
        readers.append(connect_monitor(Monitor.model_validate({"name": "bot", "source": origin, "traffic": traffic})))
        return readers[-1]

    yield write_and_open
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("source", [{}, {"query": "SELECT * FROM calls", "page_size": 200}])
def test_other_traffic_changes_no_count_no_edge_and_no_sample(opened: Open, source: dict[str, Any]) -> None:
    alone, mixed = opened(served(), **source), opened(served(), probes(), **source)
    hour = START + timedelta(hours=5)
    assert alone.counts(START, hour) == mixed.counts(START, hour)
    assert mixed.counts(START, hour).labels == 90
    assert alone.newest() == mixed.newest() == START + timedelta(hours=HOURS - 10, minutes=-1)
    assert alone.oldest() == mixed.oldest() == START + timedelta(hours=2)
    assert alone.describe() == mixed.describe()
    assert alone.describe(sample=10, until=hour) == mixed.describe(sample=10, until=hour)


def test_the_newest_record_is_searched_from_the_last_result_on(opened: Open) -> None:
    reader = opened(served(), probes())
    newest = reader.newest()
    asked: list[timedelta] = []
    read = reader.read

    def watched(start: datetime, end: datetime, columns: list[str]) -> Any:
        asked.append(end - start)
        return read(start, end, columns)

    reader.read = watched  # type: ignore[method-assign, assignment]
    assert reader.newest() == newest
    assert sum(asked, timedelta()) < timedelta(hours=10, minutes=2)


def test_a_source_of_probes_alone_has_no_records(opened: Open) -> None:
    reader = opened(probes())
    assert (reader.counts(START, START + timedelta(hours=1)).rows, reader.newest(), reader.oldest()) == (0, None, None)


def test_a_monitor_without_other_traffic_counts_in_the_database(opened: Open) -> None:
    assert type(opened(served(), traffic={})) is SqlReader


def test_the_sample_needs_the_columns_that_decide(opened: Open) -> None:
    reader = opened(served(), traffic={"probe": {"column": "purpose", "values": ["ping"]}})
    with pytest.raises(SourceError, match=r"traffic\.probe: 'purpose' is not a column of bot"):
        reader.describe()
