"""`driftd breakers`: list circuit breakers, and open or close one manually."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

import typer

from monitor.actions.breaker_values import budget_column, stored_value
from monitor.cli.connections import open_store
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigOption,
    Person,
    command_group,
    duration_option,
    expand_options,
)
from monitor.cli.output import echo, print_json, print_table
from monitor.cli.perform import find_author
from monitor.config.models import Config, ConfigError, Monitor
from monitor.config.money import BreakerSpec
from monitor.config.sections import describe_unknown
from monitor.core.clock import SystemClock
from monitor.core.operation import OperationError, SetBreaker
from monitor.jobs.manual_breaker import set_breaker
from monitor.store import breakers as store

breakers = command_group()
Name = Annotated[str, typer.Argument(help="Name of the breaker.")]
Reason = Annotated[str, typer.Option(help="Reason; returned to every client that queries the breaker.")]
Value = Annotated[
    str,
    typer.Option(help="Value of the breaker's dimension, such as a tenant or a model; only for breakers with `by:`."),
]
Length = Annotated[
    timedelta | None,
    duration_option("How long the setting stays in force, such as 2h."),
]
HOUR: Any = "1h"


@breakers.command("list")
def list_breakers(config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List breakers; those that are not closed come first.

    Example: driftd breakers list --json
    """
    names = [spec.name for monitor in config.monitors for spec in monitor.breakers]
    with open_store(config) as database, database.read() as connection:
        rows = store.rows(connection, names)
        recent = {name: [vars(row) for row in store.transitions(connection, name, 10)] for name in names}
    hidden = ("counts", "as_of")
    states: list[dict[str, Any]] = [{k: v for k, v in vars(row).items() if k not in hidden} for row in rows]
    moved = {row.name for row in rows}
    states += [{"name": name, "state": "closed", "reason": "no bucket yet"} for name in names if name not in moved]
    if as_json:
        print_json({"breakers": states, "transitions": recent})
        return
    heads = ("name", "value", "state", "since", "until", "who", "reason")
    print_table(heads, [[state.get(head) for head in heads] for state in states], "no breakers are configured")


@breakers.command("open")
@expand_options
def open_breaker(
    name: Name,
    reason: Reason,
    person: Person,
    value: Value = "",
    length: Length = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Open a breaker manually: requests are refused regardless of measurements, until it is set again or --for ends.

    Example: driftd breakers open money --reason "a loop in the batch job" --for 2h
    """
    _set(config, name, value, "open", person, (reason, length))


@breakers.command("close")
@expand_options
def close_breaker(
    name: Name,
    reason: Reason,
    person: Person,
    value: Value = "",
    length: Length = HOUR,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Close a breaker manually: requests are allowed regardless of measurements, for one hour unless --for is given.

    Example: driftd breakers close money --value team-a --reason "the budget was raised by phone" --for 4h
    """
    _set(config, name, value, "closed", person, (reason, length))


def find_breaker(config: Config, name: str, value: str) -> tuple[Monitor, BreakerSpec]:
    """Return the breaker with a name and its monitor; raise if ``value`` is missing or not applicable."""
    specs = {spec.name: (monitor, spec) for monitor in config.monitors for spec in monitor.breakers}
    if name not in specs:
        raise ConfigError(describe_unknown("breaker", name, list(specs)))
    by = budget_column(*specs[name])
    if bool(by) != bool(value):
        wanted = f"has a state per {by}: name it with --value" if by else "applies to all traffic: leave --value out"
        raise ConfigError(f"the breaker {name!r} {wanted}.")
    return specs[name]


def _set(
    config: Config,
    name: str,
    value: str,
    state: Literal["open", "closed"],
    person: Person,
    how: tuple[str, timedelta | None],
) -> None:
    monitor, spec = find_breaker(config, name, value)
    value = stored_value(monitor, spec, value)
    reason, length = how
    operation = SetBreaker(monitor.name, name, value, state, length, reason=reason)
    with open_store(config) as database:
        try:
            entry = set_breaker(database, config, operation, find_author(database, person), SystemClock())
        except OperationError as error:
            raise ConfigError(f"{error}.") from None
    echo(f"{name}{f' for {value}' if value else ''} is {state} until {entry.detail['until'] or 'it is set again'}")
