"""Traces of the buckets, as an OpenTelemetry collector on loopback receives them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pydantic import SecretStr

from monitor import pipeline
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.cli.options import load_config
from monitor.config.models import ConfigError
from monitor.config.operation import TracingConfig
from monitor.core.tracing import span, traced
from monitor.metrics import traces
from monitor.metrics.traces import tracing
from tests.support.hand import Hand
from tests.support.receiver import Receiver, listening
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
STEPS = ["observe", "load_state", "observe_late", "evaluate", "decide", "plan_actions", "commit"]
TEXT = "an answer that only its record has"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with listening(Receiver(lambda _request: (200, {"content-type": "application/x-protobuf"}, b""))) as receiver:
        yield receiver


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, 2 * HOUR, answer=TEXT))
    made.configure(baseline={"from": START.isoformat(), "to": (START + HOUR).isoformat(), "min_rows": 100}, bucket="1h")
    yield made
    made.close()


def settings(collector: Receiver, **more: Any) -> TracingConfig:
    headers = {"authorization": SecretStr("Bearer t0ken")}
    return TracingConfig(endpoint=f"{collector.url}/v1/traces", headers=headers, **more)


def compute(world: World, at: timedelta = 2 * HOUR) -> None:
    with open_store(config := load_config(world.folder / "driftd.yaml"), upgrade=True) as database:
        daemon = make_daemon(database, config, Hand(START + at))
        daemon.tick_all()
        for monitor in daemon.monitors:
            monitor.close()


def received(collector: Receiver) -> list[Span]:
    requests = [ExportTraceServiceRequest.FromString(one.body) for one in collector.requests]
    parts = [part for request in requests for part in request.resource_spans]
    for part in parts:
        assert {one.key: one.value.string_value for one in part.resource.attributes}["service.name"] == "driftd"
    return [one for part in parts for scope in part.scope_spans for one in scope.spans]


def attributes(one: Span) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in one.attributes}


def test_a_trace_of_each_bucket_has_its_steps(world: World, collector: Receiver) -> None:
    with tracing(settings(collector)):
        compute(world)
    assert {one.path for one in collector.requests} == {"/v1/traces"}
    assert {one.headers["content-type"] for one in collector.requests} == {"application/x-protobuf"}
    assert {one.headers["authorization"] for one in collector.requests} == {"Bearer t0ken"}
    spans = received(collector)
    roots = sorted((one for one in spans if one.name == "bucket"), key=lambda one: one.start_time_unix_nano)
    assert [attributes(one)["driftd.bucket"] for one in roots] == [
        (START + place * HOUR).isoformat() for place in range(2)
    ]
    live = roots[-1]
    facts = attributes(live)
    assert (facts["driftd.monitor"], facts["driftd.rows"], facts["driftd.revision"]) == ("shop", 600, 0)
    children = sorted(
        (one for one in spans if one.parent_span_id == live.span_id), key=lambda one: one.start_time_unix_nano
    )
    assert [one.name for one in children] == STEPS
    assert {one.trace_id for one in children} == {live.trace_id}
    assert all(one.end_time_unix_nano >= one.start_time_unix_nano > 0 for one in children)
    assert TEXT.encode() not in b"".join(one.body for one in collector.requests)


def test_a_span_of_an_error_has_its_type_and_not_its_message(
    world: World, collector: Receiver, monkeypatch: pytest.MonkeyPatch, failures: list[dict[str, Any]]
) -> None:
    @traced("evaluate")
    def fail(*_: object) -> None:
        raise ValueError(TEXT)

    monkeypatch.setattr(pipeline, "evaluate", fail)
    with tracing(settings(collector)):
        compute(world)
    failures.clear()
    failed = [one for one in received(collector) if one.status.code == Status.STATUS_CODE_ERROR]
    assert {one.name for one in failed} == {"bucket", "evaluate"}
    assert {one.status.message for one in failed} == {"ValueError"}
    assert {attributes(one)["error.type"] for one in failed} == {"ValueError"}
    assert [event for one in failed for event in one.events] == []
    assert TEXT.encode() not in b"".join(one.body for one in collector.requests)


def test_a_fraction_of_none_traces_nothing(world: World, collector: Receiver) -> None:
    with tracing(settings(collector, sampling_fraction=0)):
        compute(world)
    assert received(collector) == []


def test_a_collector_that_hangs_delays_neither_a_bucket_nor_the_end(
    world: World, collector: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    collector.answer = lambda _request: (200 if over.wait(60) else 200, {}, b"")
    monkeypatch.setattr(traces, "LAST_SPANS", 0.2)
    try:
        with tracing(settings(collector)):
            compute(world)
            began = time.monotonic()
        assert time.monotonic() - began < 5
    finally:
        over.set()


def test_without_a_configuration_a_span_is_a_constant() -> None:
    with tracing(None):
        first = span("bucket", monitor="shop")
        assert first is span("commit")
    with first as whole:
        whole.set(rows=1)


def test_without_the_extra_it_is_an_error_that_names_it(collector: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"pip install \"driftd\[otel\]\""), tracing(settings(collector)):
        pass
