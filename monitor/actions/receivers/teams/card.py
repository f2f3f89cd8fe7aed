"""Lay a message out as an Adaptive Card. Texts are runs, in which Teams interprets neither markup nor mentions."""

from __future__ import annotations

import json
from collections.abc import Sequence

from monitor.actions.receivers.base import Delivery
from monitor.actions.receivers.plain_text import one_line
from monitor.alerting.messages.message import Message

LARGEST = 14 * 1024
"""Maximum number of characters of a card: Teams accepts 28 KB and counts two bytes for each."""
LINE_LIMITS = (500, 200, 80, 40)
MOST_LINES = 10
COLOURS = {"critical": "attention", "warning": "warning", "info": "accent"}


def lay_out(delivery: Delivery, message: Message) -> dict[str, object]:
    """Return a card of a message, with lines as long as the size of a card allows."""
    for limit in LINE_LIMITS:
        card = _make_card(delivery, message, limit)
        if len(json.dumps(card)) <= LARGEST:
            break
    return card


def _make_card(delivery: Delivery, message: Message, limit: int) -> dict[str, object]:
    colour = "good" if message.state == "resolved" else COLOURS.get(message.severity, "default")
    footer = " · ".join(filter(None, [message.footer, f"action {delivery.id}"]))
    blocks = [
        _block([message.title], limit, size="large", weight="bolder", color=colour),
        _block([message.second_line], 2 * limit),
        _block([entry.text for entry in message.entries], limit),
        _block(message.facts, limit, fontType="monospace"),
        _block(["Other suspects", *message.suspects] if message.suspects else [], limit),
        _block([str(step) for step in message.steps], limit),
        _block([footer], limit, isSubtle=True, size="small"),
    ]
    card: dict[str, object] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [block for block in blocks if block["inlines"]],
        "msteams": {"width": "Full"},
    }
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the incident", "url": message.link}]
    return card


def _block(lines: Sequence[str], limit: int, **style: object) -> dict[str, object]:
    """Return a block of lines, each a run of its own."""
    shown = [one_line(line, limit) for line in lines if line]
    if len(shown) > MOST_LINES:
        shown = [*shown[:MOST_LINES], f"and {len(shown) - MOST_LINES} more"]
    texts = [line if place == len(shown) - 1 else f"{line}\n" for place, line in enumerate(shown)]
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style} for text in texts]}
