"""Webhook receiver: one signed POST request as defined by Standard Webhooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, failure_by_status
from monitor.actions.receivers.destination import Resolver, system_resolver
from monitor.actions.receivers.webhook.config import WebhookConfig
from monitor.actions.receivers.webhook.signature import sign


class Webhook:
    """Posts actions to a URL; ``resolve`` and ``authority`` as in :class:`WebhookTransport`."""

    kind: ClassVar = "webhook"
    Config: ClassVar = WebhookConfig

    def __init__(
        self, config: WebhookConfig, resolve: Resolver = system_resolver, authority: Path | None = None
    ) -> None:
        from monitor.actions.receivers.webhook.transport import WebhookTransport

        self._secrets = config.secret.get_secret_value()
        self._transport = WebhookTransport(config.url.get_secret_value(), config.timeout, resolve, authority)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to deliver once. Status 2xx is success, and 409 means that the action was already processed."""
        try:
            body = json.dumps(delivery.payload, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError):
            return DeliveryResult("client", "the payload cannot be serialised as JSON")
        headers = {"content-type": "application/json", "user-agent": "driftd", "accept-encoding": "identity"}
        headers |= sign(self._secrets, delivery.id, deadline.started_at, body)
        try:
            status, retry_after = self._transport.post(body, headers, deadline)
        except NotDelivered as failure:
            return failure.result
        if 200 <= status < 300:
            return DeliveryResult("delivered", f"status {status}")
        if status == 409:
            return DeliveryResult("delivered", "status 409: already processed")
        return failure_by_status(status, retry_after, deadline.started_at)
