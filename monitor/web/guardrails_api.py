"""POST /api/v1/guard: guardrail checks over HTTP. It reads no database, and stores and logs no text."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from detectors import guard
from monitor.config.models import Config
from monitor.config.policies import merge_policies
from monitor.core.worker_pool import WorkerLost
from monitor.web.guard_answers import (
    BUSY,
    BUSY_STATUS,
    BadRequest,
    GuardAnswer,
    answer_busy,
    answer_request,
    refuse,
)
from monitor.web.guard_workers import GuardWorkers

LOG = structlog.get_logger(__name__)
BODY_FLOOR = 1_000_000
BODY_SECONDS = 10.0
"""Deadline for the body of a request, in seconds."""
MOST_HELD = 64_000_000
"""Maximum total bytes of all bodies in memory; at least four times the largest body."""
SMALL = 200
"""Bodies up to this size are answered in the event loop: that takes less than the request itself."""
MOST_AT_WORK = 16
"""Maximum number of running and waiting larger requests; a further one is rejected at once."""
MOST_PARSED = 20_000
"""Maximum size of a rejected body that is parsed to answer as its policy fails."""
WAIT_SECONDS = 10.0
SALT = secrets.token_bytes(16)
"""Salt of policies without one, for the lifetime of the process; a reload of the configuration keeps it."""


class GuardrailsApi:
    """Endpoint of the guardrail checks and its policies.

    Parameters
    ----------
    config
        Source of the policies; a policy without a salt gets a random one for the lifetime of the process.
    """

    def __init__(self, config: Config) -> None:
        self._policies = {
            name: policy if policy.salt else replace(policy, salt=SALT)
            for name, policy in merge_policies(config.policies).items()
        }
        self._limit = max(BODY_FLOOR, 2 * max(policy.max_bytes for policy in self._policies.values()))
        self._workers = GuardWorkers(self._policies)
        self._bytes_in_memory = self._at_work = 0
        for name in config.policies:
            guard("the first check of a policy compiles its patterns", self._policies[name])

    async def check(self, request: Request) -> Response:
        """Answer one request: `{"policy": ..., "text": ...}` or `{"policy": ..., "texts": [...]}`."""
        body = bytearray()
        try:
            await self._read(request, body)
            answer = await self._answer(bytes(body))
        except BadRequest as error:
            answer = refuse(error)
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            self._bytes_in_memory -= len(body)
        if answer.failed:
            LOG.warning("guard_failed", detail=answer.failed)  # findings are not logged
        headers = {"retry-after": "1"} if answer.status == BUSY_STATUS else None
        return Response(answer.body, answer.status, headers, media_type="application/json")

    async def _answer(self, body: bytes) -> GuardAnswer:
        if len(body) <= SMALL:
            return answer_request(self._policies, body)
        if self._at_work >= MOST_AT_WORK:
            return answer_busy(self._policies, body, MOST_PARSED)
        self._at_work += 1
        try:
            return await self._workers.answer(body, WAIT_SECONDS)
        except WorkerLost as lost:
            LOG.warning("guard_worker_replaced", reason=lost.reason)
            return answer_busy(self._policies, body, MOST_PARSED)
        except TimeoutError:
            LOG.warning("guard_busy")
            return answer_busy(self._policies, body, MOST_PARSED)
        finally:
            self._at_work -= 1

    async def _read(self, request: Request, body: bytearray) -> None:
        """Read the body up to the size limit."""
        _refuse_other_kinds(request.headers.get("content-type", ""))
        too_large = BadRequest(f"The body is larger than {self._limit} bytes; send fewer or shorter texts.", 413)
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._limit:
            raise too_large
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    self._bytes_in_memory += len(chunk)
                    if len(body) > self._limit:
                        raise too_large
                    if self._bytes_in_memory > max(MOST_HELD, 4 * self._limit):
                        raise BadRequest(BUSY, BUSY_STATUS)
        except TimeoutError:
            raise BadRequest(f"The body was not received within {BODY_SECONDS:g} seconds.", 408) from None


def _refuse_other_kinds(content_type: str) -> None:
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() != "application/json":
        raise BadRequest("Send JSON, with the header `Content-Type: application/json`.", 415)
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise BadRequest(f"JSON is UTF-8 (RFC 8259), not {charset[:40]!r}; send it as that.", 415)
