"""`driftd report`: a window's sample against its baseline's, through Evidently in a child process."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from monitor.cli.output import echo
from monitor.cli.samples import both_sides
from monitor.config.models import Config
from monitor.jobs.report import write_report


def write(config: Config, name: str | None, at: datetime | None, out: Path) -> None:
    """Write the report; needs the extra `report`."""
    sides = both_sides(config.monitor(name), at)
    write_report(sides.baseline, sides.window, {column: one.kind for column, one in sides.layouts.items()}, out)
    echo(f"{out}: {len(sides.window)} rows of the window against {len(sides.baseline)} of the baseline", err=True)
