"""Do what people ask for by pressing buttons in Slack."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

import structlog

from monitor.actions.receivers.base import Deadline, Delivery, Receiver
from monitor.actions.receivers.slack import Slack
from monitor.actions.receivers.slack.presses import Press, parse_press
from monitor.core.clock import Clock
from monitor.core.operation import Approve, OperationError, RepeatedRequest, has_role
from monitor.store import posts, resolutions
from monitor.store.database import Database, decision_time
from monitor.store.operations import perform
from monitor.store.rows import ActionRow

LOG = structlog.get_logger(__name__)
LONGEST_CALL = timedelta(seconds=2)
"""Deadline of a call: Slack accepts a dialog for 3 s after a press."""


class PressHandler:
    """Performs the operations of presses; the author, the result and the time are in the audit log."""

    def __init__(self, database: Database, receivers: Mapping[str, Receiver], clock: Clock) -> None:
        self._database = database
        self._receivers = receivers
        self._clock = clock

    def handle(self, payload: object, names: Collection[str]) -> bool:
        """Do what a payload asks for; return False if it was received before or is of no message of ours.

        Parameters
        ----------
        names
            The receivers that use the app by which it arrived.
        """
        press = parse_press(payload)
        if press is None:
            return True
        receiver = self._find_receiver(press, names)
        if receiver is None:
            LOG.warning("slack_press_refused", user=press.user, reason="no message of a configured receiver")
            return False
        author, advice = receiver.make_author(press, self._deadline())
        try:
            if press.name == "approve" and not press.is_submitted and has_role(author.role, Approve.least_role):
                self._ask(press, receiver)
                return True
            entry = perform(self._database, press.operation, author, self._clock, press.key)
        except RepeatedRequest:
            return False
        except (LookupError, OperationError) as error:
            receiver.answer(press, f"This was refused: {error.args[0]}.{advice}", self._deadline())
            LOG.info("slack_press_refused", user=press.user, operation=press.name)
            return True
        LOG.info("slack_press", user=press.user, operation=entry.operation, subject=entry.subject)
        return True

    def _find_receiver(self, press: Press, names: Collection[str]) -> Slack | None:
        """Return the receiver that posted the message of a press."""
        with self._database.read() as connection:
            rows = posts.load_incident_posts(connection, press.incident)
        for row in rows:
            receipt, receiver = row.receipt or {}, self._receivers.get(row.name)
            is_posted = (receipt.get("channel"), receipt.get("ts")) == (press.channel, press.message)
            if is_posted and row.name in names and isinstance(receiver, Slack):
                return receiver
        return None

    def _ask(self, press: Press, receiver: Slack) -> None:
        """Open the dialog with the exact request of an effect."""
        with self._database.read() as connection:
            effect = resolutions.find_action(connection, press.effect)
        if effect.state != "awaiting_approval":
            raise OperationError(f"the action is {effect.state.replace('_', ' ')}; nothing was changed")
        sender = self._receivers.get(effect.name)
        if sender is None:
            raise OperationError(f"the receiver {effect.name} is not configured any more")
        preview = sender.describe_request(Delivery(effect.id, effect.kind, effect.payload, effect.created_at))
        opened = receiver.open_dialog(press, _title(effect), preview, self._deadline())
        if not opened.delivered:
            LOG.warning("slack_dialog_failed", outcome=opened.reason, detail=opened.detail)
            receiver.answer(press, "The dialog could not be opened in time. Press the button again.", self._deadline())

    def _deadline(self) -> Deadline:
        with self._database.read() as connection:
            return Deadline.after(decision_time(connection, self._clock), LONGEST_CALL)


def group_by_app(receivers: Mapping[str, Receiver], key: Callable[[Slack], str | None]) -> dict[str, list[str]]:
    """Return the names of receivers by a secret of their app."""
    groups: dict[str, list[str]] = {}
    for name, receiver in receivers.items():
        if isinstance(receiver, Slack) and (secret := key(receiver)):
            groups.setdefault(secret, []).append(name)
    return groups


def _title(effect: ActionRow) -> str:
    return f"This is sent by {effect.name} when you approve"
