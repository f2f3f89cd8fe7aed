"""`driftd report`: compare samples of a window and of its baseline with Evidently, in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, MonitorName, WindowEnd
from monitor.cli.output import echo
from monitor.cli.window_samples import load_samples
from monitor.jobs.report import write_report


def report(
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    at: WindowEnd = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write an Evidently report that compares a sample of a window with a sample of its baseline.

    Example: driftd report --monitor churn --at 2026-11-20T12:00:00Z -o churn.html
    """
    samples = load_samples(config.monitor(monitor), at)
    kinds = {column: layout.kind for column, layout in samples.layouts.items()}
    write_report(samples.baseline, samples.window, kinds, out)
    echo(f"{out}: {len(samples.window)} rows of the window against {len(samples.baseline)} of the baseline", err=True)
