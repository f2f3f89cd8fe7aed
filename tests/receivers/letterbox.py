"""A receiver as somebody would add one: settings and transport in one file."""

from __future__ import annotations

import json
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, RequestPreview, failure_by_status
from monitor.config.receivers import EffectReceiverConfig
from monitor.core.bounded import Bounded


class LetterboxConfig(EffectReceiverConfig):
    """A letterbox that takes letters by HTTP."""

    example: ClassVar = {"kind": "letterbox", "address": "http://letters.internal/", "api_key": "key-of-the-letterbox"}
    address_key: ClassVar = "address"
    permissions: ClassVar = "The key opens it."

    kind: Literal["letterbox"]
    """Kind of the receiver."""
    address: str
    """Where it hangs."""
    api_key: SecretStr
    """Opens it."""


class Letterbox:
    """Posts letters."""

    kind: ClassVar = "letterbox"
    Config: ClassVar = LetterboxConfig

    def __init__(self, config: LetterboxConfig) -> None:
        self._address = urlsplit(config.address)
        self._key = config.api_key.get_secret_value()
        self._calls = Bounded()

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        try:
            return self._calls.call(partial(self._post, delivery, deadline), deadline.seconds)
        except TimeoutError:
            return DeliveryResult("timeout", retry=True)
        except ConnectionRefusedError:
            return DeliveryResult("refused", retry=True)
        except (OSError, HTTPException) as error:
            return DeliveryResult("other", type(error).__name__, retry=True)

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        return RequestPreview(
            "POST", self._address.geturl(), {"authorization": "…"}, json.dumps(dict(delivery.payload))
        )

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        return {"authorization": self._key, "idempotency-key": delivery.id}

    def _post(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=60)
        try:
            connection.request("POST", "/", json.dumps(dict(delivery.payload)), self._headers(delivery))
            answer = connection.getresponse()
            answer.read(1024)
            if 200 <= answer.status < 300:
                return DeliveryResult("delivered")
            return failure_by_status(answer.status, answer.headers.get("retry-after"), deadline.started_at)
        finally:
            connection.close()
