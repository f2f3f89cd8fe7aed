"""The files of a story: the bodies of the webhook as recorded, and from these Slack's blocks and the e-mails."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from monitor.actions.receivers.base import Delivery
from monitor.actions.receivers.email.config import EmailConfig
from monitor.actions.receivers.email.layout import compose
from monitor.actions.receivers.slack.templates import render_blocks
from monitor.config.receivers import read_receiver
from scripts.messages.record import LEAD, RECEIVERS, ZONE
from scripts.messages.scenarios import Story

__all__ = ["FOLDER", "PAGE", "Story", "load", "write_bodies", "write_layouts", "write_page"]

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"
FOLDER = PAGE.with_suffix("")
INTRODUCTION = """<!-- Written by scripts/messages from decisions about drawn traffic; run `python -m scripts.messages`. -->
# Messages

What people get, for Slack; the same messages as [e-mail](messages/) (`NAME.mbox`), as blocks of Slack (`NAME.slack.json`) and as bodies of
a webhook (`NAME.json`) are in the folder [messages](messages/). The receivers of Slack and e-mail have `timezone: Europe/Berlin`.

The first two lines of a message say what is wrong, since when, the most likely cause, and what is done or to be done. The rest is evidence.
A message in the thread of another one says only what is new. The last one says how long it was, how bad, the cause, and what was done.
"""


def write_bodies(sent: Sequence[tuple[str, Delivery]]) -> str:
    """Return what webhooks were sent, as JSON; where many incidents were one message, these messages of Slack."""
    shown = [(name, delivery) for name, delivery in sent if name == "slack" and is_digest(delivery)]
    rows = [
        {
            "receiver": name,
            "kind": delivery.kind,
            "id": delivery.id,
            "created_at": delivery.created_at.isoformat(),
            "thread": (delivery.thread or {}).get("ts"),
            "body": delivery.payload,
        }
        for name, delivery in shown or sent
        if shown or read_receiver(RECEIVERS.get(name, RECEIVERS["hook"])).kind == RECEIVERS["hook"]["kind"]
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def load(story: Story) -> list[tuple[str, Delivery]]:
    """Return what the webhooks were sent, by receiver; threads are named by the first message."""
    rows = json.loads((FOLDER / f"{story.name}.json").read_text())
    return [(row["receiver"], _delivery(row)) for row in rows]


def _delivery(row: Mapping[str, object]) -> Delivery:
    first = row["thread"]
    thread = {"channel": "C1", "ts": first, "message_id": f"<{first}@example.com>"} if first else None
    created = datetime.fromisoformat(str(row["created_at"]))
    return Delivery(str(row["id"]), row["kind"], row["body"], created, thread)  # type: ignore[arg-type]


def messages(sent: Sequence[tuple[str, Delivery]]) -> list[tuple[str, Delivery]]:
    """Return the messages for people, with their receivers."""
    shown = [(name, delivery) for name, delivery in sent if name in ("hook", LEAD) or is_digest(delivery)]
    return [(name, as_people_get(delivery)) for name, delivery in shown]


def is_digest(delivery: Delivery) -> bool:
    """Return whether a delivery is one message about many incidents."""
    return "digest" in delivery.payload["data"]


def as_people_get(delivery: Delivery) -> Delivery:
    """Return a delivery in the kind that a receiver for people gets."""
    state = str((delivery.payload["data"].get("breaker") or {}).get("state"))
    kinds = {"open": "firing", "half_open": "update", "closed": "resolved"}
    return replace(delivery, kind=kinds[state]) if delivery.kind == "breaker" else delivery  # type: ignore[arg-type]


def write_layouts(story: Story) -> dict[Path, str]:
    """Return the blocks of Slack and the e-mails of a story by path."""
    sent = messages(load(story))
    blocks = []
    for name, delivery in sent:
        text, parts = render_blocks(delivery, ZoneInfo(ZONE))
        place = {"receiver": name, "kind": delivery.kind, "thread": delivery.thread is not None}
        blocks.append({**place, "text": text, "blocks": parts})
    config = EmailConfig.model_validate(RECEIVERS["email"])
    mails = [compose(delivery, config, delivery.created_at) for _, delivery in sent]
    stamp = "From driftd@example.com Thu Jan  1 00:00:00 1970\n"
    return {
        FOLDER / f"{story.name}.slack.json": json.dumps(blocks, indent=1, ensure_ascii=False) + "\n",
        FOLDER / f"{story.name}.mbox": "".join(
            f"{stamp}{mail.as_bytes().decode('ascii').replace(chr(13), '')}\n" for mail in mails
        ),
    }


def write_page(stories: Sequence[tuple[Story, list[tuple[str, Delivery]]]]) -> str:
    """Return the page with all stories."""
    parts = [INTRODUCTION]
    for story, sent in stories:
        parts.append(f"\n## {story.title}\n")
        for name, delivery in messages(sent):
            _, blocks = render_blocks(delivery, ZoneInfo(ZONE))
            at = str(delivery.payload["timestamp"])[11:16]
            to = f", to {name}" if name == LEAD else ""
            parts.append(f"\n### {str(delivery.payload['type']).removeprefix('driftd.')}, {at} UTC{to}\n")
            parts += [f"\n{_as_markdown(block)}\n" for block in blocks]
    return "".join(parts)


def _as_markdown(block: Mapping[str, object]) -> str:
    """Return a block as Markdown: a code block, or lines."""
    text = str((block.get("text") or block["elements"][0])["text"])  # type: ignore[index]
    if text.startswith("```"):
        return "```text\n" + text.strip("`") + "\n```"
    if text.count("**") == 0 and text.startswith((":", "*")) and "*" in text:
        icon, _, rest = text.partition("*")
        text = f"{icon}**{rest.replace('*', '**', 1)}"
    return text.replace("\n", "  \n")
