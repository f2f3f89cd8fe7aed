"""Which waiting messages of a receiver become part of a digest, as many incidents fired within a few minutes. Pure.

A message that is not part of one is sent by itself, at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.actions.identity import NAMESPACE
from monitor.config.receivers import DigestSettings
from monitor.core.action import MESSAGES, ActionRecord

NOTABLE = ("update", "expired", "effect")
"""Kinds of messages that are sent by themselves unless many incidents fire."""
DIGESTIBLE = (*MESSAGES, *NOTABLE[1:])
"""Kinds of messages about an incident that may be part of a digest."""


@dataclass(frozen=True)
class Announcement:
    """A first message about an incident that has not ended; ``storm`` is that of its digest, None if it has none."""

    message: ActionRecord
    storm: str | None = None


@dataclass(frozen=True)
class QueueState:
    """What a receiver has been sent.

    Parameters
    ----------
    recent
        The announcements within `within:`, oldest first.
    storms
        By incident, the storm of the digest that its last message is part of; incidents with messages of their own are
        absent.
    ended
        Storms whose end was announced.
    """

    recent: Sequence[Announcement] = ()
    storms: Mapping[str, str] = field(default_factory=dict)
    ended: Collection[str] = ()


def group_waiting(
    receiver: str, waiting: Sequence[ActionRecord], state: QueueState, settings: DigestSettings
) -> dict[str, list[ActionRecord]]:
    """Return the waiting messages that become part of a digest, by storm.

    While many incidents fire, every announcement joins. Later messages about an incident that has no message of its own
    join as well; an update, or what became of an effect, only if many incidents still fire.
    """
    firing = {message.incident for message in waiting if _announces(message, state)}
    firing |= {one.message.incident for one in state.recent}
    many = len(firing) >= settings.incidents
    going = [one.storm for one in state.recent if one.storm and one.storm not in state.ended]
    current = going[-1] if going else None
    storms = {incident: storm for incident, storm in state.storms.items() if storm not in state.ended}
    joined: dict[str, list[ActionRecord]] = {}
    for message in waiting:
        storm = storms.pop(message.incident, None)
        if storm is None and many and _announces(message, state):
            storm = current = current or _name_storm(receiver, message)
        if storm is None or (message.kind in NOTABLE and not many):
            continue
        storms[message.incident] = storm
        joined.setdefault(storm, []).append(message)
    return joined


def _announces(message: ActionRecord, state: QueueState) -> bool:
    """Return whether a message says that an incident fires: for the first time, or again after the end of its storm."""
    news = message.payload["data"].get("news") or {}
    again = message.kind == "update" and bool(news.get("again")) and message.incident in state.storms
    return message.kind == "firing" or again


def _name_storm(receiver: str, first: ActionRecord) -> str:
    return str(uuid.uuid5(NAMESPACE, f"storm/{receiver}/{first.id}"))
