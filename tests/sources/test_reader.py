"""Their tables, as people really have them: times, names, pages, values, and what goes wrong."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from monitor.config.source import Source
from monitor.sources import arrow
from monitor.sources.base import Counts, Reader, SourceError
from monitor.sources.connect import connect

START = datetime(2026, 3, 29, tzinfo=UTC)  # the day on which Berlin's clocks go forward
MINUTE = timedelta(minutes=1)


class Theirs:
    """Their database, and readers of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.postgresql = url.startswith("postgresql")
        self.engine = sa.create_engine(url)
        self.readers: list[Reader] = []

    def run(self, sql: str, rows: list[tuple[Any, ...]] | None = None) -> None:
        with self.engine.begin() as connection:
            if rows is None:
                connection.exec_driver_sql(sql)
            else:
                connection.exec_driver_sql(sql.replace("?", "%s") if self.postgresql else sql, rows)

    def read(self, timestamp: Any = "ts", **settings: Any) -> Reader:
        columns = {"timestamp": timestamp, **settings.pop("columns", {})}
        place = {} if "query" in settings or "preset" in settings else {"table": "log"}
        source = Source.model_validate({"url": self.url, "columns": columns, "timeout": "30s", **place, **settings})
        self.readers.append(connect(source))
        return self.readers[-1]


@pytest.fixture
def theirs(store_url: str) -> Iterator[Theirs]:
    made = Theirs(store_url)
    with made.engine.connect():
        yield made
    for reader in made.readers:
        reader.close()
    made.engine.dispose()


def everything(reader: Reader, columns: list[str], start: datetime = START, days: int = 2) -> dict[str, list[Any]]:
    pages = list(reader.read(start, start + timedelta(days=days), columns))
    return {
        name: [
            None if gone else value
            for page in pages
            for value, gone in zip(page[name].values, page[name].missing, strict=True)
        ]
        for name in ["timestamp", *columns]
    }


def iso(moment: datetime, form: str) -> Any:
    forms = {
        "sqlalchemy": moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "space": moment.strftime("%Y-%m-%d %H:%M:%S"),
        "t": moment.strftime("%Y-%m-%dT%H:%M:%S"),
        "z": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "offset": moment.astimezone(ZoneInfo("Asia/Kolkata")).isoformat(),
        "german": moment.strftime("%d.%m.%Y %H:%M:%S"),
        "compact": moment.strftime("%Y%m%d%H%M%S"),
    }
    return forms[form]


@pytest.mark.parametrize(
    ("form", "spec"),
    [
        ("sqlalchemy", "ts"),
        ("space", "ts"),
        ("t", "ts"),
        ("z", "ts"),
        ("offset", "ts"),
        ("german", {"column": "ts", "format": "%d.%m.%Y %H:%M:%S"}),
        ("compact", {"column": "ts", "format": "%Y%m%d%H%M%S"}),
    ],
)
def test_times_in_text_fall_into_exact_half_open_buckets(theirs: Theirs, form: str, spec: Any) -> None:
    moments = [START + n * 7 * MINUTE for n in range(400)] + [START + timedelta(days=1)]
    theirs.run("CREATE TABLE log (id INTEGER PRIMARY KEY, ts TEXT)")
    theirs.run("INSERT INTO log VALUES (?, ?)", [(n, iso(m, form)) for n, m in enumerate(moments)])
    assert_buckets(theirs.read(spec, page_size=50), moments)


def assert_buckets(reader: Reader, moments: list[datetime], hours: int = 3) -> None:
    """Compare counts and reads of stretches of so many hours with plain Python."""
    edges = [START + timedelta(hours=h) for h in range(0, 49, hours)]
    for first, last in zip(edges, edges[1:], strict=False):
        wanted = sorted(m.timestamp() for m in moments if first <= m < last)
        assert reader.counts(first, last).rows == len(wanted)
        got = [s for page in reader.read(first, last, []) for s in page["timestamp"].values]
        assert sorted(got) == pytest.approx(wanted, abs=1e-6)
    assert reader.oldest() == min(moments)
    assert reader.newest() == max(moments)


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_epochs(theirs: Theirs, unit: str, scale: int) -> None:
    moments = [START + n * 7 * MINUTE for n in range(400)]
    theirs.run("CREATE TABLE log (id INTEGER PRIMARY KEY, ts BIGINT)")
    theirs.run("INSERT INTO log VALUES (?, ?)", [(n, int(m.timestamp()) * scale) for n, m in enumerate(moments)])
    assert_buckets(theirs.read({"column": "ts", "unit": unit}, page_size=50), moments)
    with pytest.raises(SourceError, match="unit: s"):
        theirs.read("ts").counts(START, START + MINUTE)


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_naive_times_of_a_zone_over_the_change_of_its_clocks(theirs: Theirs, zone: str | None) -> None:
    moments = [START + n * 7 * MINUTE for n in range(400)]
    kind = "TIMESTAMP" if theirs.postgresql else "TEXT"
    theirs.run(f"CREATE TABLE log (id INTEGER PRIMARY KEY, ts {kind})")
    local = [m.astimezone(ZoneInfo(zone or "UTC")).replace(tzinfo=None) for m in moments]
    rows = [(n, m if theirs.postgresql else m.isoformat(" ")) for n, m in enumerate(local)]
    theirs.run("INSERT INTO log VALUES (?, ?)", rows)
    assert_buckets(theirs.read({"column": "ts", "zone": zone}, page_size=50), moments, hours=1)


def test_ten_thousand_rows_of_one_moment_are_read_exactly_once(theirs: Theirs) -> None:
    theirs.run("CREATE TABLE log (id INTEGER PRIMARY KEY, ts TEXT)")
    theirs.run("INSERT INTO log VALUES (?, ?)", [(n, iso(START, "space")) for n in range(10_000)])
    found = everything(theirs.read(page_size=1000), ["id"])
    assert sorted(found["id"]) == list(range(10_000))


def test_rows_without_a_key_views_and_queries_are_read_whole(theirs: Theirs) -> None:
    theirs.run("CREATE TABLE log (name TEXT, ts TEXT)")
    rows = [(None if n % 5 == 0 else f"n{n % 7}", iso(START + n * MINUTE, "space")) for n in range(1000)]
    theirs.run("INSERT INTO log VALUES (?, ?)", rows)
    theirs.run("CREATE VIEW seen AS SELECT name, ts FROM log WHERE name IS NOT NULL")
    wanted = sorted(str(name) for name, _ in rows)
    assert sorted(map(str, everything(theirs.read(page_size=64), ["name"])["name"])) == wanted
    query = "SELECT name, ts FROM log WHERE name LIKE 'n%' OR name IS NULL; "
    assert sorted(map(str, everything(theirs.read(query=query, page_size=64), ["name"])["name"])) == wanted
    view = everything(theirs.read(table="seen", columns={"id": "name"}, page_size=64), ["id"])
    assert sorted(view["id"]) == [name for name in wanted if name != "None"]


def test_a_query_whose_key_is_told_is_read_by_pages(theirs: Theirs) -> None:
    theirs.run("CREATE TABLE log (id INTEGER PRIMARY KEY, ts TEXT)")
    theirs.run("INSERT INTO log VALUES (?, ?)", [(n, iso(START + n // 100 * MINUTE, "space")) for n in range(1000)])
    reader = theirs.read(query="SELECT id AS n, ts FROM log", key=["n"], page_size=64, arrow=False)
    pages = list(reader.read(START, START + timedelta(days=1), ["n"]))
    assert [len(page["n"]) for page in pages] == [64] * 15 + [40]
    assert [int(value) for page in pages for value in page["n"].values] == list(range(1000))


def test_chats_are_read_as_their_words(theirs: Theirs) -> None:
    theirs.run("CREATE TABLE log (ts TEXT, asked TEXT, said TEXT)")
    asked = [{"role": "user", "content": "old"}, {"role": "user", "content": [{"type": "text", "text": "new"}]}]
    said = {"choices": [{"message": {"role": "assistant", "content": "yes"}}]}
    rows = [(json.dumps(asked), json.dumps(said)), ("plain", '{"cut": "sho'), (None, "{}")]
    theirs.run(
        "INSERT INTO log VALUES (?, ?, ?)", [(iso(START + n * MINUTE, "space"), *row) for n, row in enumerate(rows)]
    )
    columns = {"question": {"column": "asked", "chat": True}, "response": {"column": "said", "chat": True}}
    reader = theirs.read(columns=columns)
    found = everything(reader, ["question", "response"])
    assert found["question"] == ["new", "plain", None]
    assert found["response"] == ["yes", '{"cut": "sho', None]
    assert {c.name: round(c.null_share, 2) for c in reader.describe()} == {
        "timestamp": 0,
        "question": 0.33,
        "response": 0.33,
    }


NAMES = ["Größe in €", 'quo"te', "per%cent", "co:lon", "SELECT", "a b", "semi;colon", "back\\slash", "it's"]


@pytest.mark.parametrize(("unit", "scale"), [("ms", 10**3), ("us", 10**6), ("ns", 10**9), ("s", 1), (None, 1)])
def test_durations_are_read_as_seconds(theirs: Theirs, unit: str | None, scale: int) -> None:
    theirs.run("CREATE TABLE log (id int PRIMARY KEY, ts timestamp, took bigint, label text)")
    theirs.run(
        "INSERT INTO log VALUES (1, '2026-03-29 00:00:01', 1500000000000, 'a'), (2, '2026-03-29 00:00:02', NULL, 'b')"
    )
    latency = {"column": "took", "unit": unit} if unit else "took"
    reader = theirs.read(columns={"latency": latency})
    assert everything(reader, ["latency"])["latency"] == [1.5e12 / scale, None]
    assert next(one for one in reader.describe() if one.name == "latency").typical == 1.5e12 / scale
    with pytest.raises(SourceError, match="`columns.latency` has a unit, but 'label' is not numeric"):
        theirs.read(columns={"latency": {"column": "label", "unit": "ms"}}).schema()


def test_names_of_every_kind(theirs: Theirs) -> None:
    quote = theirs.engine.dialect.identifier_preparer.quote_identifier
    listed = ", ".join(f"{quote(name)} REAL" for name in NAMES)
    table = quote('My "Log" 100%')
    theirs.run(f"CREATE TABLE {table} (ts TEXT, {listed})")
    theirs.run(f"INSERT INTO {table} VALUES ('2026-03-29 00:00:01', {', '.join('1.5' for _ in NAMES)})")
    reader = theirs.read(table='My "Log" 100%', columns={"size": NAMES[0]})
    assert list(reader.schema()) == ["timestamp", "size", *NAMES[1:]]
    found = everything(reader, ["size", *NAMES[1:]])
    assert all(values == [1.5] for name, values in found.items() if name != "timestamp")


def test_values_are_kept_apart_and_made_safe(theirs: Theirs) -> None:
    number, text = ("DOUBLE PRECISION", "TEXT") if theirs.postgresql else ("REAL", "TEXT")
    theirs.run(f"CREATE TABLE log (id INTEGER PRIMARY KEY, ts TEXT, x {number}, d NUMERIC(20, 3), b BOOLEAN, s {text})")
    long = "é" * 3000
    rows: list[tuple[Any, ...]] = [
        (1, iso(START, "space"), 1.5, 2.25, True, "plain"),
        (2, iso(START, "space"), None, None, None, None),
        (3, iso(START, "space"), float("inf"), 1e12, False, long),
        (4, iso(START, "space"), -0.0, 0, True, "" if theirs.postgresql else "a\x00b"),
    ]
    if theirs.postgresql:
        rows.append((5, iso(START, "space"), float("nan"), 1, False, "x"))
    theirs.run("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", rows)
    found = everything(theirs.read(text_limit=100), ["id", "x", "d", "b", "s"])
    assert found["x"][:3] == [1.5, None, float("inf")]
    assert found["d"][:4] == [2.25, None, 1e12, 0.0]
    assert [None if v is None else bool(v) for v in found["b"][:3]] == [True, None, False]
    assert found["s"][:3] == ["plain", None, "é" * 100]
    if theirs.postgresql:
        assert np.isnan(found["x"][4])
    else:
        assert found["s"][3] == "ab"


def test_a_text_of_ten_megabytes_does_not_travel(theirs: Theirs) -> None:
    theirs.run("CREATE TABLE log (id INTEGER PRIMARY KEY, ts TEXT, s TEXT)")
    theirs.run("INSERT INTO log VALUES (?, ?, ?)", [(n, iso(START, "space"), "x" * 10_000_000) for n in range(3)])
    reader = theirs.read(text_limit=1000)
    tracemalloc.start()
    try:
        found = everything(reader, ["s"])
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert [len(text) for text in found["s"]] == [1000] * 3


def test_counts_know_labels_and_feedback(theirs: Theirs) -> None:
    theirs.run("CREATE TABLE log (ts TEXT, y INTEGER, stars INTEGER)")
    rows = [(iso(START, "space"), n % 2 or None, 1 if n < 3 else None) for n in range(10)]
    theirs.run("INSERT INTO log VALUES (?, ?, ?)", rows)
    reader = theirs.read(columns={"label": "y", "feedback": "stars"})
    assert reader.counts(START, START + MINUTE) == Counts(10, 5, 3)


def test_a_column_that_comes_goes_or_changes_is_seen_at_once(theirs: Theirs) -> None:
    theirs.run("CREATE TABLE log (id INTEGER PRIMARY KEY, ts TEXT, x INTEGER, y INTEGER)")
    theirs.run("INSERT INTO log VALUES (?, ?, ?, ?)", [(1, iso(START, "space"), 1, 1)])
    reader = theirs.read(columns={"prediction": "x"})
    assert set(reader.schema()) == {"id", "timestamp", "prediction", "y"}
    for _ in range(7):
        assert everything(reader, ["prediction"])["prediction"] == [1.0]
    theirs.run("ALTER TABLE log ADD COLUMN z TEXT")
    assert reader.schema()["z"] == "text"
    theirs.run("ALTER TABLE log DROP COLUMN y")
    assert "y" not in reader.schema()
    if theirs.postgresql:
        theirs.run("ALTER TABLE log ALTER COLUMN x TYPE TEXT")
        assert everything(reader, ["prediction"])["prediction"] == ["1"]
    theirs.run("ALTER TABLE log DROP COLUMN x")
    with pytest.raises(SourceError, match=r"`columns.prediction` names 'x'") as caught:
        reader.schema()
    assert caught.value.reason == "missing_column"


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"table": "lgo"}, "missing_table", "lgo"),
        ({"query": "SELECT * FROM nowhere"}, "missing_table", "nowhere"),
        ({"query": "SELEKT 1"}, "other", "syntax"),
        ({"columns": {"label": "lable"}}, "missing_column", "'label'"),
        ({"url": "postgresql+psycopg://me:canary-pw@127.0.0.1:1/none"}, "unreachable", "127.0.0.1"),
        ({"url": "sqlite:////nowhere/at/all.db"}, "missing_file", "no SQLite file"),
    ],
)
def test_what_goes_wrong_is_a_sentence_with_a_reason(
    theirs: Theirs, change: dict[str, Any], reason: str, says: str
) -> None:
    theirs.run("CREATE TABLE log (ts TEXT, label TEXT)")
    settings = {"url": theirs.url, "columns": {}, **({} if "query" in change else {"table": "log"}), **change}
    settings["columns"] = {"timestamp": "ts", **settings["columns"]}
    with pytest.raises(SourceError) as caught:
        theirs.readers.append(connect(Source.model_validate(settings)))
        theirs.readers[-1].schema()
    assert caught.value.reason == reason
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)


def test_rows_of_the_future_and_unreadable_times_belong_to_no_past_bucket(theirs: Theirs) -> None:
    theirs.run("CREATE TABLE log (ts TEXT)")
    far = datetime.now(UTC) + timedelta(days=30)
    theirs.run("INSERT INTO log VALUES (?)", [(iso(START, "space"),), (None,), ("soon",), (iso(far, "space"),)])
    reader = theirs.read()
    assert reader.counts(START, START + timedelta(days=1)).rows == 1
    assert reader.newest() == START
    assert len(everything(reader, [])["timestamp"]) == 1


class TestPostgresql:
    """What only PostgreSQL has."""

    @pytest.fixture
    def theirs(self, postgres_url: str) -> Iterator[Theirs]:
        made = Theirs(postgres_url)
        yield made
        for reader in made.readers:
            reader.close()
        made.engine.dispose()

    def test_the_arrow_way_gives_the_same_to_the_last_bit(self, theirs: Theirs) -> None:
        theirs.run(
            "CREATE TABLE log (id BIGINT PRIMARY KEY, ts TIMESTAMPTZ, x DOUBLE PRECISION, d NUMERIC, s TEXT, "
            "b BOOLEAN, j JSONB)"
        )
        theirs.run(
            "INSERT INTO log SELECT n, '2026-03-29 00:00:00+00'::timestamptz + n * interval '1.000123 s', "
            "CASE n %% 11 WHEN 0 THEN NULL WHEN 1 THEN 'NaN'::float8 ELSE sin(n) END, n / 7.0, "
            "CASE WHEN n %% 5 = 0 THEN NULL ELSE 'é' || n END, n %% 2 = 0, jsonb_build_object('n', n) "
            "FROM generate_series(1, 5000) n"
        )
        names = ["id", "x", "d", "s", "b", "j"]
        assert arrow.available(
            Source.model_validate({"url": theirs.url, "table": "log", "columns": {"timestamp": "ts"}})
        )
        slow = everything(theirs.read(arrow=False, page_size=500), names)
        fast = everything(theirs.read(arrow=True, page_size=500), names)
        assert len(slow["id"]) == 5000
        assert repr(fast) == repr(slow)

    def test_a_role_that_may_read_some_columns_sees_those(self, theirs: Theirs) -> None:
        role = f"r_{uuid.uuid4().hex}"
        theirs.run("CREATE TABLE log (id BIGINT PRIMARY KEY, ts TIMESTAMPTZ, x DOUBLE PRECISION, secret TEXT)")
        theirs.run("INSERT INTO log SELECT n, '2026-03-29 00:00:10+00', n, 'no' FROM generate_series(1, 9) n")
        theirs.run(f"CREATE ROLE {role} LOGIN PASSWORD 'let-me-in'")
        try:
            theirs.run(f"GRANT SELECT (ts, x) ON log TO {role}")
            theirs.url = (
                make_url(theirs.url).set(username=role, password="let-me-in").render_as_string(hide_password=False)
            )
            reader = theirs.read()
            assert [info.name for info in reader.describe()] == ["timestamp", "x"]
            assert set(reader.schema()) == {"timestamp", "x"}
            assert reader.counts(START, START + MINUTE).rows == 9
            for arrow_too in (False, True):
                reader = theirs.read(page_size=4, arrow=arrow_too)
                assert sorted(everything(reader, ["x"])["x"]) == list(range(1, 10))
            with pytest.raises(SourceError, match="'secret', which does not exist, or which this user may not read"):
                theirs.read(columns={"response": "secret"}).schema()
            theirs.run(f"REVOKE SELECT (ts, x) ON log FROM {role}")
            with pytest.raises(SourceError, match="permission denied"):
                theirs.read().describe()
        finally:
            for reader in theirs.readers:
                reader.close()
            theirs.run(f"DROP OWNED BY {role}")
            theirs.run(f"DROP ROLE {role}")

    def test_sessions_are_read_only_and_theirs_waits_for_ours_no_longer_than_the_timeout(self, theirs: Theirs) -> None:
        theirs.run("CREATE TABLE log (id INTEGER PRIMARY KEY, ts TIMESTAMPTZ)")
        theirs.run("CREATE FUNCTION pause() RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(300) IS NULL'")
        reader = theirs.read(query="SELECT *, pause() FROM log", timeout="1s")
        theirs.run("INSERT INTO log VALUES (1, '2026-03-29 00:00:10+00')")
        ended: list[Any] = []

        def slow() -> None:
            try:
                list(reader.read(START, START + MINUTE, ["pause"]))
            except SourceError as error:
                ended.append(error.reason)

        thread = threading.Thread(target=slow)
        began = time.monotonic()
        thread.start()
        theirs.run("ALTER TABLE log ADD COLUMN y INTEGER")
        thread.join(120)
        assert ended == ["timeout"]
        assert time.monotonic() - began < 120  # it would take 300

    def test_an_open_transaction_is_seen_and_a_plain_role_is_told_that_it_cannot_see(self, theirs: Theirs) -> None:
        theirs.run("CREATE TABLE log (ts TIMESTAMPTZ)")
        reader = theirs.read()
        later = datetime.now(UTC) + MINUTE
        assert reader.quiet_since(later) is True
        with theirs.engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("INSERT INTO log VALUES (now())")
            assert reader.quiet_since(later) is False
            assert reader.quiet_since(START) is True
        assert abs((reader.now() - datetime.now(UTC)).total_seconds()) < 5

    def test_schema_qualified_and_mixed_case_tables(self, theirs: Theirs) -> None:
        theirs.run('CREATE SCHEMA "My App"')
        theirs.run('CREATE TABLE "My App"."Log" (ts TIMESTAMP, x REAL)')
        theirs.run('INSERT INTO "My App"."Log" VALUES (\'2026-03-29 00:00:01\', 2)')
        assert everything(theirs.read(table="My App.Log"), ["x"])["x"] == [2.0]
