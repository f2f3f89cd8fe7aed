"""Notify the receivers of an incident that an effect was sent, or is held and waits for approval."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.actions.effect_messages import EffectNotice, make_effect_message
from monitor.core.action import MESSAGES
from monitor.core.payload import ActionSummary, EventData
from monitor.store import outbox
from monitor.store.rows import ActionRow
from monitor.store.silences import is_silenced
from monitor.store.tables import actions


def save_sent_notice(connection: Connection, effect: ActionRow, reaction: float | None, at: datetime) -> None:
    """Plan the messages that an effect was sent."""
    _save_notice(connection, effect, {"state": "delivered", "at": at.isoformat(), "reaction": reaction}, at)


def save_hold_notice(connection: Connection, effect: ActionRow, reason: str, at: datetime) -> None:
    """Plan the messages that an automatic effect was not sent and waits for approval."""
    not_after = effect.not_after.isoformat() if effect.not_after else None
    _save_notice(connection, effect, {"state": "awaiting_approval", "reason": reason, "not_after": not_after}, at)


def _save_notice(connection: Connection, effect: ActionRow, news: Mapping[str, object], at: datetime) -> None:
    """Plan a message to each receiver that has a message about the incident of an effect, unless it is silenced."""
    data: EventData = effect.payload.get("data") or {}
    incident = data.get("incident")
    if incident is None or is_silenced(connection, data, at):
        return
    known = {"id": effect.id, "name": effect.name, "kind": effect.kind, "mode": effect.mode}
    summary = cast("ActionSummary", {**known, "target": data.get("target"), **news})
    notice = EffectNotice(
        effect.monitor,
        data["severity"],
        incident,
        summary,
        at,
        outbox.next_sequence(connection, effect.incident),
        effect.sequence,
        data.get("verify_within"),
        data.get("link"),
    )
    query = sa.select(actions.c.name).where(actions.c.incident == effect.incident, actions.c.kind.in_(MESSAGES))
    names = sorted(set(connection.execute(query).scalars()))
    outbox.save_actions(connection, [make_effect_message(notice, name) for name in names])
