"""Microsoft Teams receiver: each message is a post with an Adaptive Card."""

from __future__ import annotations

from typing import ClassVar

from monitor.actions.receivers.base import (
    Deadline,
    Delivery,
    DeliveryResult,
    NotDelivered,
    RequestPreview,
    failure_by_status,
)
from monitor.actions.receivers.plain_message import render_delivery
from monitor.actions.receivers.requests import (
    HttpRequest,
    hide_path,
    make_json_request,
    make_transport,
    preview_request,
    send_request,
)
from monitor.actions.receivers.teams.card import lay_out
from monitor.actions.receivers.teams.config import TeamsConfig

FAILED = b"message delivery failed"
"""What a webhook of a connector answers with status 200 if Teams did not take the message."""


class Teams:
    """Posts cards to the webhook of a workflow."""

    kind: ClassVar = "teams"
    Config: ClassVar = TeamsConfig

    def __init__(self, config: TeamsConfig) -> None:
        self._url = config.url.get_secret_value()
        self._zone = config.zone
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to post the card once."""
        try:
            response = send_request(self._transport, self._make_request(self._url, delivery), deadline)
        except NotDelivered as failure:
            return failure.result
        if FAILED in response.body.lower():
            status = 429 if b"429" in response.body else 502
            return failure_by_status(status, response.retry_after, deadline.started_at)
        return DeliveryResult("delivered", f"status {response.status}")

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request without what follows the host in the URL."""
        return preview_request(self._make_request(hide_path(self._url), delivery))

    def _make_request(self, url: str, delivery: Delivery) -> HttpRequest:
        card = lay_out(delivery, render_delivery(delivery, self._zone))
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        headers = {"content-type": "application/json; charset=utf-8"}
        return make_json_request("POST", url, {"type": "message", "attachments": [attachment]}, headers)
