"""Load the state that a bucket needs from our database in one snapshot; each layer declares its own part."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from monitor.actions.bucket import ActionState
from monitor.alerting.bucket import AlertState
from monitor.alerting.change_point import Plateaus
from monitor.checks.evaluation import StoredSums
from monitor.checks.monitor_plan import MonitorPlan
from monitor.profiling.profile import Profiled
from monitor.store import labels
from monitor.store.action_state import load_action_state
from monitor.store.alert_state import load_alert_state
from monitor.store.claims import Claim
from monitor.store.spans import live_since
from monitor.store.sums import load_sums


@dataclass(frozen=True)
class State:
    """Stored state before a bucket is evaluated.

    Parameters
    ----------
    live
        Whether decisions are made: the bucket is not part of the history, and it is computed for the first time.
    labels_imported
        Whether labels were imported for its monitor.
    sums, alerts, actions
        State for checks, alerting and actions; the last two are loaded for a live bucket only.
    """

    live: bool
    labels_imported: bool
    sums: StoredSums
    alerts: AlertState = AlertState()
    actions: ActionState = ActionState()


@dataclass
class BucketCache:
    """State that the next bucket of a monitor need not load again."""

    plateaus: Plateaus = field(default_factory=dict)
    labels_imported: bool | None = None

    def update(self, state: State) -> None:
        """Store the loaded state of a bucket."""
        self.labels_imported = state.labels_imported
        if state.live:
            self.plateaus = state.alerts.plateaus


def load_state(
    connection: Connection, plan: MonitorPlan, claim: Claim, profiled: Profiled, cache: BucketCache
) -> State:
    """Read the state for a claimed bucket that has been profiled."""
    monitor, bucket = plan.monitor, claim.bucket
    since = live_since(connection, monitor.name)
    present = since is not None and bucket.start >= since
    imported = labels.has_labels(connection, monitor.name)
    sums = load_sums(connection, plan, bucket, profiled, present=present)
    if not present or claim.revision > 0:
        return State(live=False, labels_imported=imported, sums=sums)
    alerts = load_alert_state(connection, plan, bucket, cache.plateaus)
    actions = load_action_state(connection, plan, bucket, alerts.history, sums.spending)
    return State(live=True, labels_imported=imported, sums=sums, alerts=alerts, actions=actions)
