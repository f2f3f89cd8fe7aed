"""Buttons of a Slack message, and lines with what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Required, TypedDict

from monitor.actions.receivers.plain_text import clean
from monitor.actions.receivers.slack.templates import Block, cut, escape_line, markdown
from monitor.core.action import DESTRUCTIVE, MESSAGES
from monitor.core.payload import ActionKind, ActionSummary, EventData
from monitor.core.situation import PerformedOperation, Situation

LONGEST_BUTTON = 75
"""Slack's limit of the text of a button."""
MOST_EFFECTS = 5
"""Effects with buttons; more would not fit the 25 elements of a block."""
SILENCES: Mapping[str, str] = {"silence_1h": "Silence 1 h", "silence_8h": "Silence 8 h"}
ENDS: Mapping[str, str] = {
    "pending": "is being sent",
    "delivered": "was sent",
    "failed": "could not be sent",
    "expired": "expired without approval",
    "superseded": "was replaced by a newer decision",
    "rejected": "was rejected",
    "dry_run": "was a dry run: nothing was sent",
}
DONE: Mapping[str, str] = {
    "approve": "Approved",
    "reject": "Rejected",
    "acknowledge": "Acknowledged",
    "silence": "Silenced",
}


class EffectLabel(TypedDict):
    """An effect with buttons, and the words for it."""

    id: str
    label: str


class ButtonSettings(TypedDict, total=False):
    """What the buttons of a message need; part of its receipt."""

    incident: Required[str]
    effects: Sequence[EffectLabel]
    link: str | None


def plan_buttons(kind: ActionKind, data: EventData) -> ButtonSettings | None:
    """Return the buttons of a message about a firing incident or an effect that waits; None for other messages."""
    incident = data.get("incident")
    has_buttons = (kind in MESSAGES and kind != "resolved") or (kind == "effect" and data.get("actions"))
    if not has_buttons or incident is None:
        return None
    waiting = [
        action
        for action in data.get("actions") or []
        if action.get("kind") in DESTRUCTIVE and action.get("state") == "awaiting_approval"
    ][:MOST_EFFECTS]
    effects = [EffectLabel(id=str(one["id"]), label=_label(one, alone=len(waiting) == 1)) for one in waiting]
    return ButtonSettings(incident=str(incident["id"]), effects=effects, link=data.get("link"))


def first_situation(settings: ButtonSettings) -> Situation:
    """Return the situation when a message is planned: its effects await approval."""
    return Situation(effects={effect["id"]: "awaiting_approval" for effect in settings.get("effects", ())})


def render_controls(settings: ButtonSettings, situation: Situation, zone: tzinfo = UTC) -> list[Block]:
    """Return the lines and the buttons below a message."""
    incident, lines, buttons = settings["incident"], [], []
    for effect in settings.get("effects", ()):
        identity, label = effect["id"], effect["label"]
        state = situation.effects.get(identity, "superseded")
        if state == "awaiting_approval" and situation.is_open:
            buttons.append(_button("approve", f"Approve: {label}", incident, identity, style="primary"))
            buttons.append(_button("reject", "Reject", incident, identity, style="danger"))
        else:
            lines.append(_outcome(label, state, situation.resolutions.get(identity), zone))
    if situation.acknowledgement:
        lines.append(_state(situation.acknowledgement, zone))
    elif situation.is_open:
        buttons.append(_button("acknowledge", "Acknowledge", incident))
    if situation.silence:
        lines.append(_state(situation.silence, zone))
    elif situation.is_open:
        buttons += [_button(name, text, incident) for name, text in SILENCES.items()]
    if settings.get("link"):
        buttons.append({**_button("open", "Open", incident), "url": str(settings["link"])})
    blocks: list[Block] = []
    if lines:
        blocks.append({"type": "context", "elements": [markdown(escape_line(line)) for line in lines]})
    if buttons:
        blocks.append({"type": "actions", "block_id": "driftd", "elements": buttons})
    return blocks


def has_approval(controls: Sequence[Block]) -> bool:
    """Return whether an effect can be approved by the buttons."""
    elements = [element for block in controls if block["type"] == "actions" for element in block["elements"]]
    return any(str(element.get("action_id")).startswith("approve:") for element in elements)


def _label(action: ActionSummary, *, alone: bool) -> str:
    target = action.get("target") or {}
    version = next((str(target[role]) for role in ("model_version", "prompt_version") if role in target), None)
    what = "start the retraining" if action.get("kind") == "retrain" else "roll back"
    if version is not None and action.get("kind") == "rollback":
        what = f"back to {version}"
    return what if alone else f"{what} ({action.get('name')})"


def _button(name: str, text: str, incident: str, effect: str = "", style: str = "") -> dict[str, object]:
    """Return a button; its value says what it concerns."""
    value = {"incident": incident, "effect": effect} if effect else {"incident": incident}
    shown = cut(" ".join(clean(text).split()), LONGEST_BUTTON)
    button: dict[str, object] = {
        "type": "button",
        "action_id": f"{name}:{effect}"[:255],
        "text": {"type": "plain_text", "text": shown, "emoji": False},
        "value": json.dumps(value),
    }
    return {**button, "style": style} if style else button


def _outcome(label: str, state: str, resolution: PerformedOperation | None, zone: tzinfo) -> str:
    what = f"{label[:1].upper()}{label[1:]}"
    if resolution is None:
        return f"{what}: {ENDS.get(state, state.replace('_', ' '))}"
    sent = f", but it {ENDS[state]}" if resolution.kind == "approve" and state in ("failed", "superseded") else ""
    return f"{_state(resolution, zone)}: {label}{sent}"


def _state(answer: PerformedOperation, zone: tzinfo) -> str:
    until = f" until {_clock_time(answer.until, zone)}" if answer.until else f" at {_clock_time(answer.at, zone)}"
    return f"{DONE[answer.kind]} by {answer.by}{until}"


def _clock_time(moment: datetime, zone: tzinfo) -> str:
    """Return a time of day in UTC, and in the zone of the receiver if that is another."""
    there, here = moment.astimezone(UTC), moment.astimezone(zone)
    local = "" if here.utcoffset() == there.utcoffset() else f" ({here:%H:%M %Z})"
    return f"{there:%H:%M} UTC{local}"
