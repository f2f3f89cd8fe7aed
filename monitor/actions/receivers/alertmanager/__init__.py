"""Alertmanager receiver: one alert per incident, with its end."""

from __future__ import annotations

from typing import ClassVar

from monitor.actions.receivers.alertmanager.config import AlertmanagerConfig
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, RequestPreview
from monitor.actions.receivers.plain_message import Alert, describe_alert, list_lines, render_delivery
from monitor.actions.receivers.requests import (
    HttpRequest,
    authorize,
    deliver_request,
    make_json_request,
    make_transport,
    preview_request,
)

SEVERITIES = ("critical", "warning", "info")


class Alertmanager:
    """Posts alerts. The labels identify an alert, so that a retry changes nothing."""

    kind: ClassVar = "alertmanager"
    Config: ClassVar = AlertmanagerConfig

    def __init__(self, config: AlertmanagerConfig) -> None:
        self._config = config
        self._headers = authorize(config.token, config.username, config.password)
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to post the alert once; the receipt of the first message of an incident has its rule."""
        alert = describe_alert(delivery, render_delivery(delivery, self._config.zone))
        result = deliver_request(self._transport, self._make_request(delivery), deadline)
        receipt = {"rule": self._label_rule(delivery, alert)}
        return DeliveryResult("delivered", result.detail, receipt=receipt) if result.delivered else result

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request without the login."""
        return preview_request(self._make_request(delivery))

    def _make_request(self, delivery: Delivery) -> HttpRequest:
        """Return a request with the alert. After the first message, alerts with its former severity end."""
        message = render_delivery(delivery, self._config.zone)
        alert = describe_alert(delivery, message)
        ended = alert.ended_at if alert.state == "resolved" else delivery.created_at + self._config.expires
        entry = {
            "labels": self._label(delivery, alert, alert.severity),
            "annotations": {
                "summary": message.title,
                "description": "\n".join(list_lines(message)),
                "action_id": delivery.id,
            },
            "startsAt": alert.started_at.isoformat(),
            "endsAt": max(ended, alert.started_at).isoformat(),
            **({"generatorURL": message.link} if message.link else {}),
        }
        others = [one for one in SEVERITIES if one != alert.severity] if delivery.thread is not None else []
        former = [
            {
                "labels": self._label(delivery, alert, severity),
                "startsAt": alert.started_at.isoformat(),
                "endsAt": max(delivery.created_at, alert.started_at).isoformat(),
            }
            for severity in others
        ]
        url = f"{self._config.base_url.rstrip('/')}/api/v2/alerts"
        return make_json_request("POST", url, [entry, *former], self._headers)

    def _label(self, delivery: Delivery, alert: Alert, severity: str) -> dict[str, str]:
        return {
            **self._config.labels,
            "alertname": "DriftdAlert",
            "monitor": alert.monitor,
            "rule": self._label_rule(delivery, alert),
            "severity": severity,
            "incident": alert.key,
        }

    def _label_rule(self, delivery: Delivery, alert: Alert) -> str:
        """Return the rule of the first message: another one would be another alert."""
        return str((delivery.thread or {}).get("rule") or alert.rule)
