"""Whom an incident escalates to if nobody acknowledges it, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.actions.decide_and_plan import decide_and_plan
from monitor.actions.decision_context import DecisionContext
from monitor.actions.plan_actions import ActionPlan
from monitor.actions.recipients import Recipients, find_escalations
from monitor.alerting.alert_context import AlertContext
from monitor.checks.evaluation import Evaluation
from monitor.config.load import load
from monitor.config.models import ConfigError, Monitor
from monitor.core.action import AlertHistory, PastAction
from monitor.core.incident_response import Handling
from monitor.core.schedule import Bucket
from monitor.jobs.escalation import EscalationTimer
from monitor.store import incidents, migrate
from monitor.store.database import Database
from monitor.store.plans import save_plan
from monitor.store.tables import actions
from tests.support.course import Course, escalations, kinds
from tests.support.decisions import MINUTE, SLACK, START, clean, finding, incident_of, monitor_of, silence_of

BAD = [finding(0.3)]
WHY = "escalated: not acknowledged 3m after its announcement"


def escalating(steps: Any = None, **settings: Any) -> Monitor:
    """Return a monitor whose only rule escalates to `boss` after three minutes, without reminders."""
    escalate = [{"after": "3m", "do": ["boss"]}] if steps is None else steps
    return monitor_of(settings, do=["slack"], escalate=escalate, repeat_interval="1d", reopen_within="1d")


def acknowledged(minutes: int) -> Handling:
    return Handling(START + minutes * MINUTE, "ann", "warning")


def test_an_incident_that_nobody_acknowledges_escalates_once() -> None:
    course = Course(escalating())
    plans = [course.step(BAD) for _ in range(6)]
    assert [kinds(plan) for plan in plans] == [[("slack", "firing")], [], [], [("boss", "firing")], [], []]
    (action,) = plans[3].actions
    assert (action.reason, escalations(plans[3])) == (WHY, {"boss": WHY})
    assert escalations(plans[0]) == {"slack": None}


def test_the_same_bucket_escalates_with_the_same_id() -> None:
    course = Course(escalating())
    for _ in range(3):
        course.step(BAD)
    before = (dict(course.incidents), list(course.past), course.end)
    (first,) = course.step(BAD).actions
    course.incidents, course.past, course.end = before
    (again,) = course.step(BAD).actions
    assert first == again


def test_whom_it_escalated_to_gets_updates_and_the_resolution() -> None:
    course = Course(escalating())
    for _ in range(4):
        course.step(BAD)
    course.end += 10 * MINUTE
    resolved = [course.step([clean()]) for _ in range(2)][-1]
    assert kinds(resolved) == [("slack", "resolved"), ("boss", "resolved")]
    assert [action.reason for action in resolved.actions] == ["every transition is announced"] * 2


def test_an_acknowledged_or_resolved_or_muted_incident_does_not_escalate() -> None:
    course = Course(escalating())
    course.step(BAD)
    assert [kinds(course.step(BAD, handling=acknowledged(1))) for _ in range(6)] == [[]] * 6
    course = Course(escalating())
    course.step(BAD)
    assert [kinds(course.step([clean()])) for _ in range(6)][1] == [("slack", "resolved")]
    assert len(course.past) == 2
    course = Course(escalating())
    course.step(BAD)
    assert [kinds(course.step(BAD, [silence_of(7, rule="drift")])) for _ in range(6)] == [[]] * 6


def test_a_message_that_is_sent_after_the_acknowledgement_does_not_escalate() -> None:
    rule = {"when": ["drift"], "escalate": [{"after": "3m", "do": ["boss"]}], "repeat_interval": "1d"}
    rules = [{**rule, "name": "now", "do": ["slack"]}, {**rule, "name": "later", "for": 4, "do": ["hook"]}]
    course = Course(monitor_of({"rules": rules}))
    course.step(BAD)
    sent = [kinds(course.step(BAD, handling=acknowledged(1))) for _ in range(9)]
    assert sent == [[], [], [("hook", "firing")], *([[]] * 6)]


def test_after_a_change_the_time_counts_from_its_message() -> None:
    course = Course(escalating())
    course.step(BAD)
    (identity,) = course.incidents
    course.end += 10 * MINUTE
    rose = {
        "at": (START + 10 * MINUTE).isoformat(),
        "checks": ["drift"],
        "columns": ["novelty"],
        "reason": "novelty rose again",
        "suspected_change": None,
    }
    changes = (*course.incidents[identity].changes, rose)
    course.incidents[identity] = replace(course.incidents[identity], changes=changes)
    sent = [kinds(course.step(BAD, handling=acknowledged(5))) for _ in range(6)]
    assert sent == [[("slack", "update")], [], [], [("boss", "firing")], [], []]


def test_a_reopened_incident_escalates_after_its_new_announcement() -> None:
    course = Course(escalating())
    course.step(BAD)
    for _ in range(2):
        course.step([clean()])
    course.end += 10 * MINUTE
    sent = [kinds(course.step(BAD)) for _ in range(5)]
    assert len(course.incidents) == 1
    assert sent == [[("slack", "update")], [], [], [("boss", "firing")], []]


def test_the_steps_of_rule_and_monitor_apply_and_a_receiver_of_the_rule_is_not_notified_twice() -> None:
    steps = [{"after": "3m", "do": ["hook"]}, {"after": "1m", "do": ["slack"]}]
    course = Course(escalating(steps, escalate=[{"after": "2m", "do": ["boss", "hook"]}]))
    sent = [kinds(course.step(BAD)) for _ in range(5)]
    assert sent == [[("slack", "firing")], [], [("boss", "firing"), ("hook", "firing")], [], []]


def test_missing_data_escalates() -> None:
    own = [{"after": "3m", "do": ["hook"]}]
    no_data = {"after": 1, "do": ["slack"], "escalate": own}
    course = Course(escalating([], no_data=no_data, escalate=[{"after": "4m", "do": ["boss"]}]))
    sent = [kinds(course.step([], missing=number + 1)) for number in range(6)]
    assert sent == [[("slack", "firing")], [], [], [("hook", "firing")], [("boss", "firing")], []]


def test_receivers_of_escalations_must_exist_and_get_messages(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text(
        "receivers:\n"
        "  back:\n"
        "    kind: webhook\n"
        "    url: https://a.example\n"
        "    secret: whsec_c2VjcmV0LW9mLXRoZS1ob29r\n"
        "    effect: {kind: rollback}\n"
        "monitors:\n"
        "  - name: bot\n"
        "    source: {url: 'sqlite:///log.db', table: log, columns: {timestamp: at}}\n"
        "    escalate: [{after: 1h, do: [back]}]\n"
        "    no_data: {escalate: [{after: 1h, do: [nobody]}]}\n"
        "    rules: [{escalate: [{after: 1h, do: [no-one]}]}]\n"
    )
    with pytest.raises(ConfigError) as refused:
        load(path)
    text = str(refused.value)
    assert "the receiver 'back' gets a rollback" in text
    assert "unknown name 'nobody'" in text
    assert "unknown name 'no-one'" in text


def test_an_incident_that_is_over_escalates_to_nobody_although_its_effect_did_not_help() -> None:
    boss = Recipients(["slack"], None, escalating().rules[0].escalate)
    for state, names in (("firing", ["boss"]), ("resolved", [])):
        context = DecisionContext(Bucket(START - MINUTE, START), START, sequence=0, failure="it did not help")
        assert list(find_escalations(boss, incident_of(state=state), context)) == names


@pytest.mark.parametrize(("minutes", "names"), [(0, []), (1, ["boss"])])
def test_an_incident_escalates_again_by_what_was_announced_after_its_acknowledgement(
    minutes: int, names: list[str]
) -> None:
    boss = Recipients(["slack"], None, escalating().rules[0].escalate)
    sent = PastAction("slack", START + minutes * MINUTE, "delivered", incident="i-1", kind="update")
    handling = Handling(START, "ann", "info")  # it has become more severe since
    now = START + 9 * MINUTE
    context = DecisionContext(Bucket(now - MINUTE, now), now, sequence=1, past=[sent], handling=handling)
    assert list(find_escalations(boss, incident_of(), context)) == names


def test_the_message_of_an_escalation_says_so() -> None:
    course = Course(escalating())
    for _ in range(3):
        course.step(BAD)
    (action,) = course.step(BAD).actions
    assert "Escalated: not acknowledged 3m after its announcement." in action.payload["data"]["summary"]


def failing_source(minutes: int, handling: Handling | None = None, **settings: Any) -> ActionPlan:
    """Return what is planned when the source cannot be read some minutes after the announcement of an incident."""
    standing = incident_of(changes=(), fired_at=START, rules={})
    sent = PastAction("slack", START, "delivered", incident=standing.id, kind="firing", at=START, severity="warning")
    now = START + minutes * MINUTE
    handlings = {standing.id: handling} if handling else {}
    silences = settings.pop("silences", ())
    history = AlertHistory(open={"traffic": standing}, past=[sent], handling=handlings, silences=silences)
    evaluation = Evaluation(reason="unreachable: the database does not answer", missing_buckets=minutes)
    monitor = escalating(**settings)
    receivers = {"slack": SLACK, "boss": SLACK}
    bucket = Bucket(now - MINUTE, now)
    return decide_and_plan(monitor, receivers, evaluation, AlertContext(history), bucket, now)[1]


def test_an_incident_escalates_while_the_source_cannot_be_read() -> None:
    assert failing_source(2).actions == []
    (action,) = failing_source(3).actions
    assert (action.name, action.kind, action.reason) == ("boss", "firing", WHY)
    assert failing_source(3).actions == [action]
    assert failing_source(3, acknowledged(1)).actions == []
    assert failing_source(3, silences=[silence_of(9)]).actions == []


def test_a_source_that_cannot_be_read_resolves_nothing_and_reminds_of_nothing() -> None:
    plan = failing_source(2)
    assert [one.incident.rule for one in plan.incidents] == ["no_data"]
    late = failing_source(2000)
    assert [
        one.name for one in late.actions if one.kind == "firing" and "no data" not in one.payload["data"]["headline"]
    ] == ["boss"]
    assert {one.incident.state for one in late.incidents if one.incident.rule != "no_data"} == {"firing"}


def test_an_incident_escalates_between_two_buckets(migrated_url: str) -> None:
    monitor = escalating(bucket="1h", window="6h")
    database = Database(migrated_url)
    migrate.upgrade(database)
    first = Course(monitor).step(BAD)
    with database.write() as connection:
        save_plan(connection, monitor.name, first)
    timer = EscalationTimer(database, monitor, {"slack": SLACK, "boss": SLACK})

    def names_at(after: timedelta) -> list[str]:
        timer.check(START + after)
        with database.read() as connection:
            return sorted(connection.execute(sa.select(actions.c.name)).scalars())

    assert names_at(2 * MINUTE) == ["slack"]
    assert names_at(3 * MINUTE) == ["boss", "slack"]
    assert names_at(4 * MINUTE) == ["boss", "slack"]
    with database.read() as connection:
        assert incidents.open_incidents(connection, monitor.name) == [first.incidents[0].incident]
