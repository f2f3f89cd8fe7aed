"""MLflow receiver: moves an alias of a registered model back."""

from __future__ import annotations

from typing import ClassVar, cast
from urllib.parse import urlencode

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.mlflow.config import MlflowConfig
from monitor.actions.receivers.requests import (
    HttpRequest,
    authorize,
    make_json_request,
    make_transport,
    preview_request,
    send_request,
)
from monitor.actions.receivers.rollback import VersionChange, move_back, read_change, require_numbers


class Mlflow:
    """Moves an alias if it points at the suspected version, so that a retry does nothing."""

    kind: ClassVar = "mlflow"
    Config: ClassVar = MlflowConfig

    def __init__(self, config: MlflowConfig) -> None:
        self._config = config
        self._address = f"{config.base_url.rstrip('/')}/api/2.0/mlflow/registered-models/alias"
        self._headers = authorize(config.token, config.username, config.password)
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to move the alias once."""
        try:
            change = self._read_change(delivery)
            current = self._read_alias(deadline)
            return move_back(
                f"alias {self._config.alias}",
                current,
                change,
                lambda: send_request(self._transport, self._make_request(change), deadline),
            )
        except NotDelivered as failure:
            return failure.result

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request that moves the alias."""
        try:
            change = self._read_change(delivery)
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)
        note = f"sent only if the alias points at version {change.bad}"
        return preview_request(self._make_request(change), note=note)

    def _read_change(self, delivery: Delivery) -> VersionChange:
        return require_numbers(read_change(self._config, delivery), "MLflow")

    def _read_alias(self, deadline: Deadline) -> object:
        query = urlencode({"name": self._config.model, "alias": self._config.alias})
        request = HttpRequest("GET", f"{self._address}?{query}", self._headers)
        answer = send_request(self._transport, request, deadline).read_object()
        version = answer.get("model_version")
        return cast("dict[str, object]", version).get("version") if isinstance(version, dict) else None

    def _make_request(self, change: VersionChange) -> HttpRequest:
        body = {"name": self._config.model, "alias": self._config.alias, "version": change.good}
        return make_json_request("POST", self._address, body, self._headers)
