"""`driftd incidents`: list incidents."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, MonitorName
from monitor.cli.output import print_json, print_table
from monitor.core.plain import plain
from monitor.store import reads


def incidents(
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only incidents that are not resolved.")] = False,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first, with the reason of each state change.

    Example: driftd incidents --open --json
    """
    with open_store(config) as database, database.read() as connection:
        rows = reads.incident_rows(connection, monitor, only_open=only_open)
        entries = [{**plain(row), "transitions": plain(reads.transition_rows(connection, row.id))} for row in rows]
    if as_json:
        print_json(entries)
        return
    heads = ("id", "state", "severity", "monitor", "rule", "opened_at", "resolved_at", "reason")
    print_table(heads, [[getattr(row, head) for head in heads] for row in rows], "no incidents")
