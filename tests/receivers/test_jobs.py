"""Jobs of GitHub, GitLab and Airflow are started at the wire: each fake refuses what its service refuses."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from pydantic import ValidationError

from monitor.actions.receivers.base import Delivery, DeliveryResult
from tests.support import receiver as far
from tests.support.receivers import attempt, effect, receiver_at, settings_of

Answer = tuple[int, dict[str, str], bytes]
SWAP = effect("small-7b-2", "small-7b")
ID = SWAP.id


def say(status: int, **body: object) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(body).encode()


class Actions:
    """Workflows of a repository with the inputs that each declares."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []

    def answer(self, request: far.Request) -> Answer:
        if request.headers.get("authorization") != "Bearer github_pat_1234":
            return say(401, message="Bad credentials")
        if not request.headers.get("user-agent"):
            return say(403, message="Request forbidden by administrative rules.")
        body = json.loads(request.body)
        if request.path == "/repos/acme/support-bot/actions/workflows/rollback.yml/dispatches":
            if set(body) != {"ref", "inputs"} or body["ref"] != "main" or len(body["inputs"]) > 25:
                return say(422, message="Invalid request")
            if not set(body["inputs"]) <= {"action_id", "version", "test"}:
                return say(422, message=f"Unexpected inputs provided: {sorted(body['inputs'])}")
            if not all(isinstance(value, str) for value in body["inputs"].values()):
                return say(422, message="Invalid request")
        elif request.path == "/repos/acme/support-bot/dispatches":
            payload = body.get("client_payload")
            if set(body) != {"event_type", "client_payload"} or len(payload) > 10 or len(body["event_type"]) > 100:
                return say(422, message="Invalid request")
        else:
            return say(404, message="Not Found")
        if len(request.body) > 65535:
            return say(422, message="inputs are too large.")
        self.runs.append(body)
        return 204, {}, b""


class Pipelines:
    """A project that pipelines are triggered in."""

    def __init__(self) -> None:
        self.runs: list[dict[str, str]] = []

    def answer(self, request: far.Request) -> Answer:
        match = re.fullmatch(r"/api/v4/projects/([^/]+)/trigger/pipeline", request.path)
        if match is None or unquote(match[1]) != "acme/support-bot":
            return say(404, message="404 Project Not Found")
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return say(415, error="The provided content-type is not supported.")
        form = dict(parse_qsl(request.body.decode(), strict_parsing=True, keep_blank_values=True))
        if form.pop("token", None) != "glptt-1234":
            return say(404, message="404 Not Found")
        if form.get("ref") != "main":
            return say(400, message={"base": ["Reference not found"]})
        if not all(name == "ref" or re.fullmatch(r"variables\[\w+\]", name) for name in form):
            return say(400, error="variables is invalid")
        self.runs.append(form)
        return say(201, id=len(self.runs))


class Dags:
    """A DAG of Airflow 2 or 3; the login of Airflow 3 gives a token."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.runs: dict[str, dict[str, Any]] = {}

    def answer(self, request: far.Request) -> Answer:
        body = json.loads(request.body)
        if request.headers["content-type"] != "application/json":
            return say(415, title="Invalid Content-type")
        if self.version == 3 and request.path == "/auth/token":
            if body != {"username": "driftd", "password": "password-of-airflow"}:
                return say(401, detail="Invalid credentials")
            return say(201, access_token="ey.token")
        login = {2: "Basic ZHJpZnRkOnBhc3N3b3JkLW9mLWFpcmZsb3c=", 3: "Bearer ey.token"}[self.version]
        if request.headers.get("authorization") != login:
            return say(401, title="Unauthorized")
        if request.path != f"/api/v{self.version - 1}/dags/retrain_support_bot/dagRuns":
            return say(404, title="DAG not found")
        if self.version == 3 and set(body) != {"dag_run_id", "conf", "logical_date"}:
            return say(422, detail="Field required")
        if self.version == 2 and set(body) != {"dag_run_id", "conf"}:
            return say(400, title="Bad Request")
        if body["dag_run_id"] in self.runs:
            return say(409, title="DAGRun already exists")
        self.runs[body["dag_run_id"]] = body
        return say(200, **body, state="queued")


def deliver(side: far.Receiver, kind: str, delivery: Delivery = SWAP, **settings: Any) -> DeliveryResult:
    """Attempt once; the preview is the last request, without what is secret."""
    receiver = receiver_at(kind, side.url, **settings)
    preview = receiver.describe_request(delivery)
    result = attempt(receiver, delivery)
    sent = side.requests[-1]
    if result.delivered:
        body = sent.body.decode().replace("glptt-1234", "…")
        assert (preview.method, preview.url, preview.body) == ("POST", side.url + sent.path, body)
    for secret in ("github_pat_1234", "glptt-1234", "password-of-airflow", "ey.token"):
        assert secret not in repr((preview, result))
    return result


def test_a_workflow_is_dispatched() -> None:
    actions = Actions()
    with far.listening(far.Receiver(actions.answer)) as side:
        assert deliver(side, "github") == DeliveryResult("delivered", "status 204")
    assert actions.runs == [{"ref": "main", "inputs": {"action_id": ID, "version": "small-7b", "test": "false"}}]


def test_a_repository_event_is_dispatched() -> None:
    actions = Actions()
    event = {"workflow": None, "inputs": {}, "event_type": "rollback"}
    with far.listening(far.Receiver(actions.answer)) as side:
        assert deliver(side, "github", **event).delivered
    assert actions.runs == [
        {
            "event_type": "rollback",
            "client_payload": {
                "id": ID,
                "monitor": "bot",
                "incident": "incident-1",
                "role": "model_version",
                "version": "small-7b",
                "bad_version": "small-7b-2",
                "headline": "bot: hallucination rate 63 %",
                "link": None,
                "test": False,
            },
        }
    ]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"token": "another"}, "auth"),
        ({"inputs": {"sha": "{version}"}}, "client"),
        ({"workflow": "another.yml"}, "client"),
        ({"ref": "another"}, "client"),
    ],
)
def test_what_github_refuses_is_for_good(settings: dict[str, object], reason: str) -> None:
    with far.listening(far.Receiver(Actions().answer)) as side:
        result = deliver(side, "github", **settings)
    assert (result.reason, result.retry) == (reason, False)


def test_github_limits_the_rate_with_403_as_well() -> None:
    with far.listening(far.Receiver(lambda _: (403, {"retry-after": "60"}, b""))) as side:
        result = deliver(side, "github")
    assert (result.reason, result.retry, result.retry_after.total_seconds()) == ("rate_limited", True, 60)  # type: ignore[union-attr]


def test_inputs_that_github_does_not_take_are_not_sent() -> None:
    long = effect("a", "x" * 70_000)
    with far.listening(far.Receiver(Actions().answer)) as side:
        result = attempt(receiver_at("github", side.url), long)
        assert receiver_at("github", side.url).describe_request(long).note == result.detail
        assert side.requests == []
    assert result == DeliveryResult("client", "the inputs exceed what GitHub accepts, 65,535 bytes")


@pytest.mark.parametrize(
    "settings",
    [
        {"workflow": None},
        {"event_type": "rollback"},
        {"repository": "support-bot"},
        {"inputs": {f"i{number}": "" for number in range(26)}},
        {"inputs": {"a": "{vresion}"}},
        {"workflow": "../../x.yml/"},
        {"client_payload": {f"i{number}": "" for number in range(11)}},
    ],
)
def test_what_github_would_refuse_is_an_error_of_the_configuration(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings_of("github", **settings)


def test_a_pipeline_is_triggered() -> None:
    pipelines = Pipelines()
    with far.listening(far.Receiver(pipelines.answer)) as side:
        variables = {"ACTION_ID": "{id}", "VERSION": "{version}", "TEXT": "{monitor} & {rule}=1"}
        assert deliver(side, "gitlab", variables=variables) == DeliveryResult("delivered", "status 201")
    assert pipelines.runs == [
        {
            "ref": "main",
            "variables[ACTION_ID]": ID,
            "variables[VERSION]": "small-7b",
            "variables[TEXT]": "bot & answers=1",
        }
    ]


@pytest.mark.parametrize("settings", [{"token": "another"}, {"ref": "another"}, {"project": "another"}])
def test_what_gitlab_refuses_is_for_good(settings: dict[str, object]) -> None:
    with far.listening(far.Receiver(Pipelines().answer)) as side:
        result = deliver(side, "gitlab", **settings)
    assert (result.reason, result.retry) == ("client", False)


def test_a_variable_has_a_name() -> None:
    with pytest.raises(ValidationError):
        settings_of("gitlab", variables={"A]=1&ref": "x"})


@pytest.mark.parametrize("version", [2, 3])
def test_a_run_is_started_once(version: int) -> None:
    dags = Dags(version)
    with far.listening(far.Receiver(dags.answer)) as side:
        assert deliver(side, "airflow", version=version) == DeliveryResult("delivered", "status 200")
        again = deliver(side, "airflow", version=version)
    assert again == DeliveryResult("delivered", "status 409: already processed")
    assert list(dags.runs) == [ID]
    assert dags.runs[ID]["conf"] == {
        "id": ID,
        "monitor": "bot",
        "incident": "incident-1",
        "role": "model_version",
        "version": "small-7b",
        "bad_version": "small-7b-2",
        "retraining": None,
        "test": False,
    }


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"password": "another"}, "auth"), ({"dag": "another"}, "client"), ({"version": 2}, "auth")],
)
def test_what_airflow_refuses_is_for_good(settings: dict[str, object], reason: str) -> None:
    with far.listening(far.Receiver(Dags(3).answer)) as side:
        result = deliver(side, "airflow", **settings)
    assert (result.reason, result.retry) == (reason, False)


@pytest.mark.parametrize("body", [b"{}", b'{"access_token": 7}', b'{"access_token": "a\\r\\nb: c"}'])
def test_a_login_without_a_token_starts_nothing(body: bytes) -> None:
    with far.listening(far.Receiver(lambda _: (201, {}, body))) as side:
        result = attempt(receiver_at("airflow", side.url), SWAP)
        assert [request.path for request in side.requests] == ["/auth/token"]
    assert result == DeliveryResult("auth", "the login returned no token")


@pytest.mark.parametrize(
    "settings", [{"username": None}, {"password": None}, {"token": "t"}, {"dag": "../x"}, {"conf": {"a": "{b}"}}]
)
def test_what_airflow_cannot_take_is_an_error_of_the_configuration(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings_of("airflow", **settings)
