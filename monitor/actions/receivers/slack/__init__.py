"""Slack receiver: one message per incident, with all further messages in its thread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, cast

from monitor.actions.receivers.base import (
    Deadline,
    Delivery,
    DeliveryResult,
    DrawChart,
    NotDelivered,
    RequestPreview,
)
from monitor.actions.receivers.plain_text import clean, one_line
from monitor.actions.receivers.slack.buttons import (
    ButtonSettings,
    first_situation,
    has_approval,
    plan_buttons,
    render_controls,
)
from monitor.actions.receivers.slack.config import SlackConfig
from monitor.actions.receivers.slack.dialog import render_dialog
from monitor.actions.receivers.slack.directory import RoleDirectory, UnknownRole
from monitor.actions.receivers.slack.presses import Press
from monitor.actions.receivers.slack.templates import (
    SECTION,
    Block,
    as_past,
    cut,
    escape,
    is_back,
    read_data,
    render_blocks,
    without_commands,
)
from monitor.config.receivers import ReceiverConfig
from monitor.core.operation import Author
from monitor.core.situation import Situation

LONGEST_USER_NAME = 80
LONGEST_TITLE = 200


class Slack:
    """Posts to a channel with a bot token."""

    kind: ClassVar[str] = "slack"
    Config: ClassVar[type[ReceiverConfig]] = SlackConfig

    def __init__(self, config: SlackConfig) -> None:
        from monitor.actions.receivers.slack.transport import SlackTransport

        self._channel = config.channel
        self._zone = config.zone
        self._base_url = config.base_url
        self._is_interactive = config.is_interactive
        self.config = config
        self._draw: DrawChart | None = None
        self._transport = SlackTransport(config.token.get_secret_value(), config.base_url)
        self._directory = RoleDirectory(config, self._transport)

    @property
    def is_interactive(self) -> bool:
        """Whether messages have buttons, which change with the incident."""
        return self._is_interactive

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to deliver once; the first message of an incident starts its thread."""
        thread = delivery.thread or {}
        message, blocks, settings = self._compose(delivery)
        try:
            answer = self._transport.call("chat.postMessage", message, deadline)
        except NotDelivered as failure:
            return failure.result
        receipt: dict[str, object] = {"channel": answer.get("channel"), "ts": answer.get("ts"), "blocks": blocks}
        if settings:
            receipt |= {"buttons": settings, "controls": self._render_controls(settings, first_situation(settings))}
        if changes_first(delivery):
            receipt["headline"] = blocks[0]
        if not thread.get("ts"):
            detail = self._upload_chart(delivery, receipt, deadline)
            return DeliveryResult("delivered", detail, receipt=receipt)
        if self._is_interactive:
            return DeliveryResult("delivered", receipt={**receipt, "thread_ts": find_thread(thread)})
        detail = self._change_first(delivery, thread, blocks[0], deadline)
        return DeliveryResult("delivered", detail, receipt={"channel": thread["channel"], "ts": thread["ts"]})

    def revise(
        self, receipt: Mapping[str, object], newest: Mapping[str, object], situation: Situation, deadline: Deadline
    ) -> DeliveryResult | None:
        """Bring the buttons of a message up to date, and the headline of the first message of an incident."""
        settings = cast("ButtonSettings | None", receipt.get("buttons"))
        if settings is None:
            return None
        controls = self._render_controls(settings, situation)
        headline = None if receipt.get("thread_ts") else newest.get("headline")
        if controls == receipt.get("controls") and headline == receipt.get("headline"):
            return None
        blocks = cast("Sequence[Block]", receipt["blocks"])
        if headline:
            blocks = [cast("Block", headline), *(as_past(block) for block in blocks)]
        elif not has_approval(controls):
            blocks = [without_commands(block) for block in blocks]
        text = str(blocks[0].get("text", {}).get("text", ""))
        message = {"channel": receipt["channel"], "ts": receipt["ts"], "text": text, "blocks": [*blocks, *controls]}
        try:
            self._transport.call("chat.update", message, deadline)
        except NotDelivered as failure:
            return failure.result
        return DeliveryResult("delivered", receipt={**receipt, "controls": controls, "headline": headline})

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the call that posts the message, without the token."""
        message, _, _ = self._compose(delivery)
        headers = {"authorization": "Bearer …", "content-type": "application/json;charset=utf-8"}
        body = json.dumps({**message, "parse": "none"})
        return RequestPreview("POST", f"{self._base_url.rstrip('/')}/chat.postMessage", headers, body)

    def make_author(self, press: Press, deadline: Deadline) -> tuple[Author, str]:
        """Return who pressed a button, and what a user without a role needs; without one, a user may only view."""
        name, role, advice = f"{clean(press.user_name)[:LONGEST_USER_NAME]} ({press.user})", None, ""
        try:
            role = self._directory.find_role(press.user, deadline)
        except UnknownRole as error:
            advice = f" {error}."
        if role is None:
            advice += f" Add `{press.user}: responder` to `users:` of this receiver in driftd.yaml."
        return Author(name, "slack", role or "viewer", is_verified=True, account=press.user), advice

    def answer(self, press: Press, text: str, deadline: Deadline) -> DeliveryResult:
        """Tell a user something that only this user sees. Does not raise."""
        message = {"channel": press.channel, "user": press.user, "text": cut(escape(text), SECTION)}
        return self._call("chat.postEphemeral", message, deadline)

    def open_dialog(self, press: Press, title: str, preview: RequestPreview, deadline: Deadline) -> DeliveryResult:
        """Ask a user to confirm a request. Does not raise."""
        values = {"trigger_id": press.trigger, "view": render_dialog(press, title, preview)}
        return self._call("views.open", values, deadline)

    def _call(self, method: str, values: Mapping[str, object], deadline: Deadline) -> DeliveryResult:
        try:
            self._transport.call(method, values, deadline)
        except NotDelivered as failure:
            return failure.result
        return DeliveryResult("delivered")

    @property
    def uploads_charts(self) -> bool:
        """Whether the first message of an incident gets a chart."""
        return self.config.charts

    def use_charts(self, draw: DrawChart) -> None:
        """Take what draws a chart."""
        self._draw = draw

    def _upload_chart(self, delivery: Delivery, receipt: Mapping[str, object], deadline: Deadline) -> str:
        """Upload the chart of an incident to the thread of its message.

        The message is there already, so a failure is reported in the detail and not retried.
        """
        incident = read_data(delivery).get("incident")
        if self._draw is None or incident is None or delivery.kind != "firing":
            return ""
        from monitor.actions.receivers.slack.transport import Picture

        try:
            content = self._draw(incident["id"])
        except Exception as error:  # noqa: BLE001  the message must not be sent again
            return f"the chart could not be drawn ({type(error).__name__})"
        if content is None:
            return ""
        title = one_line(read_data(delivery).get("headline", ""), LONGEST_TITLE)
        place = {"channel": str(receipt["channel"]), "thread_ts": str(receipt["ts"])}
        try:
            self._transport.upload(place, Picture(content, "chart.png", title), deadline)
        except NotDelivered as failure:
            return f"the chart could not be uploaded ({failure.result.reason})"
        return ""

    def _render_controls(self, settings: ButtonSettings, situation: Situation) -> list[Block]:
        return render_controls(settings, situation, self._zone)

    def _compose(self, delivery: Delivery) -> tuple[Mapping[str, object], Sequence[Block], ButtonSettings | None]:
        """Return the values of the call, the blocks of the message without its buttons, and what the buttons need."""
        text, blocks = render_blocks(delivery, self._zone)
        settings = plan_buttons(delivery.kind, read_data(delivery)) if self._is_interactive else None
        controls = self._render_controls(settings, first_situation(settings)) if settings else []
        thread = delivery.thread or {}
        message = {
            "channel": str(thread.get("channel") or self._channel),
            "text": text,
            "blocks": [*blocks, *controls],
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": "driftd_action", "event_payload": {"id": delivery.id}},
        }
        if thread.get("ts"):
            message["thread_ts"] = find_thread(thread)
        return message, blocks, settings

    def _change_first(
        self, delivery: Delivery, thread: Mapping[str, object], headline: Block, deadline: Deadline
    ) -> str:
        """Replace the headline of the first message when the incident resolves or fires again.

        The thread already has the new state, so a failure is reported in the detail and not retried.
        """
        if not changes_first(delivery):
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


def changes_first(delivery: Delivery) -> bool:
    """Return whether a message changes the headline of the first one: the incident resolves or fires again."""
    return delivery.kind == "resolved" or is_back(delivery)


def find_thread(receipt: Mapping[str, object]) -> str:
    """Return the thread of a message: that which it is in, or the one that it starts."""
    return str(receipt.get("thread_ts") or receipt["ts"])
