"""Airflow receiver: starts a run of a DAG, whose id is that of the action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from monitor.actions.receivers.airflow.config import AirflowConfig
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.fill import check_mark, fill, template_values
from monitor.actions.receivers.requests import (
    HttpRequest,
    authorize,
    deliver_request,
    make_json_request,
    make_transport,
    preview_request,
    send_request,
)


class Airflow:
    """Starts a run; 409 means that an earlier attempt has started it."""

    kind: ClassVar = "airflow"
    Config: ClassVar = AirflowConfig

    def __init__(self, config: AirflowConfig) -> None:
        self._config = config
        self._address = config.base_url.rstrip("/")
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to start a run once."""
        try:
            request = self._make_request(delivery, {})
            sent = HttpRequest(request.method, request.url, {**request.headers, **self._log_in(deadline)}, request.body)
        except NotDelivered as failure:
            return failure.result
        return deliver_request(self._transport, sent, deadline, duplicate=409)

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request that starts the run."""
        try:
            request = self._make_request(delivery, {"authorization": "…"})
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)
        logs_in = self._config.version == 3 and self._config.token is None
        return preview_request(request, note="user and password are exchanged for a token before" if logs_in else "")

    def _log_in(self, deadline: Deadline) -> Mapping[str, str]:
        """Return the header of the login. Airflow 3 takes tokens only."""
        config = self._config
        if config.version == 2 or config.token is not None or config.password is None:
            return authorize(config.token, config.username, config.password)
        login = {"username": config.username, "password": config.password.get_secret_value()}
        request = make_json_request("POST", f"{self._address}/auth/token", login, {})
        token = send_request(self._transport, request, deadline).read_object().get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise NotDelivered(DeliveryResult("auth", "the login returned no token"))
        return {"authorization": f"Bearer {token}"}

    def _make_request(self, delivery: Delivery, headers: Mapping[str, str]) -> HttpRequest:
        config = self._config
        check_mark(delivery, config.conf)
        body = {"dag_run_id": delivery.id, "conf": fill(config.conf, template_values(delivery))}
        path = "/api/v1" if config.version == 2 else "/api/v2"
        if config.version == 3:
            body["logical_date"] = None
        return make_json_request("POST", f"{self._address}{path}/dags/{config.dag}/dagRuns", body, headers)
