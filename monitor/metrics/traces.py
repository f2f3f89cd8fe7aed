"""Traces of the buckets, sent to an OpenTelemetry collector by OTLP over HTTP; needs the extra `otel`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from monitor import __version__
from monitor.config.models import ConfigError
from monitor.config.operation import TracingConfig
from monitor.core.tracing import Attribute, TraceSpan, use_tracer

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

PREFIX = "driftd."
LAST_SPANS = 1.0
"""Maximum seconds to send the last spans when the daemon stops."""


class OtelSpan:
    """A span that is recorded."""

    def __init__(self, recorded: trace.Span) -> None:
        self._recorded = recorded

    def set(self, **attributes: Attribute) -> None:
        """Add attributes."""
        for name, value in attributes.items():
            self._recorded.set_attribute(PREFIX + name, value)


class OtelTracer:
    """Records spans. Of an error it records the type: the message may quote a record."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._tracer = provider.get_tracer("driftd", __version__)
        self._failed = (Status, StatusCode.ERROR)

    def start(self, name: str, **attributes: Attribute) -> AbstractContextManager[TraceSpan]:
        """Return a span that begins and ends with the block."""
        return self._record(name, {PREFIX + key: value for key, value in attributes.items()})

    @contextmanager
    def _record(self, name: str, attributes: dict[str, Attribute]) -> Iterator[TraceSpan]:
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as recorded:
            try:
                yield OtelSpan(recorded)
            except BaseException as error:
                status, code = self._failed
                recorded.set_attribute("error.type", type(error).__name__)
                recorded.set_status(status(code, type(error).__name__))
                raise


@contextmanager
def tracing(config: TracingConfig | None) -> Iterator[None]:
    """Send spans while the block runs, in a thread of their own; a collector that is down delays nothing.

    Raises
    ------
    ConfigError
        When the extra `otel` is not installed.
    """
    if config is None:
        yield
        return
    provider = _make_provider(config)
    use_tracer(OtelTracer(provider))
    try:
        yield
    finally:
        use_tracer(None)
        ending = threading.Thread(target=provider.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(LAST_SPANS)


def _make_provider(config: TracingConfig) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError:
        raise ConfigError('`tracing:` needs an extra: pip install "driftd[otel]".') from None
    exporter = OTLPSpanExporter(
        endpoint=config.endpoint,
        headers={name: value.get_secret_value() for name, value in config.headers.items()},
        timeout=config.timeout.total_seconds(),
    )
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(config.sampling_fraction)),
        resource=Resource.create({"service.name": "driftd", "service.version": __version__}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
