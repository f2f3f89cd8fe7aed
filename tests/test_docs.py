"""The derived pages say what the code says, and the README's figures come from commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from detectors import DETECTORS, PERFORMANCE, SEQUENTIAL, SIGNALS
from monitor.config import Config
from monitor.metrics import METRICS

ROOT = Path(__file__).parent.parent


def test_the_derived_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_method_signal_and_metric_is_documented() -> None:
    pages = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
    for name in [*DETECTORS, *SEQUENTIAL, *PERFORMANCE, *SIGNALS]:
        assert f"`{name}`" in pages["checks.md"]
    for row in METRICS:
        assert f"`{row.name}`" in pages["metrics.md"]
    rows = [line for line in pages["configuration.md"].splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert [row for row in rows if row.endswith("|  |")] == []


def test_the_first_configuration_of_the_readme_is_valid() -> None:
    text = (ROOT / "README.md").read_text().split("```yaml")[1].split("```")[0]
    data = yaml.safe_load(text.replace("${SLACK_BOT_TOKEN}", "x").replace("${READER_PASSWORD}", "x"))
    hook = data["actions"]["rollback"]["webhook"]
    hook["secret"] = hook.pop("secret_file")
    assert Config.model_validate(data).monitors[0].name == "churn"
