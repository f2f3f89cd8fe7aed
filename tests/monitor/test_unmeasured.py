"""Checks that could not be measured for longer than their rule accepts: people are told, nothing is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from detectors.base import Finding, Status
from monitor.actions.breakers import firing_after
from monitor.alerting.muting import Muting
from monitor.alerting.unmeasured import decide_unmeasured
from monitor.config.models import Config, Monitor, Rule
from monitor.core.action import AlertHistory
from monitor.core.incident import Incident
from tests.support.course import Course, kinds
from tests.support.decisions import MINUTE, START, clean, finding, incident_of, monitor_of, silence_of, unmeasured

BLIND = unmeasured(reason="40 values, fewer than 100")
OTHER = unmeasured(column="length", reason="no values")
FAILED = finding(0.0, Status.ERROR, check="latency", column="latency", reason="no column")


def limited(limit: int = 2, **rule: Any) -> Monitor:
    return monitor_of(
        when=["drift", "latency"],
        name="model",
        do=["slack", "r"],
        inconclusive_limit=limit,
        severity="critical",
        **rule,
    )


def run(course: Course, *buckets: Sequence[Finding]) -> list[list[tuple[str, str]]]:
    return [kinds(course.step(findings)) for findings in buckets]


def test_people_are_told_after_the_limit_and_nothing_is_rolled_back() -> None:
    course = Course(limited())
    assert run(course, [BLIND], [BLIND], [BLIND], [BLIND]) == [[], [], [("slack", "firing")], []]
    (incident,) = course.incidents.values()
    assert (incident.rule, incident.severity, incident.state) == ("unmeasured.model", "critical", "firing")
    assert incident.reason == "drift could not be measured for 3m: 40 values, fewer than 100"
    assert (incident.fired_at, incident.evidence) == (START + 2 * MINUTE, {})


def test_the_message_says_that_it_was_not_measured_and_blames_nothing() -> None:
    course = Course(limited(limit=0))
    (action,) = course.step([BLIND]).actions
    data = action.payload["data"]
    assert data["headline"] == "bot: drift could not be measured for 1m: 40 values, fewer than 100"
    assert "check whether enough records are logged" in data["summary"]
    assert "cause" not in data["summary"].lower()


def test_the_count_begins_anew_when_the_check_is_measured() -> None:
    course = Course(limited())
    sent = run(course, [BLIND], [BLIND], [clean()], [BLIND], [BLIND], [BLIND])
    assert sent == [[], [], [], [], [], [("slack", "firing")]]


def test_it_is_resolved_when_the_check_was_measured_for_resolve_for() -> None:
    course = Course(limited(resolve_for=2))
    sent = run(course, [BLIND], [BLIND], [BLIND], [clean()], [BLIND], [clean()], [clean()])
    assert sent == [[], [], [("slack", "firing")], [], [], [], [("slack", "resolved")]]


def test_a_check_is_measured_if_one_of_its_findings_is() -> None:
    course = Course(limited(limit=0))
    assert run(course, [clean(), OTHER]) == [[]]
    assert run(course, [clean(), OTHER, FAILED]) == [[("slack", "firing")]]
    (incident,) = course.incidents.values()
    assert incident.reason == "latency could not be measured for 1m: no column"


def test_buckets_without_findings_of_the_rule_change_nothing() -> None:
    course = Course(limited())
    sent = run(course, [BLIND], [], [unmeasured(check="slo", column=None)], [BLIND], [BLIND])
    assert sent == [[], [], [], [], [("slack", "firing")]]


def test_a_drift_is_an_incident_of_its_own() -> None:
    course = Course(limited(limit=0))
    assert run(course, [finding(0.3), FAILED]) == [[("slack", "firing"), ("r", "rollback"), ("slack", "firing")]]
    assert {one.group for one in course.incidents.values()} == {"traffic", "unmeasured.model"}


def test_no_breaker_follows_what_is_not_measured() -> None:
    course = Course(limited(limit=0))
    course.step([BLIND])
    assert "model" not in firing_after(course.incidents.values(), [])


def test_without_a_limit_nobody_is_told() -> None:
    course = Course(monitor_of())
    assert run(course, *([[BLIND]] * 9)) == [[]] * 9
    assert course.incidents == {}


def standing() -> Incident:
    return incident_of(id="u", rule="unmeasured.model", group="unmeasured.model", rules={}, evidence={})


def test_an_incident_of_a_limit_that_was_removed_ends_if_the_monitor_has_all_of_its_rules() -> None:
    history = AlertHistory(open={"unmeasured.model": standing(), "traffic": incident_of()})
    assert decide_unmeasured(monitor_of(), [BLIND], history, START, has_all_rules=False) == []
    (ended,) = decide_unmeasured(monitor_of(), [BLIND], history, START, has_all_rules=True)
    assert (ended.incident.id, ended.transition) == ("u", "resolved")


def test_silences_and_mute_times_of_the_rule_apply() -> None:
    course = Course(limited(limit=0))
    assert kinds(course.step([BLIND], [silence_of(7, rule="model", severity="critical")])) == []
    assert kinds(course.step([BLIND])) == [("slack", "firing")]
    night = {"name": "night", "time_intervals": [{"times": [{"start_time": "22:00", "end_time": "24:00"}]}]}
    own = limited(mute_times=["night"]).model_dump(by_alias=True, exclude_unset=True)
    monitor = Config.model_validate({"mute_time_intervals": [night], "monitors": [own]}).monitors[0]
    muting = Muting(monitor, [], datetime(2026, 11, 1, 22, tzinfo=UTC))
    assert muting.explain_incident(standing()) == "muted by the mute times night"


def test_a_rule_with_a_limit_has_a_short_name() -> None:
    with pytest.raises(ValidationError, match="needs a `name:` of at most 100 characters"):
        Rule.model_validate({"when": ["x" * 101], "inconclusive_limit": 1})
    assert Rule.model_validate({"when": ["x" * 101]}).inconclusive_limit is None
