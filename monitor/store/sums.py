"""Load the sums of earlier buckets that the checks of a monitor need."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from monitor.checks.evaluation import StoredSums
from monitor.checks.monitor_plan import MonitorPlan
from monitor.core.schedule import Bucket
from monitor.profiling.profile import Profiled
from monitor.store import comparisons, ledger
from monitor.store.stored_window import load_stored_window


def load_sums(
    connection: Connection, plan: MonitorPlan, bucket: Bucket, profiled: Profiled, *, present: bool
) -> StoredSums:
    """Load the window before a bucket, the spending up to it, and the sums of comparisons.

    ``present`` is False for a bucket of the history, to which no budget applies.
    """
    monitor, baseline = plan.monitor, plan.reference(bucket)
    return StoredSums(
        load_stored_window(connection, monitor, baseline, bucket, profiled) if baseline else None,
        ledger.spending(connection, monitor, bucket, profiled.bill) if present else None,
        comparisons.load_states(connection, monitor.name) if plan.comparisons.specs else {},
    )
