"""Reports on the sources of several monitors; some may be unreadable."""

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
    """Print the entry of each monitor that ``inspect`` fills in; return 2 if a source cannot be read, else 0."""
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
