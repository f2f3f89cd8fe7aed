"""HTTP client of an OpenAI-compatible chat-completions endpoint, with a deadline per request, retries and a budget.

An error of the endpoint is a :class:`Failure` with a reason from a closed set, never an exception and never a score.
It contains neither the address nor the key nor text of the endpoint.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal

import httpx

from monitor.actions.receivers.base import parse_retry_after
from monitor.core.clock import Clock, SystemClock
from monitor.core.suite_run import SuiteUsage
from monitor.jobs.evals.suite import Endpoint, Parameters

LARGEST_ANSWER = 16 * 1024 * 1024
LONGEST_PAUSE = timedelta(minutes=1)
"""Maximum delay before a retry, also by `Retry-After`, in seconds."""

Reason = Literal["timeout", "unreachable", "rate_limited", "server", "malformed", "auth", "client", "budget", "stopped"]
FOR_GOOD = ("auth", "client", "budget", "stopped")
"""Reasons that are not retried."""


@dataclass(frozen=True)
class Answer:
    """The answer of a model."""

    text: str
    finish_reason: str | None = None


@dataclass(frozen=True)
class Failure:
    """The reason why there is no answer; it is no evidence about the model."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class _Again:
    """A failed attempt that is retried."""

    failure: Failure
    pause: timedelta | None = None


class Client:
    """Client of one endpoint; an asynchronous context manager.

    Parameters
    ----------
    endpoint, parameters
        The endpoint, and the sampling parameters of requests.
    sleep, clock
        Function that waits, and the clock for a `Retry-After` that is a date.
    chance
        Random number for the jitter of delays, so that parallel runs do not retry at the same time.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        parameters: Parameters,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        clock: Clock | None = None,
    ) -> None:
        self.spent = SuiteUsage()
        self._endpoint = endpoint
        self._parameters = parameters.model_dump(exclude_none=True)
        if endpoint.user is not None:
            self._parameters["user"] = endpoint.user
        self._sleep, self._chance, self._clock = sleep, chance, clock or SystemClock()
        self._url = endpoint.url.get_secret_value().rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self._http = httpx.AsyncClient(
            headers=_headers(endpoint),
            verify=ssl.create_default_context(),
            trust_env=False,
            proxy=endpoint.proxy.get_secret_value() if endpoint.proxy else None,
            timeout=endpoint.timeout.total_seconds(),
            limits=httpx.Limits(max_connections=endpoint.concurrency),
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ask(self, messages: Sequence[Mapping[str, str]], sample: int = 0) -> Answer | Failure:
        """Send one request, with retries after temporary errors; errors of endpoint and network are never raised."""
        body: dict[str, Any] = {"model": self._endpoint.model, "messages": list(messages), **self._parameters}
        if "seed" in body:
            body["seed"] += sample  # the same seed again would be a copy, not a sample
        pause, left = self._endpoint.backoff, self._endpoint.retries
        while True:
            if self._used_up():
                return Failure("budget", "the budget of the endpoint is exhausted")
            outcome = await self._attempt(body)
            if not isinstance(outcome, _Again):
                return outcome
            wait = outcome.pause if outcome.pause is not None else pause * (0.5 + self._chance())
            if not left or (outcome.pause is not None and wait > LONGEST_PAUSE):
                return outcome.failure
            await self._sleep(min(wait, LONGEST_PAUSE).total_seconds())
            pause, left = min(2 * pause, LONGEST_PAUSE), left - 1

    def _used_up(self) -> bool:
        budget = self._endpoint.budget
        return (budget.requests is not None and self.spent.requests >= budget.requests) or (
            budget.tokens is not None and self.spent.tokens >= budget.tokens
        )

    async def _attempt(self, body: Mapping[str, Any]) -> Answer | Failure | _Again:
        self.spent.requests += 1
        seconds = self._endpoint.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds), self._http.stream("POST", self._url, json=body) as response:
                return self._read(response, await _content(response))
        except (TimeoutError, httpx.TimeoutException):
            return _Again(Failure("timeout", f"no complete answer within {seconds:g} s"))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return Failure("client", "the `url:` of the endpoint is not an http address")
        except (httpx.HTTPError, OSError) as error:
            return _Again(Failure("unreachable", type(error).__name__))

    def _read(self, response: httpx.Response, content: bytes | None) -> Answer | Failure | _Again:
        status = response.status_code
        status_text = f"status {status}"
        if status in (401, 403):
            return Failure("auth", f"{status_text}: check `api_key:`")
        if status in (408, 409, 425, 429) or status >= 500:
            reason: Reason = "rate_limited" if status == 429 else "server" if status >= 500 else "timeout"
            pause = parse_retry_after(response.headers.get("retry-after"), self._clock.now())
            return _Again(Failure(reason, status_text), pause)
        if not 200 <= status < 300:
            return Failure("client", f"{status_text}: check `url:`, `model:` and `parameters:`")
        if content is None:
            return Failure("malformed", f"the answer is larger than {LARGEST_ANSWER >> 20} MiB")
        try:
            return self._answer(json.loads(content))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return _Again(Failure("malformed", "the answer is not a chat completion"))

    def _answer(self, data: Mapping[str, Any]) -> Answer:
        choice = data["choices"][0]
        message = choice["message"]
        text = message.get("content")
        if isinstance(text, list):  # parts, as some gateways send them
            text = "".join(part.get("text", "") for part in text)
        text = text if text is not None else message.get("refusal") or ""
        if not isinstance(text, str):
            raise TypeError("the content is not a text")
        usage = data.get("usage") or {}
        self.spent.prompt_tokens += int(usage.get("prompt_tokens") or 0)
        self.spent.completion_tokens += int(usage.get("completion_tokens") or 0)
        reason = choice.get("finish_reason")
        return Answer(text, reason if isinstance(reason, str) else None)


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"user-agent": "driftd"}
    if endpoint.api_key is not None:
        headers["authorization"] = f"Bearer {endpoint.api_key.get_secret_value()}"
    return headers


async def _content(response: httpx.Response) -> bytes | None:
    """Read the body, or return None if it is larger than the limit."""
    parts, size = [], 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > LARGEST_ANSWER:
            return None
        parts.append(chunk)
    return b"".join(parts)
