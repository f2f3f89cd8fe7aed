"""How the findings of an incident are on the traffic after an effect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from monitor.core.action import PastAction


@dataclass(frozen=True)
class EffectOutcome:
    """How the findings of an incident are on the traffic after its last effect.

    Parameters
    ----------
    status
        `clean` if all are measured and none is bad.
    start, end
        The measured traffic.
    reason
        The most harmful finding that is bad, or why they could not be measured.
    """

    effect: PastAction
    status: Literal["clean", "bad", "unmeasured"]
    start: datetime
    end: datetime
    records: int = 0
    reason: str = ""
