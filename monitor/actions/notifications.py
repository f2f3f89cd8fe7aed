"""Announce: a verdict that has changed becomes messages. Pure; each experiment's treatment has a thread of its own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from monitor.actions.plan import MESSAGE_NOT_AFTER, NAMESPACE, identity
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import Action
from monitor.core.payload import EventData
from monitor.core.schedule import Bucket

SEVERITY = {"lose": "warning", "invalid": "warning"}


def thread_key(monitor: str, name: str, treatment: str, kind: str = "experiment") -> str:
    """Return what all messages of one treatment, or one challenger, share, as those of an incident share its id."""
    return str(uuid.uuid5(NAMESPACE, f"{monitor}/{kind}/{name}/{treatment}"))


def announce(
    monitor: Monitor,
    spec: Experiment,
    treatment: str,
    one: Mapping[str, object],
    bucket: Bucket,
    sequence: int,
    receivers: Mapping[str, ReceiverConfig],
) -> list[Action]:
    """Return the messages about a verdict, one a receiver; made again for the same bucket they have the same ids.

    However old the bucket is, they do not expire: they are planned once, and a verdict stays true.

    Parameters
    ----------
    one
        What is told of the treatment, as :meth:`monitor.profiling.ab_counts.Arms.told` gives it.
    sequence
        Place among the messages of the thread.
    """
    data: EventData = {
        "headline": f"{monitor.name}: experiment {spec.name}, {treatment} against {spec.control}: "
        f"{one['verdict']}. {one['reason']}",
        "experiment": {"name": spec.name, "control": spec.control, "treatment": treatment, **one},
    }
    thread = thread_key(monitor.name, spec.name, treatment)
    return _messages(monitor, spec, thread, str(one["verdict"]), data, bucket.end, sequence, bucket.end, receivers)


def announce_shadow(
    monitor: Monitor,
    spec: Shadow,
    told: Mapping[str, object],
    end: datetime,
    sequence: int,
    at: datetime,
    receivers: Mapping[str, ReceiverConfig],
) -> list[Action]:
    """Return the messages, at a time, about what a shadow concludes from the pairs up to ``end``, in numbers only."""
    data: EventData = {
        "headline": f"{monitor.name}: shadow {spec.name}, {spec.challenger} beside {spec.champion}: "
        f"{told['verdict']}, over {told['pairs']} pairs. {told['reason']}",
        "shadow": {"name": spec.name, "champion": spec.champion, "challenger": spec.challenger, **told},
    }
    thread = thread_key(monitor.name, spec.name, spec.challenger, "shadow")
    verdict, late = str(told["verdict"]), at + MESSAGE_NOT_AFTER
    return _messages(monitor, spec, thread, verdict, data, end, sequence, at, receivers, late)


def _messages(
    monitor: Monitor,
    spec: Experiment | Shadow,
    thread: str,
    verdict: str,
    data: EventData,
    end: datetime,
    sequence: int,
    at: datetime,
    receivers: Mapping[str, ReceiverConfig],
    not_after: datetime | None = None,
) -> list[Action]:
    said: EventData = {
        "monitor": monitor.name,
        "severity": SEVERITY.get(verdict, "info"),
        **data,
        "window": {"start": spec.start.isoformat(), "end": end.isoformat()},
    }
    kind = "experiment" if isinstance(spec, Experiment) else "shadow"
    return [
        Action(
            id=identity(thread, name, "verdict", int(end.timestamp())),
            monitor=monitor.name,
            incident=thread,
            name=name,
            kind="verdict",
            mode="auto",
            state="pending",
            reason="people are told of every change of a verdict",
            payload={"type": f"driftd.{kind}.verdict", "timestamp": end.isoformat(), "data": said},
            created_at=at,
            sequence=sequence,
            not_after=not_after,
            dry_run=receivers[name].dry_run,
        )
        for name in dict.fromkeys(spec.do)
        if name in receivers
    ]
