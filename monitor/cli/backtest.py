"""`driftd backtest`: alerts that the current rules would have sent in the past."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.connections import open_reader
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, End, MonitorName, Quiet, Start
from monitor.cli.output import print_json
from monitor.cli.replay_output import print_replay, replay_buckets
from monitor.jobs.change_file import read_changes


def backtest(
    start: Start,
    end: End,
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    changes: Annotated[
        Path | None,
        typer.Option(
            help="File with the times of known changes, to score detection: one ISO 8601 time per line, or a JSON list."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Replay a past period with the current configuration: alerts that it would have raised, and the alert budget.

    Example: driftd backtest --monitor churn --from 2026-10-01 --to 2026-11-01 --changes releases.txt
    """
    watched = config.monitor(monitor)
    marked = read_changes(changes) if changes else []
    with open_reader(watched) as reader:
        result = replay_buckets(reader, watched, (start, end), marked, config.receivers, quiet=quiet)
    if as_json:
        print_json(result)
    else:
        print_replay(result)
