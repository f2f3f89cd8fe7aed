"""The rows of the store have the columns of its tables."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa

from monitor.core.incident import Incident
from monitor.store import baselines, comparisons, prompts, rows, tables

WHOLE = {
    rows.ActionRow: tables.actions,
    rows.FindingRow: tables.findings,
    rows.WatchRow: tables.watches,
    rows.TransitionRow: tables.transitions,
    rows.SilenceRow: tables.silences,
    rows.ChangeRow: tables.changes,
    rows.VersionRow: tables.versions,
    rows.SavingsRow: tables.savings_reports,
    rows.BreakerRow: tables.breakers,
    rows.BreakerTransitionRow: tables.breaker_transitions,
    rows.EvaluationRow: tables.evaluations,
    Incident: tables.incidents,
}
PARTS = {
    rows.BucketRow: tables.buckets,
    rows.AuditRow: tables.buckets,
    rows.VolumeRow: tables.buckets,
    rows.FindingPoint: tables.findings,
    rows.BaselineRow: tables.baselines,
    rows.ComparisonRow: tables.comparisons,
    baselines.BaselineIdentity: tables.baselines,
    baselines.StoredBaseline: tables.baselines,
    comparisons.SummedComparisonRow: tables.comparisons,
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
