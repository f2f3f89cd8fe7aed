"""Open readers of sources. Presets are converted to queries first."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from monitor.config.models import Monitor
from monitor.config.source import Source
from monitor.sources.base import Reader, SourceError
from monitor.sources.dialects import ALIASES, DIALECTS
from monitor.sources.dialects.base import Dialect
from monitor.sources.preset import recognise, write_out
from monitor.sources.reader import SqlReader
from monitor.sources.session import session, with_deadline
from monitor.sources.traffic_reader import TrafficReader

__all__ = ["connect", "connect_monitor", "open_engine", "connect_and_probe", "recognize_presets"]


def connect(source: Source) -> Reader:
    """Return a read-only reader; the connection is opened on first use."""
    return connect_and_probe(source)[0]


def connect_monitor(monitor: Monitor) -> Reader:
    """Return a reader of the source of a monitor, whose counts and samples are of served traffic."""
    if not monitor.role_rules:
        return connect(monitor.source)
    engine, dialect = open_engine(monitor.source)
    if monitor.source.preset is None:
        return TrafficReader(engine, monitor.source, dialect, None, monitor)
    written = write_out(monitor.source, engine, dialect)
    return TrafficReader(engine, written.source, dialect, written.narrow, monitor)


def connect_and_probe(source: Source) -> tuple[Reader, Mapping[str, str]]:
    """Return a reader, and the columns of its preset that the installation lacks, each with the reason."""
    engine, dialect = open_engine(source)
    if source.preset is None:
        return SqlReader(engine, source, dialect), {}
    written = write_out(source, engine, dialect)
    return SqlReader(engine, written.source, dialect, written.narrow), written.lacking


def recognize_presets(url: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the presets whose tables exist in a database, each with the table, and the names of all tables."""
    source = Source.model_validate({"url": url, "table": "-", "columns": {"timestamp": "-"}})
    engine, dialect = open_engine(source)
    try:
        with session(engine, dialect, source) as connection:
            return recognise(connection, dialect)
    finally:
        engine.dispose()


def open_engine(source: Source) -> tuple[sa.Engine, Dialect]:
    """Return a read-only engine and the dialect of its database."""
    try:
        url = make_url(source.url.get_secret_value())
    except (sa.exc.ArgumentError, ValueError):  # ValueError: the port is no number
        raise SourceError(
            "configuration",
            "`source.url` is not a database URL; write sqlite:///log.db or postgresql+psycopg://user@host:5432/name.",
        ) from None
    backend = ALIASES.get(url.get_backend_name(), url.get_backend_name())
    if backend not in DIALECTS:
        raise SourceError("configuration", f"a source cannot be {backend!r}. Supported: {', '.join(DIALECTS)}.")
    dialect = DIALECTS[backend]
    if "+" not in url.drivername or backend != url.get_backend_name():
        url = url.set(drivername=dialect.drivername)
    try:
        return with_deadline(dialect.open(url, source.timeout), dialect, source), dialect
    except (ImportError, sa.exc.NoSuchModuleError):
        name = url.drivername.partition("+")[2]
        raise SourceError(
            "configuration", f"no driver {name!r} is installed; omit it from `source.url`: write {backend}://…"
        ) from None
