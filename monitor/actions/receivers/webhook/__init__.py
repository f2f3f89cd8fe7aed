"""Webhook receiver: one signed request as defined by Standard Webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.destination import Resolver, system_resolver
from monitor.actions.receivers.fill import check_mark, fill, template_values
from monitor.actions.receivers.requests import (
    HttpRequest,
    deliver_request,
    hide_path,
    make_json_request,
    make_transport,
    preview_request,
)
from monitor.actions.receivers.webhook.config import WebhookConfig
from monitor.actions.receivers.webhook.signature import sign


class Webhook:
    """Sends actions to a URL."""

    kind: ClassVar = "webhook"
    Config: ClassVar = WebhookConfig

    def __init__(self, config: WebhookConfig, resolve: Resolver = system_resolver) -> None:
        self._url = config.url.get_secret_value()
        self._config = config
        self._secrets = config.secret.get_secret_value()
        self._transport = make_transport(config, resolve)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to deliver once. Status 2xx is success, and 409 means that the action was already processed."""
        try:
            request = self._make_request(self._url, delivery, deadline.started_at)
        except NotDelivered as failure:
            return failure.result
        return deliver_request(self._transport, request, deadline, duplicate=409)

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request without what follows the host in the URL, and without its signature."""
        try:
            request = self._make_request(hide_path(self._url), delivery, delivery.created_at)
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)
        return preview_request(request)

    def _make_request(self, url: str, delivery: Delivery, moment: datetime) -> HttpRequest:
        body = self._config.body
        if body is not None:
            check_mark(delivery, body)
        value = delivery.payload if body is None else fill(body, template_values(delivery))
        headers = {name: text.get_secret_value() for name, text in self._config.headers.items()}
        request = make_json_request(self._config.method, url, value, headers)
        signature = sign(self._secrets, delivery.id, moment, request.body)
        return HttpRequest(request.method, url, {**request.headers, **signature}, request.body)
