"""The request that sends a stored action, without secrets and without sending it."""

from __future__ import annotations

from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.base import Delivery, RequestPreview
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import ActionRecord


def preview_action(config: ReceiverConfig | None, action: ActionRecord) -> RequestPreview | None:
    """Return the request of an action; None if its receiver is not configured any more.

    It is the first attempt: a message of a thread is shown outside of its thread.
    """
    if config is None:
        return None
    receiver = make_receivers({action.name: config})[action.name]
    return receiver.describe_request(Delivery(action.id, action.kind, action.payload, action.created_at))
