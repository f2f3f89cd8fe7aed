"""A source that takes connections and does not answer: every wait for it ends, on our side."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from monitor.config.source import Source
from monitor.core.bounded import Bounded
from monitor.sources import arrow, deadline
from monitor.sources.base import SourceError
from monitor.sources.connect import connect
from tests.support.proxy import Proxy, proxied

pytestmark = pytest.mark.timeout(60)
START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "MARGIN", timedelta(seconds=0.5))
    monkeypatch.setattr(arrow, "MARGIN", timedelta(seconds=0.5))


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE log (id int PRIMARY KEY, ts timestamptz)")
        connection.exec_driver_sql("INSERT INTO log SELECT i, '2026-11-01Z' FROM generate_series(1, 100) AS i")
    engine.dispose()
    with proxied(make_url(postgres_url).port or 0) as made:
        yield made


def source_behind(proxy: Proxy, url: str, **settings: Any) -> Source:
    through = make_url(url).set(port=proxy.port).render_as_string(hide_password=False)
    place = {} if "preset" in settings else {"table": "log", "columns": {"timestamp": "ts", "id": "id"}}
    return Source.model_validate({"url": through, "timeout": "1s", **place, **settings})


def test_a_read_that_stalls_ends_and_the_next_one_connects_again(proxy: Proxy, postgres_url: str) -> None:
    reader = connect(source_behind(proxy, postgres_url))
    assert reader.counts(START, START + timedelta(days=1)).rows == 100
    proxy.stall()
    with pytest.raises(SourceError, match="no answer came within 1.5 s") as raised:
        reader.now()
    assert raised.value.reason == "timeout"
    assert proxy.connections == 1  # the pool did not go on waiting for a second connection
    proxy.resume()
    assert reader.counts(START, START + timedelta(days=1)).rows == 100
    reader.close()


def test_pages_that_stall_end_between_two_of_them(proxy: Proxy, postgres_url: str) -> None:
    reader = connect(source_behind(proxy, postgres_url, page_size=10))
    pages = reader.read(START, START + timedelta(days=1), ["id"])
    assert len(next(pages)["id"]) == 10
    proxy.stall()
    with pytest.raises(SourceError, match="no answer"):
        next(pages)
    proxy.resume()
    reader.close()


@pytest.mark.parametrize("settings", [{}, {"preset": "litellm"}])
def test_a_connection_that_stalls_in_its_first_queries_ends(
    settings: dict[str, Any], proxy: Proxy, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver keeps `connect_timeout` until it is connected; SQLAlchemy then asks for the server's version."""
    ours: Callable[..., None] = deadline.StatementDeadline._add

    def stall(self: deadline.StatementDeadline, *of: Any) -> None:
        proxy.stall()
        ours(self, *of)

    monkeypatch.setattr(deadline.StatementDeadline, "_add", stall)
    with pytest.raises(SourceError, match="no answer"):
        connect(source_behind(proxy, postgres_url, **settings)).now()


def test_a_hanging_call_of_arrow_is_left_behind_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/d"
        columns = {"timestamp": "ts"}
        source = Source.model_validate({"url": url, "table": "log", "columns": columns, "timeout": "1s"})
        dialect, query, calls = sa.create_engine("postgresql+psycopg://").dialect, sa.select(sa.literal(1)), Bounded()
        before = threading.active_count()
        with pytest.raises(deadline.NoAnswer):
            arrow.fetch(source, dialect, query, calls)
        assert calls.busy
        assert [arrow.fetch(source, dialect, query, calls) for _ in range(3)] == [None] * 3  # the ordinary way reads
        assert threading.active_count() <= before + 1


def test_what_is_computed_between_two_statements_does_not_count(proxy: Proxy, postgres_url: str) -> None:
    reader = connect(source_behind(proxy, postgres_url))
    assert reader.now()
    waits = deadline._WAITS
    assert threading.get_ident() not in waits  # nothing is watched outside a session
    with reader._session() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("SELECT 1")
        waits[threading.get_ident()].end_when_late(now=1e12)
        assert connection.exec_driver_sql("SELECT 2").scalar_one() == 2
    reader.close()
