"""What is learnt of a baseline of 40 hours: which statistics, of which segments, and by which settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.binning import Binning, learn_numeric
from detectors.clusters import COUNTERS, Concentration
from detectors.outcome import ERROR_PARTS, OUTCOME, UNIT
from detectors.profile import Profile
from detectors.records import Column
from monitor.checks.calibrate import calibrate
from monitor.checks.calibration import Calibration
from monitor.checks.calibration_settings import definition
from monitor.config.models import Monitor
from monitor.profiling.timeline import Timeline
from tests.support.decisions import HOUR, START, monitor_of

STEPS = 40
WORD = {"columns": ["word"], "method": ["jensen_shannon"]}
CHECKS = [
    {"drift": WORD},
    {"drift": {**WORD, "name": "whole", "segments": False}},
    {"drift": {**WORD, "name": "fixed", "threshold": 0.2}},
    {"missing": {"columns": ["word"]}},
    {"performance": {"method": ["mae", "estimated_mae"]}},
    "volume",
]
ANSWERED = np.ones(4)
LAYOUTS = {
    "word": Binning("categorical", vocabulary=("a", "b")),
    "answered": learn_numeric(ANSWERED, 1.0, 1.0),
    OUTCOME: Binning("errors", width=len(ERROR_PARTS)),
}


def timeline_of(steps: int = STEPS, burst: range = range(0)) -> Timeline:
    """Return hours of four rows, all of one word, in turn, by one client.

    With a burst four clients send the rows, but for hours of which one client sends all, with the same word; and the
    rows of the plan are those of the tenant.
    """
    timeline = Timeline(LAYOUTS, START, HOUR, steps, 2)
    sums = dict.fromkeys(ERROR_PARTS, 0.0) | {"all": 4, "labelled": 4, "absolute": 4 * UNIT, "squared": 8 * UNIT}
    outcome = Profile(LAYOUTS[OUTCOME], np.array(list(sums.values())).astype(np.int64))
    answered = Profile.of(Column.floats(ANSWERED), LAYOUTS["answered"])
    for step in range(steps):
        counts = [4, 0, 0] if step % 2 or step in burst else [0, 4, 0]
        word = {"word": Profile(LAYOUTS["word"], np.array(counts), missing=1)}
        segments = {"plan=free": word, **({"tenant=a": word} if burst else {})}
        clients = np.zeros(COUNTERS + 1, dtype=np.int64)
        clients[:4] = 1 if burst and step not in burst else [4, 0, 0, 0]
        columns = {**word, "answered": answered, OUTCOME: outcome}
        timeline.add(START + step * HOUR, 5, {None: columns, **segments}, {"tenant": clients.tolist()})
    return timeline


def calibrated(checks: list[Any], timeline: Timeline | None = None, **settings: Any) -> tuple[Monitor, Calibration]:
    shared = {"bucket": "1h", "window": "2h", "min_samples": 4, "alert_budget": "1/week", "rules": [{"when": ["*"]}]}
    monitor = monitor_of({**shared, "segments": ["plan"], "checks": checks, **settings})
    profiles = {"answered": Profile.of(Column.floats(ANSWERED), LAYOUTS["answered"])}
    return monitor, calibrate(monitor, timeline or timeline_of(), LAYOUTS, profiles)[0]


def test_every_statistic_without_a_threshold_of_its_own_is_learnt() -> None:
    monitor, learnt = calibrated(CHECKS)
    subjects = {
        "drift/word/jensen_shannon/": ("drift", "word", "jensen_shannon", None),
        "drift/word/jensen_shannon/plan=free": ("drift", "word", "jensen_shannon", "plan=free"),
        "whole/word/jensen_shannon/": ("whole", "word", "jensen_shannon", None),
        "missing/word/missing/": ("missing", "word", "missing", None),
        "missing/word/missing/plan=free": ("missing", "word", "missing", "plan=free"),
        f"performance/{OUTCOME}/mae/": ("performance", OUTCOME, "mae", None),
        f"performance/{OUTCOME}/estimated_mae/": ("performance", OUTCOME, "estimated_mae", None),
        "volume//volume/": ("volume", None, "volume", None),
    }
    assert learnt.subjects == subjects
    assert learnt.nulls.keys() == subjects.keys()
    # Of hours of four equal rows neighbours differ by twice what four times the variance makes of independent ones.
    clusters = {key: null.clusters for key, null in learnt.nulls.items()}
    assert clusters == {key: pytest.approx(8.0 if "missing" in key else 1.0) for key in subjects}
    assert learnt.records.keys() == {"mae"}
    assert len(learnt.records["mae"].residuals) == STEPS // 2
    assert learnt.clients == {"tenant": Concentration(8.0, 1.0)}
    assert learnt.seasons == learnt.unusual == {}
    assert learnt.definition == definition(monitor)
    assert learnt.limit is not None
    assert learnt.limit.weeks == pytest.approx(STEPS / 168)
    assert learnt.reason == (
        "calibrated on 0.2 weeks to 1 alerts a week; extrapolated: the time between alerts is 4.2 times the length of "
        "the baseline"
    )


def test_a_log_that_began_within_the_range_of_its_baseline_counts_with_its_own_length() -> None:
    _, expected = calibrated(CHECKS)
    before = 3 * STEPS
    longer = Timeline(LAYOUTS, START - before * HOUR, HOUR, before + STEPS, 2)
    for step in range(before):
        longer.add(START + (step - before) * HOUR, 0, {})
    timeline = timeline_of()
    for (segment, column), stack in timeline.series():
        for step in range(STEPS):
            longer.add(START + step * HOUR, 0, {segment: {column: stack.take(np.array([step])).sum().profile()}})
    for step in range(STEPS):
        longer.add(START + step * HOUR, 5, {}, {"tenant": timeline.clients["tenant"][step].tolist()})
    _, learnt = calibrated(CHECKS, longer)
    assert learnt.limit == expected.limit
    assert learnt.nulls == expected.nulls


def test_a_rate_of_all_rows_has_a_lower_limit_than_the_other_columns() -> None:
    _, learnt = calibrated([{"drift": {"columns": ["word", "answered"]}}, {"rate": {"signal": "answered"}}])
    assert learnt.limit is not None
    assert learnt.set_apart == {}
    limits = {key: learnt.nulls[key].limit for key in learnt.nulls}
    lower = {limit for key, limit in limits.items() if "/answered/" in key}
    assert {limit for key, limit in limits.items() if "/word/" in key} == {None}
    assert len(lower) == 1
    assert (lower.pop() or 0.0) <= learnt.limit.rarity


def test_what_is_measured_of_a_column_depends_on_its_family() -> None:
    """All rows have the same value, as the profile of the baseline shows."""
    _, learnt = calibrated([{"drift": {"columns": ["answered"]}}])
    assert {method for _, _, method, _ in learnt.subjects.values()} == {"rate_ratio", "rate_cusum"}


def test_windows_that_are_compared_with_those_before_leave_less_to_learn_from() -> None:
    _, learnt = calibrated(CHECKS, baseline={"rolling": "40h", "previous": "12h"})
    assert learnt.limit is not None
    assert learnt.limit.weeks == pytest.approx((STEPS - 12) / 168)


@pytest.mark.parametrize(("budget", "stated"), [("4.2/week", False), ("4.1/week", True)])
def test_a_limit_beyond_the_length_of_the_baseline_says_so(budget: str, stated: bool) -> None:  # noqa: FBT001
    _, learnt = calibrated(["volume"], alert_budget=budget)
    assert learnt.reason.startswith(f"calibrated on 0.2 weeks to {budget.removesuffix('/week')} alerts a week")
    assert ("extrapolated" in learnt.reason) is stated


def test_five_windows_that_do_not_overlap_are_enough() -> None:
    assert calibrated(["volume"], timeline_of(10))[1].limit is not None
    _, short = calibrated(["volume"], timeline_of(9))
    assert short.limit is None
    assert short.reason.startswith("too_short: the baseline has 4 non-overlapping windows")


def test_a_client_makes_the_noise_of_others_wider_and_not_its_own() -> None:
    """The same rows once as a plan and once as a tenant: what one client brings about is less rare for the plan."""
    _, learnt = calibrated([{"drift": WORD}], timeline_of(burst=range(20, 24)))
    plan, tenant = (learnt.nulls[f"drift/word/jensen_shannon/{segment}"] for segment in ("plan=free", "tenant=a"))
    assert plan.quantiles == tenant.quantiles
    assert plan.start < tenant.start
    assert plan.scale < tenant.scale
