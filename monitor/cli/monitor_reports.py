"""Reports about the sources of several monitors, of which some may be unreadable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from monitor.cli.output import print_json
from monitor.config.models import ConfigError, Monitor
from monitor.sources.base import SourceError

Entry = dict[str, Any]


def report_monitors(
    monitors: Iterable[Monitor],
    inspect: Callable[[Monitor, Entry], None],
    print_entry: Callable[[Entry], None],
    *,
    as_json: bool,
) -> int:
    """Print what ``inspect`` adds to the entry of each monitor; returns 2 when a source cannot be read."""
    entries: list[Entry] = []
    for monitor in monitors:
        entry: Entry = {"monitor": monitor.name, "error": None}
        entries.append(entry)
        try:
            inspect(monitor, entry)
        except (SourceError, ConfigError) as error:
            entry["error"] = str(error)
    if as_json:
        print_json(entries)
    else:
        for entry in entries:
            print_entry(entry)
    return 2 if any(entry["error"] for entry in entries) else 0
