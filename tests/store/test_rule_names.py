"""The longest name of a rule can be stored with its incident, and a longer one is refused before."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from monitor.config.models import LONGEST_RULE_NAME, Rule
from monitor.config.rules import rule_name
from monitor.core.incident import Decision, Incident
from monitor.jobs.evals.suite import Suite
from monitor.store import incidents
from monitor.store.database import Database
from tests.support.decisions import START

CHECKS = [f"drift.column_{number:02}" for number in range(9)]


@pytest.mark.parametrize("rule", [{"name": "n" * LONGEST_RULE_NAME}, {"when": CHECKS[:7]}])
def test_the_longest_name_of_a_rule_is_stored_with_its_incident(database: Database, rule: dict[str, Any]) -> None:
    name = rule_name(Rule.model_validate(rule))
    incident = Incident("i-1", "bot", name, "warning", "firing", START, START, "novelty rose", fired_at=START)
    with database.write() as connection:
        incidents.save_decision(connection, Decision(incident, "firing", "novelty rose"))
    with database.read() as connection:
        assert [one.rule for one in incidents.open_incidents(connection, "bot")] == [name]


@pytest.mark.parametrize("rule", [{"name": "n" * (LONGEST_RULE_NAME + 1)}, {"when": CHECKS}])
def test_a_longer_name_is_refused_with_a_sentence(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="a rule needs a `name:` of at most 128 characters"):
        Rule.model_validate(rule)
    assert Rule.model_validate({**rule, "name": "short"}).name == "short"


def test_the_rule_of_the_longest_name_of_a_suite_is_short_enough() -> None:
    longest = "s" * 116
    suite: dict[str, Any] = {"traffic": {"share": 0.2}, "expect": [{"signal": "valid_json", "min": 1}]}
    assert Suite.model_validate({**suite, "name": longest}).name == longest
    assert len(f"evaluation.{longest}") <= LONGEST_RULE_NAME
    with pytest.raises(ValidationError):
        Suite.model_validate({**suite, "name": longest + "ss"})
