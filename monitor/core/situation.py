"""The present state of an incident and of its effects, which the messages about it show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

PerformedKind = Literal["approve", "reject", "acknowledge", "silence"]


@dataclass(frozen=True)
class PerformedOperation:
    """What a person did, and when; ``until`` is the end of a silence."""

    kind: PerformedKind
    by: str
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class Situation:
    """The state of an incident.

    Parameters
    ----------
    is_open
        Whether the incident is not resolved.
    effects
        By id, the state of each of its effects; an effect that awaits approval after its time has the state `expired`.
    resolutions
        By id of an effect, who approved or rejected it.
    acknowledgement, silence
        Those that are in force.
    """

    is_open: bool = True
    effects: Mapping[str, str] = field(default_factory=dict)
    resolutions: Mapping[str, PerformedOperation] = field(default_factory=dict)
    acknowledgement: PerformedOperation | None = None
    silence: PerformedOperation | None = None
