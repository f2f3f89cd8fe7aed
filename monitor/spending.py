"""What the budgets of a monitor are held against, read from the ledger at the end of a bucket."""

from __future__ import annotations

from monitor.engine.profile import Profiled
from monitor.engine.spend import Spending
from monitor.schedule import Bucket
from monitor.store import ledger
from monitor.watch import Watch


def spending_of(watch: Watch, bucket: Bucket, profiled: Profiled) -> Spending | None:
    """Return what was spent up to the end of a bucket, its own bill included; None where no budget asks."""
    with watch.database.read() as connection:
        return ledger.spending(connection, watch.monitor, bucket, profiled.bill)
