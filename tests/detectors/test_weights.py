"""Weights: sums are exact, rates are unbiased, and the noise is that of the effective sample size."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from detectors.binning import Binning, learn_numeric
from detectors.cost.ledger import ALL, CostAccumulator
from detectors.cost.savings import Plan, Tier, tally
from detectors.drift import anderson_darling
from detectors.outcome import learn_scores
from detectors.performance.rates import rate_tally
from detectors.profile import Profile, samples
from detectors.records import Column, take
from detectors.weights import UNIT, WEIGHT, weigh, weight_column
from monitor.profiling.timeline import Timeline

WORDS = Binning("categorical", vocabulary=("a", "b"))
NUMBERS = learn_numeric(np.random.default_rng(0).normal(size=2000), -4.0, 4.0)


def mixed(rows: int, seed: int = 0) -> Column:
    """Return numbers among which some are missing, not finite, or no numbers."""
    rng = np.random.default_rng(seed)
    odd: list[Any] = [None, float("nan"), float("inf"), "x"]
    return Column.of([odd[k] if k < 4 else float(rng.normal()) for k in rng.integers(40, size=rows).tolist()])


def units_like(rows: int, seed: int = 0) -> np.ndarray:
    units, usable = weigh(
        {"sampling_fraction": Column.floats(np.random.default_rng(seed).choice([1, 0.3, 0.01], rows))}
    )
    assert usable.all()
    return units


@pytest.mark.parametrize("layout", [NUMBERS, WORDS])
def test_a_weighted_profile_does_not_depend_on_its_pages(layout: Binning) -> None:
    column = mixed(900) if layout is NUMBERS else Column.of([["a", "b", "c", None][k % 4] for k in range(900)])
    units = units_like(900)
    units[:300] = UNIT  # a page without weights
    whole = Profile.of(column, layout, units)
    pages = [np.arange(0, 300), np.arange(300, 310), np.arange(310, 900)]
    parts = [Profile.of(column.take(page), layout, units[page]) for page in pages]
    assert parts[0].weighted is None
    assert parts[2] + (parts[0] + parts[1]) == whole == Profile.empty(layout) + whole
    assert Profile.from_json(json.loads(json.dumps(whole.to_json())), layout) == whole
    assert whole.requests == pytest.approx(units.sum() / UNIT)


@pytest.mark.parametrize("layout", [NUMBERS, WORDS])
def test_rows_that_all_weigh_one_are_stored_as_before(layout: Binning) -> None:
    column = mixed(200) if layout is NUMBERS else Column.of(["a", "c"] * 100)
    plain, weighted = Profile.of(column, layout), Profile.of(column, layout, np.full(200, UNIT))
    assert weighted.to_json() == plain.to_json()
    assert "weighted" not in plain.to_json()
    assert plain.sample() is plain
    profiles = {None: {"x": plain}}
    assert samples(profiles) is profiles


@pytest.mark.parametrize("weight", [10, 1000, 0.5, 1 / 0.3])
def test_rows_of_one_weight_are_a_sample_of_as_many_rows(weight: float) -> None:
    column = mixed(700)
    plain = Profile.of(column, NUMBERS)
    weighted = Profile.of(column, NUMBERS, np.full(700, round(weight * UNIT)))
    sample = weighted.sample()
    assert sample.counts.tolist() == plain.counts.tolist()
    assert (sample.missing, sample.nonfinite, sample.mistyped) == (plain.missing, plain.nonfinite, plain.mistyped)
    assert (sample.mean, sample.variance) == pytest.approx((plain.mean, plain.variance))
    assert weighted.requests == pytest.approx(weight * 700, rel=1e-5)
    assert weighted.amount == pytest.approx(weight * float(plain.total), rel=1e-5)


def test_a_row_of_weight_k_counts_as_k_rows() -> None:
    column = mixed(300)
    weights = np.random.default_rng(1).integers(1, 9, size=300)
    weighted = Profile.of(column, NUMBERS, weights * UNIT)
    repeated = Profile.of(column.take(np.repeat(np.arange(300), weights)), NUMBERS)
    assert (weighted.requests, weighted.usable_requests) == (repeated.rows, repeated.n)
    assert weighted.amount == pytest.approx(float(repeated.total))
    assert weighted.sample().mean == pytest.approx(repeated.mean)
    assert weighted.sample().variance == pytest.approx(repeated.variance)
    assert weighted.sample().rows < 300


def sampled_rates(seed: int) -> tuple[float, float, float]:
    """Return weighted and unweighted rate, and effective size, of two tenants logged at 100 and at 5 %."""
    rng = np.random.default_rng(seed)
    rare, common = rng.random(400) < 0.2, rng.random(200) < 0.02  # of 400 and of 4,000 requests
    units = np.repeat([UNIT, 20 * UNIT], [400, 200])
    sample = Profile.of(Column.floats(np.concatenate([rare, common])), NUMBERS, units).sample()
    return sample.mean, (rare.sum() + common.sum()) / 600, sample.n


def test_rates_under_varying_fractions_are_unbiased_and_as_noisy_as_the_effective_size_says() -> None:
    drawn = np.array([sampled_rates(seed) for seed in range(400)])
    truth = (400 * 0.2 + 4000 * 0.02) / 4400
    assert drawn[:, 0].mean() == pytest.approx(truth, abs=4 * drawn[:, 0].std() / 20)
    assert drawn[:, 1].mean() > 3 * truth
    claimed = np.sqrt(truth * (1 - truth) / drawn[0, 2])
    assert 0.7 < claimed / drawn[:, 0].std() < 1.8


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), 1e7, 1e-9, "many"])
def test_a_weight_that_cannot_be_one_is_not_usable(weight: object) -> None:
    assert weigh({"weight": Column.of([weight, 2.0, None])})[1].tolist() == [False, True, True]


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01, float("nan"), 1e-7, "half"])
def test_a_fraction_that_cannot_be_one_is_not_usable(fraction: object) -> None:
    assert weigh({"sampling_fraction": Column.of([fraction, 1.0, 0.25])})[1].tolist() == [False, True, True]


def test_weight_and_fraction_multiply() -> None:
    units, _ = weigh({"weight": Column.of([3.0]), "sampling_fraction": Column.of([0.5])})
    assert units.tolist() == [6 * UNIT]


def page(rows: int, weights: np.ndarray | None = None) -> dict[str, Column]:
    rng = np.random.default_rng(4)
    cost = np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(size=rows))
    made = {
        "cost": Column.floats(cost),
        "tenant": Column.of(rng.choice(["a", "b", None], rows).tolist()),
        "input_tokens": Column.floats(rng.integers(1, 200, rows).astype(float)),
        "output_tokens": Column.floats(rng.integers(1, 200, rows).astype(float)),
        "failed": Column.floats((rng.random(rows) < 0.2).astype(float)),
    }
    return made if weights is None else {**made, WEIGHT: weight_column(weights * UNIT)}


def billed(records: dict[str, Column]) -> CostAccumulator:
    till = CostAccumulator("cost", {"tenant": ()}, limits=[200], rates=["failed"])
    for places in (np.arange(0, 37), np.arange(37, len(records["cost"]))):
        till.add(take(records, places))
    return till


def test_a_bill_counts_requests_and_money_of_the_traffic() -> None:
    weights = np.random.default_rng(5).integers(1, 30, size=250)
    found, rows = billed(page(250, weights)).bill(), take(page(250), np.repeat(np.arange(250), weights))
    truth = billed(rows).bill()
    assert found.parts.keys() == truth.parts.keys()
    for part, spent in truth.parts.items():
        assert found.parts[part].amount == pytest.approx(spent.amount)
        assert (found.parts[part].requests, found.parts[part].unpriced) == (spent.requests, spent.unpriced)
    assert found.tokens == truth.tokens
    (total, count), (true_total, true_count) = found.rates["failed"], truth.rates["failed"]
    assert total / count == pytest.approx(true_total / true_count, rel=0.01)
    assert count == round(weights.sum() ** 2 / (weights**2).sum())


def test_a_bill_of_rows_that_all_weigh_one_is_the_same_to_the_last_bit() -> None:
    assert billed(page(250, np.ones(250, dtype=np.int64))).bill() == billed(page(250)).bill()
    assert billed(page(250)).bill().parts[ALL].requests == 250


def test_savings_are_those_of_the_traffic() -> None:
    weights = np.array([1, 20, 7])
    records = {"cost": Column.floats(np.array([1.0, 2.0, 3.0])), WEIGHT: weight_column(weights * UNIT)}
    models, strata, now = np.array(["big"] * 3), np.array(["s"] * 3), np.array([1.0, 2.0, np.nan])
    plan = Plan("small", (Tier("small"),))
    (cell,) = tally(plan, records, models, now, lambda _, places: np.full(len(places), 0.5), strata, now / 2).values()
    assert (cell.requests, cell.compared, cell.judged) == (28, 21, 2)
    assert (float(cell.now), float(cell.then)) == (41.0, 10.5)


def test_a_timeline_of_weighted_buckets_loses_no_rare_value() -> None:
    start, step, count = datetime(2026, 11, 1, tzinfo=UTC), timedelta(minutes=5), 300
    timeline = Timeline({"x": WORDS}, start, step, count, 12)
    exact = np.zeros(3)
    for place in range(count):
        rng = np.random.default_rng(place)
        column = Column.of(rng.choice(["a", "b"], 20, p=[0.98, 0.02]).tolist())
        profile = Profile.of(column, WORDS, rng.choice([1, 5], 20) * UNIT)
        exact += profile.effective()[0][:3]
        timeline.add(start + place * step, 20, {None: {"x": profile}})
    ((_, stack),) = timeline.series()
    assert stack.counts.dtype == np.int64
    assert stack.counts.min() >= 0
    assert np.abs(stack.counts.sum(axis=0) - exact).max() < 1
    assert exact[1] > 30


def test_the_scores_of_a_classifier_beside_their_labels_are_weighted() -> None:
    layout, rng = learn_scores(), np.random.default_rng(6)
    scores = rng.random(900)
    labels = np.where(rng.random(900) < 0.4, rng.random(900) < scores, np.nan)
    scores[::50] = np.nan
    column = Column(np.stack([scores, labels], axis=1), np.zeros(900, dtype=bool))
    weights = rng.integers(1, 9, size=900)
    whole = Profile.of(column, layout, weights * UNIT)
    parts = [Profile.of(column.take(p), layout, weights[p] * UNIT) for p in (np.arange(400), np.arange(400, 900))]
    assert parts[1] + parts[0] == whole
    sample = whole.sample()
    repeated = Profile.of(column.take(np.repeat(np.arange(900), weights)), layout)
    found, truth = rate_tally(sample), rate_tally(repeated)
    assert sample.rows == round(weights.sum() ** 2 / (weights**2).sum())
    assert found.score / found.n == pytest.approx(truth.score / truth.n, rel=0.005)
    assert found.positives / found.labels == pytest.approx(truth.positives / truth.labels, abs=0.005)
    assert found.score_squared / found.n == pytest.approx(truth.score_squared / truth.n, rel=0.02)
    constant = Profile.of(column, layout, np.full(900, 7 * UNIT)).sample()
    plain = Profile.of(column, layout)
    assert np.abs(constant.counts - plain.counts).max() <= 2  # sums of scores are rounded
    assert (constant.n, constant.missing, constant.nonfinite) == (plain.n, plain.missing, plain.nonfinite)
    mixed = Profile.of(column.take(np.arange(400)), layout) + parts[1]
    assert mixed.requests == 400 + weights[400:].sum()
    assert mixed.sample().rows < 900


def test_a_weighted_column_whose_last_bins_are_empty_has_a_finite_anderson_darling_distance() -> None:
    """Sums of weights are rounded: the gap behind the last row must not count as one between rows."""
    rng = np.random.default_rng(2)
    layout = learn_numeric(np.linspace(0, 1, 1000), 0.0, 1.0)
    old, new = (Profile.of(Column.floats(0.7 * rng.random(rows)), layout) for rows in (400, 60))
    wanted = anderson_darling.measure(old, new).statistic
    for weight in np.arange(0.5, 3, 0.1):
        weighted = (replace(profile, counts=profile.counts * weight) for profile in (old, new))
        assert anderson_darling.measure(*weighted).statistic == pytest.approx(wanted)
