"""What every channel promises: one attempt, bounded in time, with an outcome of a closed set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from monitor.core.payload import ActionKind

Reason = Literal[
    "delivered", "client", "server", "auth", "rate_limited", "timeout", "dns", "tls", "refused", "expired", "other"
]


@dataclass(frozen=True)
class Message:
    """One action on its way out.

    ``id`` never changes over retries. ``payload`` is JSON. ``thread`` is the receipt of the incident's first
    message on this channel, where there was one.
    """

    id: str
    kind: ActionKind
    payload: Mapping[str, object]
    created_at: datetime
    thread: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Outcome:
    """What one attempt came to. ``detail`` holds no secret, no URL and nothing that a receiver wrote."""

    reason: Reason
    detail: str = ""
    retry: bool = False
    retry_after: timedelta | None = None
    receipt: Mapping[str, object] = field(default_factory=dict)

    @property
    def delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.reason == "delivered"


class Channel(Protocol):
    """Sends messages to one destination."""

    def deliver(self, message: Message, now: datetime) -> Outcome:
        """Try once; never raises for what the receiver or the network does."""
