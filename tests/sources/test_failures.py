"""A value that cannot be read is told from a source that cannot: the one fails a bucket, the other makes it wait."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from monitor.config.source import Source
from monitor.sources.base import UNREADABLE, SourceError
from monitor.sources.connect import connect

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_value_that_cannot_be_read_spoils_its_own_hour_only(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE log (at timestamp, amount text)")
        for place, value in enumerate(["1", "a word"]):
            at = (START + place * HOUR).replace(tzinfo=None)
            connection.exec_driver_sql(f"INSERT INTO log VALUES ('{at}', '{value}')")
    query = "SELECT at, CAST(amount AS float) AS amount FROM log"
    source = Source.model_validate({"url": postgres_url, "query": query, "columns": {"timestamp": "at"}})
    with closing(connect(source)) as reader:
        (page,) = reader.read(START, START + HOUR, ["amount"])
        assert len(page["amount"].values) == 1
        with pytest.raises(SourceError) as caught:
            list(reader.read(START + HOUR, START + 2 * HOUR, ["amount"]))
        assert caught.value.reason == UNREADABLE
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE log")
        with pytest.raises(SourceError) as caught:
            list(reader.read(START, START + HOUR, ["amount"]))
        assert caught.value.reason == "missing_table"
    engine.dispose()
