"""The status of a monitor, as a state and a sentence, for the web pages, the API and `driftd status`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitor.core.incident import NO_DATA
from monitor.jobs.readiness import overdue
from monitor.store.reads import MonitorState

State = Literal["firing", "source error", "no data", "stalled", "learning", "healthy"]

SECOND = timedelta(seconds=1)

ORDER: tuple[State, ...] = ("firing", "source error", "no data", "stalled", "learning", "healthy")


@dataclass(frozen=True)
class MonitorStatus:
    """The state of a monitor and its reason."""

    state: State
    detail: str


def monitor_status(monitor: MonitorState, bucket: timedelta, at: datetime) -> MonitorStatus:
    """Return the status of a monitor; incidents of the model precede problems of the source and of the daemon.

    Parameters
    ----------
    bucket
        Length of the monitor's bucket, which determines the maximum age of its last pass.
    at
        Our database's clock.
    """
    firing = [row for row in monitor.open if row.state == "firing"]
    about = [row for row in firing if row.rule != NO_DATA]
    if about:
        return MonitorStatus("firing", about[0].reason)
    if monitor.watch is not None and monitor.watch.error:
        return MonitorStatus("source error", monitor.watch.error)
    if firing:
        return MonitorStatus("no data", firing[0].reason)
    heartbeat = monitor.watch.seen_at if monitor.watch else None
    if overdue(monitor.name, bucket, heartbeat, at):
        last = (
            f"the last pass was {timedelta(seconds=(at - heartbeat) // SECOND)} ago"
            if heartbeat
            else "there was no pass yet"
        )
        return MonitorStatus("stalled", f"{last}; check that the daemon is running")
    if monitor.baseline is None or monitor.baseline.state != "active":
        return MonitorStatus("learning", _learning(monitor))
    pending = [row for row in monitor.open if row.state == "pending"]
    if pending:
        return MonitorStatus("healthy", f"an incident is pending: {pending[0].reason}")
    if monitor.newest is not None and monitor.newest.result != "done":
        return MonitorStatus("healthy", f"the newest bucket has no result: {monitor.newest.reason}")
    return MonitorStatus("healthy", _healthy(monitor))


def find_quarantine(monitor: MonitorState) -> str | None:
    """Return how many rows of the newest window have no signals, or None."""
    return next((row.reason for row in monitor.findings if (row.check, row.method) == ("signals", "quarantined")), None)


def exit_code(states: Iterable[State]) -> int:
    """Return 1 when a monitor fires, 0 when all are healthy, and 2 when the status of one is unknown."""
    distinct = set(states)
    return 1 if "firing" in distinct else 0 if distinct <= {"healthy"} else 2


def _healthy(monitor: MonitorState) -> str:
    if not monitor.drifted:
        return "no finding is over its threshold"
    return f"{monitor.drifted} of {monitor.finding_count} findings are over their threshold, but no rule on them fires"


def _learning(monitor: MonitorState) -> str:
    reason = monitor.newest.reason if monitor.newest is not None else None
    if reason:
        return str(reason).removeprefix("no_baseline: ")
    return "the baseline is being learnt" if monitor.baseline is not None else "there is no baseline yet"
