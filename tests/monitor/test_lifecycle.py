"""The life of a baseline as a table: every pair of a state and an event is decided, and every step has its method."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from monitor.baselines.lifecycle import TRANSITIONS, BaselineState, Event, Step, next_transition
from monitor.config.models import Monitor
from monitor.jobs.baseline_lifecycle import BaselineLifecycle
from monitor.jobs.source_session import SourceSession

STATES: tuple[BaselineState, ...] = get_args(BaselineState)
EVENTS: tuple[Event, ...] = get_args(Event)
EXPECTED = {
    ("absent", "file_configured"): ("read_file", "active"),
    ("absent", "range_complete"): ("start_learning", "learning"),
    ("learning", "buckets_finished"): ("freeze", "active"),
    ("learning", "definition_changed"): ("forget", "absent"),
    ("active", "calibration_outdated"): ("calibrate", "active"),
    ("active", "renewal_due"): ("renew", "active"),
    ("active", "labels_arrived"): ("add_labels", "active"),
    ("active", "definition_changed"): ("forget", "absent"),
}


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_every_state_and_event(state: BaselineState, event: Event) -> None:
    transition = next_transition(state, event)
    assert (transition and (transition.step, transition.after)) == EXPECTED.get((state, event))


def test_without_an_event_nothing_is_done() -> None:
    assert {next_transition(state, None) for state in STATES} == {None}


def test_every_step_can_be_taken_and_every_state_reached() -> None:
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}
    monitor = Monitor.model_validate({"name": "m", "source": source})
    session = SourceSession(lambda: pytest.fail("the source is not needed"))
    lifecycle = BaselineLifecycle(None, monitor, session)  # type: ignore[arg-type]
    steps = {transition.step for transition in TRANSITIONS.values()}
    assert steps == set(get_args(Step)) == set(lifecycle._steps)
    assert {transition.after for transition in TRANSITIONS.values()} == set(STATES)
    assert lifecycle.state == "absent"
