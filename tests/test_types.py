"""The store, the decisions and the outbox are typed throughout: ``Any`` would hide a wrong column or a missing kind."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.core.incident import Incident
from monitor.store import baselines, comparisons, prompts, rows, tables
from tests.support.tools import ROOT

TYPED = (
    "monitor/core/payload.py",
    "monitor/store/**/*.py",
    "monitor/alerting/**/*.py",
    "monitor/actions/**/*.py",
    "monitor/jobs/delivery.py",
)
EXCEPTIONS = {
    "slack/__init__.py": "it reads whatever a payload holds",
    "slack/templates.py": "it reads whatever a payload holds",
    "core/prompts.py": "settings of a prompt are any JSON",
    "actions/drift_cost.py": "the detail of a finding is any JSON",
    "actions/retraining.py": "a JSON schema is any JSON",
}


def uses_of_any(path: Path) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Name) and node.id == "Any")
        or (isinstance(node, ast.Attribute) and node.attr == "Any")
        or (isinstance(node, ast.alias) and node.name == "Any")
    ]


def test_any_is_found_however_it_is_written(tmp_path: Path) -> None:
    source = "import typing\nfrom typing import Any as Whatever\nx: dict[str, typing.Any] = {}\n"
    (tmp_path / "one.py").write_text(source)
    assert uses_of_any(tmp_path / "one.py") == [2, 3]


def test_what_decides_and_what_is_stored_is_typed() -> None:
    paths = {path for pattern in TYPED for path in ROOT.glob(pattern)}
    assert len(paths) > 30
    untyped = {
        path: lines
        for path in sorted(paths)
        if (lines := uses_of_any(path)) and not str(path).endswith(tuple(EXCEPTIONS))
    }
    assert untyped == {}


WHOLE = {
    rows.ActionRow: tables.actions,
    rows.FindingRow: tables.findings,
    rows.WatchRow: tables.watches,
    rows.TransitionRow: tables.transitions,
    rows.SilenceRow: tables.silences,
    rows.ChangeRow: tables.changes,
    rows.VersionRow: tables.versions,
    rows.SavingsRow: tables.savings_told,
    rows.BreakerRow: tables.breakers,
    rows.BreakerTransitionRow: tables.breaker_transitions,
    rows.EvaluationRow: tables.evaluations,
    Incident: tables.incidents,
}
PARTS = {
    rows.BucketRow: tables.buckets,
    rows.WindowRow: tables.buckets,
    rows.AuditRow: tables.buckets,
    rows.VolumeRow: tables.buckets,
    rows.FindingPoint: tables.findings,
    rows.FindingDetail: tables.findings,
    rows.BaselineRow: tables.baselines,
    rows.ComparisonRow: tables.comparisons,
    baselines.StandingBaseline: tables.baselines,
    baselines.StoredBaseline: tables.baselines,
    comparisons.StandingRow: tables.comparisons,
    prompts.PromptRow: tables.prompts,
}


def fields_of(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(("kind", "table"), WHOLE.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_row_of_a_whole_table_has_all_its_columns(kind: type, table: sa.Table) -> None:
    assert fields_of(kind) == set(table.c.keys())


@pytest.mark.parametrize(("kind", "table"), PARTS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_row_of_a_part_of_a_table_has_columns_of_it(kind: type, table: sa.Table) -> None:
    assert fields_of(kind) < set(table.c.keys()) | {""}
