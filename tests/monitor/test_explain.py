"""An incident says which segment and which values carry it, and what was first seen just before."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from detectors import DETECTORS, PERFORMANCE, Column, Profile, assess, explanation, learn_numeric
from detectors.base import Finding, Status
from detectors.outcome import OUTCOME, learn_scores
from detectors.quality.traffic import Traffic
from monitor.alerting import finding_explanation
from monitor.alerting.change_point import Plateau
from monitor.alerting.explain import explain
from monitor.alerting.finding_explanation import MOST_PARTS
from monitor.alerting.incidents import decide_incident
from monitor.alerting.news import MOST_FINDINGS
from monitor.alerting.second_shift import explain_moves
from monitor.checks.baseline import Baseline
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.core.incident import Change, Incident
from tests.support.decisions import context_of

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
SMALL = Change("model_version", "model_version", "small-7b", AT - timedelta(minutes=12))
OLDER = Change("prompt_version", "prompt_version", "p2", AT - timedelta(minutes=40))
METHOD = "kolmogorov_smirnov"
TRAFFIC = Traffic((), 300.0, {}, None)


def monitor_of(**rule: object) -> Monitor:
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}
    rules = [{"when": ["drift"], "for": 2, **rule}]
    data = {"name": "bot", "source": source, "bucket": "5m", "window": "1h", "segments": ["model_version"]}
    return Monitor.model_validate({**data, "rules": rules})


def world(column: str = "tokens") -> tuple[Baseline, Window]:
    """A third of the window comes from a new version, whose values lie between 900 and 1,400."""
    rng = np.random.default_rng(0)
    old, same, odd = rng.exponential(300.0, 20000), rng.exponential(300.0, 2000), rng.uniform(900.0, 1400.0, 1000)
    layout = learn_numeric(old, old.min(), old.max())
    before, stays, moved = (Profile.of(Column.floats(values), layout) for values in (old, same, odd))
    big, small = "model_version=big-4", "model_version=small-7b"
    baseline = Baseline(1, "l", {column: layout}, {None: {column: before}, big: {column: before}}, TRAFFIC, 20000)
    seen = {None: {column: stays + moved}, big: {column: stays}, small: {column: moved}}
    return baseline, Window(seen, TRAFFIC, (AT,))


def found(baseline: Baseline, window: Window, column: str = "tokens", method: str = METHOD) -> Finding:
    old, new = baseline.profiles[None][column], window.profiles[None][column]
    return assess(DETECTORS[method], old, new, column=column)


def test_the_sentence_names_segment_values_and_change() -> None:
    baseline, window = world()
    finding = found(baseline, window)
    (told,) = explain(monitor_of(), baseline, window, [finding], {}, [OLDER, SMALL], AT)
    said = told.detail["explanation"]
    assert isinstance(said, dict)
    assert said["sentence"].startswith(f"{finding.reason}; only in model_version=")
    told_range = re.search(r"small-7b \(33 % of rows, new\), values ([\d,]+) to ([\d,]+) rose from ", said["sentence"])
    assert told_range is not None
    low, high = (int(end.replace(",", "")) for end in told_range.groups())
    assert 800 <= low <= 900 < 1400 <= high <= 1500
    assert said["sentence"].endswith("; model_version small-7b was first seen 12 minutes before.")
    assert json.loads(json.dumps(said)) == said
    assert replace(told, detail=finding.detail) == finding


def test_the_values_told_are_those_of_the_rows() -> None:
    baseline, window = world()
    (told,) = explain(monitor_of(), baseline, window, [found(baseline, window)], {}, [], AT)
    first = told.detail["explanation"]["values"][0]  # type: ignore[index]
    assert first["baseline_share"] == pytest.approx(np.exp(-3) - np.exp(-14 / 3), abs=0.02)
    assert first["share"] == pytest.approx(1 / 3 + 2 / 3 * (np.exp(-3) - np.exp(-14 / 3)), abs=0.02)
    assert told.detail["explanation"]["change"] is None  # type: ignore[index]


def test_the_incident_keeps_the_text_until_it_fires() -> None:
    monitor, (baseline, window) = monitor_of(), world()
    finding = found(baseline, window)
    (told,) = explain(monitor, baseline, window, [finding], {}, [SMALL], AT)
    opened = decide_incident(context_of(monitor, AT, [SMALL]), [told], None)
    assert opened is not None
    standing = {opened.incident.group: opened.incident}
    later = AT + monitor.bucket
    (known,) = explain(monitor, baseline, window, [finding], standing, [SMALL], later)
    assert known is finding
    fired = decide_incident(context_of(monitor, later, [SMALL]), [known], opened.incident)
    assert fired is not None
    assert fired.transition == "firing"
    assert told.detail["explanation"]["text"] in fired.reason  # type: ignore[index]
    assert fired.incident.reason == fired.reason


def test_what_did_not_drift_is_known_or_is_not_watched_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    baseline, window = world()
    finding = found(baseline, window)
    monkeypatch.setattr(
        finding_explanation, "find_contributing_segments", lambda *_: pytest.fail("nothing is to be explained")
    )
    monkeypatch.setattr(explanation, "contributing_values", lambda *_: pytest.fail("nothing is to be explained"))
    evidence = {finding.key: {"check": "drift", "column": "tokens", "segment": None}}
    incident = Incident("i", "bot", "drift", "warning", "firing", AT, AT, "", evidence=evidence)
    calm = replace(finding, status=Status.OK)
    assert explain(monitor_of(), baseline, window, [calm], {}, [], AT) == [calm]
    assert explain(monitor_of(), baseline, window, [finding], {"traffic": incident}, [], AT) == [finding]
    assert explain(monitor_of(when=["volume"]), baseline, window, [finding], {}, [], AT) == [finding]
    assert explain(monitor_of(), None, None, [finding], {}, [], AT) == [finding]


def test_a_tick_explains_ten_findings_and_one_method_of_each() -> None:
    baseline, window = world()
    names = [f"c{place}" for place in range(MOST_FINDINGS + 3)]
    old, new = baseline.profiles[None]["tokens"], window.profiles[None]["tokens"]
    wide = replace(baseline, profiles={None: dict.fromkeys(names, old)})
    seen = replace(window, profiles={None: dict.fromkeys(names, new)})
    findings = [found(wide, seen, name, method) for name in names for method in (METHOD, "rank")]
    told = explain(monitor_of(), wide, seen, findings, {}, [], AT)
    explained = [finding for finding in told if "explanation" in finding.detail]
    assert len(explained) == MOST_FINDINGS
    assert len({finding.column for finding in explained}) == MOST_FINDINGS
    assert [finding.key for finding in told] == [finding.key for finding in findings]


def test_its_size_is_bounded() -> None:
    name = "x" * 500
    baseline, window = world(name)
    (told,) = explain(monitor_of(), baseline, window, [found(baseline, window, name)], {}, [SMALL], AT)
    said = told.detail["explanation"]
    assert isinstance(said, dict)
    assert len(said["sentence"]) <= 300
    assert len(said["values"]) <= MOST_PARTS
    assert len(json.dumps(said)) < 4000


def test_what_cannot_be_explained_says_so_and_is_judged_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    baseline, window = world()
    finding = found(baseline, window)

    def fail(*_: object) -> tuple[()]:
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(explanation, "contributing_values", fail)
    (told,) = explain(monitor_of(), baseline, window, [finding], {}, [], AT)
    assert told.detail["not_explained"] == "ZeroDivisionError: no rows"
    assert told.status is Status.DRIFTED


@pytest.mark.parametrize("method", ["cusum", "evidently:psi", "evidently:ks", "evidently:mannw"])
def test_a_method_without_parts_of_its_own_is_explained_by_one_that_has_them(method: str) -> None:
    baseline, window = world()
    finding = replace(found(baseline, window), method=method)
    (told,) = explain(monitor_of(), baseline, window, [finding], {}, [SMALL], AT)
    said = told.detail["explanation"]
    assert isinstance(said, dict)
    assert said["sentence"].startswith(finding.reason)
    assert said["carriers"][0]["segment"] == "model_version=small-7b"
    assert "rose from" in said["text"]


def test_performance_is_explained_by_the_segment_that_has_lost_it() -> None:
    rng = np.random.default_rng(1)
    layout = learn_scores()

    def answers(rows: int, right: float) -> Profile:
        truth = rng.random(rows) < 0.5
        score = np.where(rng.random(rows) < right, truth, ~truth) * 0.8 + 0.1
        return Profile.of(Column(np.column_stack([score, truth.astype(float)]), np.zeros(rows, dtype=bool)), layout)

    big, small = "model_version=big-4", "model_version=small-7b"
    before = {big: answers(8000, 0.9), small: answers(8000, 0.9)}
    now = {big: answers(1000, 0.9), small: answers(1000, 0.6)}
    old, new = before[big] + before[small], now[big] + now[small]
    sides = (
        {None: {OUTCOME: total}, **{name: {OUTCOME: part} for name, part in parts.items()}}
        for total, parts in ((old, before), (new, now))
    )
    profiles, seen = sides
    baseline = Baseline(1, "l", {OUTCOME: layout}, profiles, TRAFFIC, 16000)
    finding = replace(assess(PERFORMANCE["accuracy"], old, new, column=OUTCOME), check="drift")
    assert finding.status is Status.DRIFTED
    (told,) = explain(monitor_of(), baseline, Window(seen, TRAFFIC, (AT,)), [finding], {}, [], AT)
    assert told.detail["explanation"]["carriers"][0]["segment"] == small  # type: ignore[index]
    assert "only in model_version=small-7b" in told.detail["explanation"]["text"]  # type: ignore[index]


def test_what_moved_on_is_explained_by_the_values_that_moved() -> None:
    baseline, window = world()
    plateau = Plateau(baseline.profiles, ())
    moved = [replace(found(baseline, window), detail={"back": False})]
    (told,) = explain_moves(plateau, window, moved)
    assert told.detail["back"] is False
    assert "rose from" in told.detail["explanation"]["text"]  # type: ignore[index]


def text_of(method: str, old: np.ndarray, new: np.ndarray, **detail: object) -> str:
    """Return what is said of the values of a column under a finding of a method."""
    layout = learn_numeric(old, old.min(), old.max())
    sides = [Profile.of(Column.floats(values), layout) for values in (old, new)]
    baseline = Baseline(1, "l", {"x": layout}, {None: {"x": sides[0]}}, TRAFFIC, len(old))
    window = Window({None: {"x": sides[1]}}, TRAFFIC, (AT,))
    finding = Finding("drift", "x", method, None, Status.DRIFTED, "", 0.3, 0.1, detail=detail)
    (told,) = explain(monitor_of(), baseline, window, [finding], {}, [], AT)
    explained = told.detail.get("explanation")
    return str(explained["text"]) if isinstance(explained, dict) else ""


def flags(ones: int, rows: int) -> np.ndarray:
    return np.repeat([0.0, 1.0], [rows - ones, ones])


@pytest.mark.parametrize("method", ["rate_rise", "rank", "mean", "kolmogorov_smirnov", "spread"])
def test_a_flag_is_said_by_its_share_of_1_in_percent(method: str) -> None:
    assert text_of(method, flags(100, 10000), flags(72, 400)) == "share of 1 rose from 1 % to 18 % of rows"


@pytest.mark.parametrize("method", ["rank", "mean", "kolmogorov_smirnov"])
def test_a_flag_that_fell_is_said_by_its_share_of_1_too(method: str) -> None:
    assert text_of(method, flags(2000, 10000), flags(20, 400)) == "share of 1 fell from 20 % to 5 % of rows"


def test_a_rare_flag_is_said_with_two_digits_and_three_rows_are_not() -> None:
    assert text_of("rate_rise", flags(10, 10000), flags(20, 4000)) == "share of 1 rose from 0.1 % to 0.5 % of rows"
    assert text_of("spread", flags(0, 12000), flags(3, 400)) == ""
    assert text_of("spread", flags(0, 12000), flags(12, 400)) == "share of 1 rose from 0 % to 3 % of rows"
    assert text_of("spread", flags(0, 12000), 7 * flags(12, 400)) == "values above 0 rose from 0 % to 3 % of rows"


@pytest.mark.parametrize("method", ["rate_rise", "rank", "mean", "cusum", "p95_rise", "p50", "evidently:t_test"])
@pytest.mark.parametrize("seed", range(6))
def test_a_sentence_goes_the_way_that_the_numbers_went(method: str, seed: int) -> None:
    """Scores crowd at the bottom and thin out there as the mean rises: what is said is what rose all the same."""
    rng = np.random.default_rng(seed)
    old, new = rng.beta(0.2, 4.0, 20000), rng.beta(0.6 + 0.2 * seed, 4.0, 900)
    assert " rose from " in text_of(method, old, new)
    assert "above" in text_of(method, old, new)
    if method not in ("rate_rise", "p95_rise", "p50"):
        assert " fell from " in text_of(method, new, old[:900])


def test_what_was_added_up_is_said_in_the_direction_of_the_larger_sum() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=20000), np.append(rng.normal(-2.0, 0.5, 500), rng.normal(2.0, 0.5, 520))
    assert " rose from " in text_of("cusum", old, new, up=9.0, down=0.0)
    assert " fell from " in text_of("cusum", old, new, up=0.0, down=9.0)
