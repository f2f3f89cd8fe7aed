"""Opsgenie receiver: one alert per incident; news is an alert that is closed at once."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, RequestPreview
from monitor.actions.receivers.opsgenie.config import OpsgenieConfig
from monitor.actions.receivers.plain_message import Alert, describe_alert, list_lines, render_delivery
from monitor.actions.receivers.plain_text import MARK, one_line
from monitor.actions.receivers.requests import (
    HttpRequest,
    deliver_request,
    make_json_request,
    make_transport,
    preview_request,
)
from monitor.alerting.messages.message import Message

PRIORITIES = {"critical": "P1", "warning": "P3", "info": "P5"}
LONGEST_MESSAGE, LONGEST_ALIAS, LONGEST_DESCRIPTION, LONGEST_TAG = 130, 512, 15_000, 50


class Opsgenie:
    """Sends alerts. Opsgenie counts a further request with the same alias instead of creating an alert."""

    kind: ClassVar = "opsgenie"
    Config: ClassVar = OpsgenieConfig

    def __init__(self, config: OpsgenieConfig) -> None:
        self._config = config
        self._address = f"{config.base_url.rstrip('/')}/v2/alerts"
        self._headers = {"authorization": f"GenieKey {config.api_key.get_secret_value()}"}
        self._transport = make_transport(config)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to send the requests once."""
        first, *others = self._make_requests(delivery)
        result = deliver_request(self._transport, first, deadline)
        for request in others:
            result = deliver_request(self._transport, request, deadline) if result.delivered else result
        return result

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the request without the key."""
        return preview_request(self._make_requests(delivery)[0])

    def _make_requests(self, delivery: Delivery) -> list[HttpRequest]:
        """Return the request about an alert; of news, which nobody closes, also the one that closes it."""
        message = render_delivery(delivery, self._config.zone)
        alert = describe_alert(delivery, message)
        if alert.state not in ("firing", "info"):
            return [self._make_change("acknowledge" if alert.state == "acknowledged" else "close", alert, message)]
        body = self._make_alert(delivery, alert, message)
        alias = one_line(alert.key, LONGEST_ALIAS)
        opening = make_json_request("POST", self._address, {**body, "alias": alias}, self._headers)
        return [opening] if alert.state == "firing" else [opening, self._make_change("close", alert, message)]

    def _make_change(self, verb: str, alert: Alert, message: Message) -> HttpRequest:
        alias = one_line(alert.key, LONGEST_ALIAS)
        url = f"{self._address}/{quote(alias, safe='')}/{verb}?identifierType=alias"
        note = {"source": "driftd", "note": _join([message.title, *list_lines(message)])}
        return make_json_request("POST", url, note, self._headers)

    def _make_alert(self, delivery: Delivery, alert: Alert, message: Message) -> dict[str, object]:
        tags = [alert.monitor, alert.rule, alert.severity, *self._config.tags]
        details = {"action_id": delivery.id, "monitor": alert.monitor, "rule": alert.rule}
        body: dict[str, object] = {
            "message": one_line(message.title, LONGEST_MESSAGE),
            "description": _join([message.title, *list_lines(message)]),
            "priority": PRIORITIES[alert.severity],
            "entity": alert.monitor,
            "source": "driftd",
            "tags": [one_line(tag, LONGEST_TAG) for tag in tags],
            "details": details | ({"link": message.link} if message.link else {}),
        }
        if self._config.team:
            body["responders"] = [{"type": "team", "name": self._config.team}]
        return body


def _join(lines: list[str]) -> str:
    text = "\n".join(lines)
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - len(MARK)] + MARK
