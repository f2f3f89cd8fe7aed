"""The log of a tool that nobody else has: one table, and times that are texts."""

from __future__ import annotations

from monitor.config.presets.base import Columns, Found, Preset, plain
from monitor.config.presets.sql import Sql


def columns(_sql: Sql, _found: Found) -> Columns:
    """Return what is selected."""
    return {"timestamp": plain("called_at"), "id": plain("number"), "response": plain("answer")}


PRESET = Preset(
    name="callbook",
    table="callbook",
    marks=("number", "called_at", "answer"),
    about="The callbook (SQLite).",
    columns=columns,
    key=("number",),
    dialects=("sqlite",),
    advice={"response": "write answers down"},
)
