"""The derived pages say what the code says, and the README's figures come from commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from detectors import DETECTORS, PERFORMANCE, SEQUENTIAL, SIGNALS
from monitor.config.models import Config, Monitor
from monitor.config.policies import PolicySpec
from monitor.jobs.evals.expectation import KINDS
from monitor.jobs.evals.suite import Judge, Suite
from monitor.jobs.evals.suite import load as load_suite
from monitor.metrics import list_metrics

ROOT = Path(__file__).parent.parent
WRITTEN = ("calibration", "experiments", "llm", "money", "performance", "sources")
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
    for row in list_metrics():
        assert f"`{row.name}`" in pages["metrics.md"]
    rows = [line for line in pages["configuration.md"].splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert [row for row in rows if row.endswith("|  |")] == []


def test_the_first_configuration_of_the_readme_is_valid() -> None:
    text = (ROOT / "README.md").read_text().split("```yaml")[1].split("```")[0]
    data = yaml.safe_load(text.replace("${SLACK_BOT_TOKEN}", "x").replace("${READER_PASSWORD}", "x"))
    hook = data["receivers"]["rollback"]
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


def test_the_suite_that_is_shown_is_read_as_the_command_reads_it(tmp_path: Path) -> None:
    shown = (ROOT / "docs" / "evaluations.md").read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "suite.yaml").write_text(shown)
    suite = load_suite(tmp_path / "suite.yaml", environment={"LLM_API_KEY": "x"})
    assert len(suite.cases) == 3
    kinds = {one.kind for case in suite.cases for one in suite.expectations(case)}
    assert kinds >= {"contains", "numeric", "regex", "json_schema", "signal"}


def test_every_key_of_a_suite_is_documented_with_its_type_and_default() -> None:
    page = (ROOT / "docs" / "evaluations.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    shown = {row[0].strip("| `") for row in rows}
    for model in nested(Suite):
        assert {field.alias or name for name, field in model.model_fields.items()} - {"kind", "value"} <= shown
    assert Judge in nested(Suite)
    assert set(KINDS) <= shown
    assert [row for row in rows if "" in (cell.strip(" |") for cell in row)] == []


def nested(model: type[BaseModel]) -> set[type[BaseModel]]:
    """Return a model and all models that its fields hold."""
    found = {model}
    for field in model.model_fields.values():
        parts: list[Any] = [field.annotation]
        while parts:
            part = parts.pop()
            parts += get_args(part)
            if isinstance(part, type) and issubclass(part, BaseModel) and part not in found:
                found |= nested(part)
    return found


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    without_code = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", without_code, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name if page.parent == ROOT else f"docs-{page.name}")
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


def test_the_index_lists_every_page_once() -> None:
    listed = re.findall(r"^- \[([\w.-]+)\]\(\1\): .", (ROOT / "docs" / "README.md").read_text(), re.M)
    assert sorted([*listed, "README.md"]) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))
    assert "(docs/README.md)" in (ROOT / "README.md").read_text()


def whole(part: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that holds the part, with what the part refers to."""
    hook = {"kind": "webhook", "url": "https://deploy.internal", "secret": "x"}
    source = {"url": "sqlite:///app.db", "columns": {"timestamp": "at"}} | part.pop("source", {})
    monitor: dict[str, Any] = {
        "name": "support-bot",
        "source": source if "query" in source else source | {"table": "calls"},
    }
    slack = {"kind": "slack", "token": "x", "channel": "#a"}
    undo = hook | {"effect": {"kind": "rollback"}}
    everywhere: dict[str, Any] = {"receivers": {"slack": slack, "tell-gateway": hook, "rollback-support-bot": undo}}
    fields = {field.alias or name for name, field in Monitor.model_fields.items()}
    for key, value in part.items():
        (monitor if key in fields else everywhere)[key] = value
    return everywhere | {"monitors": [monitor]}
