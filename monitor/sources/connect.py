"""The only readers of THEIR tables. `connect` opens one; a preset is written out first."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from monitor.config.source import Source
from monitor.sources.base import Reader, SourceError
from monitor.sources.dialects import ALIASES, DIALECTS
from monitor.sources.dialects.base import Dialect
from monitor.sources.preset import recognise, write_out
from monitor.sources.reader import SqlReader
from monitor.sources.session import session, with_deadline

__all__ = ["connect", "open_engine", "connect_and_probe", "recognize_presets"]


def connect(source: Source) -> Reader:
    """Open a read-only reader; the first read connects."""
    return connect_and_probe(source)[0]


def connect_and_probe(source: Source) -> tuple[Reader, Mapping[str, str]]:
    """Open a reader, and say which columns of its preset this installation lacks, and why."""
    engine, dialect = open_engine(source)
    if source.preset is None:
        return SqlReader(engine, source, dialect), {}
    written = write_out(source, engine, dialect)
    return SqlReader(engine, written.source, dialect, written.narrow), written.lacking


def recognize_presets(url: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the presets whose tables a database holds, each with the table's name, and the names of all tables."""
    source = Source.model_validate({"url": url, "table": "-", "columns": {"timestamp": "-"}})
    engine, dialect = open_engine(source)
    try:
        with session(engine, dialect, source) as connection:
            return recognise(connection, dialect)
    finally:
        engine.dispose()


def open_engine(source: Source) -> tuple[sa.Engine, Dialect]:
    """Return an engine that cannot write, and what its database differs in."""
    try:
        url = make_url(source.url.get_secret_value())
    except sa.exc.ArgumentError:
        raise SourceError(
            "configuration",
            "`source.url` is no database URL; write sqlite:///log.db or postgresql+psycopg://user@host/name.",
        ) from None
    backend = ALIASES.get(url.get_backend_name(), url.get_backend_name())
    if backend not in DIALECTS:
        raise SourceError("configuration", f"a source can be one of {', '.join(DIALECTS)}, not {backend!r}.")
    dialect = DIALECTS[backend]
    if "+" not in url.drivername or backend != url.get_backend_name():
        url = url.set(drivername=dialect.drivername)
    try:
        return with_deadline(dialect.open(url, source.timeout), dialect, source), dialect
    except (ImportError, sa.exc.NoSuchModuleError):
        name = url.drivername.partition("+")[2]
        raise SourceError(
            "configuration", f"no driver {name!r} is installed; leave it out of `source.url`: write {backend}://…"
        ) from None
