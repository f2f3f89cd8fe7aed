"""Slack receiver: one message per incident, with all further messages in its thread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, cast

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.slack.config import SlackConfig
from monitor.actions.receivers.slack.templates import Block, as_past, is_back, render_blocks


class Slack:
    """Posts to a channel with a bot token."""

    kind: ClassVar = "slack"
    Config: ClassVar = SlackConfig

    def __init__(self, config: SlackConfig) -> None:
        from monitor.actions.receivers.slack.transport import SlackTransport

        self._channel = config.channel
        self._zone = config.zone
        self._base_url = config.base_url
        self._transport = SlackTransport(config.token.get_secret_value(), config.base_url)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to deliver once; the first message of an incident starts its thread."""
        thread = delivery.thread or {}
        message, blocks = self._compose(delivery)
        try:
            answer = self._transport.call("chat.postMessage", message, deadline)
        except NotDelivered as failure:
            return failure.result
        if not thread.get("ts"):
            receipt = {"channel": answer.get("channel"), "ts": answer.get("ts"), "blocks": blocks}
            return DeliveryResult("delivered", receipt=receipt)
        detail = self._change_first(delivery, thread, blocks[0], deadline)
        return DeliveryResult("delivered", detail, receipt={"channel": thread["channel"], "ts": thread["ts"]})

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the call that posts the message, without the token."""
        message, _ = self._compose(delivery)
        headers = {"authorization": "Bearer …", "content-type": "application/json;charset=utf-8"}
        body = json.dumps({**message, "parse": "none"})
        return RequestPreview("POST", f"{self._base_url.rstrip('/')}/chat.postMessage", headers, body)

    def _compose(self, delivery: Delivery) -> tuple[Mapping[str, object], Sequence[Block]]:
        """Return the values of the call, and the blocks of the message."""
        text, blocks = render_blocks(delivery, self._zone)
        thread = delivery.thread or {}
        message = {
            "channel": str(thread.get("channel") or self._channel),
            "text": text,
            "blocks": blocks,
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": "driftd_action", "event_payload": {"id": delivery.id}},
        }
        return ({**message, "thread_ts": str(thread["ts"])} if thread.get("ts") else message), blocks

    def _change_first(
        self, delivery: Delivery, thread: Mapping[str, object], headline: Block, deadline: Deadline
    ) -> str:
        """Replace the headline of the first message when the incident resolves or fires again.

        The thread already has the new state, so a failure is reported in the detail and not retried.
        """
        if delivery.kind != "resolved" and not is_back(delivery):
            return ""
        first = cast("Sequence[Block] | None", thread.get("blocks"))
        facts = first or render_blocks(replace(delivery, kind="firing", thread=None), self._zone)[1][1:]
        message = {
            "channel": str(thread["channel"]),
            "ts": str(thread["ts"]),
            "text": headline["text"]["text"],
            "blocks": [headline, *(as_past(block) for block in facts)],
        }
        try:
            self._transport.call("chat.update", message, deadline)
        except NotDelivered as failure:
            return f"the first message could not be changed ({failure.result.reason})"
        return ""
