"""POST /api/v1/guard: guardrail checks over HTTP. It reads no database, and stores and logs no text."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import asdict, replace
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from detectors import Policy, Verdict, guard
from detectors.policy import unchecked_verdict
from monitor.config.models import Config
from monitor.config.policies import merge_policies, unknown_policy
from monitor.web.bounded_reads import BoundedReads

LOG = structlog.get_logger(__name__)
MOST_TEXTS = 100
BODY_FLOOR = 1_000_000
BODY_SECONDS = 10.0
"""Deadline for the body of a request, in seconds."""
MOST_HELD = 64_000_000
"""Maximum total bytes of all bodies in memory; at least four times the largest body."""
SMALL = 8_000
"""Texts up to this total length, in characters, are checked in the event loop: a thread would take longer."""
AT_ONCE = 2
MOST_AT_WORK = 16
"""Maximum number of running and waiting requests with more text than that; a further one is rejected at once."""
WAIT_SECONDS = 10.0
KEYS = ("policy", "text", "texts")
BUSY_STATUS = 503
BUSY = "The guard is busy; try again later, or send fewer texts."


class BadRequest(ValueError):
    """A request that is rejected, with the reason."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class GuardrailsApi:
    """Endpoint of the guardrail checks and its policies.

    Parameters
    ----------
    config
        Source of the policies; a policy without a salt gets a random one for the lifetime of the process.
    """

    def __init__(self, config: Config) -> None:
        salt = secrets.token_bytes(16)
        self._policies = {
            name: policy if policy.salt else replace(policy, salt=salt)
            for name, policy in merge_policies(config.policies).items()
        }
        self._limit = max(BODY_FLOOR, 2 * max(policy.max_bytes for policy in self._policies.values()))
        self._scans = BoundedReads(AT_ONCE)
        self._bytes_in_memory = self._at_work = 0
        for name in config.policies:
            guard("the first check of a policy compiles its patterns", self._policies[name])

    async def check(self, request: Request) -> Response:
        """Answer one request: `{"policy": ..., "text": ...}` or `{"policy": ..., "texts": [...]}`."""
        body = bytearray()
        try:
            await self._read(request, body)
            policy, texts, single = self._parse_request(bytes(body))
            return await self._answer(policy, texts, single=single)
        except BadRequest as error:
            # The policy is unknown if the body is incomplete: fail like the default policy.
            failed = {"failed": "closed"} if error.status == BUSY_STATUS else {}
            return JSONResponse({"error": str(error)} | failed, error.status)
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            self._bytes_in_memory -= len(body)

    async def _answer(self, policy: Policy, texts: list[str], *, single: bool) -> Response:
        if sum(map(len, texts)) <= SMALL:
            return _respond(policy, _verdicts(policy, texts), single=single)
        if self._at_work >= MOST_AT_WORK:
            return _respond(policy, [unchecked_verdict(policy, BUSY)] * len(texts), single=single, busy=True)
        self._at_work += 1
        ends = time.monotonic() + WAIT_SECONDS
        try:
            verdicts = await self._scans.run(lambda: _verdicts(policy, texts, ends), WAIT_SECONDS)
        except TimeoutError:
            return _respond(policy, [unchecked_verdict(policy, BUSY)] * len(texts), single=single, busy=True)
        finally:
            self._at_work -= 1
        return _respond(policy, verdicts, single=single)

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

    def _parse_request(self, body: bytes) -> tuple[Policy, list[str], bool]:
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequest("The body is not valid JSON.") from None
        if not isinstance(request, dict):
            raise BadRequest('The body must be an object: {"policy": "default", "text": "..."}.')
        extra = sorted(set(request) - set(KEYS))
        if extra:
            raise BadRequest(f"The key {extra[0][:40]!r} is not allowed. Allowed: {', '.join(KEYS)}.")
        name = request.get("policy", "default")
        if not isinstance(name, str) or name not in self._policies:
            raise BadRequest(unknown_policy(str(name)[:60], list(self._policies)), 404)
        if ("text" in request) == ("texts" in request):
            raise BadRequest("Give either `text`, a string, or `texts`, a list of strings.")
        texts = [request["text"]] if "text" in request else request["texts"]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise BadRequest("`text` must be a string and `texts` a list of strings.", 422)
        if len(texts) > MOST_TEXTS:
            raise BadRequest(f"{len(texts)} texts are too many for one request; send at most {MOST_TEXTS}.", 413)
        return self._policies[name], texts, "text" in request


def _refuse_other_kinds(content_type: str) -> None:
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() != "application/json":
        raise BadRequest("Send JSON, with the header `Content-Type: application/json`.", 415)
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise BadRequest(f"JSON is UTF-8 (RFC 8259), not {charset[:40]!r}; send it as that.", 415)


def _verdicts(policy: Policy, texts: list[str], ends: float = float("inf")) -> list[Verdict]:
    """Check the texts in order until the deadline; the rest have no verdict."""
    return [
        guard(text, policy, time.monotonic) if time.monotonic() < ends else unchecked_verdict(policy, BUSY)
        for text in texts
    ]


def _respond(policy: Policy, verdicts: list[Verdict], *, single: bool, busy: bool = False) -> Response:
    """Return the response with the verdicts; a busy guard answers as the policy fails, with an error and its status."""
    _log(policy, verdicts)
    answers = [as_json(verdict) for verdict in verdicts]
    answer = answers[0] if single else {"policy": policy.name, "verdicts": answers}
    if busy:
        answer = {"error": BUSY, "failed": policy.fail} | answer
    # Escaped, because a text may contain a lone surrogate, which has no UTF-8 encoding.
    written = json.dumps(answer, ensure_ascii=True)
    headers = {"retry-after": "1"} if busy else None
    return Response(written, BUSY_STATUS if busy else 200, headers, media_type="application/json")


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain data, without empty fields."""
    fields = asdict(verdict)
    always = ("verdict", "policy", "reasons", "findings")
    return {name: value for name, value in fields.items() if name in always or value is not None}


def _log(policy: Policy, verdicts: list[Verdict]) -> None:
    """Log texts that could not be checked; findings are not logged."""
    failed = [verdict for verdict in verdicts if verdict.failed]
    if failed:
        LOG.warning("guard_failed", policy=policy.name, texts=len(failed), reason=failed[0].reasons[0])
