"""Load the state that alerting needs: the history of a monitor and the plateaus of its open incidents."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.alerting.bucket import AlertState
from monitor.alerting.change_point import Plateau, Plateaus
from monitor.alerting.second_shift import plateau_starts
from monitor.checks.baseline import Baseline
from monitor.checks.monitor_plan import MonitorPlan
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket
from monitor.profiling.bucket_profiles import add_profiles
from monitor.store import windows
from monitor.store.history import load_history


def load_alert_state(connection: Connection, plan: MonitorPlan, bucket: Bucket, before: Plateaus) -> AlertState:
    """Load the state for the decisions about a bucket; plateaus of the previous bucket are not read again."""
    monitor, baseline = plan.monitor, plan.reference(bucket)
    history = load_history(connection, monitor, bucket)
    plateaus = _load_plateaus(connection, monitor, baseline, history, bucket, before) if baseline else {}
    return AlertState(history, plateaus)


def _load_plateaus(
    connection: Connection, monitor: Monitor, baseline: Baseline, past: AlertHistory, bucket: Bucket, before: Plateaus
) -> Plateaus:
    """Load the first window after each announcement of an open incident, each once."""
    plateaus = {}
    for since in set(plateau_starts(monitor, past.open, bucket.end).values()):
        key = (baseline.layout, since)
        plateaus[key] = before.get(key) or _load_plateau(connection, monitor, baseline, since)
    return plateaus


def _load_plateau(connection: Connection, monitor: Monitor, baseline: Baseline, since: datetime) -> Plateau:
    window = windows.load_window(connection, monitor.name, baseline, since, since + monitor.window)
    return Plateau(add_profiles([part.profiles for part in window.values()]), tuple(window))
