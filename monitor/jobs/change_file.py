"""Read a file of known changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor.config.models import ConfigError
from monitor.config.sections import parse_time


def read_changes(path: Path) -> list[datetime]:
    """Read the times of changes: a JSON list of times or of objects with ``at``, JSON lines, or a time per line."""
    text = path.read_text(encoding="utf-8").strip()
    try:
        entries = json.loads(text)
    except ValueError:
        entries = [_line(line) for line in text.splitlines() if line.strip()]
    if isinstance(entries, Mapping):
        entries = entries.get("changes", [])
    if not isinstance(entries, list):
        raise ConfigError(f'{path}: expected a list of times, such as ["2026-11-03T12:00:00Z"].')
    times = []
    for place, item in enumerate(entries):
        value = item.get("at") if isinstance(item, Mapping) else item
        try:
            times.append(parse_time(value))
        except ValueError:
            if place == 0 and isinstance(item, str):
                continue  # the header of a table
            raise ConfigError(f"{path}: {value!r} is not a time; write it like 2026-11-03T12:00:00Z.") from None
    return sorted(times)


def _line(line: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(line)
    except ValueError:
        return line.split(",", maxsplit=1)[0].strip().strip('"')
