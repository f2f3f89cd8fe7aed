"""Which findings and incidents alert nobody, and what people get of an incident of which a part is muted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from detectors.base import Finding, Status
from monitor.alerting.alert_context import AlertContext
from monitor.alerting.decide import decide
from monitor.alerting.muting import Muting
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Config, Monitor
from monitor.core.action import AlertHistory
from monitor.core.incident import Incident, MissingData
from monitor.core.schedule import Bucket
from tests.support.course import Course, kinds
from tests.support.decisions import (
    MINUTE,
    START,
    clean,
    evidence_of,
    finding,
    incident_of,
    monitor_of,
    silence_of,
)

PRICE = finding(0.5, column="price", reason="price rose")
NOVELTY = finding(0.3)
OF_PRICE = silence_of(7, column="price")
MONITOR = {"name": "bot", "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}}
WHY = "silenced by #7 until 2026-11-01 01:00 UTC"


def test_an_incident_whose_findings_are_all_silenced_is_recorded_and_alerts_nobody() -> None:
    course = Course()
    plan = course.step([PRICE], [OF_PRICE])
    (decision,) = plan.incidents
    assert (plan.actions, decision.mute) == ([], WHY)
    assert decision.reason == f"price rose; bad for 1 bucket ({WHY})"
    assert (decision.incident.state, decision.incident.evidence[PRICE.key]["mute"]["reason"]) == ("firing", WHY)
    assert course.decisions.findings == [PRICE]


def test_an_incident_is_announced_with_the_findings_that_are_not_silenced() -> None:
    plan = Course().step([PRICE, NOVELTY], [OF_PRICE])
    assert kinds(plan) == [("slack", "firing"), ("r", "rollback")]
    data = plan.actions[0].payload["data"]
    assert data["headline"] == "bot: novelty rose"
    assert [item["column"] for item in data["findings"]] == ["novelty"]
    assert set(plan.incidents[0].incident.evidence) == {PRICE.key, NOVELTY.key}


def test_a_silenced_finding_that_joins_an_incident_is_no_news_and_one_that_is_not_is() -> None:
    course = Course()
    course.step([NOVELTY])
    assert kinds(course.step([NOVELTY, PRICE], [OF_PRICE])) == []
    other = Course()
    other.step([PRICE], [OF_PRICE])
    assert kinds(other.step([PRICE, NOVELTY], [OF_PRICE])) == [("slack", "firing"), ("r", "rollback")]


def test_what_is_still_bad_at_the_end_of_a_silence_is_announced() -> None:
    course = Course()
    course.step([PRICE], [OF_PRICE])
    assert kinds(course.step([PRICE])) == [("slack", "firing"), ("r", "rollback")]
    assert "mute" not in course.decisions.incidents[0].incident.evidence[PRICE.key]
    course = Course()
    course.step([NOVELTY])
    course.end += 10 * MINUTE
    course.step([NOVELTY, PRICE], [OF_PRICE])
    course.end += 10 * MINUTE
    plan = course.step([NOVELTY, PRICE])
    assert kinds(plan) == [("slack", "update")]
    assert plan.actions[0].payload["data"]["headline"] == "bot: no longer muted: price rose"
    course.end += 10 * MINUTE
    assert kinds(course.step([NOVELTY, PRICE])) == []


def test_a_finding_that_was_announced_before_its_silence_is_not_announced_again_after_it() -> None:
    course = Course()
    course.step([NOVELTY, PRICE])
    course.end += 10 * MINUTE
    assert kinds(course.step([NOVELTY, PRICE], [OF_PRICE])) == []
    course.end += 10 * MINUTE
    assert kinds(course.step([NOVELTY, PRICE])) == []


def test_an_incident_is_muted_while_only_silenced_findings_are_bad() -> None:
    monitor = monitor_of(do=["slack"], repeat_interval="1m", resolve_for=100)
    course = Course(monitor)
    course.step([NOVELTY, PRICE])
    assert kinds(course.step([clean(), PRICE], [OF_PRICE])) == []
    assert kinds(course.step([clean(), PRICE])) == [("slack", "reminder")]
    assert kinds(course.step([clean(), clean(column="price")], [OF_PRICE])) == [("slack", "reminder")]


def test_receivers_of_rules_that_are_silenced_get_nothing_and_the_others_their_severity() -> None:
    rules = [
        {"name": "page", "when": ["drift"], "severity": "critical", "do": ["slack"]},
        {"name": "team", "when": ["drift"], "severity": "info", "do": ["hook"]},
    ]
    plan = Course(monitor_of({"rules": rules})).step([NOVELTY], [silence_of(7, severity="critical")])
    assert kinds(plan) == [("hook", "firing")]
    data = plan.actions[0].payload["data"]
    assert (data["severity"], data["incident"]["rule"]) == ("info", "team")
    assert plan.incidents[0].incident.severity == "critical"
    assert dict(plan.incidents[0].mutes) == {"page": WHY}


def test_segments_and_other_monitors_are_told_apart() -> None:
    acme = finding(0.3, segment="tenant=acme")
    course = Course()
    assert kinds(course.step([acme], [silence_of(7, segment="tenant=acme", monitor="bot")])) == []
    assert kinds(Course().step([acme], [silence_of(7, segment="tenant=acme", monitor="other")])) != []
    assert kinds(Course().step([acme], [silence_of(7, segment="tenant=zen")])) != []


def test_missing_data_has_the_labels_of_its_rule_only() -> None:
    monitor = monitor_of({"no_data": {"after": 1, "do": ["slack"], "severity": "critical"}})
    evaluation = Evaluation(missing_buckets=1, reason="no rows")
    for silence, muted in (
        (silence_of(7, rule="no_data"), True),
        (silence_of(7, severity="critical"), True),
        (silence_of(7, column="price"), False),
    ):
        (decision,) = decide(
            monitor, evaluation, AlertContext(AlertHistory(silences=[silence])), Bucket(START - MINUTE, START)
        ).incidents
        assert bool(decision.mute) is muted


def test_a_rule_that_is_no_longer_configured_has_the_severity_of_its_incident() -> None:
    standing = incident_of(rule="gone", severity="critical")
    monitor = monitor_of()
    history = AlertHistory(open={"traffic": standing}, silences=[silence_of(7, rule="gone", severity="critical")])
    bucket = Bucket(START, START + MINUTE)
    (decision,) = decide(monitor, Evaluation([finding(0.3)]), AlertContext(history), bucket).incidents
    assert dict(decision.mutes).get("gone") == WHY


def muted_at(at: datetime, **names: list[str]) -> dict[str, str | None]:
    """Return by rule why it is muted at a time; `mute_times` of a rule are named by its name."""
    night = {"times": [{"start_time": "22:00", "end_time": "24:00"}]}
    rules = [{"name": name, "when": ["drift"], "mute_times": names.get(name, [])} for name in ("page", "team")]
    config = Config.model_validate(
        {
            "mute_time_intervals": [{"name": "night", "time_intervals": [night]}],
            "monitors": [{**MONITOR, "rules": rules, "mute_times": names.get("monitor", [])}],
        }
    )
    muting = Muting(config.monitors[0].with_rules(config.monitors[0].rules), [], at)
    return {name: muting.find_reason(name, "warning") for name in ("page", "team", "no_data")}


def test_mute_times_of_a_rule_mute_it_and_those_of_a_monitor_everything() -> None:
    night, why = datetime(2026, 11, 1, 22, tzinfo=UTC), "muted by the mute times night"
    assert muted_at(night, page=["night"]) == {"page": why, "team": None, "no_data": None}
    assert muted_at(night, monitor=["night"]) == {"page": why, "team": why, "no_data": why}
    assert set(muted_at(night - MINUTE, monitor=["night"], page=["night"]).values()) == {None}


def inhibiting(*rules: dict[str, Any], **monitor: Any) -> Monitor:
    """Return the monitor `bot`, beside `gateway`, with inhibit rules."""
    bot = monitor_of(monitor, do=["slack"]).model_dump(by_alias=True, exclude_unset=True)
    return Config.model_validate({"inhibit": rules, "monitors": [bot, {**MONITOR, "name": "gateway"}]}).monitors[0]


BEHIND = {"source_match": {"monitor": "gateway"}, "target_match": ["monitor!=gateway"]}
OF_GATEWAY = incident_of(id="g", monitor="gateway", rule="latency", evidence={"k": evidence_of(segment="tenant=acme")})


def mute_of(monitor: Monitor, findings: Sequence[Finding], elsewhere: Sequence[Incident] = ()) -> list[str | None]:
    """Return why each incident of a bucket is muted."""
    history = AlertHistory(elsewhere=elsewhere)
    bucket = Bucket(START - MINUTE, START)
    return [one.mute for one in decide(monitor, Evaluation(findings), AlertContext(history), bucket).incidents]


def test_an_incident_of_another_monitor_inhibits_those_behind_it() -> None:
    bot = inhibiting(BEHIND)
    assert mute_of(bot, [NOVELTY], [OF_GATEWAY]) == ["inhibited by latency of gateway"]
    assert mute_of(bot, [NOVELTY]) == [None]
    resolved = replace(OF_GATEWAY, state="resolved")
    assert mute_of(bot, [NOVELTY], [resolved]) == [None]
    missing = incident_of(id="g", monitor="gateway", rule="no_data", group="no_data", evidence={}, rules={})
    assert mute_of(bot, [NOVELTY], [missing]) == ["inhibited by no_data of gateway"]


def test_labels_of_equal_must_have_the_same_value() -> None:
    bot = inhibiting({**BEHIND, "equal": ["segment"]})
    acme, zen = finding(0.3, segment="tenant=acme"), finding(0.3, segment="tenant=zen")
    assert mute_of(bot, [acme], [OF_GATEWAY]) == ["inhibited by latency of gateway"]
    assert mute_of(bot, [zen], [OF_GATEWAY]) == [None]
    assert mute_of(bot, [acme, zen], [OF_GATEWAY]) == [None]


def test_what_fires_in_the_same_bucket_inhibits_once_it_fires() -> None:
    rules = [{"when": ["drift.price"], "do": ["slack"]}, {"when": ["drift.novelty"], "for": 2, "do": ["hook"]}]
    inhibit = {"source_match": ["column=novelty"], "target_match": ["column=price"]}
    course = Course(inhibiting(inhibit, rules=rules, group_by=["rule"]))
    assert [one.mute for one in course.step([PRICE, NOVELTY]).incidents] == [None, None]
    bot = inhibiting(inhibit, rules=[rules[0], {"when": ["drift.novelty"], "do": ["hook"]}], group_by=["rule"])
    assert mute_of(bot, [PRICE, NOVELTY]) == ["inhibited by drift.novelty of bot", None]
    one_incident = inhibiting(inhibit)
    (decision,) = Course(one_incident).step([PRICE, NOVELTY]).incidents
    muted = {item["column"]: item.get("mute", {}).get("reason") for item in decision.incident.evidence.values()}
    assert muted == {"price": "inhibited by drift of bot", "novelty": None}


def test_what_matches_both_sides_does_not_inhibit_itself() -> None:
    both = {"source_match": ["check=drift"], "target_match": ["check=~drift|slo"]}
    assert mute_of(inhibiting(both), [NOVELTY]) == [None]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"source_match": [], "target_match": ["check=drift"]}, "at least 1 item"),
        ({"source_match": ["tenant=a"], "target_match": ["check=drift"]}, "'tenant' is no label"),
        ({"source_match": {"check": "slo"}, "target_match": ["drift"]}, "'drift' is no matcher"),
        ({"source_match": {"check": "slo"}, "target_match": ["check=a"], "equal": ["tenant"]}, "Input should be"),
    ],
)
def test_a_wrong_inhibit_rule_is_refused(rule: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        inhibiting(rule)


def test_missing_data_inhibits_what_is_found_in_the_window_before_it() -> None:
    missing = incident_of(id="m", rule="no_data", group="no_data", evidence={}, rules={}, bad=3)
    bucket = Bucket(START, START + MINUTE)
    monitor = monitor_of({"rules": [{"when": ["*"]}]})
    spend = finding(2, check="spend", column=None)

    def rules_of(result: Literal["done", "inconclusive"], state: Literal["pending", "firing"]) -> list[str]:
        history = AlertHistory(open={"no_data": replace(missing, state=state)})
        evaluation = Evaluation([NOVELTY, spend], result, "no_rows: none")
        decided = decide(monitor, evaluation, AlertContext(history), bucket).incidents
        return [",".join(item["check"] for item in one.incident.evidence.values()) for one in decided]

    assert rules_of("inconclusive", "firing") == ["spend", ""]
    assert rules_of("inconclusive", "pending") == ["spend,drift", ""]
    assert rules_of("done", "firing") == ["spend,drift", ""]


def test_an_unreadable_source_is_one_incident_with_its_missing_data() -> None:
    bucket = Bucket(START, START + MINUTE)
    monitor = monitor_of({"no_data": {"after": 1}})
    down = Evaluation(missing_buckets=1, reason="connection: refused")
    (fired,) = decide(monitor, down, AlertContext(AlertHistory()), bucket).incidents
    assert (fired.incident.rule, fired.transition) == ("no_data", "firing")
    history = AlertHistory(open={"no_data": fired.incident}, missing=MissingData(9, 9, 9))
    empty = Evaluation(result="inconclusive", reason="no_rows: none")
    (still,) = decide(monitor, empty, AlertContext(history), bucket).incidents
    assert (still.incident.id, still.transition) == (fired.incident.id, None)


def test_findings_that_do_not_alert_are_not_muted() -> None:
    course = Course()
    better = finding(0.3, column="price", direction="better")
    course.step([better, finding(0.0, Status.OK, column="price"), NOVELTY], [OF_PRICE])
    assert course.decisions.incidents[0].mute is None
