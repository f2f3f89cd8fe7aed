"""The only readers of THEIR tables. `connect` opens one; a preset is written out first."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from monitor.sources.base import Reader, SourceError
from monitor.sources.dialects import DIALECTS
from monitor.sources.dialects.base import Dialect
from monitor.sources.preset import written_out
from monitor.sources.reader import SqlReader
from monitor.sourcespec import Source

__all__ = ["connect", "opened"]


def connect(source: Source) -> Reader:
    """Open a read-only reader; the first read connects."""
    engine, dialect = opened(source)
    return SqlReader(engine, written_out(source, engine, dialect), dialect)


def opened(source: Source) -> tuple[sa.Engine, Dialect]:
    """Return an engine that cannot write, and what its database differs in."""
    try:
        url = make_url(source.url.get_secret_value())
    except sa.exc.ArgumentError:
        raise SourceError(
            "other", "`source.url` is no database URL; write sqlite:///log.db or postgresql+psycopg://user@host/name."
        ) from None
    backend = "postgresql" if url.get_backend_name() == "postgres" else url.get_backend_name()
    if backend not in DIALECTS:
        raise SourceError("other", f"a source can be one of {', '.join(DIALECTS)}, not {backend!r}.")
    dialect = DIALECTS[backend]
    if "+" not in url.drivername:
        url = url.set(drivername=dialect.drivername)
    return dialect.open(url, source.timeout), dialect
