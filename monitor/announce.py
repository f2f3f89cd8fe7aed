"""Announce: a verdict that has changed becomes a message. Pure; each experiment's treatment has a thread of its own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from monitor.act import NAMESPACE, SLACK_NOT_AFTER, Action, identity
from monitor.config import Monitor
from monitor.schedule import Bucket
from monitor.settings.arms import Experiment

SEVERITY = {"lose": "warning", "invalid": "warning"}


def thread_of(monitor: str, experiment: str, treatment: str) -> str:
    """Return what all messages of one treatment share, as those of an incident share its id."""
    return str(uuid.uuid5(NAMESPACE, f"{monitor}/experiment/{experiment}/{treatment}"))


def announce(
    monitor: Monitor, spec: Experiment, treatment: str, one: Mapping[str, Any], bucket: Bucket, sequence: int
) -> Action:
    """Return the message that tells of a verdict; made again for the same bucket it has the same id.

    Parameters
    ----------
    one
        What is told of the treatment, as :meth:`monitor.engine.arms.Arms.told` gives it.
    sequence
        Its place among the messages of its thread.
    """
    thread = thread_of(monitor.name, spec.name, treatment)
    data = {
        "monitor": monitor.name,
        "severity": SEVERITY.get(one["verdict"], "info"),
        "headline": f"{monitor.name}: experiment {spec.name}, {treatment} against {spec.control}: "
        f"{one['verdict']}. {one['reason']}",
        "experiment": {"name": spec.name, "control": spec.control, "treatment": treatment, **one},
        "window": {"start": spec.start.isoformat(), "end": bucket.end.isoformat()},
    }
    return Action(
        id=identity(thread, "slack", "verdict", int(bucket.end.timestamp())),
        monitor=monitor.name,
        incident=thread,
        name="slack",
        kind="verdict",
        mode="auto",
        state="pending",
        reason="people are told of every change of a verdict",
        payload={"type": "driftd.experiment.verdict", "timestamp": bucket.end.isoformat(), "data": data},
        created_at=bucket.end,
        sequence=sequence,
        not_after=bucket.end + SLACK_NOT_AFTER,
    )
