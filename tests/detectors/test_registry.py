"""The registries: each name is that of its object, and using one imports no other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest

import detectors
from detectors import Registry
from detectors.performance import measured, rates
from detectors.quality import percentile
from detectors.scan import GROUPS

REGISTRIES: Mapping[str, Registry[object]] = {
    name: value for name, value in vars(detectors).items() if isinstance(value, Registry)
} | {"GROUPS": GROUPS}
BUILT_ON = {
    "detectors.drift.cusum": ["detectors.drift.rank"],
    "detectors.signals.json_schema": ["detectors.signals.valid_json"],
    "detectors.signals.language_switch": ["detectors.signals.language"],
    "detectors.signals.price": ["detectors.signals.failed"],
    "detectors.signals.unpriced": ["detectors.signals.failed", "detectors.signals.price"],
    "detectors.signals.valid_sql": ["detectors.signals.valid_json"],
}
"""What is defined by another signal or detector, and therefore imports it."""

IMPORT_EACH = """
import json, sys
from importlib import import_module

modules, loaded = json.loads(sys.argv[1]), {}
for name in modules:
    for old in [old for old in sys.modules if old.partition(".")[0] == "detectors"]:
        del sys.modules[old]
    import_module(name)
    others = sorted({*modules} & {*sys.modules} - {name})
    if others:
        loaded[name] = others
print(json.dumps(loaded))
"""


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_entry_can_be_imported_and_has_its_own_name(registry: str) -> None:
    for name, value in REGISTRIES[registry].items():
        assert getattr(value, "name", name) == name


def test_a_detector_or_a_signal_imports_no_other() -> None:
    modules = {entry.partition(":")[0] for registry in REGISTRIES.values() for entry in registry.entries.values()}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH, json.dumps(sorted(modules))],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout) == BUILT_ON


def test_what_a_module_defines_in_bulk_is_registered_by_name() -> None:
    assert {*detectors.PERFORMANCE} == {*measured.DETECTORS}
    assert {*detectors.RATES} == {*rates.DETECTORS}
    assert {*detectors.LATENCY} == {*percentile.TARGETS, *percentile.RISES}


def test_the_detectors_of_a_registry_are_of_its_check() -> None:
    assert {detector.check for detector in detectors.DRIFT.values()} == {"drift"}
    assert {name: detector.check for name, detector in detectors.QUALITY.items()} == {
        name: name for name in detectors.QUALITY
    }


def test_names_are_known_without_an_import() -> None:
    registry: Registry[object] = Registry({"absent": "detectors.absent:DETECTOR"})
    assert (list(registry), len(registry), "absent" in registry, "other" in registry) == (["absent"], 1, True, False)
    with pytest.raises(KeyError):
        registry["other"]
    with pytest.raises(ModuleNotFoundError):
        registry["absent"]
