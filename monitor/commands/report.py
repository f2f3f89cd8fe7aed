"""`driftd report`: a window's sample against its baseline's, through Evidently in a child process."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import typer

from monitor.commands.build import open_reader
from monitor.config import Config, ConfigError
from monitor.engine import build
from monitor.report import sample, write_report
from monitor.schedule import floor


def write(config: Config, name: str | None, at: datetime | None, out: Path) -> None:
    """Write the report; needs the extra `report`."""
    monitor = config.monitor(name)
    if monitor.baseline.file is not None:
        raise ConfigError("a report needs a baseline in the source: `from:` and `to:`, or `rolling:`.")
    with open_reader(monitor) as reader:
        end = floor(at or reader.now(), monitor.bucket)
        first = end - monitor.window
        start, stop = build.baseline_range(monitor, first)
        layouts = build.learn_layouts(reader, monitor, start, stop)
        reference = sample(reader, monitor, layouts, start, stop)
        current = sample(reader, monitor, layouts, first, end)
    if reference.empty or current.empty:
        side = "baseline" if reference.empty else "window"
        raise ConfigError(f"the {side} holds no rows, so there is nothing to report; choose another --at.")
    write_report(reference, current, {column: layout.kind for column, layout in layouts.items()}, out)
    typer.echo(f"{out}: {len(current)} rows of the window against {len(reference)} of the baseline", err=True)
