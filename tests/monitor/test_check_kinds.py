"""What every check kind keeps to, and what a new one gets from its line in the registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from prometheus_client.core import CollectorRegistry
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from typer.testing import CliRunner

from detectors import Column, Profile, learn_numeric
from detectors.base import Finding, Status
from detectors.quality.traffic import Traffic
from monitor.checks.base import Check
from monitor.checks.baseline import Baseline
from monitor.checks.detect import detect
from monitor.checks.protocols import BaselineData, WindowData
from monitor.checks.registry import CHECKS, config_models, make_checks
from monitor.checks.window import Window
from monitor.cli import app
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.cli.options import load_config
from monitor.config.checks.base import CheckConfig
from monitor.config.load import json_schema
from monitor.config.models import Config, ConfigError, Monitor
from monitor.metrics.export import StateCollector
from scripts import docs
from tests.support.hand import Hand
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)


class CrowdConfig(CheckConfig):
    """Compares the rows of a window with the most that it may have."""

    kind: SkipJsonSchema[str] = "crowd"
    most: int = Field(1000, ge=1)
    """The most rows that a window may have."""


class Crowd(Check[CrowdConfig]):
    """A kind that only this file knows."""

    Config: ClassVar[type[CheckConfig]] = CrowdConfig

    def evaluate(self, baseline: BaselineData, window: WindowData) -> Iterator[Finding]:
        rows, most = sum(window.traffic.bucket_rows), self.config.most
        status = Status.DRIFTED if rows > most else Status.OK
        yield Finding(
            self.config.finding_name, None, "crowd", None, status, f"{rows} rows", float(rows), float(most), unit="rows"
        )


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHECKS, "crowd", Crowd)


KINDS = [*CHECKS, "crowd"]
NEEDED: dict[str, dict[str, Any]] = {
    "rate": {"signal": "refusal"},
    "slo": {"signal": "refusal", "objective": 0.9},
    "spend": {"daily": 5},
}
"""The settings without which a kind cannot be configured."""


def monitor_with(*checks: Any) -> Monitor:
    source = {"url": "sqlite:///log.db", "table": "t", "columns": {"timestamp": "at"}}
    settings = {"name": "bot", "source": source, "signals": ["refusal"], "checks": list(checks)}
    config = Config.model_validate({"monitors": [settings]}, context={"check_models": config_models()})
    return config.monitors[0]


def sides() -> tuple[Baseline, Window]:
    """Return a baseline of one column, and a window in which it moved."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=5000)
    layout = learn_numeric(values, float(values.min()), float(values.max()))
    old, new = (Profile.of(Column.floats(each), layout) for each in (values, rng.normal(2, 1, 600)))
    traffic = Traffic(
        bucket_rows=(50,) * 12, bucket_seconds=300.0, schema={"amount": "float"}, seconds_since_newest=9.0
    )
    baseline = Baseline(1, "", {"amount": layout}, {None: {"amount": old}}, traffic, 5000)
    return baseline, Window({None: {"amount": new}}, traffic, starts=[START])


# ------------------------------------------------------------------ every kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_and_its_settings_are_documented(kind: str) -> None:
    model = CHECKS[kind].Config
    assert "kind" in model.model_fields
    assert docs.first_line(model).endswith(".")
    for name in model.key_names():
        assert model.model_fields[name].description, name


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_configured_by_its_own_keys_only(kind: str) -> None:
    (check,) = monitor_with({kind: {**NEEDED.get(kind, {}), "name": "mine"}}).checks
    assert isinstance(check, CHECKS[kind].Config)
    assert (check.kind, check.name) == (kind, "mine")
    with pytest.raises(ValueError, match=f"{kind} has no key 'nonsense'"):
        monitor_with({kind: {**NEEDED.get(kind, {}), "nonsense": 1}})


@pytest.mark.parametrize("kind", KINDS)
def test_findings_have_the_name_of_their_check_and_are_the_same_again(kind: str) -> None:
    monitor, (baseline, window) = monitor_with({kind: {**NEEDED.get(kind, {}), "name": "mine"}}), sides()
    findings = [finding for check in make_checks(monitor) for finding in check.evaluate(baseline, window)]
    targets = [
        target for check in make_checks(monitor) for target in check.targets(baseline.layouts, baseline.profiles[None])
    ]
    assert {finding.check for finding in findings} | {target.check for target in targets} <= {"mine"}
    assert detect(monitor, baseline, window) == detect(monitor, baseline, window)


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_without_rows_gives_findings_and_no_exception(kind: str) -> None:
    baseline, _ = sides()
    found = detect(monitor_with({kind: NEEDED.get(kind, {})}), baseline, Window({}, Traffic()))
    assert Status.ERROR not in {finding.status for finding in found}


def test_a_group_stands_for_its_kinds_with_the_same_settings() -> None:
    monitor = monitor_with({"quality": {"threshold": 0.2, "max_increase": 0.1, "columns": ["amount"], "name": "mine"}})
    checks = {check.kind: check.config for check in make_checks(monitor)}
    assert set(checks) == {"missing", "mistyped", "range", "unseen", "schema", "volume"}
    assert {config.name for config in checks.values()} == {"mine"}
    assert checks["missing"].model_dump() == {
        **{"kind": "missing", "name": "mine", "threshold": 0.2, "max_increase": 0.1},
        **{"columns": ["amount"], "min_samples": None, "segments": True, "traffic": ["served"]},
    }
    whole = {"kind": "volume", "name": "mine", "threshold": 0.2, "traffic": ["served"]}
    assert checks["volume"].model_dump() == whole


# ------------------------------------------------------------------ a new kind


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, 8 * HOUR))
    yield made
    made.close()


def configure(world: World, *checks: Any) -> Path:
    baseline = {"from": START.isoformat(), "to": (START + 6 * HOUR).isoformat()}
    rules = [{"name": "too many", "when": ["crowd"]}]
    return world.configure(baseline=baseline, catch_up="3650d", checks=list(checks), rules=rules)


def test_a_new_kind_is_in_the_schema_and_in_the_command_that_prints_it() -> None:
    printed = json.loads(CliRunner().invoke(app, ["config", "schema"]).stdout)
    assert printed == json_schema(config_models())
    assert set(printed["$defs"]["CrowdConfig"]["properties"]) == {"name", "traffic", "most"}
    assert "crowd" in json.dumps(printed["$defs"]["Monitor"]["properties"]["checks"])


def test_a_new_kind_is_among_the_choices_of_an_error(world: World) -> None:
    for entry, problem in {
        "crowed": r"unknown key 'crowed'. Allowed: crowd, .* Did you mean 'crowd'\?",
        "crowd": r"crowd\.daily: 'daily' is not a key of crowd, but of spend",
    }.items():
        with pytest.raises(ConfigError, match=problem):
            load_config(configure(world, {entry: {"daily": 5}}))


def test_a_new_kind_is_in_the_documentation() -> None:
    assert "## monitors[].checks[].crowd\n" in docs.configuration()
    assert "| `most` | `1000` | The most rows that a window may have. |" in docs.configuration()
    assert (
        "| `crowd` | Compares the rows of a window with the most that it may have. | `name`, `traffic`, `most` |"
        in docs.checks()
    )


def test_a_new_kind_is_in_check_and_in_metrics_and_in_incidents(world: World) -> None:
    path = configure(world, {"crowd": {"most": 100}})
    result = CliRunner().invoke(app, ["check", "--config", str(path), "--at", (START + 7 * HOUR).isoformat(), "--json"])
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["check"], finding["status"], finding["reason"]) == ("crowd", "drifted", "600 rows")

    config = load_config(path)
    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config, Hand(START + 7 * HOUR))
        daemon.tick_all()
        daemon.monitors[0].close()
        registry = CollectorRegistry()
        registry.register(StateCollector(database, config))
        values = {
            sample.name: sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.labels.get("check") == "crowd" or [*sample.labels.values()] == ["shop", "warning", "firing"]
        }
    assert values["driftd_finding_status"] == 1
    assert values["driftd_finding_statistic"] == 600
    assert values["driftd_finding_threshold"] == 100
    assert values["driftd_incidents"] == 1
