"""Send heartbeats to a dead-man service while every monitor is current, so that silence of driftd itself is noticed."""

from __future__ import annotations

from datetime import timedelta

import structlog

from monitor.actions.receivers.base import Deadline
from monitor.actions.receivers.requests import HttpRequest, Transport, deliver_request
from monitor.config.operation import HeartbeatConfig
from monitor.core.bounded import Bounded
from monitor.jobs.liveness import HeartbeatResult
from monitor.jobs.readiness import NO_STORE, Readiness
from monitor.jobs.scheduler import Job

LOG = structlog.get_logger(__name__)
READ_SECONDS = 5.0
"""Maximum seconds to read whether every monitor is current."""
LIMIT = timedelta(minutes=5)
"""Longest run of the job; the deadlines of its parts end it far earlier."""


class Heartbeat:
    """Sends a heartbeat if every monitor is current. A change of the result is logged, a repetition is not.

    Parameters
    ----------
    readiness
        Tells whether every monitor is current.
    transport
        Sends the request.
    """

    def __init__(self, config: HeartbeatConfig, readiness: Readiness, transport: Transport) -> None:
        self._config = config
        self._readiness = readiness
        self._tally = readiness.liveness.heartbeats
        self._transport = transport
        self._reading = Bounded()  # a driver may hang without a deadline of its own
        self._logged: HeartbeatResult = "sent"

    def run(self) -> HeartbeatResult:
        """Send a heartbeat, or log why none is sent; return the result."""
        reasons = self._find_reasons()
        if reasons:
            return self._record("withheld", reasons=reasons)
        if problem := self._send():
            return self._record("failed", problem=problem)
        self._tally.sent_at = self._readiness.clock.now()
        return self._record("sent")

    def _find_reasons(self) -> list[str]:
        try:
            return self._reading.call(self._readiness.find_reasons, READ_SECONDS)
        except Exception as error:  # noqa: BLE001  without an answer of the store, nothing is known to be current
            return [f"{NO_STORE} ({type(error).__name__})"]

    def _send(self) -> str | None:
        """Send the heartbeat; return why it was not accepted, without the address."""
        request = HttpRequest(self._config.method, self._config.url.get_secret_value())
        deadline = Deadline.after(self._readiness.clock.now(), self._config.timeout)
        result = deliver_request(self._transport, request, deadline)
        return None if result.delivered else f"{result.reason}: {result.detail}"

    def _record(self, result: HeartbeatResult, **detail: object) -> HeartbeatResult:
        self._tally.count(result)
        if result != self._logged:
            (LOG.info if result == "sent" else LOG.warning)(f"heartbeat_{result}", **detail)
        self._logged = result
        return result


def plan_heartbeat(config: HeartbeatConfig | None, readiness: Readiness) -> list[Job]:
    """Return the job that sends heartbeats; none if no service is configured."""
    if config is None:
        return []
    from monitor.actions.receivers.http import HttpTransport

    heartbeat = Heartbeat(config, readiness, HttpTransport(config.timeout))
    return [Job("dead-man service", heartbeat.run, config.interval, limit=LIMIT)]
