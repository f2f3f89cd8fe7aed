"""The command `driftd breakers`: list, open, close."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.groups import caller
from monitor.cli.load import load
from monitor.cli.options import DEFAULT, AsJson, ConfigFile, duration

if TYPE_CHECKING:
    from detectors.cost.breaker import State

breakers = typer.Typer(no_args_is_help=True, help="List circuit breakers, and open or close one manually.")
Name = Annotated[str, typer.Argument(help="Name of the breaker.")]
Reason = Annotated[str, typer.Option(help="Reason; returned to every client that queries the breaker.")]
Value = Annotated[
    str,
    typer.Option(help="Value of the breaker's dimension, such as a tenant or a model; only for breakers with `by:`."),
]
Length = Annotated[str | None, typer.Option("--for", help="How long the setting stays in force, such as 2h.")]


@breakers.command("list")
def list_all(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """List breakers; those that are not closed come first.

    Example: driftd breakers list --json
    """
    from monitor.cli import breakers as command

    command.list_all(load(config), as_json=as_json)


@breakers.command("open")
def open_it(name: Name, reason: Reason, value: Value = "", length: Length = None, config: ConfigFile = DEFAULT) -> None:
    """Open a breaker manually: requests are refused whatever is measured, until it is set again or --for ends.

    Example: driftd breakers open money --reason "a loop in the batch job" --for 2h
    """
    _set(config, name, value, "open", reason, length)


@breakers.command("close")
def close_it(
    name: Name, reason: Reason, value: Value = "", length: Length = "1h", config: ConfigFile = DEFAULT
) -> None:
    """Close a breaker manually: requests are allowed whatever is measured, for one hour unless --for is given.

    Example: driftd breakers close money --value team-a --reason "the budget was raised by phone" --for 4h
    """
    _set(config, name, value, "closed", reason, length)


def _set(config: Path, name: str, value: str, state: State, reason: str, length: str | None) -> None:
    from monitor.cli import breakers as command

    span = duration(length) if length else None
    command.set_by_hand(load(config), name, value, state, reason, caller(), span)
