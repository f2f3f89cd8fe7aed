"""The databases that a source may be, each in a file of its own. To add one: a file and a line."""

from __future__ import annotations

from monitor.sources.dialects import clickhouse, postgresql, sqlite
from monitor.sources.dialects.base import Dialect

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (postgresql.DIALECT, sqlite.DIALECT, clickhouse.DIALECT)
}
ALIASES = {"postgres": "postgresql", "clickhouse": "clickhousedb"}
"""What people also call them in a URL."""
