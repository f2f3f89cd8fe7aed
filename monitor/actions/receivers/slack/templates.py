"""Format Slack messages. Logged values are escaped, so they cannot mention users, link, or exceed the limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Required, TypedDict

from monitor.actions.receivers.base import Delivery
from monitor.core.payload import ActionSummary, EventData, IncidentFinding, News


class Text(TypedDict):
    """Text object of a block."""

    type: str
    text: str
    verbatim: bool


class Block(TypedDict, total=False):
    """Block of a message: a section has a text, a context has elements."""

    type: Required[str]
    text: Text
    elements: Sequence[Text]


SECTION = 3000
"""Slack's limit of the text of a block, in UTF-16 code units."""
WHOLE = 4000
"""Maximum length of the fallback text, which is shown where blocks are not."""
FINDINGS = 5
MOST_ACTIONS = 20
LONGEST_VALUE = 500
MARK = " …"
ICON = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}
RESOLVED = ":large_green_circle:"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters except tab and newline, and characters that change the text direction."""
APPROVE = re.compile(" — `driftd actions approve [^`]*`")
SURROGATES = re.compile("[\ud800-\udfff]")


def escape(text: object) -> str:
    """Escape a text for mrkdwn: removes control characters, and disables mentions, links and code."""
    escaped = SURROGATES.sub("\ufffd", UNSAFE.sub("", str(text))).replace("`", "'")
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


def inline_code(value: object) -> str:
    """Return a value as inline code, escaped and truncated."""
    return f"`{cut(escape(value), LONGEST_VALUE)}`"


def render(delivery: Delivery) -> tuple[str, list[Block]]:
    """Return text and blocks of a message. All fields of the payload are optional.

    The first message of an incident contains all details. Messages in its thread contain only the changes. An incident
    that resolves before its first message has no thread, so the message contains all details too.
    """
    data = read_data(delivery)
    icon = RESOLVED if delivery.kind == "resolved" else ICON.get(str(data.get("severity")), "")
    line = " ".join(escape(data.get("headline", "driftd")).split())
    headline = f"{icon} *{cut(line, SECTION - 100)}*".strip()
    follows = delivery.thread is not None and delivery.kind in ("update", "reminder", "resolved")
    part: News | EventData = data
    if follows:
        part = (data.get("news") or {}) if delivery.kind == "update" else {}
    doings = [
        one for one in data.get("actions") or [] if not (follows and delivery.kind == "update") or is_waiting(one)
    ]
    texts = [headline, _findings(part.get("findings") or []), _change(data, part), _doings(doings)]
    blocks = [Block(type="section", text=_markdown(cut(text, SECTION))) for text in texts if text]
    if small := _small_print(data):
        blocks.append({"type": "context", "elements": [_markdown(small)]})
    return cut(headline, WHOLE), blocks


def read_data(delivery: Delivery) -> EventData:
    """Return the data of a message. Fields may be missing in messages that another version has stored."""
    return delivery.payload.get("data") or {}


def _markdown(text: str) -> Text:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _small_print(data: EventData) -> str:
    window, incident = data.get("window") or {}, data.get("incident")
    parts = [escape(data["monitor"])] if data.get("monitor") else []
    if incident and incident.get("opened_at"):
        parts.append(f"since {_clock(incident['opened_at'])}")
    if window:
        parts.append(f"window {_clock(window.get('start'))} to {_clock(window.get('end'))}")
    return cut(" · ".join(parts), SECTION)


def _clock(text: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(text)):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return escape(text)


def _findings(findings: Sequence[IncidentFinding]) -> str:
    lines = [f"{item.get('reason', '?')} (n {_number(item.get('n_window'))})" for item in findings[:FINDINGS]]
    if len(findings) > FINDINGS:
        lines.append(f"and {len(findings) - FINDINGS} more")
    values = [cut(" ".join(escape(line).split()), LONGEST_VALUE) for line in lines]
    return code_block("\n".join(values)) if values else ""


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"


def _change(data: EventData, part: News | EventData) -> str:
    change = part.get("suspected_change")
    if not change or repr(change.get("value")) in str(data.get("headline")):
        return ""  # already in the headline
    prompt = f" ({change['prompt']})" if change.get("prompt") else ""
    what = f"{escape(change.get('kind'))} {inline_code(change.get('value'))}{escape(prompt)}"
    return f"Suspected: {what}, first seen {_clock(change.get('first_seen'))}"


def is_waiting(action: ActionSummary) -> bool:
    """Return whether an action is pending or awaits approval."""
    return action.get("state") in ("pending", "awaiting_approval")


def _doings(actions: Sequence[ActionSummary]) -> str:
    lines = []
    for action in actions[:MOST_ACTIONS]:
        state = str(action.get("state")).replace("_", " ")
        line = f"{escape(action.get('kind'))} {inline_code(action.get('name'))}: {escape(state)}"
        if action.get("reason"):
            line += f", {escape(action['reason'])}"
        if action.get("state") == "awaiting_approval":
            line += f" — `driftd actions approve {escape(action.get('id'))}`"  # matched by APPROVE
        lines.append(line)
    return "\n".join(lines)


def as_past(block: Block) -> Block:
    """Return a block for a resolved incident: without severity icon and approval command."""
    if "text" not in block:
        return block
    icon, _, rest = str(block["text"]["text"]).partition(" ")
    text = rest if icon in ICON.values() else str(block["text"]["text"])
    return {**block, "text": {**block["text"], "text": APPROVE.sub("", text)}}


def is_back(delivery: Delivery) -> bool:
    """Return whether a resolved incident fires again."""
    news = read_data(delivery).get("news") or {}
    return bool(news.get("again"))
