"""The client at the wire: what it sends, what it bears, and what it calls by which name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monitor.jobs.evals.client import Answer, Client, Failure
from monitor.jobs.evals.suite import Endpoint, Parameters
from tests.support.llm import Model, Reply, completion, serving
from tests.support.process import free_port

QUESTION = [{"role": "user", "content": "q"}]


class Pauses:
    """Pauses that are only written down."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def ask(
    url: str, pauses: Pauses | None = None, times: int = 1, parameters: dict[str, Any] | None = None, **settings: Any
) -> tuple[list[Answer | Failure], Client]:
    endpoint = Endpoint.model_validate({"url": url, "model": "m", "timeout": 5, **settings})

    async def all_of_it() -> tuple[list[Answer | Failure], Client]:
        given = Parameters.model_validate(parameters or {})
        async with Client(endpoint, given, pauses or Pauses(), lambda: 0.5) as client:
            return [await client.ask(QUESTION, sample) for sample in range(times)], client

    return asyncio.run(all_of_it())


def test_what_is_sent_and_what_is_counted() -> None:
    with serving(Model(lambda _body, _before: completion("hello", (7, 3)))) as model:
        answers, client = ask(model.url, times=2, parameters={"temperature": 0.5, "seed": 10}, api_key="sk-1")
    assert answers == [Answer("hello", "stop")] * 2
    assert model.requests[0] == {"model": "m", "messages": QUESTION, "temperature": 0.5, "seed": 10}
    assert model.requests[1]["seed"] == 11
    assert model.headers[0]["authorization"] == "Bearer sk-1"
    assert (client.spent.requests, client.spent.prompt_tokens, client.spent.completion_tokens) == (2, 14, 6)


def test_calls_carry_the_user_that_tells_them_from_those_of_users() -> None:
    with serving(Model(lambda _body, _before: completion("hello"))) as model:
        ask(model.url, user="driftd-evaluation")
    assert model.requests[0]["user"] == "driftd-evaluation"


def test_the_address_may_be_written_with_the_whole_path() -> None:
    with serving(Model(lambda _body, _before: completion("hello"))) as model:
        assert ask(model.url + "/chat/completions")[0] == [Answer("hello", "stop")]
        assert ask(model.url + "/")[0] == [Answer("hello", "stop")]


def test_a_rate_limit_is_waited_for_as_long_as_it_says() -> None:
    def answer(_body: object, before: int) -> Reply:
        return Reply(429, headers={"retry-after": "7"}) if before < 2 else completion("hello")

    pauses = Pauses()
    with serving(Model(answer)) as model:
        answers, client = ask(model.url, pauses)
    assert answers == [Answer("hello", "stop")]
    assert pauses.seconds == [7, 7]
    assert client.spent.requests == 3


def test_a_rate_limit_of_an_hour_is_not_waited_for() -> None:
    pauses = Pauses()
    with serving(Model(lambda _body, _before: Reply(429, headers={"retry-after": "3600"}))) as model:
        answers, _ = ask(model.url, pauses)
    assert answers == [Failure("rate_limited", "status 429")]
    assert pauses.seconds == []


def test_pauses_double() -> None:
    pauses = Pauses()
    with serving(Model(lambda _body, _before: Reply(503))) as model:
        answers, _ = ask(model.url, pauses, backoff=1, retries=3)
    assert answers == [Failure("server", "status 503")]
    assert pauses.seconds == [1, 2, 4]


@pytest.mark.parametrize(
    ("reply", "reason", "requests"),
    [
        (Reply(500), "server", 3),
        (Reply(401), "auth", 1),
        (Reply(400), "client", 1),
        (Reply(404), "client", 1),
        (Reply(302, headers={"location": "http://127.0.0.1:1/"}), "client", 1),
        (Reply(body=b"<html>"), "malformed", 3),
        (Reply(body=b"\xff\xfe"), "malformed", 3),
        (Reply(body=b"[" * 100_000), "malformed", 3),
        (Reply(body=b"{}"), "malformed", 3),
        (Reply(body=b'{"choices": []}'), "malformed", 3),
        (Reply(body=b'{"choices": [{"message": {"content": 5}}]}'), "malformed", 3),
        (Reply(body=b'{"choices": [{"message": null}]}'), "malformed", 3),
        (Reply(body=b'{"choices": [{"message": {"content": "x"}}], "usage": 3}'), "malformed", 3),
        (Reply(body=b"{", headers={"content-length": "9"}), "timeout", 3),
        (Reply(hang=True), "timeout", 3),
    ],
)
def test_what_the_endpoint_does_wrong_has_a_reason(reply: Reply, reason: str, requests: int) -> None:
    with serving(Model(lambda _body, _before: reply)) as model:
        answers, client = ask(model.url, retries=2, timeout=0.3, api_key="sk-secret")
    failure = answers[0]
    assert isinstance(failure, Failure)
    assert failure.reason == reason
    assert client.spent.requests == requests
    assert "sk-secret" not in failure.detail
    assert model.url not in failure.detail


def test_an_endpoint_that_is_not_there_is_unreachable() -> None:
    answers, _ = ask(f"http://127.0.0.1:{free_port()}/v1", retries=1)
    assert [answer.reason for answer in answers if isinstance(answer, Failure)] == ["unreachable"]
    for url in ("ftp://x/v1", "nonsense"):
        answers, _ = ask(url, retries=1)
        assert [answer.reason for answer in answers if isinstance(answer, Failure)] == ["client"], url


def test_an_answer_without_text_is_an_answer() -> None:
    for reply, text in (
        (completion(None), ""),
        (completion(None, refusal="I can't."), "I can't."),
        (completion([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab"),  # type: ignore[arg-type]
    ):
        with serving(Model(lambda _body, _before, reply=reply: reply)) as model:
            assert ask(model.url)[0] == [Answer(text, "stop")]


def test_a_budget_is_kept() -> None:
    with serving(Model(lambda _body, _before: completion("x", (60, 40)))) as model:
        answers, _ = ask(model.url, times=5, budget={"requests": 2})
        assert [isinstance(answer, Answer) for answer in answers] == [True, True, False, False, False]
        answers, client = ask(model.url, times=5, budget={"tokens": 250})
    assert [isinstance(answer, Answer) for answer in answers] == [True, True, True, False, False]
    assert client.spent.tokens == 300
    assert answers[-1] == Failure("budget", "the budget of the endpoint is exhausted")


def test_attempts_again_count_against_the_budget() -> None:
    with serving(Model(lambda _body, _before: Reply(500))) as model:
        answers, _ = ask(model.url, retries=9, budget={"requests": 3})
        assert len(model.requests) == 3
    assert answers == [Failure("budget", "the budget of the endpoint is exhausted")]
