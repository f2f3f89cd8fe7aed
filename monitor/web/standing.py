"""How a monitor stands, in one word and one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitor.judge import NO_DATA
from monitor.store.reads import MonitorState
from monitor.web.health import overdue

State = Literal["firing", "source error", "no data", "stalled", "learning", "healthy"]

ORDER: tuple[State, ...] = ("firing", "source error", "no data", "stalled", "learning", "healthy")


@dataclass(frozen=True)
class Standing:
    """The state of a monitor and what is behind it."""

    state: State
    detail: str


def standing_of(monitor: MonitorState, bucket: timedelta, at: datetime) -> Standing:
    """Say how a monitor stands; what speaks of the model comes before what speaks of the pipe.

    Parameters
    ----------
    bucket
        The monitor's, which says how old its last pass may be.
    at
        Our database's clock.
    """
    firing = [row for row in monitor.open if row.state == "firing"]
    about = [row for row in firing if row.rule != NO_DATA]
    if about:
        return Standing("firing", about[0].reason)
    if monitor.watch is not None and monitor.watch.error:
        return Standing("source error", monitor.watch.error)
    if firing:
        return Standing("no data", firing[0].reason)
    late = overdue(monitor.name, bucket, monitor.watch.seen_at if monitor.watch else None, at)
    if late and monitor.watch is not None:
        return Standing("stalled", f"{late.split(': ', 1)[1]}; is the daemon running?")
    if monitor.baseline is None or monitor.baseline.state != "active":
        return Standing("learning", _learning(monitor))
    pending = [row for row in monitor.open if row.state == "pending"]
    if pending:
        return Standing("healthy", f"being watched: {pending[0].reason}")
    if monitor.newest is not None and monitor.newest.result != "done":
        return Standing("healthy", f"the newest bucket could tell nothing: {monitor.newest.reason}")
    return Standing("healthy", _healthy(monitor))


def _healthy(monitor: MonitorState) -> str:
    if not monitor.drifted:
        return "as it was when the baseline was learnt"
    return (
        f"{monitor.drifted} of {monitor.found} findings are over their threshold, but no rule that watches them fires"
    )


def _learning(monitor: MonitorState) -> str:
    reason = monitor.newest.reason if monitor.newest is not None else None
    if reason:
        return str(reason).removeprefix("no_baseline: ")
    return "the baseline is being learnt" if monitor.baseline is not None else "there is no baseline yet"
