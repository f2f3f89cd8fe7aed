"""What is loaded before anything is asked for: a container runs `driftd health` every thirty seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

import detectors
from detectors import Registry
from detectors.scan import GROUPS
from monitor.config.presets import PRESETS
from monitor.metrics import METRIC_GROUPS
from monitor.sources.dialects import DIALECTS

DETECTORS = [value for value in vars(detectors).values() if isinstance(value, Registry)]
REGISTERED = {
    entry.partition(":")[0]
    for registry in [*DETECTORS, GROUPS, METRIC_GROUPS, PRESETS, DIALECTS]
    for entry in registry.entries.values()
}
LIBRARIES = {"evidently", "opentelemetry", "numpy", "pandas", "scipy", "sqlalchemy"}
HEAVY = LIBRARIES | {"httpx", "prometheus_client", "slack_sdk", "starlette", "structlog", "uvicorn", "yaml"}


def loaded(code: str, *arguments: str) -> set[str]:
    """Return the modules that are loaded when a process that ran some code ends."""
    ending = "\nfinally:\n    import sys\n    print('\\n', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"try:\n    {code}{ending}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert "Traceback" not in done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_the_configuration_loads_no_detector_and_no_library_of_theirs() -> None:
    modules = loaded("import monitor.config.models")
    assert "monitor.config.models" in modules
    assert modules & (REGISTERED | LIBRARIES | {"monitor.checks.evidently"}) == set()


@pytest.mark.parametrize(
    "arguments", [["version"], ["health", "--listen", "127.0.0.1:1"], ["--help"]], ids=lambda a: a[0]
)
def test_a_command_loads_nothing_that_it_does_not_use(arguments: list[str]) -> None:
    modules = loaded("from monitor.cli import main; main()", *arguments)
    used = {"root", "registry", "output", arguments[0]}
    assert {name for name in modules if name.startswith("monitor.cli.")} <= {f"monitor.cli.{one}" for one in used}
    assert modules & (REGISTERED | HEAVY | {"monitor.config.models", "monitor.config.load"}) == set()
    assert [name for name in sorted(modules) if name.startswith("detectors.") and name != "detectors.registry"] == []


def test_the_daemon_loads_no_library_that_only_some_checks_need() -> None:
    modules = loaded("import monitor.daemon, monitor.cli.run")
    assert {"monitor.daemon", "monitor.metrics.traces"} <= modules
    assert modules & {"evidently", "opentelemetry", "pandas", "scipy.optimize", "scipy.sparse", "scipy.stats"} == set()
