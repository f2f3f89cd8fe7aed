"""PagerDuty receiver: one alert per incident, by Events API v2; news is a change event, which pages nobody."""

from __future__ import annotations

from typing import ClassVar

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, RequestPreview
from monitor.actions.receivers.pagerduty.config import PagerDutyConfig
from monitor.actions.receivers.plain_message import Alert, describe_alert, list_lines, render_delivery
from monitor.actions.receivers.plain_text import one_line
from monitor.actions.receivers.requests import (
    HttpRequest,
    deliver_request,
    make_json_request,
    make_transport,
    preview_request,
)
from monitor.alerting.messages.message import Message

ACTIONS = {"firing": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}
LONGEST_SUMMARY = 1024


class PagerDuty:
    """Sends events. A retry has the same key, so it changes nothing."""

    kind: ClassVar = "pagerduty"
    Config: ClassVar = PagerDutyConfig

    def __init__(self, config: PagerDutyConfig) -> None:
        self._config = config
        self._key = config.routing_key.get_secret_value()
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to send the event once."""
        return deliver_request(self._transport, self._make_request(delivery), deadline)

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request without the routing key."""
        return preview_request(self._make_request(delivery), [self._key])

    def _make_request(self, delivery: Delivery) -> HttpRequest:
        message = render_delivery(delivery, self._config.zone)
        alert = describe_alert(delivery, message)
        base_url = self._config.base_url.rstrip("/")
        if alert.state == "info":
            change = self._make_change(delivery, alert, message)
            return make_json_request("POST", f"{base_url}/v2/change/enqueue", change, {})
        event: dict[str, object] = {
            "routing_key": self._key,
            "event_action": ACTIONS[alert.state],
            "dedup_key": one_line(alert.key, 255),
        }
        if alert.state == "firing":
            event["payload"] = {
                "summary": one_line(message.title, LONGEST_SUMMARY),
                "source": alert.monitor,
                "severity": alert.severity,
                "timestamp": alert.started_at.isoformat(),
                "component": alert.rule,
                "custom_details": {"details": list_lines(message), "action_id": delivery.id},
            }
            event["client"] = "driftd"
            if message.link:
                event |= {"client_url": message.link, "links": [{"href": message.link, "text": "Open the incident"}]}
        return make_json_request("POST", f"{base_url}/v2/enqueue", event, {})

    def _make_change(self, delivery: Delivery, alert: Alert, message: Message) -> dict[str, object]:
        change: dict[str, object] = {
            "routing_key": self._key,
            "payload": {
                "summary": one_line(message.title, LONGEST_SUMMARY),
                "source": alert.monitor,
                "timestamp": alert.started_at.isoformat(),
                "custom_details": {"details": list_lines(message), "action_id": delivery.id},
            },
        }
        return change | ({"links": [{"href": message.link, "text": "Open"}]} if message.link else {})
