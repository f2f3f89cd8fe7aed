"""The parts of a retraining's body: since when, how much, which concept, and what has to go when it is too large."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from detectors.base import Finding, Status
from detectors.joint import JOINT
from detectors.outcome import OUTCOME
from monitor.actions import retraining
from monitor.checks.baseline import Baseline
from monitor.core.incident import Incident
from tests.support.decisions import HOUR, MINUTE, START, finding, incident_of, monitor_of

TRAINING_LOG = retraining.TrainingLog(
    lambda *_: (1000, 7), lambda *_: ("ts >= 1", True), {"novelty": "numeric", "label": "numeric"}, "sqlite"
)
BASELINE = Baseline(1, "l", {}, {}, None, 10, START - 48 * HOUR, START - 24 * HOUR)  # type: ignore[arg-type]


def made(
    found: list[Finding],
    incident: Incident | None = None,
    log: Any = TRAINING_LOG,
    rows: int = 500,
    baseline: Baseline = BASELINE,
    **settings: Any,
) -> Any:
    monitor = monitor_of(settings)
    return retraining.retraining(monitor, incident or incident_of(), found, baseline, START, rows, log)


@pytest.mark.parametrize(("minutes", "suspected"), [(-90, True), (0, True), (1, False)])
def test_records_are_taken_since_the_change_that_is_suspected(minutes: int, suspected: bool) -> None:
    seen = START + minutes * MINUTE
    change = {"kind": "model_version", "column": "model_version", "value": "m2", "first_seen": seen.isoformat()}
    told = made([], incident_of(suspected_change=change))
    since = seen if suspected else START - MINUTE
    assert told["since"] == since.isoformat().replace("+00:00", "Z")
    words = "first occurrence of model_version m2" if suspected else "start of the first bad bucket"
    assert told["since_is"] == words


def test_both_stretches_say_what_to_train_on() -> None:
    log = replace(
        TRAINING_LOG,
        rows=lambda start, end: ((end - start) // MINUTE, 0),
        condition=lambda start, end: (f"{start:%d %H:%M} {end:%d %H:%M}", True),
    )
    now, before = made([], log=log)["windows"]
    assert now == {
        "what": "since_change",
        "start": "2026-10-31T23:59:00Z",
        "end": "2026-11-01T00:00:00Z",
        "rows": 1,
        "labels": 0,
        "condition": "31 23:59 01 00:00",
        "exact": True,
    }
    assert before == {
        **now,
        "what": "baseline",
        "start": "2026-10-30T00:00:00Z",
        "end": "2026-10-31T00:00:00Z",
        "rows": 1440,
        "condition": "30 00:00 31 00:00",
    }
    assert [one["what"] for one in made([], baseline=replace(BASELINE, end=None))["windows"]] == ["since_change"]
    undated = replace(TRAINING_LOG, schema={"novelty": "numeric"}, rows=lambda *_: (1000, 0))
    assert [one["labels"] for one in made([], log=undated)["windows"]] == [None, None]
    some = replace(undated, rows=lambda *_: (1000, 1))
    assert [one["labels"] for one in made([], log=some)["windows"]] == [1, 1]


def test_what_drifted_is_listed_worst_first_and_bounded() -> None:
    found = [finding(0.1 + place / 100, column=f"c{place}", n_window=250) for place in range(35)]
    others = [
        finding(0.9, direction="better"),
        finding(0.9, about="pipe"),
        finding(0.9, check="slo"),
        finding(0.9, check="experiment"),
        finding(0.9, status=Status.OK),
    ]
    told = made(
        [*found, *others], checks=["drift", {"slo": {"signal": "failed", "objective": 0.99}}], signals=["failed"]
    )
    assert [one["column"] for one in told["drifted"]] == [f"c{place}" for place in range(34, 4, -1)]
    assert told["left_out"] == 5
    assert told["drifted"][0] == {
        "column": "c34",
        "part": "input",
        "check": "drift",
        "method": "rank",
        "segment": None,
        "statistic": pytest.approx(0.44),
        "threshold": 0.1,
        "unit": "1",
        "share": 0.5,
        "rows": 250,
        "reason": "novelty rose",
    }


def test_a_segment_is_named_and_what_is_not_known_is_empty() -> None:
    unusual = finding(0.0, column=None, segment="plan=pro", threshold=None, n_window=900, reason="x" * 300)
    told = made([unusual])
    assert told["left_out"] == 0
    (one,) = told["drifted"]
    assert (one["column"], one["segment"], one["reason"]) == ("", "plan=pro", "x" * 300)
    assert (one["statistic"], one["threshold"], one["share"], one["rows"]) == (0.0, 0.0, 1.0, 900)
    (cut,) = made([replace(unusual, reason="x" * 301)], rows=0)["drifted"]
    assert (cut["reason"], cut["share"]) == ("x" * 299 + "…", 0.0)


@pytest.mark.parametrize(
    ("column", "part"),
    [
        ("income", "input"),
        ("failed", "signal"),
        ("score", "output"),
        ("prediction", "output"),
        ("response", "output"),
        (JOINT, "joint"),
        (OUTCOME, "performance"),
    ],
)
def test_every_column_is_a_part_of_the_model(column: str, part: str) -> None:
    (one,) = made([finding(0.3, column=column)], signals=["failed"])["drifted"]
    assert one["part"] == part


def test_columns_are_counted_over_all_rows_once() -> None:
    found = [
        finding(0.3, column="a"),
        finding(0.3, column="a", method="psi"),
        finding(0.01, Status.OK, column="b"),
        finding(0.3, column="c", segment="plan=pro"),
        finding(0.3, column=JOINT),
        finding(0.3, column=OUTCOME),
        finding(0.3, column="d", status=Status.INCONCLUSIVE),
        finding(0.3, column=None),
    ]
    assert made(found)["columns"] == {"checked": 2, "drifted": 1}


UNLABELLED = "unknown, as the window has no labels"


def realised(status: Status, method: str = "roc_auc", **detail: Any) -> Finding:
    return finding(0.3, status, column=OUTCOME, check="performance", method=method, detail=detail)


@pytest.mark.parametrize(
    ("found", "drifted", "why"),
    [
        ([], None, UNLABELLED),
        ([realised(Status.INCONCLUSIVE)], None, UNLABELLED),
        ([realised(Status.DRIFTED, "estimated_roc_auc")], None, UNLABELLED),
        ([replace(realised(Status.DRIFTED), segment="plan=pro")], None, UNLABELLED),
        ([realised(Status.OK)], False, "the realised performance has not fallen"),
        (
            [realised(Status.DRIFTED, estimate_held=False), realised(Status.DRIFTED, "accuracy", estimate_held=False)],
            True,
            "roc_auc, accuracy fell below what the inputs alone explain",
        ),
        ([realised(Status.DRIFTED, estimate_held=False)], True, "roc_auc fell below what the inputs alone explain"),
        ([realised(Status.DRIFTED, estimate_held=True)], False, "the inputs that drifted explain the fall"),
        ([realised(Status.DRIFTED)], None, "performance fell, and there is no estimate to compare it with"),
    ],
)
def test_the_concept_has_drifted_where_the_estimate_missed_the_fall(
    found: list[Finding], drifted: bool | None, why: str
) -> None:
    told = made(found)["concept"]
    assert told["drifted"] is drifted
    assert told["why"] == why


def test_the_metrics_of_the_model_are_told_with_their_intervals() -> None:
    detail = {"value": 0.7, "low": float("nan"), "high": 0.75, "baseline_value": 0.8}
    found = [
        realised(Status.DRIFTED, **detail),
        realised(Status.OK, "estimated_roc_auc", **detail),
        realised(Status.OK),
        replace(realised(Status.OK, **detail), segment="plan=pro"),
        realised(Status.OK, "rank", **detail),
        realised(Status.OK, value=float("inf")),
    ]
    told = made([replace(one, n_window=40) for one in found])["performance"]
    assert [(one["metric"], one["kind"]) for one in told] == [("roc_auc", "realised"), ("roc_auc", "estimated")]
    assert told[0] == {
        "metric": "roc_auc",
        "kind": "realised",
        "value": 0.7,
        "low": None,
        "high": 0.75,
        "baseline": 0.8,
        "rows": 40,
    }


def test_the_cost_has_a_currency_only_where_it_is_known() -> None:
    assert (made([])["cost_of_drift"], made([])["currency"]) == (None, None)
    told = made([], log=replace(TRAINING_LOG, cost=12.5))
    assert (told["cost_of_drift"], told["currency"]) == (12.5, "USD")


def body(**data: Any) -> dict[str, Any]:
    base = {"headline": "h", "findings": [], "incident": {"reason": "r", "id": "i"}}
    return {"type": "driftd.rollback", "data": {**base, **data}}


def test_a_body_that_is_too_large_loses_the_least_first() -> None:
    findings = [{"place": place, "reason": "x" * 3000} for place in range(10)]
    changes = [{"at": place, "reason": "x" * 3000} for place in range(5)]
    large = body(findings=findings, changes=changes)
    kept = retraining.fit_to_limit(large)["data"]
    assert len(large["data"]["findings"]) == 10  # what was given is left as it is
    assert [one["place"] for one in kept["findings"]] == [0]
    assert kept["changes"] == changes
    assert retraining.wire_size(retraining.fit_to_limit(large)) <= retraining.LARGEST
    alone = retraining.fit_to_limit(body(findings=findings))["data"]
    assert [one["place"] for one in alone["findings"]] == list(range(6))
    only = retraining.fit_to_limit(body(changes=[{"at": place, "reason": "x" * 5000} for place in range(4)]))["data"]
    assert [one["at"] for one in only["changes"]] == [1, 2, 3]
    listed = {"drifted": [{"reason": "x" * 3000} for _ in range(10)], "left_out": 2}
    trained = retraining.fit_to_limit(body(findings=findings[:1], retraining=listed))["data"]
    assert (len(trained["retraining"]["drifted"]), trained["retraining"]["left_out"]) == (5, 7)
    assert len(trained["findings"]) == 1
    words = retraining.fit_to_limit(body(headline="h" * 20_000, incident={"reason": "r" * 400, "id": "i"}))["data"]
    assert words["headline"] == "h" * 299 + "…"
    assert words["incident"] == {"reason": "r" * 299 + "…", "id": "i"}


def test_a_body_of_just_the_limit_is_sent_as_it_is() -> None:
    parts = {"findings": [{"reason": "r"}], "changes": [{"at": 0}], "retraining": {"drifted": [{}], "left_out": 0}}
    rest = retraining.LARGEST - retraining.wire_size(body(**parts, headline=""))
    exact = body(**parts, headline="h" * rest)
    assert retraining.wire_size(exact) == retraining.LARGEST
    assert retraining.fit_to_limit(exact) == exact


def test_the_schema_of_the_body_is_exact() -> None:
    schema = retraining.schema()
    data = schema["properties"]["data"]
    moment = {"type": "string", "format": "date-time"}
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["type"]) == ("driftd.retrain", "object")
    assert schema["properties"]["type"] == {"const": "driftd.retrain"}
    assert schema["properties"]["timestamp"] == moment
    assert schema["required"] == ["data", "timestamp", "type"]
    assert schema["additionalProperties"] is data["additionalProperties"] is False
    assert data["required"] == sorted(data["properties"])
    kinds = {name: each.get("type") for name, each in data["properties"].items()}
    assert kinds == {
        "monitor": "string",
        "severity": "string",
        "headline": "string",
        "incident": "object",
        "window": "object",
        "observed_version": ["object", "null"],
        "suspected_change": ["object", "null"],
        "suspects": "array",
        "acknowledged_by": ["string", "null"],
        "assignee": ["string", "null"],
        "target": ["object", "null"],
        "changes": "array",
        "findings": "array",
        "not_after": "string",
        "approvals": "integer",
        "first_bad_at": "string",
        "verify_within": ["number", "null"],
        "dry_run": "boolean",
        "retraining": None,
    }
    assert data["properties"]["not_after"] == moment
    assert data["properties"]["window"]["properties"] == {"start": moment, "end": moment}
    assert data["properties"]["incident"]["properties"] == {
        **dict.fromkeys(("id", "state", "rule", "reason"), {"type": "string"}),
        "opened_at": moment,
    }
    assert data["properties"]["findings"] == {"type": "array", "items": {"type": "object"}, "maxItems": 10}
    assert data["properties"]["changes"] == {"type": "array", "items": {"type": "object"}}
    assert data["properties"]["retraining"] == {"anyOf": [{"$ref": "#/$defs/Retraining"}, {"type": "null"}]}
    assert {"Retraining", "Drifted", "TrainingRange", "RecordLocation"} <= set(schema["$defs"])
    assert schema["$defs"]["Retraining"]["properties"]["columns"]["$ref"] == "#/$defs/Columns"


def test_the_snapshot_says_where_the_records_are() -> None:
    told = made([])["snapshot"]
    assert told == {
        "table": "t",
        "query": None,
        "preset": None,
        "dialect": "sqlite",
        "columns": 2,
        "schema_fingerprint": "d89debf18f5220c52cde379ed7ba74ec28f04748858ef35e252177f2bb6ad115",
        "not_served": [],
    }


def test_records_that_are_not_served_are_named_by_the_column_of_the_source() -> None:
    columns = {"timestamp": "ts", "model_version": "model"}
    shadow = {"name": "s", "champion": "a", "challenger": "b", "join": "id", "from": START, "to": START + HOUR}
    told = made(
        [],
        source={"url": "sqlite://", "query": "SELECT 1", "columns": columns},
        shadows=[shadow],
        traffic={"probe": {"column": "agent", "values": ["x", "y"]}},
    )["snapshot"]
    assert (told["query"], told["table"]) == ("SELECT 1", None)
    for length, query in ((1500, "x" * 1500), (1501, None)):
        source = {"url": "sqlite://", "query": "x" * length, "columns": columns}
        assert made([], source=source)["snapshot"]["query"] == query
    preset = {"url": "sqlite://", "preset": "litellm"}
    assert made([], source=preset)["snapshot"]["preset"] == "litellm"
    by_column = {one["column"]: one for one in told["not_served"]}
    assert by_column["model"] == {
        "column": "model",
        "values": ["b"],
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-11-01T01:00:00Z",
    }
    assert by_column["agent"] == {"column": "agent", "values": ["x", "y"], "start": None, "end": None}
