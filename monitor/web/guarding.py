"""POST /api/v1/guard: the output parser over HTTP. It reads no database, and keeps and logs no text."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, replace
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from detectors import Policy, Verdict, guard
from monitor.config import Config
from monitor.policies import policies_of, unknown_policy
from monitor.web.patience import Patience

LOG = structlog.get_logger(__name__)
MOST_TEXTS = 100
BODY_FLOOR = 1_000_000
SMALL = 8_000
"""Characters that are checked right where the request is answered: fewer than a thread would cost."""
AT_ONCE = 2
WAIT_SECONDS = 10.0
KEYS = ("policy", "text", "texts")


class BadRequest(ValueError):
    """The request cannot be answered; the sentence says why."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class Guarding:
    """The endpoint and its policies.

    Parameters
    ----------
    config
        Names the policies; one without a salt gets a random one, good for as long as this process runs.
    """

    def __init__(self, config: Config) -> None:
        salt = secrets.token_bytes(16)
        self._policies = {
            name: policy if policy.salt else replace(policy, salt=salt)
            for name, policy in policies_of(config.policies).items()
        }
        self._limit = max(BODY_FLOOR, 2 * max(policy.max_bytes for policy in self._policies.values()))
        self._patience = Patience(AT_ONCE)
        for name in config.policies:
            guard("who configures a policy will ask for it: compile its patterns now", self._policies[name])

    async def check(self, request: Request) -> Response:
        """Answer one request: `{"policy": ..., "text": ...}` or `{"policy": ..., "texts": [...]}`."""
        try:
            policy, texts, single = self._asked(await self._body(request))
        except BadRequest as error:
            return JSONResponse({"error": str(error)}, error.status)
        except ClientDisconnect:
            return Response(status_code=400)
        if sum(map(len, texts)) <= SMALL:
            verdicts = _verdicts(policy, texts)
        else:
            try:
                verdicts = await self._patience.run(lambda: _verdicts(policy, texts), WAIT_SECONDS)
            except TimeoutError:
                sentence = f"The guard is busy: no answer within {WAIT_SECONDS:g} seconds. Ask again, or send less."
                return JSONResponse({"error": sentence, "failed": policy.fail}, 503)
        told = [as_json(verdict) for verdict in verdicts]
        _log(policy, verdicts)
        # Escaped, because a text may hold what has no UTF-8: half of a surrogate pair.
        said = json.dumps(told[0] if single else {"policy": policy.name, "verdicts": told}, ensure_ascii=True)
        return Response(said, media_type="application/json")

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise BadRequest("Send JSON, with the header `Content-Type: application/json`.", 415)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._limit:
                raise BadRequest(f"The body is larger than {self._limit} bytes; send fewer or shorter texts.", 413)
        return bytes(body)

    def _asked(self, body: bytes) -> tuple[Policy, list[str], bool]:
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequest("The body is not valid JSON.") from None
        if not isinstance(said, dict):
            raise BadRequest('The body must be an object: {"policy": "default", "text": "..."}.')
        extra = sorted(set(said) - set(KEYS))
        if extra:
            raise BadRequest(f"The key {extra[0][:40]!r} is not known. Known: {', '.join(KEYS)}.")
        name = said.get("policy", "default")
        if not isinstance(name, str) or name not in self._policies:
            raise BadRequest(unknown_policy(str(name)[:60], list(self._policies)), 404)
        if ("text" in said) == ("texts" in said):
            raise BadRequest("Give either `text`, a string, or `texts`, a list of strings.")
        texts = [said["text"]] if "text" in said else said["texts"]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise BadRequest("`text` must be a string and `texts` a list of strings.", 422)
        if len(texts) > MOST_TEXTS:
            raise BadRequest(f"{len(texts)} texts are too many for one request; send at most {MOST_TEXTS}.", 413)
        return self._policies[name], texts, "text" in said


def _verdicts(policy: Policy, texts: list[str]) -> list[Verdict]:
    return [guard(text, policy, time.monotonic) for text in texts]


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain data, without what it does not say."""
    told = asdict(verdict)
    always = ("verdict", "policy", "reasons", "findings")
    return {name: value for name, value in told.items() if name in always or value is not None}


def _log(policy: Policy, verdicts: list[Verdict]) -> None:
    """Say when texts could not be checked; what was found is the caller's to keep."""
    failed = [verdict for verdict in verdicts if verdict.failed]
    if failed:
        LOG.warning("guard_failed", policy=policy.name, texts=len(failed), reason=failed[0].reasons[0])
