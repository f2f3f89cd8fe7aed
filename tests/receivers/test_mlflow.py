"""An alias of a real MLflow is moved back, once, and only from the version that is suspected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.actions.receivers.base import Delivery, DeliveryResult
from tests.support import receiver as far
from tests.support.mlflow_server import MlflowServer, serving
from tests.support.receivers import NOW, attempt, effect, receiver_at, settings_of

VERSIONS = {"small-7b": "1", "small-7b-2": "2"}
SWAP = effect("small-7b-2", "small-7b")
POINTER = {"model": "bot", "alias": "champion"}


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    folder: Path = tmp_path_factory.mktemp("mlflow")
    with serving(folder) as server:
        server.register("bot", 3)
        yield server


def test_a_real_alias_is_moved_back_and_a_retry_does_nothing(mlflow: MlflowServer) -> None:
    mlflow.set_alias("bot", "champion", 2)
    receiver = receiver_at("mlflow", mlflow.url, **POINTER, versions=VERSIONS)
    first = attempt(receiver, SWAP, 30)
    assert (first.reason, first.detail) == ("delivered", "alias champion points at version 1 again")
    assert first.receipt == {"before": "2", "after": "1"}
    assert mlflow.read_alias("bot", "champion") == "1"
    second = attempt(receiver, SWAP, 30)
    assert (second.reason, second.detail) == ("delivered", "alias champion already points at version 1")
    assert mlflow.read_alias("bot", "champion") == "1"


def test_a_real_alias_that_points_elsewhere_stays(mlflow: MlflowServer) -> None:
    mlflow.set_alias("bot", "champion", 3)
    result = attempt(receiver_at("mlflow", mlflow.url, **POINTER, versions=VERSIONS), SWAP, 30)
    assert result == DeliveryResult("refused", "alias champion points at version 3, not at the suspect")
    assert mlflow.read_alias("bot", "champion") == "3"


@pytest.mark.parametrize(("model", "alias"), [("bot", "nobody"), ("nobody", "champion")])
def test_an_alias_or_model_that_is_missing_in_a_real_registry_is_for_good(
    mlflow: MlflowServer, model: str, alias: str
) -> None:
    receiver = receiver_at("mlflow", mlflow.url, model=model, alias=alias, versions=VERSIONS)
    result = attempt(receiver, SWAP, 30)
    assert (result.reason, result.retry) == ("client", False)


def test_a_version_that_is_missing_in_a_real_registry_is_for_good(mlflow: MlflowServer) -> None:
    mlflow.set_alias("bot", "champion", 2)
    receiver = receiver_at("mlflow", mlflow.url, **POINTER, versions={**VERSIONS, "small-7b": "9"})
    result = attempt(receiver, SWAP, 30)
    assert (result.reason, result.retry) == ("client", False)
    assert mlflow.read_alias("bot", "champion") == "2"


@pytest.mark.parametrize(
    ("settings", "delivery", "detail"),
    [
        ({"versions": {}}, effect("v7", "v6"), "a version of MLflow is a number"),
        ({"versions": {}, "target": "v{version}"}, effect(), "a version of MLflow is a number"),
        ({"versions": {}}, effect("²", "¹"), "a version of MLflow is a number"),
        ({}, effect(role="prompt_version"), "the action names no model_version to go back to"),
    ],
)
def test_an_action_without_a_number_sends_nothing(settings: Any, delivery: Any, detail: str) -> None:
    receiver = receiver_at("mlflow", "http://127.0.0.1:1", **settings)
    result, preview = attempt(receiver, delivery), receiver.describe_request(delivery)
    assert (result.reason, result.retry, preview.method) == ("client", False, "")
    assert detail in result.detail
    assert preview.note == result.detail


def test_the_preview_is_what_is_sent() -> None:
    answer = json.dumps({"model_version": {"version": "7"}}).encode()
    login = {"token": None, "username": "driftd", "password": "canary"}
    with far.listening(far.Receiver(lambda _: (200, {}, answer))) as side:
        receiver = receiver_at("mlflow", side.url + "/", **login, versions={})
        preview = receiver.describe_request(effect())
        assert attempt(receiver, effect()).delivered
        read, moved = side.requests
    assert (read.method, read.path) == (
        "GET",
        "/api/2.0/mlflow/registered-models/alias?name=support-bot&alias=champion",
    )
    assert (moved.method, f"{side.url}{moved.path}", moved.body.decode()) == (preview.method, preview.url, preview.body)
    assert json.loads(preview.body) == {"name": "support-bot", "alias": "champion", "version": "6"}
    assert moved.headers["authorization"] == read.headers["authorization"] == "Basic ZHJpZnRkOmNhbmFyeQ=="
    assert preview.headers["authorization"] == "…"
    assert preview.note == "sent only if alias champion points at version 7"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model_version": 7}', b'{"model_version": {"version": "7; rm"}}'])
def test_an_answer_that_names_no_version_moves_nothing(body: bytes) -> None:
    with far.listening(far.Receiver(lambda _: (200, {}, body))) as side:
        result = attempt(receiver_at("mlflow", side.url, versions={}), effect())
        assert [request.method for request in side.requests] == ["GET"]
    assert result.reason in ("refused", "other")
    assert "rm" not in result.detail


@pytest.mark.parametrize("login", [{"username": "a"}, {"token": "t", "username": "a", "password": "b"}])
def test_a_login_is_whole_and_one(login: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="write `token:`, or `username:` and `password:`"):
        settings_of("mlflow", **{"token": None, **login})


def test_a_test_reads_the_alias_and_moves_nothing() -> None:
    answer = json.dumps({"model_version": {"version": "7"}}).encode()
    test = Delivery("id-1", "test", {"data": {"test": True}}, NOW)  # type: ignore[typeddict-item]
    with far.listening(far.Receiver(lambda _: (200, {}, answer))) as side:
        receiver = receiver_at("mlflow", side.url)
        result, preview = attempt(receiver, test), receiver.describe_request(test)
        assert [request.method for request in side.requests] == ["GET"]
    assert result.delivered
    assert result.detail.startswith("alias champion points at version 7; a test moves nothing")
    assert (preview.method, preview.note) == ("GET", "a test moves nothing")
