"""What a baseline says about its own noise: every field in storage, and which limit holds for a finding."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from detectors.calibrate import RarityLimit
from detectors.clusters import Concentration
from detectors.null_distribution import CalibratedNull, NullDistribution
from detectors.performance.interval_calibration import Residual, ResidualHistory
from detectors.sensitivity import Sensitivity
from monitor.checks.calibration import Calibration
from tests.support.decisions import finding

NULL = NullDistribution(0.5, 1.5, 0.1, 2.5, (1.0, 2.0, 3.0, 4.0), 50.0, 0.75, 0.25, 1.25, None, 3.5)
APART = replace(NULL, limit=30.0)
WHOLE = finding(0.3, column="amount", method="psi")
CALIBRATION = Calibration(
    limit=RarityLimit(9.0, 1.0, 0.5, 0.4, 0.6, 2.0, 0.7),
    nulls={WHOLE.key: NULL, replace(WHOLE, segment="plan=free").key: APART},
    subjects={WHOLE.key: ("drift", "amount", "psi", None)},
    seasons={"amount": "hour of the day"},
    records={"mae": ResidualHistory((Residual(7.0, 0.1, 0.2, 0.3),), 4.0)},
    clients={"user": Concentration(3.0, 20.0)},
    reason="calibrated on 2 weeks",
    definition="0123",
    unusual={"amount": [("2026-11-01T00:00:00+00:00", "2026-11-01T03:00:00+00:00")]},
    sensitivity={"amount": Sensitivity("sd", 0.0, 0.4, None)},
    finest={"plan": Sensitivity("share", 0.2, 0.3, 0.25)},
)
STORED_NULL = {
    "wander": 0.5,
    "start": 1.5,
    "share": 0.1,
    "scale": 2.5,
    "quantiles": [1.0, 2.0, 3.0, 4.0],
    "windows": 50.0,
    "noise": 0.75,
    "expected": 0.25,
    "inflation": 1.25,
    "limit": None,
    "clusters": 3.5,
}
STORED = {
    "limit": {"rarity": 9.0, "budget": 1.0, "expected": 0.5, "low": 0.4, "high": 0.6, "weeks": 2.0, "beyond": 0.7},
    "nulls": {"drift/amount/psi/": STORED_NULL, "drift/amount/psi/plan=free": {**STORED_NULL, "limit": 30.0}},
    "subjects": {"drift/amount/psi/": ["drift", "amount", "psi", None]},
    "seasons": {"amount": "hour of the day"},
    "records": {"mae": {"span": 4.0, "seen": [[7.0, 0.1, 0.2, 0.3]]}},
    "clients": {"user": {"size": 3.0, "clients": 20.0}},
    "reason": "calibrated on 2 weeks",
    "definition": "0123",
    "unusual": {"amount": [["2026-11-01T00:00:00+00:00", "2026-11-01T03:00:00+00:00"]]},
    "sensitivity": {"amount": {"unit": "sd", "before": 0.0, "window": 0.4, "day": None}},
    "finest": {"plan": {"unit": "share", "before": 0.2, "window": 0.3, "day": 0.25}},
}
NEWER = ("records", "unusual", "clients", "sensitivity", "finest")
"""What calibrations of earlier versions do not have."""


def test_every_field_is_stored_and_read_again() -> None:
    assert {each.name for each in fields(Calibration)} == STORED.keys()
    assert CALIBRATION.to_json() == STORED
    assert Calibration.from_json(json.loads(json.dumps(STORED))) == CALIBRATION
    assert Calibration.from_json(Calibration().to_json()) == Calibration.from_json(None) == Calibration()


def test_a_calibration_of_an_earlier_version_lacks_what_is_newer() -> None:
    older = {name: value for name, value in STORED.items() if name not in NEWER}
    assert Calibration.from_json(older) == replace(CALIBRATION, **dict.fromkeys(NEWER, {}))


def test_a_limit_of_its_own_holds_for_a_statistic_that_is_set_apart() -> None:
    own = replace(WHOLE, segment="plan=free")
    assert CALIBRATION.set_apart == {own.key: APART}
    assert CALIBRATION.of(WHOLE) == CalibratedNull(NULL, 9.0)
    assert CALIBRATION.of(own) == CalibratedNull(APART, 30.0)
    assert CALIBRATION.of(replace(WHOLE, segment="plan=new")) == CalibratedNull(NULL, 9.0)
    assert CALIBRATION.calibrated("drift/amount/psi/plan=new") is None
    assert CALIBRATION.of(replace(WHOLE, column="other")) is None
    assert replace(CALIBRATION, limit=None).of(own) is None


@pytest.mark.parametrize("limit", [0.0, 30.0])
def test_a_limit_of_its_own_holds_whatever_it_is(limit: float) -> None:
    null = replace(NULL, limit=limit)
    assert replace(CALIBRATION, nulls={"k": null}).calibrated("k") == CalibratedNull(null, limit)
