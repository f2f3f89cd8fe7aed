"""What every receiver promises: one attempt that ends by its deadline and never raises."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal, Protocol

from monitor.config.receivers import ReceiverConfig
from monitor.core.payload import ActionKind, Payload

Reason = Literal[
    "delivered", "client", "server", "auth", "rate_limited", "timeout", "dns", "tls", "refused", "expired", "other"
]
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver an action.

    ``id`` never changes over retries. ``payload`` is JSON. ``thread`` is the receipt of the first message about the
    same incident, where there was one.
    """

    id: str
    kind: ActionKind
    payload: Payload
    created_at: datetime
    thread: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Deadline:
    """When an attempt must have ended.

    Parameters
    ----------
    started_at
        When the attempt began by the clock that decides about actions; a signature states it.
    ends
        Its end by ``time.monotonic()``.
    """

    started_at: datetime
    ends: float

    @classmethod
    def after(cls, started_at: datetime, length: timedelta) -> Deadline:
        """Return a deadline that is as far away as said."""
        return cls(started_at, time.monotonic() + length.total_seconds())

    def within(self, length: timedelta) -> Deadline:
        """Return the earlier of this deadline and one that is a length away from now."""
        return Deadline(self.started_at, min(self.ends, time.monotonic() + length.total_seconds()))

    @property
    def seconds(self) -> float:
        """Return the seconds that are left."""
        return max(0.0, self.ends - time.monotonic())


@dataclass(frozen=True)
class DeliveryResult:
    """Result of one attempt. ``detail`` holds no secret, no URL and nothing that the far side wrote."""

    reason: Reason
    detail: str = ""
    retry: bool = False
    retry_after: timedelta | None = None
    receipt: Mapping[str, object] = field(default_factory=dict)

    @property
    def delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.reason == "delivered"


class NotDelivered(Exception):  # noqa: N818
    """How a transport says that an attempt failed."""

    def __init__(self, result: DeliveryResult) -> None:
        super().__init__(result.reason)
        self.result = result


class Receiver(Protocol):
    """Sends actions to one configured destination. It is made from an instance of its ``Config``."""

    kind: ClassVar[str]
    Config: ClassVar[type[ReceiverConfig]]

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try once; never raises."""


def failure_by_status(status: int, retry_after: str | None, now: datetime) -> DeliveryResult:
    """Return what an HTTP status that is not success means.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> result = failure_by_status(503, "7", datetime(2026, 1, 1, tzinfo=UTC))
    >>> result.reason, result.retry, result.retry_after
    ('server', True, datetime.timedelta(seconds=7))
    """
    pause = parse_retry_after(retry_after, now)
    detail = f"status {status}"
    if status in (401, 403):
        return DeliveryResult("auth", detail)
    if status == 429:
        return DeliveryResult("rate_limited", detail, retry=True, retry_after=pause)
    if status in (408, 425):
        return DeliveryResult("timeout", detail, retry=True, retry_after=pause)
    if status >= 500:
        return DeliveryResult("server", detail, retry=True, retry_after=pause)
    return DeliveryResult("client", detail)


def parse_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Read Retry-After, seconds or a date; the outbox never waits for less than its own back-off, or for very long."""
    if not text:
        return None
    try:
        pause = timedelta(seconds=min(float(text), LONGEST_PAUSE.total_seconds()))
    except (ValueError, OverflowError):
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        pause = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(pause, timedelta(0)), LONGEST_PAUSE)
