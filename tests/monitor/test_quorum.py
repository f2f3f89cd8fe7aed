"""Rules that fire when some of the last buckets were bad: `for: 3 of 5 buckets`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from detectors.calibrate import peaks
from monitor.config.load import json_schema
from monitor.config.models import BucketQuorum, Rule
from tests.support.course import Course
from tests.support.decisions import MINUTE, clean, finding, monitor_of, unmeasured

BUCKETS = {"b": [finding(0.3)], "c": [clean()], "-": [unmeasured()]}


def states(course: str, quorum: Any = "3 of 5 buckets", **rule: Any) -> str:
    """Return the first letter of the state of the incident after each bucket, `.` for none.

    Buckets are bad (b), clean (c), or not measured (-).
    """
    life, seen = Course(monitor_of(**{"for": quorum, "do": [], "reopen_within": "0s", **rule})), ""
    for bucket in course:
        decided = life.step(BUCKETS[bucket]).incidents
        seen += decided[-1].incident.state[0] if decided else "."
    return seen


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("bbb", "ppf"),
        ("bcbcb", "ppppf"),
        ("bccbb", "ppppf"),
        ("bcccbb", "pppppp"),  # the first bad bucket is older than five
        ("bccccc", "ppppp" + "r"),
        ("bb---b", "pp" + "ppp" + "f"),  # what is not measured does not count
        ("cccbcb", "...ppp"),
        ("bbbcc", "ppffr"),
        ("bbbcbcb", "ppfffff"),
        ("bbbccb", "ppffrp"),  # it begins anew after it was resolved
    ],
)
def test_an_incident_fires_when_enough_of_the_last_buckets_were_bad(course: str, expected: str) -> None:
    assert states(course) == expected


def test_a_quorum_of_all_buckets_is_stricter_than_a_number() -> None:
    assert states("bbcbbb", "3 of 3") == "ppp" + "ppf"
    assert states("bbcbbb", 3) == "ppr" + "ppf"


def test_the_reason_states_how_many_of_the_last_buckets_were_bad() -> None:
    life = Course(monitor_of(**{"for": "2 of 4"}))
    reasons = [life.step(BUCKETS[bucket]).incidents[0].incident.reason for bucket in "bcb"]
    assert reasons[0] == "novelty rose; bad in 1 of the last 4 buckets, fires at 2"
    assert reasons[2] == "novelty rose; bad in 2 of the last 4 buckets"


def test_a_rule_that_had_a_quorum_before_counts_consecutive_buckets() -> None:
    life = Course(monitor_of(**{"for": "3 of 5"}))
    life.step(BUCKETS["b"])
    life.monitor = monitor_of(**{"for": 2})
    assert life.step(BUCKETS["c"]).incidents[0].incident.state == "resolved"


@pytest.mark.parametrize("written", ["3 of 5 buckets", "3 of 5", {"bad": 3, "of": 5}])
def test_a_quorum_is_written_as_a_sentence_or_as_two_numbers(written: Any) -> None:
    rule = Rule.model_validate({"for": written})
    assert rule.for_ == BucketQuorum(bad=3, of=5)
    assert (rule.buckets(rule.for_, MINUTE), rule.recent_buckets(MINUTE)) == (3, 5)
    form = json_schema()["$defs"]["Rule"]["properties"]["for"]
    assert Draft202012Validator(form).is_valid(written)


@pytest.mark.parametrize("written", ["6 of 5", {"bad": 0, "of": 5}, "three of five", {"bad": 3}])
def test_a_wrong_quorum_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate({"for": written})


def test_thresholds_are_learnt_for_the_quorum() -> None:
    rng = np.random.default_rng(0)
    rarity = rng.exponential(size=4000)
    for bad, of in ((1, 1), (3, 3), (3, 5), (1, 4)):
        padded = np.concatenate([np.zeros(of - 1), rarity])
        expected = max(sorted(padded[place : place + of])[of - bad] for place in range(len(rarity)))
        assert peaks(rarity, len(rarity), bad, of).tolist() == [expected]
    assert peaks(rarity, 10, 3).tolist() == peaks(rarity, 10, 3, 3).tolist()
