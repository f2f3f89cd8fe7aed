"""Comparisons of arms: beside scipy at a fixed size, against their own null at every size, whatever the buckets."""

from __future__ import annotations

import json
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.experiment.compare import (
    adjust_for_covariate,
    difference,
    information,
    larger_variances,
    lift,
    relative_error,
)
from detectors.experiment.sequence import evidence, interval_reach, planned_information, reach, split_evidence
from detectors.experiment.tally import Tally
from detectors.experiment.verdict import Design, Metric, judge
from tests.support.nightly import nightly_except


def test_at_a_fixed_size_value_and_variance_are_those_of_welchs_test() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.lognormal(0, 1, 3000), rng.lognormal(0.1, 1.2, 2000)
    control, treatment = Tally.of(one), Tally.of(other)
    statistic = (treatment.value - control.value) / np.sqrt(control.variance + treatment.variance)
    assert statistic == pytest.approx(stats.ttest_ind(other, one, equal_var=False).statistic, rel=1e-10)


def test_buckets_add_up_and_survive_json() -> None:
    rng = np.random.default_rng(1)
    y, x = rng.random(1000), rng.integers(1, 9, 1000)
    users = rng.integers(0, 300, 1000)
    for units in (None, users):
        whole = Tally.of(y, x, units=units)
        cut = [slice(0, 250), slice(250, 251), slice(251, 1000)]
        parts = [Tally.of(y[at], x[at], units=None if units is None else units[at]) for at in cut]
        total = sum(parts[1:], parts[0])
        assert total == whole
        assert total - parts[1] == parts[2] + parts[0]
        assert Tally.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    with pytest.raises(ValueError, match="count the rows again"):
        Tally.of(y) + Tally.of(y, units=users)


@given(st.lists(st.floats(-1e45, 1e45), max_size=40), st.randoms(use_true_random=False))
def test_sums_are_those_of_exact_fractions_whatever_the_order(values: list[float], chance: random.Random) -> None:
    values = [value if abs(value) > 1e-30 else 0.0 for value in values]
    shuffled = chance.sample(values, len(values))
    tally = Tally.of(np.array(values))
    assert tally == sum((Tally.of(np.array([value])) for value in shuffled), Tally.empty())
    assert tally.sums[0, 1] == pytest.approx(float(sum(map(Fraction, values))), rel=1e-15, abs=1e-60)
    assert tally.sums[0, 3] == pytest.approx(float(sum(Fraction(value * value) for value in values)), rel=1e-15)


def test_the_variance_of_a_ratio_is_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(2)
    tokens = rng.gamma(2.0, 100.0, 2000)
    cost = tokens * rng.lognormal(-6, 0.5, 2000)
    rows = rng.integers(0, 2000, (2000, 2000))
    again = cost[rows].sum(axis=1) / tokens[rows].sum(axis=1)
    assert np.sqrt(Tally.of(cost, tokens).variance) == pytest.approx(again.std(), rel=0.07)


def test_rows_of_users_who_come_back_are_not_taken_as_independent() -> None:
    rng = np.random.default_rng(3)
    means, naive, honest = [], [], []
    for _ in range(200):
        taste = rng.beta(1, 4, 1500)
        users = rng.choice(1500, 6000, p=(weight := rng.pareto(2, 1500) + 1) / weight.sum())
        y = (rng.random(6000) < taste[users]).astype(float)
        means.append(y.mean())
        naive.append(Tally.of(y).variance)
        honest.append(Tally.of(y, units=users).variance)
    assert np.mean(honest) == pytest.approx(np.var(means), rel=0.3)
    assert np.mean(naive) < 0.6 * np.var(means)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_covariate_takes_out_what_was_known_before_and_leaves_the_effect(grouped: bool) -> None:
    rng = np.random.default_rng(4)
    found = []
    for _ in range(60):
        arms = []
        for effect in (0.0, 0.2):
            before = rng.normal(size=3000)
            units = np.arange(3000) if grouped else None
            arms.append(Tally.of(5 + before + effect + 0.3 * rng.normal(size=3000), covariate=before, units=units))
        values, variances = adjust_for_covariate(np.stack([arm.sums for arm in arms]))
        found.append((values[1] - values[0], variances.sum(), arms[0].variance + arms[1].variance))
    gaps, less, plain = np.array(found).T
    assert gaps.mean() == pytest.approx(0.2, abs=0.01)
    assert less.mean() < 0.15 * plain.mean()
    assert gaps.var() == pytest.approx(less.mean(), rel=0.5)


def test_nobody_who_looks_all_the_time_is_fooled_more_often_than_stated() -> None:
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(300):
        hits = np.cumsum(rng.binomial(20, 0.1, (400, 2)), axis=0)
        n = 20.0 * np.arange(1, 401)
        rates = hits / n[:, None]
        _, low, high = lift(rates, rates * (1 - rates) / n[:, None], reach(2 * n, 0.05, 16_000))
        wrong += bool(((low > 0) | (high < 0))[n >= 500].any())
    assert wrong / 300 <= 0.05


def test_a_brownian_motion_leaves_the_hedged_boundary_as_rarely_as_stated_and_with_a_drift_as_often_as_expected() -> (
    None
):
    rng = np.random.default_rng(12)
    steps, length = 1000, 4.0
    time = np.linspace(0, length, steps + 1)[1:]
    paths = np.cumsum(rng.normal(0, np.sqrt(length / steps), (4000, steps)), axis=1)
    limit = interval_reach(time, 0.05) * np.sqrt(time)
    assert (np.abs(paths) > limit).any(axis=1).mean() < 0.05
    drift = np.sqrt(planned_information(0.05))
    until = time <= 1
    seen = (paths + drift * time > limit)[:, until].any(axis=1).mean()
    end = stats.norm.ppf(1 - 0.7 * 0.05 / 4)
    theory = stats.norm.cdf(drift - end) + np.exp(2 * drift * end) * stats.norm.cdf(-drift - end)
    assert seen == pytest.approx(theory, abs=0.03)
    assert seen > 0.7


def simulate_means(
    sigma: float, ratio: float, effect: float, simulations: int = 400, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means, variances and rows of both arms at 80 looks, 500 to 5,000 rows of a treatment of a heavy tail.

    Values above ``most`` count with it.
    """
    rng = np.random.default_rng(13)
    treatment = np.unique(np.round(np.geomspace(500, 5000, 80)).astype(int))
    rows = np.stack([np.round(treatment * ratio).astype(int), treatment], axis=-1)
    means, variances = np.zeros((2, simulations, *rows.shape))
    for one in range(simulations):
        for arm in (0, 1):
            n = rows[:, arm]
            y = np.minimum(rng.lognormal(0.0, sigma, n[-1]) * (effect if arm else 1.0), most)
            means[one, :, arm] = np.cumsum(y)[n - 1] / n
            variances[one, :, arm] = (np.cumsum(y * y)[n - 1] / n - means[one, :, arm] ** 2) / (n - 1)
    return means, variances, np.broadcast_to(rows, means.shape).astype(np.float64)


@pytest.mark.parametrize(
    ("sigma", "ratio"), nightly_except([(1.0, 9.0), (2.0, 1.0), (2.0, 9.0), (2.0, 30.0)], (1.0, 9.0), (2.0, 9.0))
)
@pytest.mark.parametrize("effect", nightly_except([1.0, 0.5, 1.5], 1.5))
def test_a_small_arm_of_a_heavy_tail_misses_the_truth_as_rarely_as_stated(
    sigma: float, ratio: float, effect: float
) -> None:
    means, variances, rows = simulate_means(sigma, ratio, effect)
    total = rows.sum(axis=-1)
    times = interval_reach(total / total[0, -1], 0.05)
    _, low, high = lift(means, larger_variances(means, variances, rows), times)
    wrong = ((high < effect - 1) | (low > effect - 1)).any(axis=1).mean()
    assert wrong <= 0.05
    _, low, high = lift(means, variances, times)
    alone = ((high < effect - 1) | (low > effect - 1)).any(axis=1).mean()
    if sigma == 2.0 and ratio > 1:
        assert alone > 0.05  # the arms' own variances do not suffice


def winsorised_mean(sigma: float, scale: float, most: float) -> float:
    """Return the mean of a scaled log-normal quantity of which values above a limit count with the limit."""
    place = np.log(most / scale)
    below = scale * np.exp(sigma**2 / 2) * stats.norm.cdf((place - sigma**2) / sigma)
    return float(below + most * stats.norm.sf(place / sigma))


@pytest.mark.parametrize("ratio", [1.0, 9.0])
@pytest.mark.parametrize("effect", nightly_except([1.0, 1.5], 1.5))
def test_a_winsorised_metric_misses_its_truth_as_rarely_as_stated_in_a_narrower_interval(
    ratio: float, effect: float
) -> None:
    most = float(np.exp(2.0 * stats.norm.ppf(0.99)))
    truth = winsorised_mean(2.0, effect, most) / winsorised_mean(2.0, 1.0, most) - 1
    widths = []
    for limit in (most, np.inf):
        means, variances, rows = simulate_means(2.0, ratio, effect, 200, limit)
        total = rows.sum(axis=-1)
        times = interval_reach(total / total[0, -1], 0.05)
        _, low, high = lift(means, larger_variances(means, variances, rows), times)
        widths.append(np.median(high[:, -1] - low[:, -1]))
        if limit == most:
            assert ((high < truth) | (low > truth)).any(axis=1).mean() <= 0.05
    assert widths[0] < 0.6 * widths[1]


def test_arms_of_one_size_and_light_tails_are_compared_as_before() -> None:
    means, variances, rows = simulate_means(2.0, 1.0, 1.0, simulations=20)
    assert (larger_variances(means, variances, rows) == variances).all()
    sizes = np.array([90_000.0, 10_000.0])
    for treatment in (0.18, 0.22):
        values = np.array([0.2, treatment])
        variances = values * (1 - values) / sizes
        fractions = [
            information(relative_error(values, each), 0.02, 0.05)
            for each in (variances, larger_variances(values, variances, sizes))
        ]
        assert fractions[1] == pytest.approx(fractions[0], rel=0.03)


def test_a_comparison_takes_the_spread_of_the_large_arm_where_the_small_one_has_seen_less() -> None:
    rng = np.random.default_rng(14)
    control, treatment = Tally.of(rng.lognormal(0, 1, 90_000)), Tally.of(np.full(10_000, np.exp(0.5)))
    found = difference(control, treatment)
    assert found.error == pytest.approx(np.sqrt(control.variance * 9) / control.value, rel=0.02)
    nothing = difference(Tally.of(np.zeros(600)), treatment)
    assert np.isfinite(nothing.absolute).all()


def test_evidence_is_one_over_alpha_where_the_sequence_ends() -> None:
    for alpha in (0.05, 0.001):
        for n in (10, 1e3, 1e6):
            assert evidence(reach(n, alpha), n, alpha) == pytest.approx(1 / alpha)


def test_a_right_split_is_hardly_ever_called_wrong_and_a_wrong_one_is() -> None:
    rng = np.random.default_rng(6)
    meant = np.array([0.9, 0.1])
    n = 20 * np.arange(1, 2001)
    called = 0
    for share in [0.9] * 200:
        first = np.cumsum(rng.binomial(20, share, 2000))
        called += bool((split_evidence(np.stack([first, n - first], axis=-1), meant) >= 100).any())
    assert called <= 5
    first = np.cumsum(rng.binomial(20, 0.88, 2000))
    assert split_evidence(np.stack([first, n - first], axis=-1), meant)[-1] > 1000


def arms(rng: np.random.Generator, *rates: float, rows: int = 60_000, users: bool = False) -> list[dict[str, Tally]]:
    made = []
    for rate in rates:
        units = rng.integers(0, 5000, rows) if users else None
        slow = rng.lognormal(0.0, 0.5, rows)
        made.append({"solved": Tally.of(rng.random(rows) < rate, units=units), "latency": Tally.of(slow, units=units)})
    return made


METRICS = [Metric("solved"), Metric("latency", better="lower", role="guardrail", minimum=0.05)]


@pytest.mark.parametrize("users", [False, True])
@pytest.mark.parametrize(
    ("rates", "word"), [((0.5, 0.53), "win"), ((0.5, 0.47), "lose"), ((0.5, 0.5), "no difference")]
)
def test_the_verdict_is_the_word_that_fits(rates: tuple[float, float], word: str, users: bool) -> None:
    control, treatment = arms(np.random.default_rng(7), *rates, rows=200_000, users=users)
    found = judge(METRICS, control, treatment)
    assert found.verdict == word
    assert "solved" in found.reason


def test_a_better_answer_that_is_slower_does_not_win_and_few_rows_decide_nothing() -> None:
    rng = np.random.default_rng(8)
    control, treatment = arms(rng, 0.5, 0.55)
    treatment["latency"] = Tally.of(1.3 * rng.lognormal(0.0, 0.5, 60_000))
    assert judge(METRICS, control, treatment).verdict == "lose"
    few = judge(METRICS, *arms(rng, 0.5, 0.6, rows=300))
    assert few.verdict == "keep running"
    assert "too few" in few.reason
    more = judge([METRICS[0]], *arms(rng, 0.5, 0.505, rows=5000))
    assert more.verdict == "keep running"
    assert 10_000 < more.answers[0].rows_needed < 100_000


def test_a_better_guardrail_leaves_no_difference_and_an_undecided_one_is_waited_for() -> None:
    rng = np.random.default_rng(11)
    control, treatment = arms(rng, 0.5, 0.5, rows=200_000)
    treatment["latency"] = Tally.of(0.8 * rng.lognormal(0.0, 0.5, 200_000))
    assert judge(METRICS, control, treatment).verdict == "no difference"
    control, treatment = arms(rng, 0.5, 0.6, rows=5000)
    control["latency"], treatment["latency"] = (Tally.of(rng.lognormal(0.0, 2.0, 5000)) for _ in range(2))
    found = judge(METRICS, control, treatment)
    assert found.verdict == "keep running"
    assert found.reason.startswith("latency")


@pytest.mark.parametrize("users", [False, True])
def test_a_wrong_split_makes_everything_invalid(users: bool) -> None:
    rng = np.random.default_rng(9)
    (control,), (treatment,) = (arms(rng, rate, rows=n, users=users) for rate, n in ((0.5, 60_000), (0.6, 50_000)))
    found = judge(METRICS, control, treatment)
    assert found.verdict == "invalid"
    assert "60000 and 50000" in found.reason
    right = judge(METRICS, control, treatment, Design(shares=(6 / 11, 5 / 11)))
    assert right.verdict != "invalid"


@pytest.mark.parametrize("users", [None, ["u"] * 600])
def test_odd_rows_and_metrics_of_nothing_are_no_crash(users: list[str] | None) -> None:
    for values in (np.zeros(600), np.full(600, np.nan), np.array([np.inf, -1e308, 1.0] * 200), np.zeros(0)):
        tally = Tally.of(values, units=users if users is None else users[: len(values)])
        assert judge([Metric("m")], {"m": tally}, {"m": tally}).verdict in ("keep running", "no difference")
        assert difference(tally, tally).rows == 2 * tally.n
