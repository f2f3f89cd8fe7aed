"""`method: evidently:NAME`: from the configuration to findings, measured by the real Evidently in its child."""

from __future__ import annotations

import json
import math
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from detectors.base import Finding, Status
from detectors.binning import learn_categorical
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from detectors.records import Column
from monitor.checks import evidently
from monitor.checks.baseline import Baseline
from monitor.checks.detect import detect
from monitor.checks.evidently import Request, StatTestResult, expand, measure_in_child
from monitor.checks.targets import expand_checks, expand_stattests
from monitor.checks.window import Window
from monitor.config.models import Monitor
from tests.detectors.columns import numeric_pair
from tests.monitor.test_life import Life
from tests.support.stattests import hang, no_evidently
from tests.support.world import START, World, rows_of

pytestmark = [
    pytest.mark.xdist_group("evidently"),  # its child imports Evidently, which takes seconds
    pytest.mark.skipif(find_spec("evidently") is None, reason="install the extra `report`"),
]

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TRAFFIC = Traffic(bucket_rows=(1500,), bucket_seconds=300.0, schema={}, seconds_since_newest=0.0)
BOTH = [
    {"drift": {"columns": ["score"], "method": ["evidently:anderson", "evidently:wasserstein"]}},
    {"drift": {"columns": ["plan"], "method": ["evidently:chisquare", "evidently:psi"]}},
]


@pytest.fixture(scope="module", autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    evidently.close()


def monitor(checks: Sequence[Any] = BOTH, **settings: Any) -> Monitor:
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}
    return Monitor.model_validate({"name": "bot", "source": source, "checks": list(checks), **settings})


def sides(drifted: bool, rows: int = 1500) -> tuple[Baseline, Window]:
    """Return a normal score and a plan with exact shares, moved or not, over one segment as well."""
    rng = np.random.default_rng(5)
    old, new = numeric_pair(rng.normal(size=4000), rng.normal(0.5 if drifted else 0.0, size=rows))
    layout = learn_categorical(Counter({"free": 3, "pro": 2, "team": 1}))
    plans = [plan_of(layout, 4000, (0.5, 0.3, 0.2)), plan_of(layout, rows, (0.3, 0.3, 0.4) if drifted else None)]
    before: Mapping[str, Profile] = {"score": old, "plan": plans[0]}
    now: Mapping[str, Profile] = {"score": new, "plan": plans[1]}
    layouts = {name: profile.layout for name, profile in before.items()}
    baseline = Baseline(1, "x", layouts, {None: before, "tenant=a": before}, TRAFFIC, 4000)
    return baseline, Window({None: now, "tenant=a": now}, TRAFFIC, newest={None: now})


def plan_of(layout: Any, rows: int, shares: Sequence[float] | None) -> Profile:
    words = [
        w
        for w, share in zip(layout.vocabulary, shares or (0.5, 0.3, 0.2), strict=True)
        for _ in range(round(rows * share))
    ]
    return Profile.of(Column.of(words), layout)


def found(made: Monitor, drifted: bool, measure: Any = measure_in_child) -> dict[str, Finding]:
    return {f"{f.column} {f.method}": f for f in detect(made, *sides(drifted), measure) if f.segment is None}


@pytest.mark.parametrize("drifted", [True, False])
def test_both_kinds_of_column_are_measured_and_turned_to_grow_with_the_change(drifted: bool) -> None:
    seen = found(monitor(), drifted)
    assert len(seen) == 4
    assert {f.status for f in seen.values()} == {Status.DRIFTED if drifted else Status.OK}
    for finding in seen.values():
        assert finding.statistic is not None
        assert finding.threshold is not None
        assert (finding.statistic >= finding.threshold) is drifted
        assert (finding.n_baseline, finding.n_window) == (4000, 1500)
    anderson = seen["score evidently:anderson"]
    assert (anderson.unit, anderson.threshold) == ("-log10 p", 1.0)
    assert seen["plan evidently:psi"].unit == "1"
    chi = seen["plan evidently:chisquare"]
    assert chi.threshold == pytest.approx(-math.log10(0.05))
    assert chi.p_value == pytest.approx(10 ** -float(chi.statistic or 0))
    assert "-log10 p of Evidently's chisquare" in chi.reason
    json.dumps([f.statistic for f in seen.values()], allow_nan=False)


def test_the_statistic_is_the_classical_test_on_the_binned_values_and_the_operators_threshold_wins() -> None:
    baseline, window = sides(drifted=False)
    x, y = (np.array(expand(p["score"]), dtype=np.float64) for p in (baseline.profiles[None], window.profiles[None]))
    p_value = stats.ks_2samp(x, y).pvalue
    strict, lax = p_value / 2, min(0.99, p_value * 1.5)
    for threshold, expected in ((strict, Status.OK), (lax, Status.DRIFTED)):
        check = {"drift": {"columns": ["score"], "method": "evidently:ks", "threshold": threshold}}
        (finding,) = detect(monitor([check]), baseline, window, measure_in_child)
        assert finding.statistic == pytest.approx(-math.log10(p_value), rel=1e-9)
        assert finding.threshold == pytest.approx(-math.log10(threshold))
        assert finding.status is expected


def test_all_questions_go_to_the_child_at_once_segments_too() -> None:
    calls: list[list[Request]] = []

    def measure(requests: Sequence[Request]) -> list[StatTestResult]:
        calls.append(list(requests))
        return [StatTestResult(0.5, 0.1, drifted=False) for _ in requests]

    findings = detect(monitor(segments=["tenant"]), *sides(drifted=False), measure)
    (asked_for,) = calls
    assert len(asked_for) == len(findings) == 8
    assert {f.segment for f in findings} == {None, "tenant=a"}


def test_nothing_is_asked_when_there_is_nothing_to_ask() -> None:
    def measure(_: Sequence[Request]) -> list[StatTestResult]:
        raise AssertionError("the child was asked")

    assert detect(monitor(["drift"]), *sides(drifted=False), measure)
    few = detect(monitor(min_samples=2000), *sides(drifted=False), measure)
    assert {f.status for f in few} == {Status.INCONCLUSIVE}
    assert all(f.reason == "too_few: the window has 1500 usable values, 2000 needed" for f in few)
    gone = {"drift": {"columns": ["gone"], "method": "evidently:ks"}}
    (missing,) = detect(monitor([gone]), *sides(drifted=False), measure)
    assert missing.reason.startswith("missing_column")
    assert {f.status for f in detect(monitor(), *sides(drifted=True))} == {Status.INCONCLUSIVE}


def test_a_child_that_hangs_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    evidently.close()
    monkeypatch.setattr(evidently, "_run", hang)
    seen = found(monitor(), drifted=True, measure=partial(measure_in_child, timeout=2.0))
    assert {f.status for f in seen.values()} == {Status.ERROR}
    assert all("did not answer within 2 s" in f.reason and "fewer tests" in f.reason for f in seen.values())


def test_a_missing_evidently_and_a_column_of_another_kind_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    evidently.close()
    monkeypatch.setattr(evidently, "_run", no_evidently)
    checks = [{"drift": {"columns": ["score", "plan"], "method": "evidently:ks"}}]
    seen = found(monitor(checks), drifted=True)
    assert {f.status for f in seen.values()} == {Status.ERROR}
    assert "pip install driftd[report]" in seen["score evidently:ks"].reason
    assert "does not support categorical columns" in seen["plan evidently:ks"].reason
    evidently.close()


def test_whoever_leaves_waits_for_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidently, "_leaving", threading.Event())
    evidently.abandon()
    seen = found(monitor(), drifted=True)
    assert {f.reason for f in seen.values()} == {f"evidently: {evidently.STOPPING}"}


def test_a_child_that_is_busy_is_left_when_the_daemon_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidently, "_leaving", threading.Event())
    monkeypatch.setattr(evidently, "_run", hang)
    evidently.close()
    signal = threading.Timer(0.5, evidently.abandon)
    signal.start()
    started = time.monotonic()
    seen = found(monitor(), drifted=True)
    assert time.monotonic() - started < 100
    assert {f.reason for f in seen.values()} == {f"evidently: {evidently.STOPPING}"}
    assert not multiprocessing.active_children()


def test_calibration_and_replay_do_not_ask_for_them() -> None:
    both = monitor([*BOTH, {"drift": {"columns": ["score"], "method": ["psi"]}}])
    layouts = sides(drifted=False)[0].layouts
    assert [q.detector.name for q in expand_checks(both, layouts)] == ["psi"]
    assert len(list(expand_stattests(both, layouts))) == 4


CHECKS = [
    {"drift": {"columns": ["amount"], "method": ["evidently:anderson", "psi"]}},
    {"drift": {"columns": ["plan"], "method": "evidently:chisquare"}},
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    yield made
    made.close()


def test_check_asks_evidently_and_backtest_says_that_it_does_not(world: World) -> None:
    world.configure(checks=CHECKS)
    world.log(rows_of(START, DAY + HOUR))
    world.log(rows_of(START + DAY + HOUR, HOUR, shift=0.5, seed=2))
    at = (START + DAY + 2 * HOUR).isoformat()
    code, verdict = world.json("check", "--monitor", "shop", "--at", at)
    assert code == 1
    seen = {f["method"]: f["status"] for f in verdict["findings"]}
    assert seen["evidently:anderson"] == "drifted"
    assert seen["evidently:chisquare"] == "ok"
    stretch = ("--monitor", "shop", "--from", (START + DAY).isoformat(), "--to", at)
    code, told = world.json("backtest", *stretch)
    assert code == 0
    assert told["left_out"] == ["evidently:anderson", "evidently:chisquare"]
    assert "not replayed: evidently:anderson, evidently:chisquare" in world.run("backtest", *stretch).stdout


def test_a_tick_stores_what_evidently_says_and_judges_it(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 15 * timedelta(minutes=1), shift=5.0, seed=2))
    checks = [{"drift": {"columns": ["amount"], "method": "evidently:anderson"}}]
    life = Life(world, checks=checks, rules=[{"when": ["drift"]}], window="15m")
    life.until(START + 7 * HOUR + 15 * timedelta(minutes=1))
    (incident,) = life.incidents()
    assert "drift/amount/evidently:anderson/" in incident.evidence
    life.close()
