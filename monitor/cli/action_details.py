"""`driftd actions show`: one action, with the exact request."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.actions.receivers.preview import preview_action
from monitor.cli.action_text import list_fields, print_action
from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption
from monitor.cli.output import print_json
from monitor.config.models import ConfigError
from monitor.store.audit import load_entries
from monitor.store.resolutions import find_action

ActionId = Annotated[str, typer.Argument(help="Id of the action, or its first characters, at least 4.")]


def show(identity: ActionId, config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show an action: its target and evidence, who approved it, its attempts, and the exact request without secrets.

    The request is the one that the current configuration makes.

    Example: driftd actions show 2f6c
    """
    try:
        with open_store(config) as database, database.read() as connection:
            row = find_action(connection, identity)
            entries = load_entries(connection, subject=row.id)
    except LookupError as error:
        raise ConfigError(f"{error.args[0]}; `driftd actions list` lists them.") from None
    request = preview_action(config.receivers.get(row.name), row)
    if as_json:
        print_json({**list_fields(row), "operations": entries, "request": request})
        return
    print_action(row, request, entries)
