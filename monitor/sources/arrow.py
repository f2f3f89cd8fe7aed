"""Fast reads from PostgreSQL: binary COPY into Arrow through ADBC, for the pages after a full first page.

Optional (`driftd[arrow]`), imported only for large buckets. Returns the same values as ordinary reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import make_url

from detectors.records import Column
from monitor.config.source import Source
from monitor.core.bounded import Bounded
from monitor.sources.deadline import MARGIN, NoAnswer
from monitor.sources.values import make_column

LOG = structlog.get_logger(__name__)
PAGE = 100_000


def available(source: Source) -> bool:
    """Return whether the libraries are installed and `source.arrow` is true."""
    return source.arrow and find_spec("adbc_driver_postgresql") is not None and find_spec("pyarrow") is not None


def fetch(source: Source, dialect: sa.Dialect, query: sa.Select[Any], calls: Bounded) -> Any:  # noqa: ANN401
    """Run a query and return an Arrow table, or None if ADBC fails; the page is then read by the ordinary driver.

    ADBC has no timeout and gives no access to its socket, so a call that hangs is abandoned. Until it returns, the
    ordinary driver is used.
    """
    if calls.busy:
        return None
    seconds = (source.timeout + MARGIN).total_seconds()
    try:
        return calls.call(partial(_fetch, source, dialect, query), seconds)
    except TimeoutError as error:
        raise NoAnswer(f"no answer came within {seconds:g} s") from error


def _fetch(source: Source, dialect: sa.Dialect, query: sa.Select[Any]) -> Any:  # noqa: ANN401
    from adbc_driver_postgresql import dbapi

    sql = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).replace("%%", "%")
    uri = make_url(source.url.get_secret_value()).set(drivername="postgresql")
    milliseconds = int(source.timeout.total_seconds() * 1000)
    try:
        with dbapi.connect(uri.render_as_string(hide_password=False)) as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
            cursor.execute(sql)
            table = cursor.fetch_arrow_table()
            connection.rollback()
    except dbapi.Error as error:
        LOG.debug("arrow_failed", error=type(error).__name__)
        return None
    return table


def column(values: Any, limit: int) -> Column:  # noqa: ANN401
    """Convert an Arrow column to a :class:`Column`; numbers without Python objects."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        missing = np.asarray(values.is_null().to_numpy(zero_copy_only=False), dtype=bool)
        return Column(np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64), missing)
    return make_column(values.to_pylist(), limit)


def seconds(values: Any) -> np.ndarray | None:  # noqa: ANN401
    """Return seconds since 1970 of an Arrow timestamp column in microseconds, None for another type."""
    import pyarrow as pa

    if not pa.types.is_timestamp(values.type) or values.type.unit != "us":
        return None
    whole: Sequence[int] = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return np.asarray(whole, dtype=np.float64) / 1e6
