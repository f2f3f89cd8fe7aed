"""Prices to the cent beside the list asked row by row in decimals, and nothing unpriced that looks free."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from genai_prices import Usage, calc_price

from detectors import SIGNALS
from detectors.records import Column
from detectors.spend.price import OwnPrice, Tokens, price

MODELS = (
    "gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "gpt-3.5-turbo", "o1", "o1-mini", "o3-mini", "gpt-4.1", "gpt-4.1-mini",
    "gpt-4.1-nano", "gpt-4", "o3", "claude-3-5-sonnet-20241022",
    "claude-3-5-haiku-20241022", "claude-3-opus-20240229", "claude-3-haiku-20240307", "claude-3-7-sonnet-latest",
    "gemini-1.5-pro", "gemini-1.5-flash", "gemini-2.0-flash", "gemini-2.5-pro", "gemini-2.5-flash", "deepseek-chat",
    "deepseek-reasoner", "mistral-large-latest", "mistral-small-latest", "grok-2", "grok-3", "command-r",
    "command-r-plus",
)  # fmt: skip
AT = datetime(2026, 10, 1, tzinfo=UTC)


def requests(count: int, seed: int = 0) -> tuple[np.ndarray, Tokens]:
    rng = np.random.default_rng(seed)
    models = rng.choice(np.array(MODELS, dtype=object), count)
    whole = np.rint(rng.lognormal(7, 2, count))
    return models, Tokens(whole, np.rint(rng.lognormal(5, 1, count)), np.floor(whole * rng.random(count) * 0.7))


def test_ten_thousand_requests_of_thirty_models_agree_with_decimals_to_the_cent() -> None:
    models, tokens = requests(10_000)
    assert tokens.cached is not None
    seconds = np.full(10_000, AT.timestamp())
    ours = price(models, tokens, times=seconds)
    assert set(ours.source) == {"list"}
    assert len(set(models)) == 30
    exact = Decimal(0)
    for row in range(10_000):
        usage = Usage(
            input_tokens=int(tokens.input[row]),
            output_tokens=int(tokens.output[row]),
            **({"cache_read_tokens": int(tokens.cached[row])} if tokens.cached[row] else {}),
        )
        exact += calc_price(usage, model_ref=str(models[row]), genai_request_timestamp=AT).total_price
    assert exact > 100
    assert abs(Decimal(float(ours.cost.sum())) - exact) < Decimal("0.005")


def test_the_published_price_of_one_model_by_hand() -> None:
    found = price(np.array(["gpt-4o"]), Tokens(np.array([1_000_000.0]), np.array([100_000.0]), np.array([400_000.0])))
    assert found.cost[0] == pytest.approx(0.6 * 2.50 + 0.4 * 1.25 + 0.1 * 10.00, abs=1e-12)


def test_a_logged_zero_means_unknown_unless_the_model_is_free() -> None:
    models = np.array(["gpt-4o", "gpt-4o", "nobody-1", "nobody-1", "ours"], dtype=object)
    tokens = Tokens(np.full(5, 1e6), np.zeros(5))
    found = price(models, tokens, np.array([0.0, 1.0, 0.0, 3.0, 0.0]), own={"ours": OwnPrice()})
    assert found.source.tolist() == ["list", "logged", "unpriced", "logged", "logged"]
    assert np.array_equal(found.cost, [2.5, 1.0, np.nan, 3.0, 0.0], equal_nan=True)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("azure/gpt-4o", ""),
        ("openai/gpt-4o", ""),
        ("gpt-4o", "openai"),
        ("GPT-4o", "azure_openai"),
        ("gpt-4o", "no one"),
    ],
)
def test_a_model_is_found_however_gateways_write_it(model: str, provider: str) -> None:
    asked = np.array([model], dtype=object), Tokens(np.array([1e6]), np.array([0.0]))
    assert price(*asked, providers=np.array([provider], dtype=object)).cost[0] == 2.5


def test_prices_are_those_of_the_day() -> None:
    days = [datetime(2024, 6, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)]
    cost = price(
        np.array(["gpt-4o"] * 2),
        Tokens(np.full(2, 1e6), np.zeros(2)),
        times=np.array([day.timestamp() for day in days]),
    ).cost
    listed = [
        calc_price(Usage(input_tokens=10**6, output_tokens=0), "gpt-4o", genai_request_timestamp=day) for day in days
    ]
    assert cost.tolist() == [float(one.total_price) for one in listed]


def test_own_machines_pay_for_idle_hours_too() -> None:
    full, half = (OwnPrice.of_machines(2.0, 1000, machines=4, utilisation=share) for share in (1.0, 0.5))
    assert full.output == pytest.approx(4 * 2.0 / 3600 / 1000 * 1e6)
    assert half.output == pytest.approx(2 * full.output)
    with pytest.raises(ValueError, match="utilisation of 0 to 1"):
        OwnPrice.of_machines(2.0, 1000, utilisation=0.0)


def test_nonsense_counts_are_unpriced_and_never_a_crash() -> None:
    tokens = Tokens(
        np.array([np.nan, -5.0, 1e300, np.inf]), np.array([1.0, 1.0, 1.0, np.nan]), np.array([1.0, np.nan, 2.0, np.inf])
    )
    for model in ("gpt-4o", "gemini-1.5-pro"):
        found = price(np.array([model] * 4, dtype=object), tokens)
        assert np.isnan(found.cost[0])
        assert found.source[0] == "unpriced"


def test_the_signals_say_the_same_and_take_the_operators_prices() -> None:
    told = {
        "model_version": Column.of(["gpt-4o", "ours", "nobody-1"]),
        "input_tokens": Column.of([1e6] * 3),
        "output_tokens": Column.of([0] * 3),
        "cost": Column.of([None, None, None]),
    }
    configure = SIGNALS["price"].configure
    assert configure is not None
    cost = configure(prices={"ours": {"input": 0.5}}, rate=2.0).compute(told)
    assert np.array_equal(cost.values, [5.0, 0.5, np.nan], equal_nan=True)
    assert SIGNALS["unpriced"].compute(told).values.tolist() == [0.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="`tokens_per_second`"):
        configure(prices={"ours": {"inptu": 0.5}})
