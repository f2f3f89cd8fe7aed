"""`driftd events`: what was deployed, and when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigOption,
    MonitorName,
    command_group,
    current_user,
    expand_options,
)
from monitor.cli.output import echo, print_json, print_table
from monitor.config.models import ConfigError
from monitor.core.clock import SystemClock
from monitor.core.deploy_event import DEPLOY, parse_event
from monitor.store.deploy_events import MOST, add_event, load_events

events = command_group()


@dataclass(frozen=True, kw_only=True)
class EventOptions:
    """What was deployed."""

    version: Annotated[str, typer.Option(help="Version, as logged in model_version or prompt_version.")] = ""
    commit: Annotated[str, typer.Option(help="Commit that was deployed.")] = ""
    author: Annotated[str | None, typer.Option(help="Who deployed it; default: the current user.")] = None
    link: Annotated[str, typer.Option(help="Address of the pull request or of the run.")] = ""
    kind: Annotated[str, typer.Option(help="deploy, config or data.")] = DEPLOY
    at: Annotated[str, typer.Option(help="ISO 8601 time; default: now.")] = ""
    id: Annotated[str, typer.Option(help="Id; an event with a stored id is not added again.")] = ""


@events.command("add")
@expand_options
def add(
    described: EventOptions,
    monitor: MonitorName = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Record a deployment, so that incidents after it name its author, commit and link.

    Example: driftd events add --monitor bot --version small-7b-2 --commit 1a2b3c4 --link https://ci.example/runs/7
    """
    given = {**asdict(described), "monitor": config.monitor(monitor).name, "author": described.author or current_user()}
    try:
        event = parse_event(given, SystemClock().now())
    except ValueError as error:
        raise ConfigError(str(error)) from None
    with open_store(config) as database, database.write() as connection:
        stored, is_new = add_event(connection, event)
    if as_json:
        print_json(stored)
        return
    echo(f"event {stored.id}: {stored.sentence()}" if is_new else f"event {stored.id} was stored before")


@events.command("list")
def list_events(
    monitor: MonitorName = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Maximum number of events.")] = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List deployments, newest first.

    Example: driftd events list --monitor bot
    """
    names = [one.name for one in config.monitors] if monitor is None else [config.monitor(monitor).name]
    with open_store(config) as database, database.read() as connection:
        rows = load_events(connection, names, limit)
    if as_json:
        print_json(list(rows))
        return
    heads = ("at", "monitor", "kind", "version", "commit", "author", "link", "id")
    print_table(heads, [[getattr(row, head) for head in heads] for row in rows], "no events")
