"""Sections of driftd.yaml about the operation of driftd itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from monitor.config.retention import WithRetention
from monitor.config.sections import Duration, Section, check_port


class HeartbeatConfig(Section):
    """A dead-man service, such as healthchecks.io or Dead Man's Snitch, that alerts when no heartbeat arrives."""

    url: SecretStr
    """Address that takes the heartbeats; whoever knows it can send them. `url_file` reads it from a file."""
    interval: Duration = Field(timedelta(minutes=1), ge=timedelta(seconds=10), le=timedelta(days=1))
    """Interval between heartbeats; let the service wait for at least twice as long."""
    method: Literal["GET", "POST"] = "POST"
    """HTTP method: GET or POST."""
    timeout: Duration = Field(timedelta(seconds=10), ge=timedelta(seconds=1), le=timedelta(minutes=1))
    """Timeout of a heartbeat, including resolution, connection and response."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("http://", "https://")):
            raise PydanticCustomError("url", "the address must begin with https://, or http:// on a private network")
        return url


class MetricsConfig(Section):
    """A listener of its own for `/metrics`, `/healthz` and `/readyz`; the one of `server` then serves no `/metrics`."""

    listen: str = Field(pattern=r"^.+:\d{1,5}$")
    """Host and port, such as `0.0.0.0:9479`. TLS is that of `server`."""
    open: bool = False
    """Whether it asks for no token. Metrics have the names of monitors, columns and segments, so let the network allow
    only Prometheus and the orchestrator to reach the port."""

    _check_port = field_validator("listen")(check_port)


class TracingConfig(Section):
    """An OpenTelemetry collector that gets a trace of every bucket, by OTLP over HTTP; needs the extra `otel`."""

    endpoint: str = Field(pattern=r"^https?://[^@]+$")
    """Address that takes traces, such as `http://collector:4318/v1/traces`."""
    headers: dict[str, SecretStr] = {}
    """Headers of its requests, such as `authorization`."""
    sampling_fraction: float = Field(1.0, ge=0, le=1)
    """Fraction of the buckets that are traced."""
    timeout: Duration = Field(timedelta(seconds=10), ge=timedelta(seconds=1), le=timedelta(minutes=1))
    """Timeout of a request; spans that cannot be sent are dropped."""


class WithOperation(WithRetention):
    """The keys of the file that this module, the retention and the receivers define."""

    heartbeat: HeartbeatConfig | None = None
    """A dead-man service that gets a heartbeat while every monitor is current."""
    metrics: MetricsConfig | None = None
    """A listener of its own for the metrics."""
    tracing: TracingConfig | None = None
    """An OpenTelemetry collector that gets a trace of every bucket."""
