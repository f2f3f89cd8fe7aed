"""Receivers that move a pointer of a registry, such as an alias or a label, back to an earlier version."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.requests import (
    LONGEST_ANSWER,
    HttpRequest,
    make_transport,
    preview_request,
    send_request,
)
from monitor.actions.receivers.rollback import VersionChange, move_back, read_change, require_numbers
from monitor.config.effect_receivers import RollbackReceiverConfig


class PointerReceiver(ABC):
    """Moves a pointer if it points at the suspected version, so that a retry does nothing.

    A test reads the pointer with the configured login, and does not move it.
    """

    service: ClassVar[str]
    longest_answer: ClassVar[int] = LONGEST_ANSWER
    """Maximum size of a response in bytes."""

    def __init__(self, config: RollbackReceiverConfig, pointer: str) -> None:
        self._rollback = config
        self._pointer = pointer
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to move the pointer once."""
        try:
            if delivery.is_test:
                return self._describe_test(self._read(deadline))
            change = self._read_change(delivery)
            return move_back(
                self._pointer,
                self._read(deadline),
                change,
                lambda: send_request(self._transport, self.make_move(change), deadline, self.longest_answer),
            )
        except NotDelivered as failure:
            return failure.result

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request that moves the pointer; of a test, the one that reads it."""
        if delivery.is_test:
            return preview_request(self.make_read(), note="a test moves nothing")
        try:
            change = self._read_change(delivery)
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)
        return preview_request(
            self.make_move(change), note=f"sent only if {self._pointer} points at version {change.bad}"
        )

    @abstractmethod
    def make_read(self) -> HttpRequest:
        """Return the request that reads the pointer."""

    @abstractmethod
    def parse_version(self, answer: dict[str, object]) -> object:
        """Return the version that the pointer has, from the answer to that request."""

    @abstractmethod
    def make_move(self, change: VersionChange) -> HttpRequest:
        """Return the request that moves the pointer to the good version."""

    def _read(self, deadline: Deadline) -> object:
        answer = send_request(self._transport, self.make_read(), deadline, self.longest_answer)
        return self.parse_version(answer.read_object())

    def _read_change(self, delivery: Delivery) -> VersionChange:
        return require_numbers(read_change(self._rollback, delivery), self.service)

    def _describe_test(self, current: object) -> DeliveryResult:
        where = f"version {current}" if str(current).isascii() and str(current).isdigit() else "a version"
        return DeliveryResult(
            "delivered",
            f"{self._pointer} points at {where}; a test moves nothing, so the right to move it is not tested",
        )
