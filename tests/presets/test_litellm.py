"""LiteLLM's spend logs, in the tables that its own migrations make."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.presets.conftest import Opener, read
from tests.support.logs import litellm
from tests.support.logs.base import START, calls

COUNT = 400


@pytest.fixture
def written(engine: sa.Engine) -> list:
    litellm.create(engine)
    made = list(calls(COUNT))
    litellm.write(engine, made)
    return made


def test_every_call_is_read_once_in_the_words_of_the_field(written: list, opened: Opener) -> None:
    reader = opened("litellm", page_size=64)
    names = [
        "id",
        "model_version",
        "tenant",
        "provider",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "latency",
        "status",
        "error_type",
        "finish_reason",
        "question",
        "response",
    ]
    found = read(reader, names)
    assert found["id"] == [call.id for call in written]
    assert found["timestamp"] == pytest.approx([call.start.timestamp() for call in written], abs=1e-3)
    assert found["model_version"] == [call.model for call in written]
    assert found["tenant"] == [call.tenant if call.number % 4 else None for call in written]
    assert found["input_tokens"] == [call.input_tokens for call in written]
    assert found["cached_tokens"] == [call.input_tokens // 2 for call in written]
    assert found["latency"] == pytest.approx([call.seconds for call in written], abs=2e-3)
    assert found["status"] == ["failure" if call.failed else "success" for call in written]
    assert found["error_type"] == ["RateLimitError" if call.failed else None for call in written]
    assert found["question"] == [call.question for call in written]
    assert found["response"] == [None if call.failed else call.response for call in written]
    assert found["finish_reason"] == [None if call.failed else "stop" for call in written]


def test_what_is_not_known_is_missing_and_not_zero(written: list, opened: Opener) -> None:
    found = read(opened("litellm"), ["cost", "time_to_first_token", "cache_hit"])
    for call, cost in zip(written, found["cost"], strict=True):
        free = call.number % 100 == 10
        known = call.cost if not call.failed else 0.0
        assert cost == (known if known or free else None)
    streamed = [None if call.number % 2 == 0 else call.first_token for call in written]
    assert [None if s is None else round(s, 2) for s in found["time_to_first_token"]] == [
        None if s is None else pytest.approx(s, abs=0.01) for s in streamed
    ]


def test_texts_that_were_not_stored_are_missing(engine: sa.Engine, opened: Opener) -> None:
    litellm.create(engine)
    litellm.write(engine, list(calls(100)), texts=False)
    reader = opened("litellm")
    assert set(read(reader, ["question"])["question"] + read(reader, ["response"])["response"]) == {None}
    shares = {column.name: column.null_share for column in reader.describe()}
    assert (shares["question"], shares["response"], shares["latency"]) == (1, 1, 0)


def test_an_older_proxy_lacks_columns(engine: sa.Engine, opened: Opener) -> None:
    litellm.create(engine, until="20250401")
    made = list(calls(50))
    rows = [litellm.row(engine, call) for call in made]
    litellm.insert(engine, litellm.TABLE, [{k: v for k, v in row.items() if k != "status"} for row in rows])
    reader = opened("litellm")
    assert not {"status", "error_type", "session_id"} & set(reader.schema())
    assert read(reader, ["id"])["id"] == [call.id for call in made]


def test_a_condition_narrows_it_and_a_setting_wins_over_the_preset(written: list, opened: Opener) -> None:
    reader = opened("litellm", where="call_type = 'acompletion' AND tenant = 'tenant-1'", columns={"tenant": "team"})
    count = reader.counts(START, START + timedelta(days=1)).rows
    assert count == sum(call.tenant == "tenant-1" and call.number % 4 != 0 for call in written)
    assert read(opened("litellm", columns={"label": "status"}), ["label"])["label"][7] == "failure"


def test_health_checks_of_the_proxy_are_probes(written: list, engine: sa.Engine, opened: Opener) -> None:
    with engine.begin() as connection:
        table, team = '"LiteLLM_SpendLogs"', "litellm-internal-health-check"
        connection.exec_driver_sql(f"UPDATE {table} SET team_id = '{team}' WHERE request_id = '{written[3].id}'")
    roles = read(opened("litellm"), ["traffic"])["traffic"]
    assert [(place, role) for place, role in enumerate(roles) if role] == [(3, "probe")]
