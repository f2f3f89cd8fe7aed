"""What is learnt of each statistic of 400 hours, and how the budget is shared by the rules that watch it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from detectors import Finding
from detectors.calibrate import Peaks, expected_alerts, peaks, spend
from detectors.null_distribution import NullDistribution, held_out_rarity, independent, learn_null
from monitor.checks.held_out import HeldOutWindows
from monitor.checks.learn_nulls import NullLearner
from monitor.profiling.timeline import Timeline
from tests.support.decisions import HOUR, START, finding, monitor_of

STEPS, LENGTH = 400, 2
NOISE = np.full(STEPS, 3.29)
RULES = [{"when": ["drift"]}, {"when": ["*"], "for": "3h"}]
FLOOR = 0.1


def learner_of() -> NullLearner:
    timeline = Timeline({}, START, HOUR, STEPS, LENGTH)
    timeline.is_complete[:] = True
    settings = {"bucket": "1h", "window": "2h", "rules": RULES, "alert_budget": "2/week"}
    return NullLearner(monitor_of(settings), HeldOutWindows(timeline))


def normal(step: int) -> np.ndarray:
    """Return the size of as many normal scores as there are steps, without chance."""
    return np.abs(special.ndtri((np.arange(1, STEPS + 1) * step * (math.sqrt(5) - 1) / 2) % 1))


def with_bursts(*bursts: slice, step: int = 89) -> np.ndarray:
    values = normal(step)
    for burst in bursts:
        values[burst] += 60.0
    return values


def rarity_of(statistic: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the rarities that peaks are taken of: by folds of a day, 16 of which the baseline holds."""
    edges = np.linspace(0, STEPS, 17).astype(int)
    folds = [slice(first, last) for first, last in zip(edges[:-1], edges[1:], strict=True)]
    return held_out_rarity(statistic, noise, folds, FLOOR, independent(statistic, LENGTH))


def null_of(statistic: np.ndarray, noise: np.ndarray = NOISE) -> NullDistribution:
    null = learn_null(statistic, noise, independent(statistic, LENGTH))
    assert null is not None
    return null


WHOLE = finding(0.0, column="amount", method="psi")
VOLUME = Finding("volume", None, "volume", None, WHOLE.status, "", about="pipe")


def test_limits_are_shared_among_columns_and_rules() -> None:
    """A rule of a bucket watches drift, one of three buckets everything; columns of a segment have one share each."""
    learner, again = learner_of(), [slice(50, 53), slice(150, 153), slice(320, 323)]
    wild = replace(WHOLE, column="wild")
    statistics = [
        *((replace(WHOLE, column=f"c{place}"), normal(89 + 12 * place)) for place in range(6)),
        (replace(WHOLE, column="c1", method="rank"), normal(71)),
        (replace(WHOLE, column="c1", segment="plan=free"), normal(59)),
        (VOLUME, normal(47)),
        (wild, with_bursts(*again)),
    ]
    shares: dict[str, list[Peaks]] = {}
    for each, statistic in statistics:
        learner.learn(each, FLOOR, statistic, NOISE)
        rarity, of = rarity_of(statistic, NOISE), f"{each.segment} {each.column}"
        lasting = Peaks(f"second {of}", peaks(rarity, LENGTH, 3))
        shares[each.key] = [lasting] if each is VOLUME else [Peaks(f"first {of}", peaks(rarity, LENGTH)), lasting]
    weeks = STEPS / 168
    expected = spend(shares, 2.0, weeks)
    assert learner.share_budget() == expected.limit
    assert expected.own.keys() == {wild.key}
    for each, statistic in statistics:
        own = expected.own.get(each.key)
        alerts = expected_alerts(peaks(rarity_of(statistic, NOISE), LENGTH), own or expected.limit.rarity, weeks)
        assert learner.nulls[each.key] == replace(null_of(statistic), limit=own, expected=alerts), each.key
        assert learner.subjects[each.key] == (each.check, each.column, each.method, each.segment)
    assert learner.unusual_stretches() == {}


def test_what_comes_in_clusters_has_their_noise_and_states_its_own() -> None:
    learner = learner_of()
    learner.learn(WHOLE, FLOOR, normal(89), NOISE, 4.0)
    clustered = null_of(normal(89), 2 * NOISE)
    assert learner.nulls[WHOLE.key] == replace(clustered, clusters=4.0, noise=3.29)
    learner.share_budget()
    rarity = rarity_of(normal(89), 2 * NOISE)
    limit = spend({"c": [Peaks(1, peaks(rarity, LENGTH)), Peaks(2, peaks(rarity, LENGTH, 3))]}, 2.0, STEPS / 168).limit
    alerts = expected_alerts(peaks(rarity, LENGTH), limit.rarity, STEPS / 168)
    assert learner.nulls[WHOLE.key].expected == pytest.approx(alerts)


def test_nothing_is_learnt_from_an_unusual_stretch_nor_from_what_was_not_measured() -> None:
    learner, statistic = learner_of(), with_bursts(slice(62, 78))
    learner.learn(WHOLE, FLOOR, statistic, NOISE)
    learner.learn(replace(WHOLE, column="other"), FLOOR, np.full(STEPS, np.nan), NOISE)
    usual = normal(89)
    usual[60:80] = np.nan  # a window more on either side, for windows overlap
    assert learner.nulls.keys() == learner.subjects.keys() == {WHOLE.key}
    assert learner.nulls[WHOLE.key] == null_of(usual)
    assert statistic[70] > 60.0


def test_stretches_of_a_column_that_overlap_are_one() -> None:
    learner = learner_of()
    bursts = [slice(152, 168), slice(62, 78), slice(92, 108), slice(64, 70), slice(72, 88)]
    for place, burst in enumerate(bursts):
        learner.learn(replace(WHOLE, method=f"m{place}"), FLOOR, with_bursts(burst), NOISE)
    learner.learn(VOLUME, FLOOR, with_bursts(slice(0, 8)), NOISE)
    learner.learn(replace(WHOLE, column="plan"), FLOOR, normal(89), NOISE)

    def hours(first: int, last: int) -> tuple[str, str]:
        return (START + first * HOUR).isoformat(), (START + last * HOUR).isoformat()

    # The bursts from 62 to 78, 64 to 70, 72 to 88 and 92 to 108, each with two hours on either side, touch.
    assert learner.unusual_stretches() == {"amount": [hours(60, 110), hours(150, 170)], "volume": [hours(0, 10)]}
