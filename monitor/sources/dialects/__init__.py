"""Dialects: databases that are supported as sources. To add one, add a module and a line here."""

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
"""Alternative names in URLs."""
