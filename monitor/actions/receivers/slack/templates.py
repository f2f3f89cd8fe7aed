"""Format Slack messages. Logged values are escaped, so they cannot mention users, link, or exceed the limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Required, TypedDict

from monitor.actions.receivers.base import THREADED, Delivery
from monitor.actions.receivers.plain_text import MARK, clean
from monitor.alerting.messages.message import IncidentLine, Message, Step
from monitor.alerting.messages.render import render
from monitor.core.payload import EventData


class Text(TypedDict):
    """Text object of a block."""

    type: str
    text: str
    verbatim: bool


class Block(TypedDict, total=False):
    """Block of a message: a section has a text, a context has texts, and a block of actions has buttons."""

    type: Required[str]
    block_id: str
    text: Text
    elements: Sequence[Text] | Sequence[Mapping[str, object]]


SECTION = 3000
"""Slack's limit of the text of a block, in UTF-16 code units."""
WHOLE = 4000
"""Maximum length of the fallback text, which is shown where blocks are not."""
LONGEST_LINE = 500
ICON = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}
RESOLVED = ":large_green_circle:"
SEVERITY_ICON = re.compile(f"^(?:{'|'.join(ICON.values())}) ", re.MULTILINE)
COMMAND = re.compile(" — `driftd [^`]*`")


def escape(text: object) -> str:
    """Escape a text for mrkdwn: removes control characters, and disables mentions, links and code."""
    escaped = clean(text).replace("`", "'")
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, most: int) -> str:
    """Truncate an escaped text with a marker, without splitting an entity or character."""
    encoded = text.encode("utf-16-le")
    if len(encoded) <= 2 * most:
        return text
    short = encoded[: 2 * (most - len(MARK))].decode("utf-16-le", "ignore")
    start = short.rfind("&")
    whole = start < 0 or ";" in short[start:]
    return (short if whole else short[:start]) + MARK


def code_block(text: str) -> str:
    """Return an escaped text as a code block of at most ``SECTION`` characters."""
    fence = "```"
    return fence + cut(text, SECTION - 2 * len(fence)) + fence


def render_blocks(delivery: Delivery, zone: tzinfo = UTC) -> tuple[str, list[Block]]:
    """Return text and blocks of a message.

    The text has the first two lines; it is shown where blocks are not, such as in notifications.
    """
    follows = delivery.thread is not None and delivery.kind in THREADED
    message = render(delivery.kind, delivery.payload, zone, follows=follows)
    headline = write_headline(message)
    first = [_step(message.step)] if message.step else []
    second = " ".join(filter(None, [escape_line(message.summary, SECTION - 3 * LONGEST_LINE), *first]))
    texts = [
        headline,
        second,
        code_block("\n".join(map(escape_line, message.facts))) if message.facts else "",
        "\n".join(["*Other suspects*", *map(escape_line, message.suspects)]) if message.suspects else "",
        "\n".join(fit_lines([_step(step) for step in message.steps])),
    ]
    texts[2:2] = pack_lines([_entry(entry) for entry in message.entries])
    blocks = [Block(type="section", text=markdown(cut(text, SECTION))) for text in texts if text]
    small = [escape_line(message.footer), "" if follows else link(message.link, message.link_label)]
    if any(small):
        blocks.append({"type": "context", "elements": [markdown(cut(" · ".join(filter(None, small)), SECTION))]})
    return cut("\n".join(filter(None, [headline, second])), WHOLE), blocks


def write_headline(message: Message) -> str:
    """Return the first line, with an icon for state and severity."""
    icon = RESOLVED if message.state == "resolved" else ICON.get(message.severity, "")
    return f"{icon} *{escape_line(message.title, SECTION - 100)}*".strip()


def escape_line(text: str, most: int = LONGEST_LINE) -> str:
    """Escape and truncate a text for one line."""
    return cut(" ".join(escape(text).split()), most)


def fit_lines(lines: Sequence[str]) -> list[str]:
    """Return as many lines as a block may have, and how many are left out."""
    kept: list[str] = []
    for line in lines:
        if len("\n".join([*kept, line]).encode("utf-16-le")) > 2 * (SECTION - 20):
            return [*kept, f"and {len(lines) - len(kept)} more"]
        kept.append(line)
    return kept


def _step(step: Step) -> str:
    """Format a step, with its command as inline code."""
    text = escape_line(step.text)
    return f"{text} — `{escape_line(step.command)}`" if step.command else text  # matched by COMMAND


def pack_lines(lines: Sequence[str]) -> list[str]:
    """Return lines as few texts, each of which fits into a block."""
    texts: list[str] = []
    for line in lines:
        if texts and len(f"{texts[-1]}\n{line}".encode("utf-16-le")) <= 2 * SECTION:
            texts[-1] = f"{texts[-1]}\n{line}"
        else:
            texts.append(line)
    return texts


def _entry(entry: IncidentLine) -> str:
    """Format an incident of a digest as a line with an icon and a link."""
    icon = RESOLVED if entry.state == "resolved" else ICON.get(entry.severity, "")
    return " ".join(filter(None, [icon, escape_line(entry.text), link(entry.link, "open")]))


def link(address: str | None, label: str) -> str:
    """Return a link. The address is from the configuration."""
    return f"<{escape(address)}|{label}>" if address else ""


def read_data(delivery: Delivery) -> EventData:
    """Return the data of a message. Fields may be missing in messages that another version has stored."""
    return delivery.payload.get("data") or {}


def markdown(text: str) -> Text:
    """Return a text object of an escaped text."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def as_past(block: Block) -> Block:
    """Return a block for a resolved incident: without severity icons and commands."""
    if "text" not in block:
        return block
    text = SEVERITY_ICON.sub("", str(block["text"]["text"]))
    return without_commands({**block, "text": {**block["text"], "text": text}})


def without_commands(block: Block) -> Block:
    """Return a block without the commands of its steps."""
    if "text" not in block:
        return block
    return {**block, "text": {**block["text"], "text": COMMAND.sub("", str(block["text"]["text"]))}}


def is_back(delivery: Delivery) -> bool:
    """Return whether a resolved incident fires again."""
    news = read_data(delivery).get("news") or {}
    return bool(news.get("again"))
