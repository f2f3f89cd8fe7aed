"""GitLab receiver: triggers a pipeline."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote, urlencode

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.fill import check_mark, fill_text, template_values
from monitor.actions.receivers.gitlab.config import GitlabConfig
from monitor.actions.receivers.requests import HttpRequest, deliver_request, make_transport, preview_request

FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


class Gitlab:
    """Starts a pipeline; the token is a field of the form."""

    kind: ClassVar = "gitlab"
    Config: ClassVar = GitlabConfig

    def __init__(self, config: GitlabConfig) -> None:
        self._config = config
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to start a pipeline once."""
        try:
            request = self._make_request(delivery)
        except NotDelivered as failure:
            return failure.result
        return deliver_request(self._transport, request, deadline)

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request without the token."""
        try:
            return preview_request(self._make_request(delivery), [self._config.token.get_secret_value()])
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)

    def _make_request(self, delivery: Delivery) -> HttpRequest:
        config, values = self._config, template_values(delivery)
        check_mark(delivery, {**config.variables})
        url = f"{config.base_url.rstrip('/')}/api/v4/projects/{quote(config.project, safe='')}/trigger/pipeline"
        form = {"token": config.token.get_secret_value(), "ref": config.ref}
        form |= {f"variables[{name}]": fill_text(text, values) for name, text in config.variables.items()}
        return HttpRequest("POST", url, FORM, urlencode(form).encode())
