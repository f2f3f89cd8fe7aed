"""The only readers of THEIR tables. `connect` opens one; a preset is written out first."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from monitor.sources.base import Reader, SourceError
from monitor.sources.presets import written_out
from monitor.sources.reader import SqlReader
from monitor.sourcespec import Source

__all__ = ["connect"]


def connect(source: Source) -> Reader:
    """Open a read-only reader; the first read connects."""
    try:
        url = make_url(source.url.get_secret_value())
    except sa.exc.ArgumentError:
        raise SourceError(
            "other", "`source.url` is no database URL; write sqlite:///log.db or postgresql+psycopg://user@host/name."
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise SourceError("other", f"a source can be SQLite or PostgreSQL, not {url.get_backend_name()!r}.")
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
    return SqlReader(engine, written_out(source, engine))


def _sqlite(url: URL) -> sa.Engine:
    path = Path(url.database or "")
    if not path.is_file():
        raise SourceError("unreachable", f"there is no SQLite file {url.database!r}; correct `source.url`.")
    address = f"sqlite:///file:{str(path.absolute()).replace('?', '%3f').replace('#', '%23')}?mode=ro&uri=true"
    return sa.create_engine(address, connect_args={"timeout": 5, "check_same_thread": False})


def _postgresql(url: URL) -> sa.Engine:
    return sa.create_engine(
        url,
        pool_size=1,
        max_overflow=2,
        pool_pre_ping=True,
        pool_timeout=5,
        connect_args={"connect_timeout": 5, "application_name": "driftd", "prepare_threshold": None},
    )
