"""The traffic after an effect is compared with the bad traffic before it, on failures that are drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from detectors.binning import learn_numeric
from detectors.joint import JOINT
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from detectors.records import Column
from detectors.recovery import measure_recovery
from monitor.alerting.bad_stretch import TOLD_APART, BadStretch
from monitor.alerting.effect_outcome import EffectOutcome
from monitor.alerting.verification import judge_effects
from monitor.checks.baseline import Baseline
from monitor.checks.window import BucketSummary, Window
from monitor.core.action import AlertHistory, PastAction
from monitor.core.incident import Incident
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.facts import Facts
from tests.support.decisions import BLAMED_SMALL, MINUTE, START, evidence_of, finding, incident_of, monitor_of

LAYOUT = learn_numeric(np.array([0.0, 1.0]), 0.0, 1.0)
MONITOR = monitor_of({"window": "15m", "checks": [{"drift": {"method": "rate_ratio"}}]})
GOOD = [(1, 60)] * 8


def make_profile(ones: int, rows: int) -> Profile:
    return Profile.of(Column.floats(np.append(np.ones(ones), np.zeros(rows - ones))), LAYOUT)


BASELINE = Baseline(
    1, "", {"failed": LAYOUT}, {None: {"failed": make_profile(144, 7200)}}, Traffic((60,) * 120, 60.0), 7200
)


def make_window(minutes: Sequence[tuple[int, int]], segment: str | None = None) -> Window:
    """Return a window of minutes, each with its failures and rows."""
    parts = []
    for ones, rows in minutes:
        columns = {"failed": make_profile(ones, rows)}
        parts.append(BucketSummary(Facts(rows=rows), {None: columns, **({segment: columns} if segment else {})}))
    starts = [START - (len(parts) - place) * MINUTE for place in range(len(parts))]
    rows = tuple(rows for _, rows in minutes)
    return Window(add_profiles([part.profiles for part in parts]), Traffic(rows, 60.0), starts, parts=parts, end=START)


def make_incident(began: float) -> Incident:
    """Return an incident of failures that a version brought, some minutes before now; diluted in its window."""
    came = {**BLAMED_SMALL, "first_seen": (START - began * MINUTE).isoformat()}
    diluted = evidence_of(column="failed", method="rate_ratio", worst=0.9)
    return incident_of(evidence={"drift/failed/rate_ratio/": diluted}, suspected_change=came)


def make_effect(sent: float) -> PastAction:
    return PastAction(
        "r",
        START - sent * MINUTE,
        "delivered",
        id="e-1",
        incident="i-1",
        kind="rollback",
        observed=("model_version", "small"),
        finished_at=START - sent * MINUTE,
        verify_within=30 * MINUTE,
    )


def judge(minutes: Sequence[tuple[int, int]], after: int, bad: int = 2) -> EffectOutcome:
    """Return the outcome of a rollback that was sent some minutes before the end of a window."""
    history = AlertHistory(open={"traffic": make_incident(after + bad)}, past=[make_effect(after)])
    return judge_effects(MONITOR, BASELINE, make_window(minutes), (), history, START)[1]["i-1"]


def test_the_traffic_after_an_effect_is_compared_with_the_bad_minutes_and_not_with_the_diluted_window() -> None:
    bad = [(24, 60), (26, 60)]
    assert judge([*GOOD, *bad, (0, 60), (1, 60), (2, 60)], 3).status == "clean"
    assert judge([*GOOD, *bad, (25, 60), (24, 60), (22, 60)], 3).status == "bad"
    few = judge([*GOOD, *bad, (1, 60)], 1)
    assert (few.status, few.reason) == ("unmeasured", "60 records after it are too few")


def test_bad_minutes_that_hardly_depart_verify_nothing() -> None:
    assert judge([*GOOD, (3, 60), (4, 60), (1, 60), (1, 60), (2, 60)], 3).status == "unmeasured"


def draw_outcomes(rate_after: float, rng: np.random.Generator, draws: int = 60) -> Counter[str]:
    """Return how often each outcome occurs 5 minutes after a rollback, of 20 % to 50 % failures for two minutes."""
    outcomes = Counter[str]()
    for _ in range(draws):
        rate = rng.uniform(0.2, 0.5)
        shares = [0.02] * 8 + [rate] * 2 + [0.02 + rate_after * (rate - 0.02)] * 5
        rows = rng.poisson(60, len(shares))
        outcomes[judge(list(zip(rng.binomial(rows, shares).tolist(), rows.tolist(), strict=True)), 5).status] += 1
    return outcomes


def test_of_drawn_streams_an_effect_that_does_nothing_is_never_clean_and_a_cure_nearly_always() -> None:
    rng = np.random.default_rng(5)
    assert draw_outcomes(1.0, rng)["clean"] == 0
    assert draw_outcomes(0.5, rng)["clean"] <= 1
    assert draw_outcomes(0.0, rng)["clean"] >= 57


def tell_apart(bad: float, after: float, rng: np.random.Generator, draws: int = 1000) -> float:
    """Return the share of draws of 100 rows, of a number whose ranks are shifted, that are told apart from bad ones."""
    ramp, old = np.linspace(-1, 1, 20), np.append(np.full(20, 500.0), 0.0)
    sides = [np.pad(rng.multinomial(100, (1 + shift * ramp) / 20, draws), ((0, 0), (0, 1))) for shift in (bad, after)]
    away = [measure_recovery(old, worse, now, ordered=True) for worse, now in zip(*sides, strict=True)]
    return float(np.mean(np.array(away) >= TOLD_APART))


def test_of_drawn_rows_few_that_did_not_change_are_told_apart_from_the_bad_ones() -> None:
    rng = np.random.default_rng(6)
    assert tell_apart(0.9, 0.9, rng) <= 0.01  # even if the finding would allow it
    assert tell_apart(0.5, 0.5, rng) <= 0.03
    assert tell_apart(0.9, 0.0, rng, 200) >= 0.65


def find(began: float, sent: float) -> BadStretch | None:
    return BadStretch.find(MONITOR, BASELINE, make_window(GOOD), make_incident(began), make_effect(sent))


@pytest.mark.parametrize(
    ("began", "sent", "first", "end"),
    [
        (4, 2, 4, 2),
        (4.5, 2, 4, 2),  # the first minute is good in half
        (4.5, 2.5, 4, 3),  # and so is that of the request
        (2.5, 1.5, 3, 1),  # no minute is wholly bad
        (9, 7.5, 9, 7),  # the wholly bad one has left the window
        (30, 2, 30, 2),  # it began before the window
    ],
)
def test_the_bad_stretch_are_whole_buckets_if_there_are_any(began: float, sent: float, first: int, end: int) -> None:
    stretch = find(began, sent)
    assert stretch is not None
    assert (stretch.first, stretch.end) == (START - first * MINUTE, START - end * MINUTE)


def test_bad_traffic_that_has_left_the_window_is_not_compared() -> None:
    assert find(12, 9) is None
    assert find(12, 8.5) is None
    assert find(12, 8) is not None


def test_the_rows_of_a_segment_are_compared_with_its_own() -> None:
    bad = [(24, 60), (26, 60)]
    window = make_window([*GOOD, *bad, (1, 60), (1, 60)], "tenant=a")
    after = replace(window, starts=window.starts[-2:], parts=window.parts[-2:])
    stretch = BadStretch(MONITOR, BASELINE, window, START - 4 * MINUTE, START - 2 * MINUTE)
    failed = finding(0.01, column="failed")
    assert stretch.is_over(failed, after) is True
    assert stretch.is_over(replace(failed, segment="tenant=a"), after) is True  # the baseline is that of all
    for unknown in (replace(failed, segment="tenant=b"), replace(failed, column=None), replace(failed, column=JOINT)):
        assert stretch.is_over(unknown, after) is None
