"""The sentence of a finding: the number that people know first, then the statistic and its threshold."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from detectors import DETECTORS, LATENCY
from detectors.base import Criterion, Detector, Finding, assess
from detectors.binning import Binning, learn_categorical, learn_numeric
from detectors.cost.budget import SpendScope, SpendTotals, against_budget
from detectors.profile import Profile
from detectors.quality.percentile import learn_times
from detectors.records import Column
from detectors.sentence import describe


def numbers(old: list[float], new: list[float], layout: Binning | None = None) -> tuple[Profile, Profile]:
    values = np.array(old, dtype=float)
    bins = learn_numeric(values, values.min(), values.max()) if layout is None else layout
    before, now = (Profile.of(Column.floats(np.array(side, dtype=float)), bins) for side in (old, new))
    return before, now


def sentence(
    detector: Detector, sides: tuple[Profile, Profile], column: str, segment: str | None = None, threshold: float = 0.1
) -> str:
    return describe(
        assess(detector, *sides, column=column, segment=segment, criterion=Criterion(threshold)), detector, *sides
    )


def test_a_rate() -> None:
    sides = numbers([1.0] * 247 + [0.0] * 753, [1.0] * 540 + [0.0] * 460)
    said = sentence(DETECTORS["rate_ratio"], sides, "hallucinated", "model_version=doha", 0.4)
    assert said == (
        "hallucination rate of model_version=doha 54.0 % (95 % interval 50.9–57.1 %), baseline 24.7 %; "
        "change of a rate by a factor of 2.18, threshold 1.49"
    )


def test_a_mean() -> None:
    rng = np.random.default_rng(0)
    sides = numbers(rng.normal(20, 2, 5000).tolist(), rng.normal(31, 2, 1000).tolist())
    said = sentence(DETECTORS["mean"], sides, "amount")
    assert said == (
        "mean amount 31.03 (95 % interval 30.9–31.15), baseline 19.99; "
        "shift of the mean 2.42 baseline standard deviations, threshold 0.1"
    )


def test_a_duration_has_its_unit() -> None:
    rng = np.random.default_rng(0)
    sides = numbers(rng.normal(1.0, 0.1, 5000).tolist(), rng.normal(2.5, 0.1, 1000).tolist())
    assert sentence(DETECTORS["mean"], sides, "latency").startswith(
        "mean latency 2.5 s (95 % interval 2.5–2.51 s), baseline 1 s; "
    )
    assert " s), baseline " in sentence(DETECTORS["quantile"], sides, "queue_time")
    assert " s" not in sentence(DETECTORS["mean"], sides, "cost").partition(";")[0]


def test_a_quantile() -> None:
    rng = np.random.default_rng(1)
    sides = numbers(rng.normal(20, 2, 5000).tolist(), rng.normal(20, 6, 1000).tolist())
    said = sentence(DETECTORS["quantile"], sides, "amount", "plan=pro")
    assert said.startswith(
        "p75 amount of plan=pro 24.45 (95 % interval 24.01–24.99), baseline 21.32; largest shift of "
    )
    assert said.endswith(", threshold 0.1")


def test_a_latency_against_its_target_names_the_number_once() -> None:
    rng = np.random.default_rng(2)
    times = rng.lognormal(0, 0.5, 5000)
    sides = numbers(times.tolist(), (3 * times[:500]).tolist(), learn_times(times))
    said = sentence(LATENCY["p95"], sides, "latency", threshold=2.0)
    assert said == "p95 latency 6.73 s (95 % interval 6.16–7.62 s), baseline 2.26 s; threshold 2 s"
    said = sentence(LATENCY["p95_rise"], sides, "latency", threshold=0.4)
    assert said.endswith("baseline 2.26 s; rise of the p95 by a factor of 2.98, threshold 1.49")


def test_a_category() -> None:
    layout = learn_categorical(Counter(DE=25, FR=75))
    old, new = (Profile.of(Column.of(["DE"] * share + ["FR"] * (1000 - share)), layout) for share in (250, 540))
    said = sentence(DETECTORS["jensen_shannon"], (old, new), "country")
    assert said.startswith("share of country=DE 54.0 % (95 % interval 50.9–57.1 %), baseline 25.0 %; Jensen-Shannon ")
    new = Profile.of(Column.of(["DE"] * 250 + ["US"] * 750), layout)
    said = sentence(DETECTORS["unseen"], (old, new), "country", "plan=pro", threshold=0.05)
    assert said.startswith("share of unseen values of country in plan=pro 75.0 % (95 % interval ")
    assert said.endswith(", baseline 0 %; threshold 5.0 %")


def test_a_null_rate() -> None:
    layout = learn_categorical(Counter(a=1))
    old, new = (Profile.of(Column.of(["a"] * (1000 - gone) + [None] * gone), layout) for gone in (3, 120))
    said = sentence(DETECTORS["missing"], (old, new), "age", threshold=0.05)
    assert said == (
        "null rate of age 12.0 % (95 % interval 10.1–14.2 %), baseline 0.3 %; "
        "rise of the null rate 11.7 %, threshold 5.0 %"
    )


def test_an_amount_of_money() -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    spent = SpendTotals(1212.4, 900, 0)
    scope = SpendScope("spend", "price", "UTC", "USD", "tenant=a")
    said = against_budget(scope, "daily", 1000.0, at, spent).reason
    assert said == "1,212.40 USD spent for tenant=a since 2026-11-20 00:00 UTC, budget 1,000.00 USD"


@pytest.mark.parametrize("statistic", [None, 0.4])
def test_what_has_no_number_of_its_own_is_named(statistic: float | None) -> None:
    detector = DETECTORS["mmd"]
    finding = Finding("drift", "(joint)", "mmd", None, "drifted", "", statistic, 0.1)  # type: ignore[arg-type]
    said = describe(finding, detector)
    if statistic is None:
        assert said == ""
    else:
        assert said == "joint distribution of all columns; maximum mean discrepancy 0.4, threshold 0.1"
