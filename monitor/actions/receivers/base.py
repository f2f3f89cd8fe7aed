"""Protocol of receivers: one delivery attempt that ends by its deadline and does not raise."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal, Protocol, runtime_checkable

from monitor.config.receivers import ReceiverConfig
from monitor.core.payload import ActionKind, Payload
from monitor.core.situation import Situation

Reason = Literal[
    "delivered", "client", "server", "auth", "rate_limited", "timeout", "dns", "tls", "refused", "expired", "other"
]
THREADED = ("update", "reminder", "effect", "resolved")
"""Kinds of messages that belong to the thread of an earlier message, if there is one."""
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Delivery:
    """An attempt to deliver an action.

    ``id`` is the same for all retries. ``payload`` consists of JSON types. ``thread`` is the receipt of the first
    message about the same incident, if there was one.
    """

    id: str
    kind: ActionKind
    payload: Payload
    created_at: datetime
    thread: Mapping[str, object] | None = None

    @property
    def is_test(self) -> bool:
        """Return whether it is a test, which changes nothing at the receiver but what a marked request changes."""
        return (self.payload.get("data") or {}).get("test") is True


@dataclass(frozen=True)
class Deadline:
    """The time by which an attempt must end.

    Parameters
    ----------
    started_at
        Start of the attempt by the clock of the store; part of signatures.
    ends
        End of the attempt by ``time.monotonic()``.
    """

    started_at: datetime
    ends: float

    @classmethod
    def after(cls, started_at: datetime, length: timedelta) -> Deadline:
        """Return a deadline ``length`` from now."""
        return cls(started_at, time.monotonic() + length.total_seconds())

    def within(self, length: timedelta) -> Deadline:
        """Return the earlier of this deadline and one ``length`` from now."""
        return Deadline(self.started_at, min(self.ends, time.monotonic() + length.total_seconds()))

    def earlier_by(self, length: timedelta) -> Deadline:
        """Return a deadline that is earlier by ``length``, or this one if that is not positive."""
        return Deadline(self.started_at, self.ends - max(0.0, length.total_seconds()))

    @property
    def seconds(self) -> float:
        """Return the remaining seconds."""
        return max(0.0, self.ends - time.monotonic())


@dataclass(frozen=True)
class DeliveryResult:
    """Result of an attempt. ``detail`` contains no secrets, no URLs and no text from the server."""

    reason: Reason
    detail: str = ""
    retry: bool = False
    retry_after: timedelta | None = None
    receipt: Mapping[str, object] = field(default_factory=dict)

    @property
    def delivered(self) -> bool:
        """Whether the receiver accepted the action."""
        return self.reason == "delivered"


@dataclass(frozen=True)
class RequestPreview:
    """The request that a receiver would send, without secrets.

    Parameters
    ----------
    method
        HTTP method, or protocol of a receiver without HTTP; empty if nothing would be sent.
    note
        What is read before the request, or why nothing would be sent.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    note: str = ""


class NotDelivered(Exception):  # noqa: N818
    """Raised by a transport if an attempt failed."""

    def __init__(self, result: DeliveryResult) -> None:
        super().__init__(result.reason)
        self.result = result


class Receiver(Protocol):
    """Sends actions to a configured destination. Created from an instance of its ``Config``."""

    kind: ClassVar[str]
    Config: ClassVar[type[ReceiverConfig]]

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to deliver once; does not raise."""

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request that delivers an action, without sending it; does not raise."""


DrawChart = Callable[[str], bytes | None]
"""Returns the chart of the incident with an id as PNG; None if there is none."""


@runtime_checkable
class ChartReceiver(Protocol):
    """A receiver that shows a chart with a message."""

    @property
    def uploads_charts(self) -> bool:
        """Whether it is configured to."""

    def use_charts(self, draw: DrawChart) -> None:
        """Take what draws a chart."""


@runtime_checkable
class RevisingReceiver(Protocol):
    """A receiver that changes messages which it has delivered, such as their buttons."""

    @property
    def is_interactive(self) -> bool:
        """Whether its messages change."""

    def revise(
        self, receipt: Mapping[str, object], newest: Mapping[str, object], situation: Situation, deadline: Deadline
    ) -> DeliveryResult | None:
        """Bring a message up to date; None if it is. Does not raise.

        Parameters
        ----------
        receipt
            That of the message; the result has a new one.
        newest
            Receipt of the newest message about the same incident.
        """


def failure_by_status(status: int, retry_after: str | None, now: datetime) -> DeliveryResult:
    """Return the delivery result of an HTTP status other than success.

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
    """Parse Retry-After, in seconds or as a date; at most an hour, and never less than the back-off of the outbox."""
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
