"""`driftd reveal`: look up which value a hash stands for."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, MonitorName, Person, Reason, expand_options
from monitor.cli.output import echo, print_json
from monitor.cli.perform import find_author
from monitor.config.models import ConfigError
from monitor.core.clock import SystemClock
from monitor.core.operation import OperationError, Reveal
from monitor.jobs.reveal import reveal as find_value


@expand_options
def reveal(
    pseudonym: Annotated[
        str, typer.Argument(metavar="HASH", help="Hash that a message shows, such as id:1f3a9c0b7d52.")
    ],
    *,
    column: Annotated[str, typer.Option(help="Column of the value, by its role or name.")] = "tenant",
    monitor: MonitorName = None,
    person: Person,
    reason: Reason = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> int:
    """Look up in the source which value a hash stands for; the audit log has who did it.

    The values of the newest records are read for at most five seconds, and nothing of them is stored. Exit code 1 if
    they do not have it.

    Example: driftd reveal id:1f3a9c0b7d52 --column tenant --reason "incident 37b0"
    """
    watched = config.monitor(monitor)
    wanted = Reveal(column, {"pseudonym": pseudonym}, watched.name, reason=reason)
    with open_store(config) as database:
        try:
            value = find_value(database, watched, wanted, find_author(database, person), SystemClock())
        except OperationError as error:
            raise ConfigError(f"{error}.") from None
    if as_json:
        print_json({"monitor": watched.name, "column": column, "pseudonym": pseudonym, "value": value})
    else:
        echo(value if value is not None else f"the newest records have no value of {column!r} with this hash")
    return 0 if value is not None else 1
