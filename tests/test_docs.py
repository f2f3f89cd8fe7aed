"""The derived pages say what the code says, and the README's figures come from commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from detectors import DETECTORS, PERFORMANCE, SEQUENTIAL, SIGNALS
from monitor.config import Config, Monitor
from monitor.evals.suite import Suite
from monitor.metrics import METRICS
from monitor.policies import PolicySpec

ROOT = Path(__file__).parent.parent
WRITTEN = ("calibration", "llm", "money", "performance", "sources")
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in WRITTEN
    for number, block in enumerate(
        re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.S), 1
    )
]


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


@pytest.mark.parametrize("block", BLOCKS)
def test_every_configuration_that_a_page_shows_is_valid(block: str) -> None:
    shown = yaml.safe_load(block)
    if "expect" in shown:
        Suite.model_validate(shown)
    elif "rules" in shown and "type" in shown["rules"][0]:
        PolicySpec.model_validate(shown).build("shown")
    else:
        data = whole(shown)
        assert Config.model_validate(data).monitors[0].name == "support-bot"


def whole(part: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that holds the part, with what the part refers to."""
    hook = {"webhook": {"url": "https://deploy.internal", "secret": "x"}}
    source = {"url": "sqlite:///app.db", "columns": {"timestamp": "at"}} | part.pop("source", {})
    monitor: dict[str, Any] = {
        "name": "support-bot",
        "source": source if "query" in source else source | {"table": "calls"},
    }
    everywhere: dict[str, Any] = {"slack": {"token": "x", "channel": "#a"}}
    fields = {field.alias or name for name, field in Monitor.model_fields.items()}
    for key, value in part.items():
        (monitor if key in fields else everywhere)[key] = value
    actions = {"tell-gateway": hook, "rollback-support-bot": hook}
    return everywhere | {"monitors": [monitor], "actions": actions}
