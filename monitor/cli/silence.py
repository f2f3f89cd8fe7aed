"""`driftd silence`: mute alerts for a limited time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigOption,
    Person,
    Reason,
    command_group,
    duration_option,
    expand_options,
)
from monitor.cli.output import echo, print_json, print_table
from monitor.cli.perform import perform_as_user
from monitor.config.models import ConfigError
from monitor.core.clock import SystemClock
from monitor.core.matchers import parse_matcher
from monitor.core.operation import AddSilence, EndSilence
from monitor.store import silences

silence = command_group()


@silence.command("add")
@expand_options
def add(
    length: Annotated[timedelta, duration_option("Duration, such as 2h.")],
    monitor: Annotated[str, typer.Option("--monitor", "-m", help="Name of the monitor, or * for all.")],
    person: Person,
    rule: Annotated[
        str, typer.Option(help="Name of the rule, experiment.NAME, shadow.NAME, breaker.NAME, or * for all.")
    ] = "*",
    match: Annotated[
        list[str] | None,
        typer.Option(help="Matcher, such as 'column=~\"price|cost\"'; if it is given several times, all must match."),
    ] = None,
    comment: Annotated[str, typer.Option(help="Reason, shown in the list of silences.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Mute alerts for a limited time; findings and incidents are still recorded.

    Example: driftd silence add --monitor churn --match 'column=~"price|cost"' --for 2h --comment "new prices"
    """
    if monitor != "*":
        config.monitor(monitor)
    matchers = [_check_matcher(text) for text in match or ()]
    wanted = AddSilence(length, monitor, rule, matchers, reason=comment)
    entry = perform_as_user(config, wanted, person, "driftd silence list")
    echo(f"silence #{entry.subject} until {entry.at + length:%Y-%m-%d %H:%M} UTC")


def _check_matcher(text: str) -> str:
    try:
        return str(parse_matcher(text))
    except ValueError as error:
        raise ConfigError(f"--match: {error}.") from None


@silence.command("list")
def list_silences(config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List active silences.

    Example: driftd silence list
    """
    with open_store(config) as database, database.read() as connection:
        rows = silences.list_silences(connection, SystemClock().now())
    if as_json:
        print_json(list(rows))
        return
    heads = ("id", "monitor", "rule", "matchers", "starts_at", "ends_at", "created_by", "comment")
    cells = [[" ".join(row.matchers) if head == "matchers" else getattr(row, head) for head in heads] for row in rows]
    print_table(heads, cells, "no silences")


@silence.command("end")
@expand_options
def end(
    number: Annotated[int, typer.Argument(help="Number of the silence, from `driftd silence list`.")],
    person: Person,
    reason: Reason = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a silence now.

    Example: driftd silence end 3
    """
    perform_as_user(config, EndSilence(number, reason=reason), person, "driftd silence list")
    echo(f"silence #{number} has ended")
