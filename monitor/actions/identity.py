"""Ids of actions, which stay the same for every retry, and how long a message is worth sending."""

from __future__ import annotations

import uuid
from datetime import timedelta

NAMESPACE = uuid.UUID("b2c0b1de-5a0b-4f7a-8d1c-6f2f1f0c1e22")
MESSAGE_NOT_AFTER = timedelta(hours=24)


def identity(incident: str, name: str, kind: str, sequence: int) -> str:
    """Return the id of an action, which is the same for every retry."""
    return str(uuid.uuid5(NAMESPACE, f"{incident}/{name}/{kind}/{sequence}"))
