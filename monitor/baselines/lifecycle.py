"""Lifecycle of a baseline as a transition table of states and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BaselineState = Literal["absent", "learning", "active"]
Event = Literal[
    "file_configured",
    "range_complete",
    "buckets_finished",
    "calibration_outdated",
    "renewal_due",
    "labels_arrived",
    "definition_changed",
]
Step = Literal["read_file", "start_learning", "freeze", "calibrate", "renew", "add_labels", "forget"]


@dataclass(frozen=True)
class Transition:
    """The step that an event triggers, and the state after it."""

    step: Step
    after: BaselineState


TRANSITIONS: Mapping[tuple[BaselineState, Event], Transition] = {
    ("absent", "file_configured"): Transition("read_file", "active"),
    ("absent", "range_complete"): Transition("start_learning", "learning"),
    ("learning", "buckets_finished"): Transition("freeze", "active"),
    ("active", "calibration_outdated"): Transition("calibrate", "active"),
    ("active", "renewal_due"): Transition("renew", "active"),
    ("active", "labels_arrived"): Transition("add_labels", "active"),
    ("learning", "definition_changed"): Transition("forget", "absent"),
    ("active", "definition_changed"): Transition("forget", "absent"),
}
"""Transitions by state and event; other events are ignored."""


def next_transition(state: BaselineState, event: Event | None) -> Transition | None:
    """Return the transition of an event, None if it is ignored.

    Examples
    --------
    >>> next_transition("learning", "buckets_finished")
    Transition(step='freeze', after='active')
    >>> next_transition("absent", "renewal_due") is None
    True
    """
    return None if event is None else TRANSITIONS.get((state, event))
