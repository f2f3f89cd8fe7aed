"""The ledger by the hour, and buckets whose spending is unknown."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the sums by the hour, and make them of the buckets that are there."""
    op.add_column("ledger", sa.Column("unknown", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "ledger_hours",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("column", sa.String(length=128), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("unpriced", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("monitor", "column", "start", "value", name="pk_ledger_hours"),
        comment="sums of the ledger by the hour, for budgets of a month and for forecasts",
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    hour = sa.text("strftime('%Y-%m-%d %H:00:00.000000', start)" if sqlite else "date_trunc('hour', start, 'UTC')")
    names = ("amount", "requests", "unpriced")
    hours = sa.table("ledger_hours", *(sa.column(name) for name in ("monitor", "start", "column", "value", *names)))
    for name, keys in (("ledger", ()), ("ledger_parts", ("column", "value"))):
        old = sa.table(name, *(sa.column(one) for one in ("monitor", "start", "column", "value", *names)))
        part = [old.c[key] for key in keys] or [sa.literal_column("''"), sa.literal_column("''")]
        sums = sa.select(old.c.monitor, hour, *part, *(sa.func.sum(old.c[one]) for one in names))
        sums = sums.group_by(old.c.monitor, hour, *(old.c[key] for key in keys))
        op.execute(hours.insert().from_select(["monitor", "start", "column", "value", *names], sums))


def downgrade() -> None:
    """Forget them."""
    op.drop_table("ledger_hours")
    with op.batch_alter_table("ledger") as table:
        table.drop_column("unknown")
