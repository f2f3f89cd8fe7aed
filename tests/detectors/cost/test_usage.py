"""What a window used, beside numpy on the same values; what is not logged is never zero."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.binning import learn_numeric
from detectors.cost.usage import usage
from detectors.profile import Profile
from detectors.quality.percentile import learn_times
from detectors.records import Column


def profile(values: np.ndarray) -> Profile:
    finite = values[np.isfinite(values)]
    return Profile.of(Column(values, np.isnan(values)), learn_numeric(finite, finite.min(), finite.max()))


def test_sums_are_exact_and_shares_are_of_those_that_tell() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 10**6, 5000).astype(np.float64)
    cost = rng.lognormal(-6, 2, 5000)
    failed = np.where(rng.random(5000) < 0.1, np.nan, (rng.random(5000) < 0.2).astype(float))
    told = usage(
        {"input_tokens": profile(tokens), "price": profile(cost), "failed": profile(failed)}, 5000, 300.0, "price"
    )
    assert told["tokens"]["input"] == {"total": math.fsum(tokens), "requests": 5000}
    assert told["cost"]["amount"] == math.fsum(cost)
    assert told["shares"]["failed"] == pytest.approx(np.nanmean(failed), rel=1e-12)
    good = (1 - np.nanmean(failed)) * 5000
    assert told["cost"]["per_success"] == pytest.approx(math.fsum(cost) / good, rel=1e-12)


def test_a_success_can_be_told_by_a_column_and_an_unpriced_request_forbids_the_quotient() -> None:
    cost, solved = np.full(10, 0.5), np.array([1.0] * 4 + [0.0] * 6)
    columns = {"price": profile(cost), "solved": profile(solved)}
    assert usage(columns, 10, 60.0, "price", "solved")["cost"]["per_success"] == 1.25
    assert "per_success" not in usage(columns, 10, 60.0, "price", "not logged")["cost"]
    columns["price"] = profile(np.append(cost[1:], np.nan))
    told = usage(columns, 10, 60.0, "price", "solved")["cost"]
    assert told == {"amount": 4.5, "priced": 9, "unpriced": 1}


def test_what_is_not_logged_is_left_out() -> None:
    told = usage({}, 7, 60.0, "price")
    assert told == {"requests": 7, "seconds": 60.0, "tokens": {}, "shares": {}, "times": {}, "loads": {}}
    nobody = Profile.of(Column(np.full(3, np.nan), np.ones(3, dtype=bool)), learn_times(np.ones(1)))
    assert usage({"latency": nobody, "price": nobody}, 3, 60.0, "price")["cost"] == {
        "amount": 0.0,
        "priced": 0,
        "unpriced": 3,
    }


def test_percentiles_and_load() -> None:
    rng = np.random.default_rng(1)
    seconds, depth = rng.lognormal(0, 1, 4000), rng.poisson(3.0, 4000).astype(float)
    timed = Profile.of(Column.floats(seconds), learn_times(seconds))
    told = usage({"latency": timed, "queue_depth": profile(depth)}, 4000, 60.0, "price")
    for level, ours in told["times"]["latency"].items():
        assert ours == pytest.approx(np.quantile(seconds, float(level)), rel=0.02)
    assert told["loads"]["queue_depth"] == {"mean": pytest.approx(depth.mean()), "max": depth.max()}
