"""GitHub receiver: dispatches a workflow or a repository event."""

from __future__ import annotations

from typing import ClassVar

from monitor.actions.receivers.base import (
    Deadline,
    Delivery,
    DeliveryResult,
    NotDelivered,
    RequestPreview,
    failure_by_status,
    parse_retry_after,
)
from monitor.actions.receivers.fill import check_mark, fill, fill_text, template_values
from monitor.actions.receivers.github.config import GithubConfig
from monitor.actions.receivers.requests import (
    HttpRequest,
    HttpResponse,
    authorize,
    make_json_request,
    make_transport,
    preview_request,
)

LONGEST = 65_535
"""Maximum size of inputs and payloads in bytes."""


class Github:
    """Starts a run of a workflow."""

    kind: ClassVar = "github"
    Config: ClassVar = GithubConfig

    def __init__(self, config: GithubConfig) -> None:
        self._config = config
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to start a run once."""
        try:
            response = self._transport.send(self._make_request(delivery), deadline)
        except NotDelivered as failure:
            return failure.result
        return _read_result(response, deadline)

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request without the token."""
        try:
            return preview_request(self._make_request(delivery))
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)

    def _make_request(self, delivery: Delivery) -> HttpRequest:
        config, values = self._config, template_values(delivery)
        address = f"{config.base_url.rstrip('/')}/repos/{config.repository}"
        check_mark(delivery, {**config.inputs} if config.workflow is not None else config.client_payload)
        body: dict[str, object]
        if config.workflow is not None:
            address += f"/actions/workflows/{config.workflow}"
            inputs = {name: fill_text(text, values) for name, text in config.inputs.items()}
            body = {"ref": config.ref, "inputs": inputs}
        else:
            body = {"event_type": config.event_type, "client_payload": fill(config.client_payload, values)}
        headers = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
        request = make_json_request("POST", f"{address}/dispatches", body, {**headers, **authorize(config.token)})
        if len(request.body) > LONGEST:
            raise NotDelivered(DeliveryResult("client", "the inputs exceed what GitHub accepts, 65,535 bytes"))
        return request


def _read_result(response: HttpResponse, deadline: Deadline) -> DeliveryResult:
    """Return the result; GitHub also answers 403 with Retry-After if it limits the rate."""
    if response.succeeded:
        return DeliveryResult("delivered", f"status {response.status}")
    if response.status == 403 and response.retry_after:
        pause = parse_retry_after(response.retry_after, deadline.started_at)
        return DeliveryResult("rate_limited", "status 403", retry=True, retry_after=pause)
    return failure_by_status(response.status, response.retry_after, deadline.started_at)
