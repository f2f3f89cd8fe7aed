"""Answers of the guard: from the body of a request to the body of its response. Runs in the workers of the guard."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from detectors.policy import Policy, Verdict, guard, unchecked_verdict

MOST_TEXTS = 100
KEYS = ("policy", "text", "texts")
BUSY_STATUS = 503
BUSY = "The guard is busy; try again later, or send fewer texts."


class BadRequest(ValueError):
    """A request that is rejected, with the reason."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class GuardRequest:
    """A parsed request; ``single`` tells whether it was `text` instead of `texts`."""

    policy: Policy
    texts: list[str]
    single: bool


@dataclass(frozen=True)
class GuardAnswer:
    """A response; ``failed`` describes texts that could not be checked, for the log."""

    status: int
    body: bytes
    failed: str = ""


def answer_request(policies: Mapping[str, Policy], body: bytes, ends: float = float("inf")) -> GuardAnswer:
    """Check the texts of a request in order until the deadline; the rest have no verdict.

    Parameters
    ----------
    ends
        The deadline on the monotonic clock.
    """
    try:
        request = parse_request(policies, body)
    except BadRequest as error:
        return refuse(error)
    verdicts = [
        guard(text, request.policy, time.monotonic)
        if time.monotonic() < ends
        else unchecked_verdict(request.policy, BUSY)
        for text in request.texts
    ]
    return _respond(request, verdicts)


def answer_busy(policies: Mapping[str, Policy], body: bytes, longest: int) -> GuardAnswer:
    """Answer without a check, as the policy of the request fails; a body longer than ``longest`` is not even parsed."""
    if len(body) > longest:
        return refuse(BadRequest(BUSY, BUSY_STATUS))
    try:
        request = parse_request(policies, body)
    except BadRequest as error:
        return refuse(error)
    return _respond(request, [unchecked_verdict(request.policy, BUSY)] * len(request.texts), busy=True)


def refuse(error: BadRequest) -> GuardAnswer:
    """Return the response to a request that is rejected."""
    # The policy is unknown if the body was not read: fail like the default policy.
    failed = {"failed": "closed"} if error.status == BUSY_STATUS else {}
    return GuardAnswer(error.status, json.dumps({"error": str(error)} | failed).encode())


def parse_request(policies: Mapping[str, Policy], body: bytes) -> GuardRequest:
    """Parse the body of a request; raise :class:`BadRequest` for an invalid one."""
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
    if not isinstance(name, str) or name not in policies:
        from monitor.config.policies import unknown_policy  # a worker that never needs it starts faster

        raise BadRequest(unknown_policy(str(name)[:60], list(policies)), 404)
    if ("text" in request) == ("texts" in request):
        raise BadRequest("Give either `text`, a string, or `texts`, a list of strings.")
    texts = [request["text"]] if "text" in request else request["texts"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadRequest("`text` must be a string and `texts` a list of strings.", 422)
    if len(texts) > MOST_TEXTS:
        raise BadRequest(f"{len(texts)} texts are too many for one request; send at most {MOST_TEXTS}.", 413)
    return GuardRequest(policies[name], texts, "text" in request)


def _respond(request: GuardRequest, verdicts: list[Verdict], *, busy: bool = False) -> GuardAnswer:
    """Return the response with the verdicts; a busy guard answers as the policy fails, with an error and its status."""
    policy = request.policy
    failed = [verdict for verdict in verdicts if verdict.failed]
    note = f"policy {policy.name}, {len(failed)} texts: {failed[0].reasons[0]}" if failed else ""
    answers = [as_json(verdict) for verdict in verdicts]
    answer = answers[0] if request.single else {"policy": policy.name, "verdicts": answers}
    if busy:
        answer = {"error": BUSY, "failed": policy.fail} | answer
    # Escaped, because a text may contain a lone surrogate, which has no UTF-8 encoding.
    return GuardAnswer(BUSY_STATUS if busy else 200, json.dumps(answer, ensure_ascii=True).encode(), note)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain data, without empty fields."""
    fields = asdict(verdict)
    always = ("verdict", "policy", "reasons", "findings")
    return {name: value for name, value in fields.items() if name in always or value is not None}
