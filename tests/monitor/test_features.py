"""Which columns are watched by themselves: neither ids, counters and times, nor what people wrote, nor who they are."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from monitor.baselines.definition import definition
from monitor.cli.connections import open_reader, open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.config.models import Config, Monitor
from monitor.profiling.features import Choice, choose
from monitor.sources import files
from tests.support.hand import Hand
from tests.support.logs import databricks, langfuse_v2, litellm, otel, phoenix
from tests.support.logs.base import calls
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
ROWS = 1000
PLANS = ["free", "pro", "pay as you go", "enterprise"]
COUNTRIES = [first + second for first in "ABCDEF" for second in "GHIJKL"]
WORDS = [f"{word}{ending}" for word in ("please", "cancel", "charge", "plan", "letter") for ending in ("", "s", "ing")]
SENTENCES = ["It works", "Cancel it", "Thanks", "I would like to talk to somebody about the bill of last month"]

Maker = Callable[[np.random.Generator], list[Any]]


def seconds() -> np.ndarray:
    return START.timestamp() + np.arange(ROWS) * 20.0


def whole(values: np.ndarray) -> list[int]:
    return [int(value) for value in values]


def random_id(rng: np.random.Generator) -> str:
    return str(uuid.UUID(bytes=rng.bytes(16)))


def sentence(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, int(rng.integers(3, 14))))


def rare(rng: np.random.Generator, common: list[str], other: Callable[[int], str], share: float) -> list[str]:
    return [other(row) if rng.random() < share else str(rng.choice(common)) for row in range(ROWS)]


def date(moment: float) -> str:
    return pd.Timestamp(moment, unit="s").isoformat()


UNFIT: dict[str, tuple[Maker, str]] = {
    "uuid": (lambda rng: [random_id(rng) for _ in range(ROWS)], "distinct"),
    "session": (lambda rng: list(np.repeat([random_id(rng) for _ in range(200)], 5)), "new values"),
    "sequence": (lambda rng: whole(1000 + np.arange(ROWS)), "numbered"),
    "concurrent_sequence": (lambda rng: whole(1000 + np.argsort(np.arange(ROWS) + rng.normal(0, 5, ROWS))), "numbered"),
    "countdown": (lambda rng: whole(10**6 - np.arange(ROWS)), "numbered"),
    "snowflake": (lambda rng: whole((seconds() * 1000).astype(np.int64) << 22), "numbered"),
    "hash_number": (lambda rng: whole(rng.integers(2**60, 2**62, ROWS)), "identifier"),
    "order_number": (lambda rng: whole(5000 + np.arange(ROWS) // 4), "numbered"),
    "order_text": (lambda rng: [f"ORD-{5000 + row // 4}" for row in range(ROWS)], "numbered"),
    "short_order_text": (lambda rng: [f"A-{row // 4}" for row in range(ROWS)], "numbered"),
    "user_id": (lambda rng: whole(rng.integers(1, 10**7, ROWS)), "identifier by its name"),
    "created": (lambda rng: whole(seconds()), "a time"),
    "created_ms": (lambda rng: whole(seconds() * 1000), "a time"),
    "created_float": (lambda rng: list(seconds() + rng.random(ROWS)), "a time"),
    "expiry": (lambda rng: whole(seconds() + 30 * 86400), "a time"),
    "any_expiry": (lambda rng: whole(seconds() + rng.choice([30, 90, 365], ROWS) * 86400), "a time"),
    "expiry_text": (lambda rng: [date(moment + 30 * 86400) for moment in seconds()], "a time"),
    "day_text": (lambda rng: [date(moment)[:10] for moment in seconds()], "a time"),
    "german_day": (lambda rng: ["01.11.2026"] * ROWS, "a time"),
    "day_number": (lambda rng: whole(20261101 + rng.integers(0, 9, ROWS)), "a time"),
    "comment": (lambda rng: [sentence(rng) for _ in range(ROWS)], "free text"),
    "some_comments": (lambda rng: rare(rng, ["ok", "no"], lambda row: sentence(rng) * 2, 0.05), "free text"),
    "chinese_comment": (lambda rng: [f"我想取消我的订阅并退款谢谢{row % 40}" for row in range(ROWS)], "free text"),
    "email": (lambda rng: [f"user{rng.integers(0, 90)}@example.com" for _ in range(ROWS)], "personal"),
    "some_emails": (lambda rng: rare(rng, ["web", "app"], lambda row: f"jane{row}@example.com", 0.02), "personal"),
    "card": (lambda rng: ["4111 1111 1111 1111", "none"] * (ROWS // 2), "personal"),
    "customer": (lambda rng: [f"Anna Smith{row}" for row in rng.permutation(ROWS)], "distinct"),
    "json_text": (lambda rng: [json.dumps({"plan": "pro", "n": int(n)}) for n in rng.integers(0, 5, ROWS)], "JSON"),
}
FIT: dict[str, tuple[Maker, str]] = {
    "country": (lambda rng: list(rng.choice(COUNTRIES, ROWS, p=zipf(len(COUNTRIES)))), "categorical"),
    "plan": (lambda rng: list(rng.choice(PLANS, ROWS)), "categorical"),
    "product": (lambda rng: list(rng.choice(SENTENCES, ROWS)), "categorical"),
    "tenant": (lambda rng: [str(uuid.UUID(int=int(n))) for n in rng.integers(0, 30, ROWS)], "categorical"),
    "app_version": (lambda rng: list(rng.choice(["1.20.3", "1.20.4", "2.0.0-rc.1"], ROWS)), "categorical"),
    "released": (lambda rng: ["v1"] * 500 + ["v2"] * 500, "categorical"),
    "url_host": (lambda rng: list(rng.choice(["example.com", "shop.example.org"], ROWS)), "categorical"),
    "error": (lambda rng: list(rng.choice(["timeout", "rate_limit_exceeded", "HTTP 500"], ROWS)), "categorical"),
    "amount": (lambda rng: list(rng.normal(100, 20, ROWS)), "numeric"),
    "amount_cents": (lambda rng: whole(rng.lognormal(8, 1, ROWS)), "numeric"),
    "bytes_sent": (lambda rng: whole(rng.lognormal(14, 2, ROWS)), "numeric"),
    "memory_bytes": (lambda rng: whole(rng.normal(1.6e9, 3e8, ROWS)), "numeric"),
    "tokens": (lambda rng: whole(rng.poisson(800, ROWS)), "numeric"),
    "items_count": (lambda rng: whole(rng.integers(1, 9, ROWS)), "numeric"),
    "temperature": (lambda rng: list(20 + np.cumsum(rng.normal(0.01, 0.05, ROWS))), "numeric"),
    "constant": (lambda rng: [7.0] * ROWS, "numeric"),
    "model_size": (lambda rng: [7] * 500 + [70] * 500, "numeric"),
    "flag": (lambda rng: [True, False] * (ROWS // 2), "categorical"),
    "sparse": (lambda rng: [None if n % 9 else float(rng.normal()) for n in range(ROWS)], "numeric"),
}


def zipf(size: int) -> np.ndarray:
    weights = 1 / np.arange(1, size + 1)
    return weights / weights.sum()


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {"at": pd.to_datetime(seconds(), unit="s")}
    columns |= {name: make(rng) for name, (make, _) in {**UNFIT, **FIT}.items()}
    return pd.DataFrame(columns).astype({"sparse": "float64", "flag": "bool"})


def monitor(url: str, **settings: Any) -> Monitor:
    source = {"url": url, "table": "log", "columns": {"timestamp": "at"}}
    spec = {"name": "shop", "source": source, "features": {"limit": 200}, **settings}
    return Config.model_validate({"monitors": [spec]}).monitors[0]


@pytest.fixture(scope="module")
def sqlite_choices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Choice]:
    return choices_in(f"sqlite:///{tmp_path_factory.mktemp('features') / 'log.db'}")


@pytest.fixture(scope="module")
def postgresql_choices(postgres_server: Any) -> Iterator[dict[str, Choice]]:
    with postgres_server.database() as url:
        yield choices_in(url.replace("postgresql:", "postgresql+psycopg:"))


@pytest.fixture(scope="module")
def file_choices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Choice]:
    path = tmp_path_factory.mktemp("features") / "log.csv"
    table().to_csv(path, index=False)
    watched = monitor("sqlite://")
    return {choice.name: choice for choice in choose(watched, files.open_file(path, watched.source)[0])}


@pytest.fixture(params=["sqlite", "postgresql", "file"])
def choices(request: pytest.FixtureRequest) -> dict[str, Choice]:
    found: dict[str, Choice] = request.getfixturevalue(f"{request.param}_choices")
    return found


def choices_in(url: str) -> dict[str, Choice]:
    engine = sa.create_engine(url)
    table().to_sql("log", engine, index=False)
    engine.dispose()
    watched = monitor(url)
    with open_reader(watched) as reader:
        return {choice.name: choice for choice in choose(watched, reader.describe())}


@pytest.mark.parametrize("name", UNFIT)
def test_what_can_be_no_feature_is_left_out_with_the_reason(choices: dict[str, Choice], name: str) -> None:
    assert choices[name].kind is None, choices[name]
    assert UNFIT[name][1] in choices[name].reason
    assert "@" not in choices[name].reason


@pytest.mark.parametrize("name", FIT)
def test_what_can_be_a_feature_is_watched(choices: dict[str, Choice], name: str) -> None:
    assert choices[name].kind == FIT[name][1], choices[name]


def test_a_file_that_is_sorted_by_a_column_and_has_no_times_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    frame = table().drop(columns="at").sort_values("amount_cents")
    frame.to_csv(path, index=False)
    watched = monitor("sqlite://")
    found = {choice.name: choice for choice in choose(watched, files.open_file(path, watched.source)[0])}
    assert found["amount_cents"].kind == "numeric"


# ------------------------------------------------------------------ what is stored

ADDRESS = "jane.roe@example.com"
CONFESSION = "My name is Jane and I owe the bank more than I can ever pay back"


BASELINE = {"from": START.isoformat(), "to": (START + 6 * HOUR).isoformat()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.execute('ALTER TABLE "inference log" ADD COLUMN note TEXT')
    yield made
    made.close()


def live(world: World, hours: float, **settings: Any) -> Any:
    """Run the daemon up to a moment and return its watch."""
    config = load(world.configure(baseline=BASELINE, catch_up="3650d", **settings))
    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config, Hand(START + hours * HOUR))
        daemon.tick_all()
        daemon.monitors[0].close()
        return daemon.monitors[0]


def stored(world: World) -> str:
    """Return everything that the store holds, packed values unpacked."""
    from detectors.encoding import unpack

    engine = sa.create_engine(world.store_url)
    found: list[str] = []
    metadata = sa.MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        for each in (table for table in metadata.tables.values() if table.name != "hash_keys"):
            for row in connection.execute(sa.select(each)).all():
                found += [str(unpack(value, object)) if isinstance(value, bytes) else str(value) for value in row]
    engine.dispose()
    return "\n".join(found)


def note(world: World, value: str, first: int, last: int) -> None:
    world.execute(f"UPDATE \"inference log\" SET note = '{value}' WHERE id BETWEEN {first} AND {last}")


def test_rare_sentences_and_addresses_outside_the_sample_are_not_stored(world: World) -> None:
    """The sample is of the newest rows: what only older rows hold is found while the baseline is learnt."""
    world.log(rows_of(START, 7 * HOUR))
    note(world, "ok", 1, 5000)
    note(world, CONFESSION, 10, 11)
    watch = live(world, 7)
    assert watch.lifecycle.baseline.layouts["note"].vocabulary == ("ok",)
    assert CONFESSION not in stored(world)


def test_an_address_anywhere_in_the_baseline_leaves_the_column_out_and_the_log_says_so(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    note(world, "ok", 1, 5000)
    note(world, ADDRESS, 10, 11)
    with capture_logs() as logs:
        watch = live(world, 7)
    (said,) = (entry["columns"] for entry in logs if entry["event"] == "columns_not_watched")
    assert said["note"] == "personal data (email_address)"
    assert "note" not in watch.lifecycle.baseline.layouts
    assert {"plan", "amount"} <= set(watch.lifecycle.baseline.layouts)
    assert ADDRESS not in stored(world)


@pytest.mark.parametrize("value", [ADDRESS, CONFESSION])
def test_a_new_category_is_told_without_personal_data(world: World, value: str) -> None:
    world.log(rows_of(START, 7 * HOUR))
    note(world, "ok", 1, 3600)
    note(world, value, 3700, 3800)
    watch = live(world, 7)
    assert watch.lifecycle.baseline.layouts["note"].vocabulary == ("ok",)
    everything = stored(world)
    assert value not in everything
    assert re.search(r"id:[0-9a-f]{12}", everything) if value == ADDRESS else "(free text)" in everything


def test_a_column_that_is_asked_for_by_name_stores_hashes_of_personal_data(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    note(world, ADDRESS, 1, 2000)
    note(world, "ok", 2001, 3000)
    note(world, "jim.roe@example.com", 3001, 5000)
    watch = live(world, 7, features=["note", "amount"])
    vocabulary = watch.lifecycle.baseline.layouts["note"].vocabulary
    assert len(vocabulary) == 3 and sum(word.startswith("id:") for word in vocabulary) == 2
    assert ADDRESS not in stored(world)
    _, (told,) = world.json("config", "check")
    (row,) = (column for column in told["columns"] if column["name"] == "note")
    assert row["why"] == "listed; values with personal data (email_address) are stored as hashes"
    assert not [said for said in told["notes"] if "'note'" in said]


def test_config_check_names_the_segments_whose_values_are_shown_as_hashes(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    note(world, ADDRESS, 1, 5000)
    live(world, 7, segments=["note", "plan"])
    _, (checked,) = world.json("config", "check")
    (hashed,) = (text for text in checked["notes"] if "hashes" in text)
    assert hashed.startswith("note: values with personal data (email_address) are stored, sent and shown as hashes")
    assert "`driftd reveal HASH --column note`" in hashed


def test_the_class_category_stores_values_as_they_are_until_relearnt_and_config_check_warns(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    note(world, ADDRESS, 1, 5000)
    watch = live(world, 7, features=["note", "amount"], classes={"note": "category"})
    assert ADDRESS in watch.lifecycle.baseline.layouts["note"].vocabulary
    assert world.run("baseline", "relearn").returncode == 0
    assert ADDRESS not in stored(world)
    _, (told,) = world.json("config", "check")
    (row,) = (column for column in told["columns"] if column["name"] == "note")
    assert "personal data (email_address)" in row["why"]
    (warning,) = (said for said in told["notes"] if "'note'" in said)
    assert "remove its class" in warning


def test_a_baseline_with_personal_data_of_an_earlier_release_is_learnt_again(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    note(world, ADDRESS, 1, 5000)
    live(world, 6.5, features=["note", "amount"], classes={"note": "category"})
    engine = sa.create_engine(world.store_url)
    with engine.begin() as connection:  # as if the earlier release had learnt it: the settings are the same
        config = load(world.configure(features=["note", "amount"], baseline=BASELINE)).monitors[0]
        connection.execute(sa.text("UPDATE baselines SET definition = :d"), {"d": definition(config)})
    engine.dispose()
    with capture_logs() as logs:
        watch = live(world, 7, features=["note", "amount"])
    assert ADDRESS not in watch.lifecycle.baseline.layouts["note"].vocabulary
    (said,) = (entry for entry in logs if entry["event"] == "baseline_retired")
    assert said["column"] == "note"


def test_the_class_identifier_stores_hashes_of_every_value(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    watch = live(world, 7, features=["plan", "amount"], segments=["plan"], classes={"plan": "identifier"})
    vocabulary = watch.lifecycle.baseline.layouts["plan"].vocabulary
    assert len(vocabulary) == 3 and all(word.startswith("id:") for word in vocabulary)
    segments = {segment for segment in watch.lifecycle.baseline.profiles if segment}
    assert segments == {f"plan={word}" for word in vocabulary}
    watch = live(world, 7, classes={"plan": "identifier", "note": "free_text"})
    assert not {"plan", "note"} & set(watch.lifecycle.baseline.layouts)


def test_free_text_cannot_be_a_segment(world: World) -> None:
    world.configure(segments=["plan"], classes={"plan": "free_text"})
    done = world.run("config", "check")
    assert done.returncode == 2 and "choose `identifier`" in done.stderr


def test_config_check_says_what_is_left_out_and_why(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    note(world, ADDRESS, 1, 5000)
    world.configure()
    _, (told,) = world.json("config", "check")
    why = {column["name"]: (column["watched"], column["why"]) for column in told["columns"]}
    assert why["note"] == (None, "personal data (email_address)")
    assert why["plan"] == ("categorical", "text")


# ------------------------------------------------------------------ known logs

LOGS = {"phoenix": phoenix, "langfuse-v2": langfuse_v2, "otel": otel, "databricks": databricks, "litellm": litellm}
MEASURES = {"input_tokens", "output_tokens", "latency", "tenant"}


@pytest.mark.parametrize("preset", LOGS)
def test_the_measures_of_a_known_log_are_watched_and_its_ids_are_not(sqlite_url: str, preset: str) -> None:
    engine = sa.create_engine(sqlite_url)
    LOGS[preset].create(engine)
    LOGS[preset].write(engine, list(calls(600)))
    engine.dispose()
    spec = {"name": "chat", "source": {"url": sqlite_url, "preset": preset}}
    watched = Config.model_validate({"monitors": [spec]}).monitors[0]
    with open_reader(watched) as reader:
        found = {choice.name for choice in choose(watched, reader.describe()) if choice.kind}
    assert found >= MEASURES
    assert not found & {"timestamp", "id", "trace_id", "question", "response"}
