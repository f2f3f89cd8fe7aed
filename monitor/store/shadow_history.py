"""Load the history of a shadow that the announcement of its verdict needs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.actions.notifications import thread_key
from monitor.config.arms import Shadow
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.store import outbox
from monitor.store.silences import load_silences


def load_shadow_history(connection: Connection, monitor: Monitor, spec: Shadow, at: datetime) -> AlertHistory:
    """Load the silences of a shadow and the number of messages about it."""
    thread = thread_key(monitor.name, spec.name, spec.challenger, "shadow")
    return AlertHistory(
        silences=load_silences(connection, monitor.name, at),
        sequences=outbox.next_sequences(connection, [thread]),
    )
