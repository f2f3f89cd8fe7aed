"""`driftd actions`: list the outbox; approve, reject or resend actions."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, command_group, current_user
from monitor.cli.output import echo, print_json, print_table
from monitor.config.models import Config, ConfigError
from monitor.core.clock import SystemClock
from monitor.store import outbox, reads

actions = command_group()
ActionId = Annotated[str, typer.Argument(help="Id of the action, from `driftd actions list`.")]


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
    print_table(heads, [[getattr(row, head) for head in heads] for row in rows], "no actions")


@actions.command("approve")
def approve(identity: ActionId, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Approve an action that waits for approval; the daemon then sends it.

    Example: driftd actions approve 2f6c3f0e-…
    """
    _resolve(config, identity, "pending", "approved")


@actions.command("reject")
def reject(identity: ActionId, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Reject an action that waits for approval.

    Example: driftd actions reject 2f6c3f0e-…
    """
    _resolve(config, identity, "rejected", "rejected")


@actions.command("replay")
def replay(identity: ActionId, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Send a failed action again, with the same id.

    Example: driftd actions replay 2f6c3f0e-…
    """
    with open_store(config) as database, database.write() as connection:
        if not outbox.replay(connection, identity, SystemClock().now()):
            raise ConfigError(f"there is no failed action {identity!r}; `driftd actions list` shows all actions.")
        echo("the action will be sent again, with the same id")


def _resolve(config: Config, identity: str, state: str, verb: str) -> None:
    """Move an action that waits for approval to ``state`` and record the user."""
    with open_store(config) as database, database.write() as connection:
        reason = f"{verb} by {current_user()}"
        new_state = outbox.resolve_approval(connection, identity, state, reason, SystemClock().now())
    if new_state is None:
        raise ConfigError(f"there is no action {identity!r}; `driftd actions list` shows all actions.")
    if new_state != state:
        raise ConfigError(f"the action is {new_state!r}, not awaiting approval; nothing was changed.")
    echo(f"the action is {new_state}")
