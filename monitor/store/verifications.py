"""Store the results of the verification of effects."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.actions.verification import Conclusion
from monitor.store.tables import actions


def save_conclusion(connection: Connection, conclusion: Conclusion) -> None:
    """Store the verification of effects that have none yet."""
    ids = [row.id for row in conclusion.effects]
    connection.execute(
        sa.update(actions)
        .where(actions.c.id.in_(ids), actions.c.verification.is_(None))
        .values(verification=dict(conclusion.verification))
    )
