"""Presses of buttons and submitted dialogs, as Slack sends them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel, Field

from monitor.core.operation import Acknowledge, Approve, Operation, Reject, SilenceIncident

LENGTHS: Mapping[str, timedelta] = {"silence_1h": timedelta(hours=1), "silence_8h": timedelta(hours=8)}
NAMES = ("approve", "reject", "acknowledge", *LENGTHS)
DIALOG = "driftd_approve"
REASON = "reason"
LONGEST_REASON = 1000


@dataclass(frozen=True)
class Press:
    """What a person did in Slack.

    Parameters
    ----------
    key
        The same for all copies of it that Slack sends.
    name
        What was pressed, such as ``approve``.
    effect
        Id of the effect; empty for a response to the incident.
    channel, message
        The message with the button.
    trigger
        Permits to open a dialog within 3 seconds.
    is_submitted
        Whether a dialog was submitted.
    """

    key: str
    user: str
    user_name: str
    name: str
    incident: str
    effect: str
    channel: str
    message: str
    trigger: str = ""
    reason: str = ""
    is_submitted: bool = False

    @property
    def operation(self) -> Operation:
        """Return the operation that was asked for."""
        if self.name == "approve":
            return Approve(self.effect, reason=self.reason)
        if self.name == "reject":
            return Reject(self.effect)
        if self.name == "acknowledge":
            return Acknowledge(self.incident)
        return SilenceIncident(self.incident, LENGTHS[self.name])


class _User(BaseModel):
    id: str
    name: str = ""


class _Team(BaseModel):
    id: str


class _Concerns(BaseModel):
    """What a button or a dialog concerns; we wrote it."""

    incident: str
    effect: str = ""
    channel: str = ""
    message: str = ""


class _Button(BaseModel):
    action_id: str
    action_ts: str
    value: str


class _Container(BaseModel):
    channel_id: str
    message_ts: str


class _Buttons(BaseModel):
    """A payload of type `block_actions`."""

    user: _User
    team: _Team | None
    trigger_id: str
    container: _Container
    actions: list[_Button] = Field(min_length=1, max_length=1)


class _Input(BaseModel):
    value: str | None = None


class _Values(BaseModel):
    values: dict[str, dict[str, _Input]]


class _View(BaseModel):
    id: str
    callback_id: str
    private_metadata: str
    state: _Values


class _Submission(BaseModel):
    """A payload of type `view_submission`."""

    user: _User
    team: _Team | None
    view: _View


def parse_press(payload: object) -> Press | None:
    """Return a press; None for anything else, such as the press of a link."""
    kind = payload.get("type") if isinstance(payload, Mapping) else None
    try:
        if kind == "block_actions":
            return _parse_button(_Buttons.model_validate(payload))
        if kind == "view_submission":
            return _parse_dialog(_Submission.model_validate(payload))
    except ValueError:
        return None
    return None


def _parse_button(payload: _Buttons) -> Press | None:
    (button,), place = payload.actions, (payload.container.channel_id, payload.container.message_ts)
    name = button.action_id.partition(":")[0]
    if name not in NAMES:
        return None
    concerns = _Concerns.model_validate_json(button.value)
    return Press(
        _identify(payload.team, payload.user, *place, button.action_id, button.action_ts),
        payload.user.id,
        payload.user.name or payload.user.id,
        name,
        concerns.incident,
        concerns.effect,
        *place,
        trigger=payload.trigger_id,
    )


def _parse_dialog(payload: _Submission) -> Press | None:
    view = payload.view
    if view.callback_id != DIALOG:
        return None
    concerns = _Concerns.model_validate_json(view.private_metadata)
    reason = view.state.values.get(REASON, {}).get(REASON, _Input()).value or ""
    return Press(
        _identify(payload.team, payload.user, view.id),
        payload.user.id,
        payload.user.name or payload.user.id,
        "approve",
        concerns.incident,
        concerns.effect,
        concerns.channel,
        concerns.message,
        reason=reason[:LONGEST_REASON],
        is_submitted=True,
    )


def _identify(team: _Team | None, user: _User, *parts: str) -> str:
    return hashlib.sha256(json.dumps([team.id if team else None, user.id, *parts]).encode()).hexdigest()
