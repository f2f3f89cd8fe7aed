"""Langfuse receiver: moves a label of a prompt back."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote, urlencode

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.langfuse.config import LangfuseConfig
from monitor.actions.receivers.requests import (
    HttpRequest,
    authorize,
    make_json_request,
    make_transport,
    preview_request,
    send_request,
)
from monitor.actions.receivers.rollback import VersionChange, move_back, read_change, require_numbers

LONGEST_PROMPT = 4 * 1024 * 1024
"""Maximum size in bytes of a response with a prompt."""


class Langfuse:
    """Moves a label if the suspected version has it, so that a retry does nothing."""

    kind: ClassVar = "langfuse"
    Config: ClassVar = LangfuseConfig

    def __init__(self, config: LangfuseConfig) -> None:
        self._config = config
        self._address = f"{config.base_url.rstrip('/')}/api/public/v2/prompts/{quote(config.prompt, safe='')}"
        self._headers = authorize(None, config.public_key, config.secret_key)
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to move the label once."""
        try:
            change = self._read_change(delivery)
            query = urlencode({"label": self._config.label})
            request = HttpRequest("GET", f"{self._address}?{query}", self._headers)
            answer = send_request(self._transport, request, deadline, LONGEST_PROMPT).read_object()
            return move_back(
                f"label {self._config.label}",
                answer.get("version"),
                change,
                lambda: send_request(self._transport, self._make_request(change), deadline, LONGEST_PROMPT),
            )
        except NotDelivered as failure:
            return failure.result

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request that moves the label."""
        try:
            change = self._read_change(delivery)
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)
        return preview_request(self._make_request(change), note=f"sent only if version {change.bad} has the label")

    def _read_change(self, delivery: Delivery) -> VersionChange:
        return require_numbers(read_change(self._config, delivery), "Langfuse")

    def _make_request(self, change: VersionChange) -> HttpRequest:
        """Return a request that adds the label to the good version, which takes it away from all others."""
        body = {"newLabels": [self._config.label]}
        return make_json_request("PATCH", f"{self._address}/versions/{change.good}", body, self._headers)
