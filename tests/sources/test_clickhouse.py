"""ClickHouse as a source: the real engine by chDB, the real driver, a small HTTP server of ours between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.config.source import Source
from monitor.sources.base import Reader, SourceError
from monitor.sources.connect import connect
from tests.support import clickhouse

pytestmark = pytest.mark.xdist_group("clickhouse")  # one worker starts it, not each

START = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with clickhouse.server() as made:
        yield made


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    with clickhouse.emptied(url) as made:
        yield made


def run(engine: sa.Engine, sql: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(sql.replace("%", "%%"))


def opened(url: str, **settings: Any) -> Reader:
    columns = {"timestamp": "ts", **settings.pop("columns", {})}
    place = {} if "query" in settings else {"table": "log"}
    return connect(Source.model_validate({"url": url, "columns": columns, "timeout": "30s", **place, **settings}))


def everything(reader: Reader, columns: list[str]) -> dict[str, list[Any]]:
    pages = list(reader.read(START, START + timedelta(days=2), columns))
    return {
        name: [
            None if gone else value
            for page in pages
            for value, gone in zip(page[name].values, page[name].missing, strict=True)
        ]
        for name in ["timestamp", *columns]
    }


@pytest.mark.parametrize(
    "kind", ["DateTime64(3)", "DateTime64(9, 'Asia/Kolkata')", "DateTime", "Nullable(DateTime64(6, 'UTC'))"]
)
def test_times_fall_into_exact_half_open_buckets(engine: sa.Engine, url: str, kind: str) -> None:
    run(engine, f"CREATE TABLE log (id UInt32, ts {kind}) ENGINE MergeTree ORDER BY id")
    run(
        engine,
        f"INSERT INTO log SELECT number, fromUnixTimestamp64Nano(toInt64({int(START.timestamp())} + number * 420) * 1000000000) FROM numbers(400)",
    )
    reader = opened(url, key=["id"], page_size=30)
    moments = [START + 7 * n * MINUTE for n in range(400)]
    for hour in range(0, 47, 5):
        first, last = START + timedelta(hours=hour), START + timedelta(hours=hour + 1)
        wanted = [m.timestamp() for m in moments if first <= m < last]
        assert reader.counts(first, last).rows == len(wanted)
        assert [s for page in reader.read(first, last, []) for s in page["timestamp"].values] == wanted
    assert (reader.oldest(), reader.newest()) == (moments[0], moments[-1])
    reader.close()


def test_rows_of_one_moment_and_of_one_microsecond_are_read_once(engine: sa.Engine, url: str) -> None:
    run(engine, "CREATE TABLE log (id UInt32, ts DateTime64(9, 'UTC')) ENGINE MergeTree ORDER BY ts")
    run(
        engine,
        f"INSERT INTO log SELECT number, fromUnixTimestamp64Nano({int(START.timestamp())}000000000 + intDiv(number, 3)) FROM numbers(5000)",
    )
    keyed, loose = opened(url, key=["id"], page_size=256), opened(url, page_size=256)
    assert everything(keyed, ["id"])["id"] == list(range(5000))
    assert sorted(everything(loose, ["id"])["id"]) == list(range(5000))


def test_values_travel_as_numbers_texts_and_missing(engine: sa.Engine, url: str) -> None:
    run(
        engine,
        "CREATE TABLE log (ts DateTime64(3), x Nullable(Float64), d Decimal64(4), u UInt64, b Bool, s LowCardinality(Nullable(String)), "
        "e Enum8('internal' = 1, 'b' = 2), m Map(String, UInt64), a Array(String), t UInt8, k0 String) ENGINE MergeTree ORDER BY ts",
    )
    run(
        engine,
        "INSERT INTO log VALUES ('2026-11-01 00:00:01', 1.5, 2.25, 7, true, 'é%:x', 'internal', {'total': 3}, ['p'], 5, 'k'), "
        "('2026-11-01 00:00:02', NULL, 0, 0, false, NULL, 'b', {}, [], 6, 'l')",
    )
    reader = opened(url)
    assert reader.schema() == {
        "timestamp": "time",
        "x": "numeric",
        "d": "numeric",
        "u": "numeric",
        "b": "boolean",
        "s": "text",
        "e": "text",
        "m": "json",
        "a": "json",
        "t": "numeric",
        "k0": "text",
    }
    found = everything(reader, ["x", "d", "u", "b", "s", "e", "m", "t", "k0"])
    assert found["x"] == [1.5, None]
    assert found["d"] == [2.25, 0]
    assert found["b"] == [True, False]
    assert found["s"] == ["é%:x", None]
    assert found["e"] == ["internal", "b"]
    assert found["m"] == ['{"total":3}', "{}"]
    assert (found["t"], found["k0"]) == ([5, 6], ["k", "l"])
    assert {column.name: column.null_share for column in reader.describe()}["x"] == 0.5
    assert abs((reader.now() - datetime.now(UTC)).total_seconds()) < 5
    assert reader.quiet_since(START) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"table": "lgo"}, "missing_table"),
        ({"columns": {"label": "lable"}}, "missing_column"),
        ({"query": "SELECT * FROM nowhere"}, "missing_table"),
        ({"query": "SELECT nothing FROM log"}, "missing_column"),
        ({"query": "SELEKT 1"}, "other"),
        ({"query": "SELECT ts, sleepEachRow(1) AS n FROM log", "timeout": "1s"}, "timeout"),
        ({"url": "clickhouse://me:canary-pw@127.0.0.1:1/none"}, "unreachable"),
    ],
)
def test_what_goes_wrong_is_a_sentence_with_a_reason(
    engine: sa.Engine, url: str, change: dict[str, Any], reason: str
) -> None:
    run(engine, "CREATE TABLE log (ts DateTime64(3), label String) ENGINE MergeTree ORDER BY ts")
    run(engine, "INSERT INTO log SELECT toDateTime64('2026-11-01 00:00:01', 3) + number, 'x' FROM numbers(3)")
    reader = opened(change.pop("url", url), **change)
    with pytest.raises(SourceError) as caught:
        list(reader.read(START, START + timedelta(days=1), [*reader.schema()]))
    assert caught.value.reason == reason
    assert "canary" not in str(caught.value)


def test_nothing_can_be_written(engine: sa.Engine, url: str) -> None:
    run(engine, "CREATE TABLE log (ts DateTime64(3)) ENGINE MergeTree ORDER BY ts")
    reader = opened(url, query="SELECT ts FROM log)")
    with pytest.raises(SourceError):
        reader.schema()
    from monitor.sources.connect import open_engine as engine_of

    made, _ = engine_of(Source.model_validate({"url": url, "table": "log", "columns": {"timestamp": "ts"}}))
    with made.connect() as connection, pytest.raises(sa.exc.SQLAlchemyError, match="(?i)readonly"):
        connection.exec_driver_sql("DROP TABLE log")
