"""Summaries of actions for metrics: which fail, how fast effects were, and whether they helped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.config.models import Config
from monitor.store.tables import actions
from monitor.store.types import Utc

Result = tuple[str, str, str]
"""Monitor, name of an effect, and result of its verification."""


def find_failing(
    connection: Connection, monitors: Sequence[str], names: Collection[str]
) -> dict[tuple[str, str], datetime]:
    """Return by monitor and name when an action last failed or expired; absent if a later one replaced it."""
    later = actions.alias("later")
    replaced = sa.exists().where(
        later.c.incident == actions.c.incident,
        later.c.name == actions.c.name,
        later.c.sequence > actions.c.sequence,
        later.c.state.in_(["pending", "awaiting_approval", "delivered", "dry_run"]),
    )
    at = sa.func.max(sa.func.coalesce(actions.c.finished_at, actions.c.created_at), type_=Utc)
    query = (
        sa.select(actions.c.monitor, actions.c.name, at)
        .where(actions.c.state.in_(["failed", "expired"]), actions.c.monitor.in_(monitors), actions.c.name.in_(names))
        .where(~replaced)
        .group_by(actions.c.monitor, actions.c.name)
    )
    return {(monitor, name): moment for monitor, name, moment in connection.execute(query)}


def summarize_effects(connection: Connection, config: Config) -> tuple[dict[tuple[str, str], float], dict[Result, int]]:
    """Return the reaction time of the newest effect by monitor and name, and the number of effects by result."""
    ours = (actions.c.monitor.in_([one.name for one in config.monitors]), actions.c.name.in_(list(config.receivers)))
    timed = sa.select(actions.c.monitor, actions.c.name, actions.c.reaction_seconds).where(*ours)
    newest = timed.where(actions.c.reaction_seconds.is_not(None)).order_by(actions.c.finished_at)
    result = actions.c.verification["state"].as_string()
    counted = sa.select(actions.c.monitor, actions.c.name, result, sa.func.count()).where(*ours)
    counts = counted.where(actions.c.verification.is_not(None)).group_by(actions.c.monitor, actions.c.name, result)
    return (
        {(row.monitor, row.name): row.reaction_seconds for row in connection.execute(newest)},
        {(row[0], row[1], row[2]): row[3] for row in connection.execute(counts)},
    )
