"""State that actions are planned from, besides the decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from monitor.actions.breakers import BreakerInput
from monitor.actions.retraining_context import RetrainingInput
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket

Receivers = Mapping[str, ReceiverConfig]


@dataclass(frozen=True)
class PlanContext:
    """State that actions are planned from, besides the decisions.

    Parameters
    ----------
    now
        Time of the source's clock; actions are not sent after their `not_after`.
    retraining
        Data for the payload of a retraining; None if none can be requested.
    breakers
        Data that the breakers are evaluated against; None to not evaluate them.
    """

    history: AlertHistory
    bucket: Bucket
    now: datetime
    retraining: RetrainingInput | None = None
    breakers: BreakerInput | None = None
