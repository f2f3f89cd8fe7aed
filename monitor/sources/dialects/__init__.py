"""The databases that a source may be, each in a file of its own. To add one: a file and a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.registry import Registry

if TYPE_CHECKING:
    from monitor.sources.dialects.base import Dialect

DIALECTS: Registry[Dialect] = Registry(
    {
        "postgresql": "monitor.sources.dialects.postgresql:DIALECT",
        "sqlite": "monitor.sources.dialects.sqlite:DIALECT",
        "clickhousedb": "monitor.sources.dialects.clickhouse:DIALECT",
    }
)
ALIASES = {"postgres": "postgresql", "clickhouse": "clickhousedb"}
"""What people also call them in a URL."""
