"""Plan the messages about new verdicts of experiments and shadows. Each treatment has its own thread."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from monitor.actions.identity import MESSAGE_NOT_AFTER, NAMESPACE, identity
from monitor.alerting.messages.notices import write_verdict_headline
from monitor.alerting.messages.render import render
from monitor.alerting.verdicts import SEVERITY, VerdictChange
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import Action, AlertHistory
from monitor.core.payload import EventData, Payload
from monitor.core.schedule import Bucket
from monitor.profiling.ab_counts import CHECK as EXPERIMENT


@dataclass(frozen=True)
class VerdictNotice:
    """A verdict to announce.

    Parameters
    ----------
    thread
        Id shared by all messages about the same treatment or challenger.
    end
        End of the newest bucket that the verdict is based on.
    sequence
        Number of the message in the thread.
    """

    thread: str
    verdict: str
    data: EventData
    end: datetime
    sequence: int
    created_at: datetime
    not_after: datetime | None = None


def thread_key(monitor: str, name: str, treatment: str, kind: str = "experiment") -> str:
    """Return the id of the thread of a treatment or challenger; used like the id of an incident."""
    return str(uuid.uuid5(NAMESPACE, f"{monitor}/{kind}/{name}/{treatment}"))


def announce_verdict(
    monitor: Monitor,
    receivers: Mapping[str, ReceiverConfig],
    change: VerdictChange,
    history: AlertHistory,
    bucket: Bucket,
    now: datetime,
) -> list[Action] | None:
    """Return the messages about a verdict; None if its comparison has no receivers."""
    at, sequences = bucket.end, history.sequences
    if change.kind == EXPERIMENT:
        experiment = next(one for one in monitor.experiments if one.name == change.name)
        place = sequences.get(thread_key(monitor.name, experiment.name, change.arm), 0)
        planned = announce_experiment(monitor, experiment, change.arm, change.report, at, place, receivers)
        return planned if experiment.do else None
    shadow = next(one for one in monitor.shadows if one.name == change.name)
    place = sequences.get(thread_key(monitor.name, shadow.name, shadow.challenger, "shadow"), 0)
    planned = announce_shadow(monitor, shadow, change.report, at, place, now, receivers)
    return planned if shadow.do else None


def announce_experiment(
    monitor: Monitor,
    spec: Experiment,
    treatment: str,
    report: Mapping[str, object],
    end: datetime,
    sequence: int,
    receivers: Mapping[str, ReceiverConfig],
) -> list[Action]:
    """Return the messages about a verdict, one per receiver. Their ids depend on the bucket only.

    They do not expire, however old the bucket is, since they are planned once and the verdict stays valid.

    Parameters
    ----------
    report
        The report of the treatment, from :meth:`monitor.profiling.ab_counts.Arms.summarize`.
    end
        End of the bucket that changed the verdict.
    sequence
        Number of the message in the thread.
    """
    data: EventData = {
        "headline": write_verdict_headline(
            monitor.name, "experiment", spec.name, treatment, spec.control, report["verdict"]
        ),
        "experiment": {"name": spec.name, "control": spec.control, "treatment": treatment, **report},
    }
    thread = thread_key(monitor.name, spec.name, treatment)
    return _messages(
        monitor, spec, VerdictNotice(thread, str(report["verdict"]), data, end, sequence, created_at=end), receivers
    )


def announce_shadow(
    monitor: Monitor,
    spec: Shadow,
    report: Mapping[str, object],
    end: datetime,
    sequence: int,
    at: datetime,
    receivers: Mapping[str, ReceiverConfig],
) -> list[Action]:
    """Return the messages about the verdict of a shadow from the pairs up to ``end``, without texts of answers."""
    data: EventData = {
        "headline": write_verdict_headline(
            monitor.name, "shadow", spec.name, spec.challenger, spec.champion, report["verdict"]
        ),
        "shadow": {"name": spec.name, "champion": spec.champion, "challenger": spec.challenger, **report},
    }
    thread = thread_key(monitor.name, spec.name, spec.challenger, "shadow")
    notice = VerdictNotice(thread, str(report["verdict"]), data, end, sequence, at, at + MESSAGE_NOT_AFTER)
    return _messages(monitor, spec, notice, receivers)


def _messages(
    monitor: Monitor,
    spec: Experiment | Shadow,
    notice: VerdictNotice,
    receivers: Mapping[str, ReceiverConfig],
) -> list[Action]:
    end = notice.end
    data: EventData = {
        "monitor": monitor.name,
        "severity": SEVERITY.get(notice.verdict, "info"),
        **notice.data,
        "window": {"start": spec.start.isoformat(), "end": end.isoformat()},
    }
    kind = "experiment" if isinstance(spec, Experiment) else "shadow"
    body: Payload = {"type": f"driftd.{kind}.verdict", "timestamp": end.isoformat(), "data": data}
    data["summary"] = render("verdict", body).second_line
    return [
        Action(
            id=identity(notice.thread, name, "verdict", int(end.timestamp())),
            monitor=monitor.name,
            incident=notice.thread,
            name=name,
            kind="verdict",
            mode="auto",
            state="pending",
            reason="every change of a verdict is announced",
            payload=body,
            created_at=notice.created_at,
            sequence=notice.sequence,
            not_after=notice.not_after,
            dry_run=receivers[name].dry_run,
        )
        for name in dict.fromkeys(spec.do)
        if name in receivers
    ]
