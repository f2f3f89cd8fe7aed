"""Test a receiver: plan a marked test, send it once by the way of every action, and return what became of it."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.base import Deadline, Receiver
from monitor.actions.rehearsal import plan_test
from monitor.config.receivers import ReceiverConfig
from monitor.core.clock import Clock
from monitor.core.operation import Author, Rehearse
from monitor.jobs.delivery import LONGEST_ATTEMPT, OWNER, deliver_claimed
from monitor.store import outbox
from monitor.store.database import Database, decision_time
from monitor.store.operations import perform
from monitor.store.rows import ActionRow


def send_test(
    database: Database, name: str, config: ReceiverConfig, author: Author, key: str, clock: Clock
) -> list[ActionRow]:
    """Plan and send a test of a receiver; return its actions after their only attempt.

    Parameters
    ----------
    key
        Unique for each test.

    Raises
    ------
    OperationError
        If the author may not.
    """
    with database.read() as connection:
        at = decision_time(connection, clock)
    planned = plan_test(name, config, author.name, at, key)
    perform(database, Rehearse(name, planned), author, clock)
    receivers = make_receivers({name: config})
    return [row for action in planned if (row := _send(database, receivers, action.id, clock)) is not None]


def _send(database: Database, receivers: Mapping[str, Receiver], action: str, clock: Clock) -> ActionRow | None:
    with database.write() as connection:
        deadline = Deadline.after(decision_time(connection, clock), LONGEST_ATTEMPT)
        claimed = outbox.claim_test(connection, action, OWNER)
    if claimed is not None:
        deliver_claimed(database, receivers, claimed, deadline, clock)
    with database.read() as connection:
        return outbox.load_action(connection, action)
