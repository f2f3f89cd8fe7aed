"""`driftd incidents`: list and show incidents, and respond to them."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigOption,
    ConfigPath,
    MonitorName,
    Person,
    Reason,
    command_group,
    expand_options,
    load_config,
)
from monitor.cli.output import echo, print_json, print_table
from monitor.cli.perform import perform_as_user
from monitor.config.models import Config, ConfigError
from monitor.core.operation import Acknowledge, Assign, Comment, Operation
from monitor.core.plain import plain
from monitor.jobs.incident_examples import load_examples
from monitor.store import audit, reads
from monitor.store import incidents as store

incidents = command_group(runs_alone=True)
IncidentId = Annotated[str, typer.Argument(help="Id of the incident, or its first characters, at least 4.")]


@incidents.callback(invoke_without_command=True)
def list_incidents(
    context: typer.Context,
    config: ConfigPath = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only incidents that are not resolved.")] = False,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first, with the reason of each state change.

    Example: driftd incidents --open --json
    """
    if context.invoked_subcommand is not None:
        return
    with open_store(load_config(config)) as database, database.read() as connection:
        rows = reads.incident_rows(connection, monitor, only_open=only_open)
        handling = audit.load_handling(connection, [row.id for row in rows])
        entries = [
            {
                **plain(row),
                "transitions": plain(reads.transition_rows(connection, row.id)),
                "handling": plain(handling.get(row.id)),
            }
            for row in rows
        ]
    if as_json:
        print_json(entries)
        return
    heads = ("id", "state", "severity", "monitor", "rule", "opened_at", "resolved_at", "reason")
    print_table(heads, [[getattr(row, head) for head in heads] for row in rows], "no incidents")


@incidents.command("show")
def show(identity: IncidentId, config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show an incident: its state changes, and who did what about it.

    Example: driftd incidents show 37b0
    """
    try:
        with open_store(config) as database, database.read() as connection:
            incident = store.find_incident(connection, identity)
            steps = reads.transition_rows(connection, incident.id)
            rows = audit.load_responses(connection, [incident.id])
            handling = audit.load_handling(connection, [incident.id]).get(incident.id)
    except LookupError as error:
        raise ConfigError(f"{error.args[0]}; `driftd incidents` lists them.") from None
    if as_json:
        entry = {**plain(incident), "transitions": plain(steps), "responses": plain(rows), "handling": plain(handling)}
        print_json(entry)
        return
    heads = ("id", "state", "severity", "monitor", "rule", "opened_at", "resolved_at", "reason")
    print_table(heads, [[getattr(incident, head) for head in heads]], "")
    if handling is not None:
        for word, name in (("acknowledged by", handling.acknowledged_by), ("assigned to", handling.assignee)):
            echo(f"{word} {name or 'nobody'}")
    print_table(("at", "state", "reason"), [[step.at, step.state, step.reason] for step in steps], "no state changes")
    columns = ("at", "kind", "by", "channel", "assignee", "text")
    print_table(columns, [[getattr(row, name) for name in columns] for row in rows], "no responses")


@incidents.command("examples")
def examples(identity: IncidentId, config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show up to ten records that depart most from the baseline, read from the source now and not stored.

    Personal data and secrets are replaced by their types.

    Example: driftd incidents examples 37b0
    """
    try:
        with open_store(config) as database, database.read() as connection:
            incident = store.find_incident(connection, identity)
            monitor = config.monitor(incident.monitor)
            records = load_examples(connection, monitor, incident)
    except LookupError as error:
        raise ConfigError(f"{error.args[0]}; `driftd incidents` lists them.") from None
    if as_json:
        print_json([{"at": plain(one.at), **one.fields} for one in records])
        return
    for record in records:
        echo(f"{record.at:%Y-%m-%d %H:%M:%S} UTC")
        for name, value in record.fields.items():
            echo(f"  {name}: {value}")
    if not records:
        echo("no record departs from the baseline, or its distributions are not stored any more")


@incidents.command("ack")
@expand_options
def acknowledge(
    identity: IncidentId, person: Person, reason: Reason = "", config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Acknowledge an open incident: it sends no reminders and does not escalate until it changes.

    Example: driftd incidents ack 37b0 --reason "rolling back"
    """
    _perform(config, Acknowledge(identity, reason=reason), person)
    echo("the incident is acknowledged")


@incidents.command("assign")
@expand_options
def assign(
    identity: IncidentId,
    assignee: Annotated[str, typer.Option("--to", help="Who works on it.")],
    person: Person,
    reason: Reason = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Assign an incident to a person.

    Example: driftd incidents assign 37b0 --to ann
    """
    _perform(config, Assign(identity, assignee, reason=reason), person)
    echo(f"the incident is assigned to {assignee}")


@incidents.command("comment")
@expand_options
def comment(
    identity: IncidentId,
    text: Annotated[str, typer.Argument(help="The comment.")],
    person: Person,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a comment to an incident.

    Example: driftd incidents comment 37b0 "the provider confirmed an outage"
    """
    _perform(config, Comment(identity, reason=text), person)
    echo("the comment is stored")


def _perform(config: Config, operation: Operation, person: Person) -> None:
    perform_as_user(config, operation, person, "driftd incidents")
