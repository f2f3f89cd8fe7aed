"""Short read-only transactions on a source, with deadlines and error messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.config.source import Source
from monitor.sources.deadline import NoAnswer, StatementDeadline
from monitor.sources.dialects.base import Dialect
from monitor.sources.failures import explain_error, unanswered_error

DEADLINE = "driftd_deadline"


def with_deadline(engine: sa.Engine, dialect: Dialect, source: Source) -> sa.Engine:
    """Add a deadline to all sessions of an engine."""
    engine.update_execution_options(**{DEADLINE: StatementDeadline(engine, dialect.interrupt, source.timeout)})
    return engine


@contextmanager
def session(engine: sa.Engine, dialect: Dialect, source: Source) -> Iterator[Connection]:
    """Open a short read-only transaction.

    Raises
    ------
    SourceError
        If the database rejects the query, cannot be reached, or does not respond in time.
    """
    deadline: StatementDeadline = engine.get_execution_options()[DEADLINE]
    try:
        with deadline.watch(), engine.connect() as connection:
            dialect.begin(connection, source.timeout)
            yield connection
            connection.rollback()
    except sa.exc.SQLAlchemyError as error:
        raise explain_error(error, source) from error
    except NoAnswer as error:
        raise unanswered_error(error, source) from error
