"""`driftd audit`: what people did."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, duration_option
from monitor.cli.output import print_json, print_table
from monitor.config.models import ConfigError
from monitor.store.audit import load_entries
from monitor.store.database import now
from monitor.store.incidents import find_incident

MOST = 10_000


def audit(
    incident: Annotated[
        str | None, typer.Option(help="Only of this incident; the first characters of its id suffice, at least 4.")
    ] = None,
    since: Annotated[timedelta | None, duration_option("Only of this last time, such as 7d.", "--since")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Maximum number of entries.")] = 1000,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List what people did, newest first: who, when, by which channel, and why; refused operations, too.

    Example: driftd audit --incident 37b0 --since 7d
    """
    with open_store(config) as database, database.read() as connection:
        try:
            which = find_incident(connection, incident).id if incident else None
        except LookupError as error:
            raise ConfigError(f"{error.args[0]}; `driftd incidents` lists them.") from None
        entries = load_entries(connection, incident=which, since=now(connection) - since if since else None, most=limit)
    if as_json:
        print_json(entries)
        return
    heads = ("at", "by", "channel", "operation", "result", "subject_kind", "subject", "monitor", "reason")
    print_table(heads, [[getattr(entry, head) for head in heads] for entry in entries], "no entries")
