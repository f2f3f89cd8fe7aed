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
from starlette.routing import Route

from detectors import DETECTORS, PERFORMANCE, SEQUENTIAL, SIGNALS
from monitor.config.models import Config, Monitor
from monitor.config.policies import PolicySpec
from monitor.core.clock import SystemClock
from monitor.jobs.evals.expectation import KINDS
from monitor.jobs.evals.suite import Judge, Suite
from monitor.jobs.evals.suite import load as load_suite
from monitor.metrics import list_metrics
from monitor.store.database import Database
from monitor.web.app import create_app

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


HAND_WRITTEN = [page for page in PAGES if "Written by" not in page.read_text()[:80] and page.name != "CHANGELOG.md"]


def command_options() -> dict[str, set[str]]:
    """Return the options of every command, and of every group none, as commands.md lists them."""
    found: dict[str, set[str]] = {"driftd": {"--version", "--log-level"}}
    for section in (ROOT / "docs/commands.md").read_text().split("\n## ")[1:]:
        words = section.split("\n", 1)[0].split()
        for length in range(2, len(words)):
            found.setdefault(" ".join(words[:length]), set())
        found[" ".join(words)] = set(re.findall(r"`(--?[a-z][\w-]*)`", section)) | {"--help"}
    return found


def unknown_commands(code: str) -> list[str]:
    """Return the command lines of driftd that name no command, or an option that the command does not have."""
    options, unknown = command_options(), []
    for line in re.findall(r"(?:^|[/ ])(driftd(?: [a-z]+\b.*)?)$", code, re.M):
        call = re.split("[#;|>]", line)[0]
        words = call.split()
        while " ".join(words) not in options:
            words.pop()
        named = set(re.findall(r" (--?[a-z][\w-]*)", call))
        if len(words) < min(2, len(call.split())) or named - options[" ".join(words)]:
            unknown.append(line)
    return unknown


@pytest.mark.parametrize(
    "page", HAND_WRITTEN, ids=lambda page: page.name if page.parent == ROOT else f"docs-{page.name}"
)
def test_what_a_page_names_exists(page: Path) -> None:
    """Commands with their options, targets of make, modules that are run, metrics and files."""
    text = page.read_text()
    code = "\n".join([*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)])
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    metrics = re.findall(r"^\| `(driftd_\w+)`", (ROOT / "docs/metrics.md").read_text(), re.M)
    unknown = unknown_commands(re.sub(r"^docker .*$", "", code, flags=re.M))
    unknown += sorted({*re.findall(r"^make ([a-z-]+)", code, re.M)} - {*targets})
    for name in re.findall(r"python -m ([\w.]+)", code):
        path = ROOT / name.replace(".", "/")
        unknown += [] if path.is_dir() or path.with_suffix(".py").is_file() else [name]
    for name, family in re.findall(r"^(driftd_[a-z_]*[a-z])(_\*)?", code, re.M):
        unknown += [] if any(one == name or (family and one.startswith(name)) for one in metrics) else [name]
    files = re.findall(r"^((?:monitor|detectors|deploy|tests|scripts|benchmarks)/[\w./-]*)$", code, re.M)
    assert unknown + [name for name in files if not (ROOT / name).exists()] == []


def test_every_endpoint_is_documented() -> None:
    app = create_app(Database("sqlite://"), Config.model_validate(whole({})), SystemClock())
    served = {route.path.replace(":path", "").replace(":int", "") for route in app.routes if isinstance(route, Route)}
    listed = re.findall(r"^\| `(?:GET|POST|DELETE) (\S+)`", (ROOT / "docs" / "api.md").read_text(), re.M)
    shown_to_people = ("/login", "/logout", "/static", "/monitors", "/incidents", "/actions", "/silences", "/audit")
    assert {path for path in served if path != "/" and not path.startswith(shown_to_people)} == {*listed}


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
