"""Announce: a verdict that has changed becomes a message. Pure; each experiment's treatment has a thread of its own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from monitor.actions.plan import NAMESPACE, SLACK_NOT_AFTER, Action, identity
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Monitor
from monitor.core.payload import EventData
from monitor.core.schedule import Bucket

SEVERITY = {"lose": "warning", "invalid": "warning"}


def thread_key(monitor: str, name: str, treatment: str, kind: str = "experiment") -> str:
    """Return what all messages of one treatment, or one challenger, share, as those of an incident share its id."""
    return str(uuid.uuid5(NAMESPACE, f"{monitor}/{kind}/{name}/{treatment}"))


def announce(
    monitor: Monitor, spec: Experiment, treatment: str, one: Mapping[str, object], bucket: Bucket, sequence: int
) -> Action:
    """Return the message that tells of a verdict; made again for the same bucket it has the same id.

    However old its bucket is, it does not expire: it is planned once, and a verdict stays true.

    Parameters
    ----------
    one
        What is told of the treatment, as :meth:`monitor.profiling.ab_counts.Arms.told` gives it.
    sequence
        Its place among the messages of its thread.
    """
    data: EventData = {
        "headline": f"{monitor.name}: experiment {spec.name}, {treatment} against {spec.control}: "
        f"{one['verdict']}. {one['reason']}",
        "experiment": {"name": spec.name, "control": spec.control, "treatment": treatment, **one},
    }
    thread = thread_key(monitor.name, spec.name, treatment)
    return _message(monitor, spec, thread, str(one["verdict"]), data, bucket.end, sequence, bucket.end)


def announce_shadow(
    monitor: Monitor, spec: Shadow, told: Mapping[str, object], end: datetime, sequence: int, at: datetime
) -> Action:
    """Return the message that tells at a time what a shadow concludes from the pairs up to ``end``, in numbers only."""
    data: EventData = {
        "headline": f"{monitor.name}: shadow {spec.name}, {spec.challenger} beside {spec.champion}: "
        f"{told['verdict']}, over {told['pairs']} pairs. {told['reason']}",
        "shadow": {"name": spec.name, "champion": spec.champion, "challenger": spec.challenger, **told},
    }
    thread = thread_key(monitor.name, spec.name, spec.challenger, "shadow")
    return _message(monitor, spec, thread, str(told["verdict"]), data, end, sequence, at, at + SLACK_NOT_AFTER)


def _message(
    monitor: Monitor,
    spec: Experiment | Shadow,
    thread: str,
    verdict: str,
    data: EventData,
    end: datetime,
    sequence: int,
    at: datetime,
    not_after: datetime | None = None,
) -> Action:
    said: EventData = {
        "monitor": monitor.name,
        "severity": SEVERITY.get(verdict, "info"),
        **data,
        "window": {"start": spec.start.isoformat(), "end": end.isoformat()},
    }
    kind = "experiment" if isinstance(spec, Experiment) else "shadow"
    return Action(
        id=identity(thread, "slack", "verdict", int(end.timestamp())),
        monitor=monitor.name,
        incident=thread,
        name="slack",
        kind="verdict",
        mode="auto",
        state="pending",
        reason="people are told of every change of a verdict",
        payload={"type": f"driftd.{kind}.verdict", "timestamp": end.isoformat(), "data": said},
        created_at=at,
        sequence=sequence,
        not_after=not_after,
    )
