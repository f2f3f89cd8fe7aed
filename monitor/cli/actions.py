"""`driftd actions`: list the outbox; show, approve, reject or resend actions; test a receiver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from monitor.cli.action_details import ActionId, show
from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, Person, Reason, command_group, expand_options
from monitor.cli.output import echo, print_json, print_table
from monitor.cli.perform import perform_as_user
from monitor.cli.receiver_test import test
from monitor.config.models import Config
from monitor.core.action import label_state
from monitor.core.operation import Approve, AuditEntry, Operation, Reject, Replay
from monitor.store import reads
from monitor.store.rows import ActionRow

actions = command_group()
actions.command("show")(show)
actions.command("test")(test)


@actions.command("list")
def list_actions(
    config: ConfigOption = DEFAULT_CONFIG,
    state: Annotated[str | None, typer.Option(help="Only actions in this state, such as awaiting_approval.")] = None,
    as_json: AsJson = False,
) -> None:
    """List actions, newest first.

    Example: driftd actions list --state awaiting_approval
    """
    with open_store(config) as database, database.read() as connection:
        rows = reads.action_rows(connection, state=state)
    if as_json:
        print_json(rows)
        return
    heads = ("id", "state", "monitor", "name", "kind", "mode", "attempts", "not_after", "reason")
    print_table(heads, [_cells(row, heads) for row in rows], "no actions")


@actions.command("approve")
@expand_options
def approve(identity: ActionId, person: Person, reason: Reason = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Approve an action that waits for approval; the daemon then sends it.

    Example: driftd actions approve 2f6c --reason "checked with the vendor"
    """
    entry = _perform(config, Approve(identity, reason=reason), person)
    waits = entry.detail["to"] == "awaiting_approval"
    echo("your approval is stored; another person must approve" if waits else "the action is approved and will be sent")


@actions.command("reject")
@expand_options
def reject(identity: ActionId, person: Person, reason: Reason = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Reject an action that waits for approval.

    Example: driftd actions reject 2f6c
    """
    _perform(config, Reject(identity, reason=reason), person)
    echo("the action is rejected")


@actions.command("replay")
@expand_options
def replay(identity: ActionId, person: Person, reason: Reason = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Send a failed action again, with the same id.

    Example: driftd actions replay 2f6c
    """
    _perform(config, Replay(identity, reason=reason), person)
    echo("the action will be sent again, with the same id")


def _cells(row: ActionRow, heads: Sequence[str]) -> list[object]:
    return [label_state(row.state) if head == "state" else getattr(row, head) for head in heads]


def _perform(config: Config, operation: Operation, person: Person) -> AuditEntry:
    return perform_as_user(config, operation, person, "driftd actions list")
