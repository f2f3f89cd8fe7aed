"""The dashboard and the rules: fresh, consistent, and every expression run by a real Prometheus on real metrics."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from dashboards.alerts import ALERTS
from dashboards.generate import FOLDER, files
from monitor.metrics import list_metrics
from monitor.metrics.process import PROCESS_ROWS

pytestmark = pytest.mark.xdist_group("dashboards")  # one worker starts Prometheus, not each

DASHBOARD: dict[str, Any] = json.loads((FOLDER / "driftd.json").read_text())
PANELS = [panel for row in DASHBOARD["panels"] for panel in [row, *row.get("panels", [])]]
TARGETS = [target for panel in PANELS for target in panel.get("targets", [])]
MARKS = DASHBOARD["annotations"]["list"]
EXPRESSIONS = sorted({one["expr"] for one in [*TARGETS, *MARKS]} | {alert.expr for alert in ALERTS})
NAMES = re.compile(r"\b(driftd_\w+)")
MAY_BE_EMPTY = (
    "== 3)",
    "driftd_series_truncated > 0",
    "driftd_store_up == 0",
    "absent(",
    "driftd_quarantined_records_total",
    "driftd_reaction_seconds",
    "driftd_verifications",
)


def expanded(expression: str) -> str:
    return re.sub(r"\$\{?(monitor|check|column)\}?", ".*", expression)


def test_the_generated_files_are_fresh() -> None:
    for name, text in files().items():
        assert (FOLDER / name).read_text() == text, f"{name} is stale; run `make docs`"


def test_every_metric_that_is_used_exists_and_every_metric_is_used() -> None:
    known = {row.name for row in (*list_metrics(), *PROCESS_ROWS)} | {"driftd_store_up", "driftd_build_info"}
    used = {name for expression in EXPRESSIONS for name in NAMES.findall(expression)}
    assert used - known == set()
    assert {row.name for row in list_metrics()} - used == set()


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        references = [target["refId"] for target in panel.get("targets", [])]
        assert len(references) == len(set(references))
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"


def test_provisioning_points_at_what_compose_mounts() -> None:
    deploy = FOLDER.parent / "deploy"
    provider = yaml.safe_load((deploy / "grafana/provisioning/dashboards/driftd.yaml").read_text())
    compose = yaml.safe_load((deploy / "compose.yaml").read_text())
    mounts = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]
    assert provider["providers"][0]["options"]["path"] in mounts


def test_promtool_accepts_the_rules_and_their_unit_tests(promtool: Path) -> None:
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([promtool, *command], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = (FOLDER / "alerts_test.yml").read_text()
    for alert in ALERTS:
        assert len(re.findall(rf"alertname: {alert.name}\b", tested)) >= 2, alert.name


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_runs_on_a_real_prometheus(query: Any, expression: str) -> None:
    found = query(expanded(expression))
    if "$" in expression and not any(word in expression for word in MAY_BE_EMPTY):
        assert found, expression


def test_promtool_has_no_complaint_about_the_metrics(metrics_url: str, promtool: Path) -> None:
    text = httpx.get(f"{metrics_url}/metrics", timeout=60).text
    assert text.count("\n") > 50
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_marks_are_at_the_newest_version_and_deployment_of_each_monitor(query: Any) -> None:
    assert [mark["name"] for mark in MARKS] == ["Versions", "Deployments"]
    assert all(mark["useValueForTime"] for mark in MARKS)
    kinds = [{result["metric"]["kind"] for result in query(expanded(mark["expr"]))} for mark in MARKS]
    assert {"prompt_version"} <= kinds[0] <= {"model_version", "prompt_version"}
    assert kinds[1] == {"config"}
