"""Prices to the cent beside the list asked row by row in decimals, and nothing unpriced that looks free."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers

from detectors import SIGNALS
from detectors.cost.price import Machines, OwnPrice, Tariff, Tokens, price
from detectors.records import Column
from monitor.config.models import ConfigError
from monitor.config.signals import resolve
from tests.support.listed_models import LISTED_MODELS
from tests.support.nightly import nightly_except

AT = datetime(2026, 10, 1, tzinfo=UTC)


def requests(count: int, seed: int = 0) -> tuple[np.ndarray, Tokens]:
    rng = np.random.default_rng(seed)
    models = rng.choice(np.array(LISTED_MODELS, dtype=object), count)
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
    found = price(models, tokens, np.array([0.0, 1.0, 0.0, 3.0, 0.0]), tariff=Tariff({"ours": OwnPrice()}))
    assert found.source.tolist() == ["list", "logged", "unpriced", "logged", "logged"]
    assert np.array_equal(found.cost, [2.5, 1.0, np.nan, 3.0, 0.0], equal_nan=True)


@pytest.mark.parametrize("step", nightly_except([1, 8], 8))
def test_no_model_of_the_list_that_costs_anything_is_priced_at_nothing_by_its_tokens(step: int) -> None:
    """Each model on each day from which one of its prices holds, with every kind of token."""
    counts = [np.array([1000.0])] * 2 + [np.array([10.0])] * 8
    checked = 0
    for provider in providers:
        for model in provider.models[::step]:
            spans = model.prices if isinstance(model.prices, list) else []
            days = {start for one in spans if (start := getattr(one.constraint, "start_date", None)) is not None}
            for day in (AT.date(), *days):
                at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
                amounts = [amount for amount in vars(model.get_prices(at)).values() if amount]
                seconds, owner = np.array([at.timestamp()]), np.array([provider.id], dtype=object)
                found = price(np.array([model.id], dtype=object), Tokens(*counts), providers=owner, times=seconds)
                checked += bool(amounts)
                assert not amounts or found.cost[0] != 0, (provider.id, model.id, at)
    assert checked > 2000 / step


@pytest.mark.parametrize(
    "model",
    [
        "whisper-1",
        "gpt-transcribe",
        "gpt-live-1",
        "tts-1",
        "groq/whisper-large-v3",
        "mistral-ocr-latest",
        "x-ai/grok-voice-latest",
        "voxtral-small-24b-2507",
        "openrouter/google/lyria-3-pro-preview",
    ],
)
def test_what_is_paid_by_the_second_character_page_or_song_is_unpriced_unless_it_is_logged(model: str) -> None:
    models = np.array([model] * 5, dtype=object)
    logged = np.array([np.nan, 0.0, -1.0, np.inf, 0.25])
    found = price(models, Tokens(np.full(5, 500.0), np.full(5, 50.0)), logged)
    assert found.source.tolist() == ["unpriced"] * 4 + ["logged"]
    assert np.array_equal(found.cost, [np.nan] * 4 + [0.25], equal_nan=True)
    own = price(models, Tokens(np.full(5, 500.0), np.full(5, 50.0)), tariff=Tariff({model: OwnPrice(request=0.01)}))
    assert own.cost.tolist() == [0.01] * 5


def test_a_price_of_each_request_is_paid_once_a_request() -> None:
    found = price(
        np.array(["perplexity/sonar-pro"] * 2, dtype=object), Tokens(np.array([1000.0, 0]), np.array([1000.0, 0]))
    )
    assert found.cost == pytest.approx([0.003 + 0.015 + 0.014, 0.014])


@pytest.mark.parametrize(
    ("model", "provider", "cost"),
    [
        ("openrouter/deepseek/deepseek-r1:free", "", 0.0),
        ("gemini/gemma-3", "", 0.0),
        ("moderation", "openai", 0.0),
        ("gpt-4o", "github-copilot", 0.0),
        ("togethercomputer/GPT-JT-Moderation-6B", "together", np.nan),  # OpenAI's moderation is free, not Together's
        ("qwen-3-coder-480b", "cerebras", np.nan),  # the list has no price, and does not call it free
    ],
)
def test_a_model_is_free_only_where_the_list_says_so(model: str, provider: str, cost: float) -> None:
    asked = np.array([model], dtype=object), Tokens(np.array([1e6]), np.array([1e6]))
    found = price(*asked, np.array([0.0]), providers=np.array([provider], dtype=object))
    assert np.array_equal(found.cost, [cost], equal_nan=True)


def test_a_request_of_a_paid_model_without_any_tokens_is_unpriced() -> None:
    models = np.array(["gpt-4o", "gpt-4o", "ours"], dtype=object)
    tokens = Tokens(np.array([0.0, 1e6, 0.0]), np.array([0.0, 0.0, 0.0]))
    found = price(models, tokens, tariff=Tariff({"ours": OwnPrice(input=1.0)}))
    assert np.array_equal(found.cost, [np.nan, 2.5, 0.0], equal_nan=True)


def test_a_failed_request_costs_what_is_logged_else_nothing_of_the_list() -> None:
    told = {
        "model_version": Column.of(["gpt-4o", "gpt-4o", "gpt-4o", "gpt-4o", "ours", "whisper-1", "gpt-4o"]),
        "input_tokens": Column.of([1e6] * 7),
        "output_tokens": Column.of([0] * 7),
        "cost": Column.of([None, 0.0, 1.5, None, None, None, None]),
        "status": Column.of(["failure", 500, "failure", "success", "failure", "failure", None]),
    }
    configure = SIGNALS["price"].configure
    assert configure is not None
    cost = configure(prices={"ours": {"input": 0.5}}).compute(told)
    assert np.array_equal(cost.values, [0.0, 0.0, 1.5, 2.5, 0.5, 0.0, 2.5], equal_nan=True)
    assert SIGNALS["unpriced"].compute(told).values.tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_a_logged_zero_is_the_price_of_what_a_cache_answered() -> None:
    told = {
        "model_version": Column.of(["gpt-4o", "gpt-4o", "nobody-1", "nobody-1"]),
        "input_tokens": Column.of([1e6] * 4),
        "output_tokens": Column.of([0] * 4),
        "cost": Column.of([0.0, 0.0, 0.0, 0.0]),
        "cache_hit": Column.of(["True", None, "True", "False"]),
    }
    assert np.array_equal(SIGNALS["price"].compute(told).values, [0.0, 2.5, 0.0, np.nan], equal_nan=True)
    assert SIGNALS["unpriced"].compute(told).values.tolist() == [0.0, 0.0, 0.0, 1.0]


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
    full, half = (Machines(2.0, 1000, machines=4, utilisation=share).price() for share in (1.0, 0.5))
    assert full.output == pytest.approx(4 * 2.0 / 3600 / 1000 * 1e6)
    assert half.output == pytest.approx(2 * full.output)
    with pytest.raises(ValueError, match="utilisation of 0 to 1"):
        Machines(2.0, 1000, utilisation=0.0).price()


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


@pytest.mark.parametrize("model", ["gpt-realtime", "gemini-2.5-flash", "gpt-image-1", "gpt-4o", "gemini-2.5-pro"])
def test_audio_images_and_reasoning_agree_with_the_list_row_by_row(model: str) -> None:
    rng = np.random.default_rng(2)
    parts = rng.integers(0, 40_000, (8, 300)).astype(float)
    cached, audio_read, written, audio, image, reasoning, spoken, drawn = parts
    whole, said = parts[:5].sum(axis=0) + 500, parts[5:].sum(axis=0) + 70
    tokens = Tokens(
        whole, said, cached + audio_read, written, audio_read, audio + audio_read, image, reasoning, spoken, drawn
    )
    ours = price(np.array([model] * 300, dtype=object), tokens, times=np.full(300, AT.timestamp()))
    for row in range(300):
        usage = Usage(
            input_tokens=int(whole[row]),
            output_tokens=int(said[row]),
            cache_read_tokens=int(cached[row] + audio_read[row]),
            cache_write_tokens=int(written[row]),
            cache_audio_read_tokens=int(audio_read[row]),
            input_audio_tokens=int(audio[row] + audio_read[row]),
            input_image_tokens=int(image[row]),
            output_reasoning_tokens=int(reasoning[row]),
            output_audio_tokens=int(spoken[row]),
            output_image_tokens=int(drawn[row]),
            cache_image_read_tokens=0,
            output_audio_reasoning_tokens=0,
            output_image_reasoning_tokens=0,
            cache_audio_write_tokens=0,
            cache_image_write_tokens=0,
        )
        exact = calc_price(usage, model, genai_request_timestamp=AT).total_price
        assert ours.cost[row] == pytest.approx(float(exact), rel=1e-9)


def test_kinds_of_tokens_never_add_up_to_more_than_the_whole() -> None:
    rng = np.random.default_rng(3)
    counts = np.where(rng.random((10, 1000)) < 0.1, np.nan, rng.integers(0, 1000, (10, 1000)).astype(float))
    kinds = Tokens(*counts).kinds()
    told = [
        kinds[name]
        for name in kinds
        if name in ("input", "cached", "written", "cached_audio", "input_audio", "input_image")
    ]
    known = np.isfinite(counts[0])
    assert np.allclose(np.sum(told, axis=0)[known], counts[0][known])
    assert all((count[known] >= 0).all() for count in told)


def test_own_prices_of_every_kind_by_hand() -> None:
    own = OwnPrice(input=2, output=8, cached=0.5, input_audio=20, reasoning=4, request=0.01)
    tokens = Tokens(
        np.array([1e6]), np.array([1e6]), np.array([3e5]), input_audio=np.array([1e5]), reasoning=np.array([6e5])
    )
    found = price(np.array(["ours"]), tokens, tariff=Tariff({"ours": own}))
    assert found.cost[0] == pytest.approx(0.6 * 2 + 0.3 * 0.5 + 0.1 * 20 + 0.6 * 4 + 0.4 * 8 + 0.01, abs=1e-12)


def test_a_machine_by_the_hour_on_spot_with_batches_by_hand() -> None:
    own = Machines(
        4.0, 40, machines=2, utilisation=0.6, spot=1.5, spot_share=0.75, batch=16, input_tokens_per_second=8000
    ).price()
    second = 2 * (0.25 * 4.0 + 0.75 * 1.5) / 3600 / 0.6
    assert own.output == pytest.approx(second / (40 * 16) * 1e6, rel=1e-12)
    assert own.input == pytest.approx(second / 8000 * 1e6, rel=1e-12)
    with pytest.raises(ValueError, match="hourly price `spot`"):
        Machines(4.0, 40, spot_share=0.5).price()


def test_a_day_is_paid_in_its_own_rate_and_one_before_the_first_is_not_known() -> None:
    at = [(10, 31, 23), (11, 1, 0), (11, 9, 23), (11, 10, 1)]
    days = [datetime(2026, month, day, hour, tzinfo=UTC) for month, day, hour in at]
    told = {
        "model_version": Column.of(["gpt-4o"] * 4),
        "input_tokens": Column.of([1e6] * 4),
        "output_tokens": Column.of([0.0] * 4),
        "timestamp": Column.of([day.timestamp() for day in days]),
    }
    table = {date(2026, 11, 10): 0.8, date(2026, 11, 1): 0.9}
    entry = [{"price": {"rate": table}}, {"unpriced": {"rate": {str(day): value for day, value in table.items()}}}]
    cost, unpriced = (signal.compute(told) for signal in resolve(entry))
    assert np.array_equal(cost.values, [np.nan, 2.25, 2.25, 2.0], equal_nan=True)
    assert unpriced.values.tolist() == [1.0, 0.0, 0.0, 0.0]
    with pytest.raises(ConfigError, match="above 0"):
        resolve([{"price": {"rate": {"2026-11-01": 0.0}}}])


def test_a_logged_cost_in_dollars_is_converted_where_it_is_said_to_be() -> None:
    told = {
        "model_version": Column.of(["nobody-1"]),
        "input_tokens": Column.of([1.0]),
        "output_tokens": Column.of([1.0]),
        "cost": Column.of([2.0]),
    }
    plain, converted = resolve(
        [{"price": {"rate": 0.5}}, {"price": {"rate": 0.5, "logged_in_dollars": True, "name": "converted"}}]
    )
    assert (plain.compute(told).values[0], converted.compute(told).values[0]) == (2.0, 1.0)
