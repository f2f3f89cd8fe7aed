"""Ids of incidents and actions: a release that made others would open incidents and send effects a second time."""

from __future__ import annotations

from datetime import timedelta

from detectors.cost.breaker import Breaker
from monitor.actions.breaker_actions import plan_transition
from monitor.actions.identity import identity
from monitor.actions.notifications import announce_experiment, announce_shadow
from monitor.alerting.incidents import decide_incident
from monitor.alerting.no_data import decide_no_data_incident
from monitor.config.arms import Experiment, Shadow
from tests.support.decisions import BUCKET, HOUR, SLACK, SPEC, START, context_of, finding, monitor_of


def test_ids_are_those_of_earlier_releases() -> None:
    monitor = monitor_of({"breakers": [{"name": "guard", "rule": "drift", "do": ["slack", "r"]}]})
    opened = decide_incident(context_of(monitor, START), [finding(0.3)], None)
    blind = decide_no_data_incident(monitor, monitor.no_data, 1, "no_rows", None, START)
    assert opened is not None
    assert blind is not None
    told = {"verdict": "win", "reason": "", "pairs": 9}
    experiment = Experiment.model_validate(
        {"name": "e", "control": "a", "treatments": ["b"], "from": START, "metrics": ["solved"], "do": ["slack"]}
    )
    shadow = Shadow.model_validate(
        {"name": "s", "champion": "a", "challenger": "b", "join": "id", "from": START, "do": ["slack"]}
    )
    breaker = Breaker("open", START, "because", number=3, episode=START - HOUR)
    receivers = {"r": SPEC, "slack": SLACK}
    made = [
        *announce_experiment(monitor, experiment, "b", told, BUCKET.end, 0, receivers),
        *announce_shadow(monitor, shadow, told, START, 0, START + timedelta(days=1), receivers),
        *plan_transition(monitor, monitor.breakers[0], "acme", breaker, receivers, START),
    ]
    found = [opened.incident.id, blind.incident.id, identity("i-1", "back", "rollback", 2)]
    assert found + [part for action in made for part in (action.id, action.incident)] == [
        "4b201eb1-da9b-5d52-868a-c47de5d1a759",
        "da533346-3792-5eaf-abbf-f63686de2618",
        "a8d94a21-6c62-5ff8-ba35-d6bcbd660e97",
        "beac54a5-3369-5072-8743-628b43c3d258",
        "06398567-8512-582e-81f4-a3a62bdb6aa1",
        "226b08a5-579d-55ec-a654-077ce486aabb",
        "6ddc2f1a-ddb5-5393-894a-257e9c474e69",
        "f40e6343-5f96-5a59-a910-a30af7997aaa",
        "a1aea10e-176d-5b03-84c0-0114a5d51f68",
        "96958696-f487-558b-9193-0278fd3e10ae",
        "a1aea10e-176d-5b03-84c0-0114a5d51f68",
    ]
