"""`driftd simulate`: inject a drift into past records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from monitor.cli.connections import open_reader
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, MonitorName, Quiet, expand_options, time_option
from monitor.cli.output import echo, print_json
from monitor.cli.replay_output import print_replay, replay_buckets
from monitor.jobs.simulate import InjectingReader, Injection


@dataclass(frozen=True, kw_only=True)
class SimulatedDrift:
    """Injected drift: kind, column, size and time."""

    drift: Annotated[str, typer.Option(help="Kind of drift: shift, scale, missing, new_category or version_swap.")]
    column: Annotated[str, typer.Option(help="Column that drifts.")]
    start: Annotated[
        datetime,
        time_option("--from", text="Start of the replay, ISO 8601."),
    ]
    end: Annotated[datetime, time_option("--to", text="End of the replay, ISO 8601.")]
    at: Annotated[datetime, time_option(text="Start of the drift, ISO 8601.")]
    size: Annotated[
        float,
        typer.Option(help="Size of the drift: standard deviations (shift), factor (scale), or share of the rows."),
    ] = 0.5


@expand_options
def simulate(
    injected: SimulatedDrift,
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Inject a drift into past records and report whether it would be detected, and after how long.

    Example: driftd simulate --drift shift --size 0.25 --column amount --from 2026-11-01 --to 2026-11-04 --at 2026-11-02
    """
    watched = config.monitor(monitor)
    between, marked = (injected.start, injected.end), [injected.at]
    with open_reader(watched) as reader:
        injection = Injection.of(
            injected.drift, injected.column, injected.size, injected.at, reader, watched, injected.start
        )
        without = replay_buckets(reader, watched, between, marked, config.receivers, quiet=quiet)
        drifted = InjectingReader(reader, injection)
        result = replay_buckets(drifted, watched, between, marked, config.receivers, quiet=quiet)
    result["injected"] = injection.description
    result["without"] = {"pages": without["pages"], "changes": without["changes"]}
    if as_json:
        print_json(result)
        return
    echo(f"injected: {injection.description}")
    print_replay(result)
    echo(f"without the drift: {without['pages']} alerts")
