"""Langfuse 3 and OpenTelemetry's exporter in ClickHouse: the real engine, their own DDL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.config.source import Source
from monitor.sources.connect import open_engine as opened_engine
from monitor.sources.connect import recognize_presets
from monitor.sources.preset import write_out
from tests.presets.conftest import Opener, read
from tests.presets.test_spans import AGENT, COMMON, NEW, OLD, OTHER, assert_common
from tests.support import clickhouse
from tests.support.logs import langfuse_v3, otel
from tests.support.logs.base import START, calls

pytestmark = pytest.mark.xdist_group("clickhouse")  # one worker starts it, not each

COUNT = 300


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with clickhouse.server() as url:
        yield url


@pytest.fixture
def engine(server: str) -> Iterator[sa.Engine]:
    """Lend an engine on an empty ClickHouse."""
    with clickhouse.emptied(server) as made:
        yield made


def test_langfuse_v3_is_read_once_in_its_last_version(engine: sa.Engine, opened: Opener) -> None:
    langfuse_v3.create(engine)
    made = list(calls(COUNT))
    langfuse_v3.write(engine, made)
    langfuse_v3.add(engine, "observations", [langfuse_v3.observation(made[5], version=9, deleted=1)])
    del made[5]
    reader = opened("langfuse-v3", page_size=64, where="project = 'bot' AND environment = 'production'")
    found = read(
        reader,
        [
            *COMMON,
            "traffic",
            "output_tokens",
            "cached_tokens",
            "prompt_version",
            "session_id",
            "release",
            "time_to_first_token",
            "status",
        ],
    )
    assert_common(found, made)
    assert found["id"] == [call.id for call in made]
    assert found["output_tokens"] == [call.output_tokens for call in made]
    assert found["cached_tokens"] == [call.input_tokens // 2 for call in made]
    assert (set(found["prompt_version"]), set(found["session_id"]), set(found["release"])) == (
        {"answer@3"},
        {None},
        {"1.2"},
    )
    assert found["time_to_first_token"] == pytest.approx([call.seconds / 4 for call in made], abs=2e-3)
    counted = reader.counts(START, START + timedelta(days=1))
    assert (counted.rows, counted.feedback) == (COUNT - 1, sum(call.thumbs is not None for call in made))
    shares = {column.name: column.null_share for column in reader.describe()}
    assert (shares["tenant"], shares["session_id"]) == (0, 1)
    assert recognize_presets(engine.url.render_as_string(hide_password=False))[0] == [("langfuse-v3", "observations")]


def test_a_column_alone_is_what_it_is_among_all_and_asks_no_other_table(engine: sa.Engine, opened: Opener) -> None:
    langfuse_v3.create(engine)
    langfuse_v3.write(engine, list(calls(COUNT)))
    reader = opened("langfuse-v3", page_size=64)
    names = [name for name in reader.schema() if name != "timestamp"]
    whole = read(reader, names)
    assert {name: read(reader, [name])[name] for name in names} == {name: whole[name] for name in names}
    source = Source.model_validate(
        {"url": engine.url.render_as_string(hide_password=False), "preset": "langfuse-v3", "timeout": "30s"}
    )
    written = write_out(source, *opened_engine(source))
    assert written.narrow is not None
    assert "JOIN" not in written.narrow(["timestamp", "id", "cost", "question"])
    assert written.narrow(["tenant"]).count("JOIN") == 1
    assert written.narrow(["feedback"]).count("JOIN") == 2
    assert write_out(source.model_copy(update={"where": "name = 'x'"}), *opened_engine(source)).narrow is None


def test_an_empty_map_of_usage_is_missing(engine: sa.Engine, opened: Opener) -> None:
    langfuse_v3.create(engine)
    (call,) = calls(1)
    langfuse_v3.add(
        engine, "observations", [{**langfuse_v3.observation(call), "usage_details": {}, "prompt_version": None}]
    )
    found = read(opened("langfuse-v3"), ["input_tokens", "cost", "prompt_version", "tenant", "feedback"])
    assert {name: values for name, values in found.items() if name != "timestamp"} == {
        "input_tokens": [None],
        "cost": [None],
        "prompt_version": [None],
        "tenant": [None],
        "feedback": [None],
    }


def test_otel_spans_in_the_layout_of_the_clickhouse_exporter(engine: sa.Engine, opened: Opener) -> None:
    otel.create(engine)
    otel.put(
        engine,
        [
            {
                "Timestamp": f"{START + timedelta(minutes=n):%Y-%m-%d %H:%M:%S}.123456789",
                "TraceId": "t",
                "SpanId": f"s{n}",
                "SpanName": "chat",
                "ServiceName": "bot",
                "Duration": 10**9,
                "StatusCode": "Ok",
                "SpanAttributes": one,
            }
            for n, one in enumerate([NEW, OLD, OTHER, AGENT])
        ],
    )
    names = [
        "id",
        "model_version",
        "input_tokens",
        "cached_tokens",
        "latency",
        "provider",
        "finish_reason",
        "question",
        "response",
        "service",
    ]
    found = read(opened("otel", page_size=1), names)
    assert found["id"] == ["s0", "s1"]
    assert found["model_version"] == ["m1", "m0"]
    assert found["input_tokens"] == [7.0, 5.0]
    assert found["cached_tokens"] == [3.0, None]
    assert found["latency"] == [1.0, 1.0]
    assert found["finish_reason"] == ["stop", None]
    assert found["question"] == ["Hello?", "Hello?"]
    assert found["response"] == ["Hi.", "Hi."]
    assert found["service"] == ["bot", "bot"]
