"""`driftd silence`: mute the alerts of a rule for a limited time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, command_group, current_user, duration_option
from monitor.cli.output import echo, print_json, print_table
from monitor.config.models import ConfigError
from monitor.core.clock import SystemClock
from monitor.store import incidents

silence = command_group()


@silence.command("add")
def add(
    length: Annotated[timedelta, duration_option("Duration, such as 2h.")],
    monitor: Annotated[str, typer.Option("--monitor", "-m", help="Name of the monitor, or * for all.")],
    rule: Annotated[
        str, typer.Option(help="Name of the rule, experiment.NAME, shadow.NAME, breaker.NAME, or * for all.")
    ] = "*",
    comment: Annotated[str, typer.Option(help="Reason, shown in the list of silences.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Mute the alerts of a rule for a limited time; its incidents are still recorded.

    Example: driftd silence add --monitor churn --for 2h --comment "planned import"
    """
    if monitor != "*":
        config.monitor(monitor)
    now = SystemClock().now()
    row = {
        "monitor": monitor,
        "rule": rule,
        "starts_at": now,
        "ends_at": now + length,
        "comment": comment[:256],
        "created_by": current_user()[:128],
    }
    with open_store(config) as database, database.write() as connection:
        number = incidents.add_silence(connection, row)
    echo(f"silence #{number} until {row['ends_at']:%Y-%m-%d %H:%M} UTC")


@silence.command("list")
def list_silences(config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List active silences.

    Example: driftd silence list
    """
    with open_store(config) as database, database.read() as connection:
        rows = incidents.list_silences(connection, SystemClock().now())
    if as_json:
        print_json(list(rows))
        return
    heads = ("id", "monitor", "rule", "starts_at", "ends_at", "created_by", "comment")
    print_table(heads, [[getattr(row, head) for head in heads] for row in rows], "no silences")


@silence.command("end")
def end(
    number: Annotated[int, typer.Argument(help="Number of the silence, from `driftd silence list`.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a silence now.

    Example: driftd silence end 3
    """
    with open_store(config) as database, database.write() as connection:
        if not incidents.end_silence(connection, number, SystemClock().now()):
            raise ConfigError(f"there is no silence #{number}; `driftd silence list` shows them.")
    echo(f"silence #{number} has ended")
