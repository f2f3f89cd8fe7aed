"""A label of a prompt of Langfuse is moved back, at the wire: the fake refuses what Langfuse refuses."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pydantic import ValidationError

from monitor.actions.receivers.base import DeliveryResult
from tests.support import receiver as far
from tests.support.receivers import attempt, effect, receiver_at, settings_of

SWAP = effect(role="prompt_version")
LOGIN = "Basic cGstbGYtMTIzNDpzay1sZi0xMjM0"


class Prompts:
    """The versions of one prompt, each with its labels."""

    def __init__(self, name: str, labels: dict[int, set[str]]) -> None:
        self.name, self.labels = name, labels

    def answer(self, request: far.Request) -> tuple[int, dict[str, str], bytes]:
        if request.headers.get("authorization") != LOGIN:
            return 401, {}, b'{"message": "Invalid credentials"}'
        parts = urlsplit(request.path)
        match = re.fullmatch(r"/api/public/v2/prompts/([^/]+)(?:/versions/(\d+))?", parts.path)
        if match is None or unquote(match[1]) != self.name:
            return 404, {}, b'{"message": "Prompt not found"}'
        if request.method == "GET" and match[2] is None:
            label = parse_qs(parts.query).get("label", ["production"])[0]
            found = [version for version, labels in self.labels.items() if label in labels]
            body = {"name": self.name, "version": found[0], "labels": [label], "prompt": "x" * 200_000} if found else {}
            return (200 if found else 404), {}, json.dumps(body).encode()
        body = json.loads(request.body)
        if request.method != "PATCH" or not match[2] or request.headers["content-type"] != "application/json":
            return 405, {}, b""
        if set(body) != {"newLabels"} or "latest" in body["newLabels"]:
            return 400, {}, b""
        if int(match[2]) not in self.labels:
            return 404, {}, b""
        for labels in self.labels.values():
            labels.difference_update(body["newLabels"])
        self.labels[int(match[2])].update(body["newLabels"])
        return 200, {}, json.dumps({"version": int(match[2]), "prompt": "x" * 200_000}).encode()


def test_a_label_is_moved_back_and_a_retry_does_nothing() -> None:
    prompts = Prompts("support/answer", {6: {"tested"}, 7: {"production", "latest"}})
    with far.listening(far.Receiver(prompts.answer)) as side:
        receiver = receiver_at("langfuse", side.url)
        preview = receiver.describe_request(SWAP)
        result = attempt(receiver, SWAP)
        moved = side.requests[1]
        again = attempt(receiver, SWAP)
        assert len(side.requests) == 3
    assert result.detail == "label production points at version 6 again"
    assert again == DeliveryResult("delivered", "label production already points at version 6")
    assert prompts.labels == {6: {"tested", "production"}, 7: {"latest"}}
    assert (preview.method, preview.body) == ("PATCH", moved.body.decode())
    assert preview.url == side.url + moved.path == side.url + "/api/public/v2/prompts/support%2Fanswer/versions/6"


def test_a_label_that_another_version_has_stays() -> None:
    prompts = Prompts("support/answer", {6: set(), 7: set(), 8: {"production"}})
    with far.listening(far.Receiver(prompts.answer)) as side:
        result = attempt(receiver_at("langfuse", side.url), SWAP)
    assert result == DeliveryResult("refused", "label production points at version 8, not at the suspect")
    assert prompts.labels[8] == {"production"}


@pytest.mark.parametrize(
    ("labels", "settings", "reason"),
    [
        ({6: set(), 7: set()}, {}, "client"),
        ({7: {"production"}}, {}, "client"),
        ({7: {"production"}}, {"secret_key": "wrong"}, "auth"),
        ({7: {"production"}}, {"prompt": "another"}, "client"),
    ],
)
def test_what_langfuse_refuses_is_for_good(labels: dict[int, set[str]], settings: dict[str, str], reason: str) -> None:
    with far.listening(far.Receiver(Prompts("support/answer", labels).answer)) as side:
        result = attempt(receiver_at("langfuse", side.url, **settings), SWAP)
    assert (result.reason, result.retry) == (reason, False)


def test_a_rollback_of_a_model_moves_no_prompt() -> None:
    result = attempt(receiver_at("langfuse", "http://127.0.0.1:1"), effect())
    assert result == DeliveryResult("client", "the action names no prompt_version to go back to")


@pytest.mark.parametrize(
    ("together", "labelled", "detail"),
    [
        ({"prompt_version": "6", "instead_of": "7"}, 7, "label production points at version 6 again"),
        ({"prompt_version": "6", "instead_of": "7"}, 8, "label production points at version 8, not at the suspect"),
        ({"prompt_version": "6"}, 6, "label production already points at version 6"),
        ({"prompt_version": "6"}, 7, "label production points at version 7, not at the suspect"),
    ],
)
def test_a_rollback_of_a_model_moves_the_prompt_that_changed_with_it(
    together: dict[str, str], labelled: int, detail: str
) -> None:
    prompts = Prompts("support/answer", {6: set(), 7: set(), 8: set()})
    prompts.labels[labelled].add("production")
    swap = effect("small-7b", "large-70b")
    swap.payload["data"]["target"] = {"model_version": "large-70b", "with": together}
    with far.listening(far.Receiver(prompts.answer)) as side:
        assert attempt(receiver_at("langfuse", side.url), swap).detail == detail


def test_the_label_latest_belongs_to_langfuse() -> None:
    with pytest.raises(ValidationError, match="Langfuse moves `latest` itself"):
        settings_of("langfuse", label="latest")
