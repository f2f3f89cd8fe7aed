"""Savings beside pandas and decimals on the same requests; quality is claimed only where the log allows it."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from detectors.cost.payback import RequestPeriod, payback
from detectors.cost.price import OwnPrice, Tariff, Tokens, price
from detectors.cost.savings import Cell, Cells, Condition, Plan, Tier, assign_strata, merge, summarize, tally
from detectors.records import Column

PRICES = {"big": (10.0, 30.0), "small": (1.0, 3.0)}
OWN = {name: OwnPrice(input=told, output=said) for name, (told, said) in PRICES.items()}
TIERED = Plan(
    "tiered", (Tier("small", (Condition("input_tokens", maximum=800), Condition("task", values=("classify",)))),)
)


def log(count: int = 4000, seed: int = 0, small_good: float = 0.8) -> pd.DataFrame:
    """Return requests; the small model was given mostly small ones, which both models answer better."""
    rng = np.random.default_rng(seed)
    told = np.rint(rng.lognormal(6.3, 1.0, count))
    small = rng.random(count) < np.where(told < 1024, 0.5, 0.05)
    good = np.where(small, small_good, 0.9) - np.where(told >= 1024, 0.25, 0.0)
    return pd.DataFrame(
        {
            "model": np.where(small, "small", "big"),
            "input_tokens": told,
            "output_tokens": np.rint(rng.lognormal(5, 0.7, count)),
            "task": rng.choice(["classify", "write"], count),
            "solved": np.where(rng.random(count) < 0.5, (rng.random(count) < good).astype(float), np.nan),
        }
    )


def cells_of(plan: Plan, frame: pd.DataFrame, own: dict[str, OwnPrice] | None = None) -> Cells:
    records = {name: Column.of(frame[name].tolist()) for name in ("input_tokens", "task")}
    tokens = Tokens(frame["input_tokens"].to_numpy(float), frame["output_tokens"].to_numpy(float))
    models = frame["model"].to_numpy(object)
    now = price(models, tokens, tariff=Tariff(own or OWN)).cost

    def price_as(model: str, places: np.ndarray) -> np.ndarray:
        return price(np.full(len(places), model, dtype=object), tokens.at(places), tariff=Tariff(own or OWN)).cost

    strata = assign_strata(tokens.input, frame["task"].to_numpy(object))
    return tally(plan, records, models, now, price_as, strata, frame["solved"].to_numpy(float))


def cost(frame: pd.DataFrame, model: pd.Series) -> Decimal:
    rows = zip(frame["input_tokens"], frame["output_tokens"], model, strict=True)
    parts = (int(i) * Decimal(PRICES[m][0]) + int(o) * Decimal(PRICES[m][1]) for i, o, m in rows)
    return sum(parts, Decimal(0)) / 10**6


def test_money_equals_decimals_and_days_add_up_to_the_last_bit() -> None:
    frame = log()
    small = (frame["input_tokens"] <= 800) & (frame["task"] == "classify")
    then = cost(frame, frame["model"].where(~small, "small"))
    found = summarize(TIERED, cells_of(TIERED, frame))
    assert found["now"] == pytest.approx(float(cost(frame, frame["model"])), abs=1e-9)
    assert found["then"] == pytest.approx(float(then), abs=1e-9)
    assert found["saved"] == pytest.approx(float(cost(frame, frame["model"]) - then), abs=1e-9)
    (tier,) = found["tiers"]
    assert tier["moved"] == (small & (frame["model"] == "big")).sum()
    assert tier["requests"] == small.sum()
    days = [cells_of(TIERED, part) for _, part in frame.groupby(np.arange(len(frame)) % 7)]
    written = [{key: Cell.from_json(cell.to_json()) for key, cell in day.items()} for day in days]
    assert merge(reversed(written)) == merge([cells_of(TIERED, frame)])


def test_quality_is_standardised_to_what_would_move() -> None:
    frame = log(40_000)
    plan = Plan("all on small", (Tier("small"),))
    quality = summarize(plan, cells_of(plan, frame))["tiers"][0]["quality"]
    judged = frame.dropna(subset=["solved"])
    naive = judged[judged["model"] == "small"]["solved"].mean()
    strata = assign_strata(frame["input_tokens"].to_numpy(float), frame["task"].to_numpy(object))
    frame = frame.assign(stratum=strata)
    weights = frame[frame["model"] == "big"]["stratum"].value_counts()
    means = frame[frame["model"] == "small"].groupby("stratum")["solved"].agg(["mean", "count"])
    usable = means.index[means["count"] >= 10].intersection(weights.index)
    expected = np.average(means.loc[usable, "mean"], weights=weights.loc[usable])
    assert quality["then"]["value"] == pytest.approx(expected, rel=1e-9)
    assert quality["then"]["value"] < naive - 0.02  # it was given the easy ones
    assert quality["claim"] == "worse"
    assert quality["difference"]["low"] < -0.1 < quality["difference"]["high"]


@pytest.mark.parametrize(("small_good", "claims"), [(0.9, {"no worse", "unclear", "better"}), (0.75, {"worse"})])
def test_a_claim_is_what_the_interval_allows(small_good: float, claims: set[str]) -> None:
    plan = Plan("all on small", (Tier("small"),))
    quality = summarize(plan, cells_of(plan, log(40_000, 1, small_good)), margin=0.03)["tiers"][0]["quality"]
    assert quality["claim"] in claims
    assert quality["difference"]["low"] <= small_good - 0.9 <= quality["difference"]["high"]


def test_the_interval_holds_the_truth_at_least_as_often_as_it_says() -> None:
    plan = Plan("all on small", (Tier("small"),))
    held = []
    for seed in range(50):
        gap = summarize(plan, cells_of(plan, log(6000, seed)))["tiers"][0]["quality"].get("difference")
        if gap is not None:
            held.append(gap["low"] <= -0.1 <= gap["high"])
    assert len(held) > 33
    assert np.mean(held) > 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(held))


def test_what_the_log_cannot_tell_is_not_known() -> None:
    frame = log(1000)
    nobody = frame.assign(solved=np.nan)
    plan = Plan("all on small", (Tier("small"),))
    assert summarize(plan, cells_of(plan, nobody))["tiers"][0]["quality"]["claim"] == "not known"
    elsewhere = Plan("all on new", (Tier("new"),))
    found = summarize(elsewhere, cells_of(elsewhere, frame))
    assert (found["unpriced"], found["saved"], found["share"]) == (1000, 0.0, None)  # nobody knows its price
    assert found["tiers"][0]["quality"]["claim"] == "not known"
    apart = frame[(frame["model"] == "small") != (frame["input_tokens"] > 800)]  # no size that both answered
    quality = summarize(plan, cells_of(plan, apart))["tiers"][0]["quality"]
    assert quality["claim"] == "not known"
    assert "comparable" in quality["why"]
    missing = pd.concat([frame, frame.assign(input_tokens=np.nan).head(7)], ignore_index=True)
    assert summarize(TIERED, cells_of(TIERED, missing))["unpriced"] == 7


def test_cells_are_bounded_and_lose_no_request() -> None:
    parts = [{(0, f"m{n % 90}", f"s{n}"): Cell(requests=1)} for n in range(9000)]
    total = merge(parts)
    assert len(total) < 5000
    assert sum(cell.requests for cell in total.values()) == 9000


def test_a_retraining_pays_back_by_hand() -> None:
    stretches = [RequestPeriod(1000, 0.5, 0.02 * n, 0.02 * n - 0.01, 0.02 * n + 0.01) for n in range(1, 9)]
    found = payback(stretches, error_cost=3.0, price=1200.0, horizon=10.0)
    assert found["cost"]["value"] == pytest.approx(1000 * 0.02 * 36 * 3)
    assert found["daily"]["value"] == pytest.approx(1000 * 0.02 * 15 * 3)  # the last day of four
    assert found["payback_days"] == pytest.approx(1200 / 900)
    assert found["return"]["low"] == pytest.approx((1000 * (0.30 - 0.02) * 3 * 10 - 1200) / 1200)
    assert found["verdict"] == "pays"
    assert payback([], 1.0, 1.0)["verdict"] == "not known"
    better = payback([RequestPeriod(1000, 1.0, -0.05, -0.06, -0.04)], 3.0, 10.0)
    assert (better["verdict"], better["payback_days"]) == ("does not pay", None)
