"""The dialog before an approval: the exact request, and a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping

from monitor.actions.receivers.base import RequestPreview
from monitor.actions.receivers.plain_text import clean
from monitor.actions.receivers.slack.presses import DIALOG, LONGEST_REASON, REASON, Press
from monitor.actions.receivers.slack.templates import code_block, escape, escape_line, markdown

PART = 2000
"""Characters of the request in a block, before escaping them may lengthen them."""
MOST_PARTS = 20


def render_dialog(press: Press, title: str, preview: RequestPreview) -> Mapping[str, object]:
    """Return the view."""
    concerns = {
        "incident": press.incident,
        "effect": press.effect,
        "channel": press.channel,
        "message": press.message,
    }
    blocks: list[object] = [{"type": "section", "text": markdown(f"*{escape_line(title)}*")}]
    if preview.note:
        blocks.append({"type": "section", "text": markdown(escape_line(preview.note, 3000))})
    text = describe_request(preview)
    parts = [text[start : start + PART] for start in range(0, len(text), PART)]
    blocks += [{"type": "section", "text": markdown(code_block(escape(part)))} for part in parts[:MOST_PARTS]]
    if len(parts) > MOST_PARTS:
        left = len(text) - MOST_PARTS * PART
        blocks.append({"type": "section", "text": markdown(f"and {left} more characters; see the web page")})
    blocks.append(
        {
            "type": "input",
            "block_id": REASON,
            "optional": True,
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": REASON, "max_length": LONGEST_REASON},
        }
    )
    return {
        "type": "modal",
        "callback_id": DIALOG,
        "private_metadata": json.dumps(concerns),
        "title": {"type": "plain_text", "text": "Approve"},
        "submit": {"type": "plain_text", "text": "Approve"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "blocks": blocks,
    }


def describe_request(preview: RequestPreview) -> str:
    """Return a request as text: its line, headers and body."""
    if not preview.method:
        return ""
    headers = [f"{name}: {value}" for name, value in preview.headers.items()]
    lines = [f"{preview.method} {preview.url}", *headers, *(["", preview.body] if preview.body else [])]
    return clean("\n".join(lines))
