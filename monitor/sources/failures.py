"""Convert errors of drivers to :class:`SourceError`, without passwords."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from monitor.config.source import Source
from monitor.sources.base import UNREADABLE, SourceError

CHANGED = "cached plan must not change result type"
STATES = {
    "42P01": "missing_table",
    "42703": "missing_column",
    "42501": "denied",
    "57014": "timeout",
    "55P03": "timeout",
    "25P03": "timeout",
    "28P01": "denied",
    "28000": "denied",
    "3D000": "unreachable",
    "53300": "unreachable",
    "57P01": "unreachable",
    "57P03": "unreachable",
    "08006": "unreachable",
    "0A000": "changed",
}
DATA_STATES = "22"
"""SQLSTATE class of data exceptions, such as an invalid number or a division by zero."""
CODES = {
    60: "missing_table",
    81: "missing_table",
    47: "missing_column",
    16: "missing_column",
    159: "timeout",
    160: "timeout",
    164: "denied",
    192: "denied",
    193: "denied",
    497: "denied",
    516: "denied",
    6: "unreadable",
    38: "unreadable",
    41: "unreadable",
    70: "unreadable",
    72: "unreadable",
    153: "unreadable",
    321: "unreadable",
}
"""Reasons by error code of ClickHouse."""
ADVICE = {
    "unreachable": "the connection failed. Check that the database is running and that `source.url` is correct.",
    "timeout": "a read took longer than `source.timeout`. Create an index on the timestamp column, or raise it.",
    "denied": "access was denied. Grant SELECT on the table to this role, and check the password.",
    "missing_table": "the table does not exist.",
    "missing_column": "a column does not exist.",
    "changed": "its schema changed during the read.",
    "unreadable": "a value of these rows cannot be read. Correct it, or exclude the row with `source.query`.",
    "other": "the query failed.",
}


def explain_error(error: sa.exc.SQLAlchemyError, source: Source) -> SourceError:
    """Convert an error of SQLAlchemy; the message names the database without secrets."""
    original = getattr(error, "orig", None) or error
    text = " ".join(str(original).split())
    reason = _reason(error, original, text)
    secret = make_url(source.url.get_secret_value()).password
    if secret:
        text = text.replace(str(secret), "***")
    sentence = f"the {_name(source)}: {ADVICE[reason]} Error: {text[:300]}"
    return SourceError(reason, sentence)  # type: ignore[arg-type]


def unanswered_error(error: Exception, source: Source) -> SourceError:
    """Return the error about a database that accepts connections and does not respond."""
    advice = "Check its load, and that no firewall drops packets."
    return SourceError("timeout", f"the {_name(source)}: {error}. {advice}")


def _name(source: Source) -> str:
    where = make_url(source.url.get_secret_value())
    name = f"{where.get_backend_name()} database {where.database or ''}".strip()
    return f"{name} at {where.host}" if where.host else name


def _reason(error: sa.exc.SQLAlchemyError, original: BaseException, text: str) -> str:
    if CHANGED in text:
        return "changed"
    state = getattr(original, "sqlstate", None)
    if state in STATES:
        return STATES[state]
    if str(state).startswith(DATA_STATES):
        return UNREADABLE
    if hasattr(original, "code") and type(original).__module__.startswith("clickhouse_connect"):
        code = original.code if original.code is not None else _code(text)
        return "unreachable" if code is None else CODES.get(code, "other")
    lowered = text.lower()
    if "no such table" in lowered:
        return "missing_table"
    if "no such column" in lowered:
        return "missing_column"
    if "unable to open database" in lowered or "not a database" in lowered:
        return "unreachable"
    if "locked" in lowered or isinstance(error, sa.exc.TimeoutError):
        return "timeout"
    # In psycopg, a failed connection has no SQLSTATE; in SQLite, every error is an OperationalError.
    connecting = isinstance(error, sa.exc.OperationalError) and state is None and hasattr(original, "sqlstate")
    return "unreachable" if connecting else "other"


def _code(text: str) -> int | None:
    match = re.search(r"\bcode:? ?(\d+)", text, re.IGNORECASE)
    return int(match.group(1)) if match else None
