"""`driftd actions test`: send a marked test to a receiver."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated

import typer

from monitor.actions.receivers.preview import preview_action
from monitor.cli.action_text import list_fields, print_request
from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, Person, expand_options
from monitor.cli.output import echo, print_json
from monitor.cli.perform import find_author
from monitor.config.models import ConfigError
from monitor.config.sections import describe_unknown
from monitor.core.action import label_state
from monitor.core.clock import SystemClock
from monitor.core.operation import OperationError
from monitor.jobs.rehearsal import send_test


@expand_options
def test(
    name: Annotated[str, typer.Argument(help="Name of the receiver, from `receivers:`.")],
    person: Person,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> int:
    """Send a marked test to a receiver, from here, and print the request and the answer.

    A test changes nothing: messages say that they are a test, templates must contain the mark `{test}`, and pointers
    and workloads are only read or changed as a dry run. Exits 0 if it was accepted, 1 if not, 2 if nothing was sent.

    Example: driftd actions test rollback-bot
    """
    receiver = config.receivers.get(name)
    if receiver is None:
        raise ConfigError(describe_unknown("receiver", name, list(config.receivers)))
    with open_store(config) as database:
        try:
            author = find_author(database, person)
            rows = send_test(database, name, receiver, author, uuid.uuid4().hex[:24], SystemClock())
        except OperationError as error:
            raise ConfigError(f"{error}.") from None
    requests = [preview_action(receiver, row) for row in rows]
    if as_json:
        print_json([{**list_fields(row), "request": sent} for row, sent in zip(rows, requests, strict=True)])
    else:
        for row, sent in zip(rows, requests, strict=True):
            print_request(sent)
            echo(f"answer: {label_state(row.state)}: {row.reason}")
    return find_exit_code([row.state for row in rows])


def find_exit_code(states: Sequence[str]) -> int:
    """Return the exit code of a test: whether all was accepted, something was not, or nothing was sent."""
    if "dry_run" in states:
        return 2
    return 0 if all(state == "delivered" for state in states) else 1
