"""Presses of buttons in Slack: by Socket Mode and by signed requests, once each, and only by those who may."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from monitor.actions.receivers.base import RequestPreview
from monitor.actions.receivers.slack.dialog import PART, render_dialog
from monitor.actions.receivers.slack.presses import parse_press
from monitor.config.models import Config
from monitor.jobs.scheduler import Job
from monitor.jobs.slack_connections import plan_connections
from monitor.jobs.slack_presses import PressHandler
from monitor.store import migrate
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.server import Server
from monitor.web.slack_interactions import SlackInteractions
from tests.support.slack_api import SCOPES, SlackApi, check_blocks, sign, sign_body, slack_api
from tests.support.slack_world import EFFECT, MINUTE, SlackWorld

ROOT = Path(__file__).parents[2]
ADA = "ada (U1ADA)"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@pytest.fixture
def api() -> Iterator[SlackApi]:
    with slack_api() as served:
        yield served
        assert served.refusals == []


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    made = Database(sqlite_url)
    migrate.upgrade(made)
    yield made
    made.close()


@pytest.fixture
def world(database: Database, api: SlackApi) -> SlackWorld:
    made = SlackWorld(database, api, signing_secret=SECRET)
    made.open()
    made.turn()
    return made


@pytest.fixture
def connection(world: SlackWorld) -> Iterator[Job]:
    (job,) = plan_connections(world.database, world.receivers, world.clock)
    job.run()
    assert world.api.wait(lambda: world.api.connections() == 1)
    yield job
    assert job.close
    job.close()


def press(world: SlackWorld, payload: dict[str, Any], names: tuple[str, ...] = ("ml",)) -> bool:
    return PressHandler(world.database, world.receivers, world.clock).handle(payload, names)


# what a press does


def test_an_approval_shows_the_exact_request_and_takes_a_reason(world: SlackWorld) -> None:
    assert press(world, world.api.press("Approve: back to gpt-4o"))
    assert world.state() == "awaiting_approval"
    (view,) = world.api.views
    shown = json.dumps(view)
    assert "POST https://deploy.internal/" in shown
    assert EFFECT in shown
    assert "whsec" not in shown
    world.clock.moment += 3 * MINUTE
    assert press(world, world.api.submit("the new model invents prices"))
    assert world.state() == "pending"
    assert world.entries() == [("approve", ADA, "done")]
    world.turn()
    assert world.texts()[-1] == f"Approved by {ADA} at 16:58 UTC: back to gpt-4o"
    assert "Reject" not in world.labels()


@pytest.mark.parametrize(
    ("button", "operation", "line"),
    [
        ("Reject", "reject", f"Rejected by {ADA} at 16:55 UTC: back to gpt-4o"),
        ("Acknowledge", "acknowledge", f"Acknowledged by {ADA} at 16:55 UTC"),
        ("Silence 1 h", "silence", f"Silenced by {ADA} until 17:55 UTC"),
        ("Silence 8 h", "silence", f"Silenced by {ADA} until 00:55 UTC"),
    ],
)
def test_a_press_is_an_operation_with_its_audit_entry_and_changes_the_message(
    world: SlackWorld, button: str, operation: str, line: str
) -> None:
    assert press(world, world.api.press(button))
    assert world.entries() == [(operation, ADA, "done")]
    world.turn()
    assert world.texts()[-1] == line
    assert button not in world.labels()


@pytest.mark.parametrize(("user", "missing"), [("U2BOB", "Add `U2BOB: responder`"), ("U3EVE", "has the role viewer")])
@pytest.mark.parametrize("button", ["Approve: back to gpt-4o", "Reject", "Acknowledge", "Silence 1 h"])
def test_a_user_without_the_role_is_refused_and_told_what_is_missing(
    database: Database, api: SlackApi, user: str, missing: str, button: str
) -> None:
    world = SlackWorld(database, api, users={"U3EVE": "viewer"})
    world.open()
    world.turn()
    assert press(world, api.press(button, user=user, name="eve"))
    ((operation, by, result),) = world.entries()
    assert (by, result) == (f"eve ({user})", "refused")
    assert world.state() == "awaiting_approval"
    assert world.silences() == 0
    assert missing.replace("`", "'") in api.ephemerals()[0]
    assert api.views == []


def test_the_dialog_does_not_carry_the_role_of_who_opened_it(world: SlackWorld) -> None:
    press(world, world.api.press("Approve: back to gpt-4o"))
    press(world, world.api.submit(user="U2BOB", name="bob"))
    assert world.entries() == [("approve", "bob (U2BOB)", "refused")]
    assert world.state() == "awaiting_approval"


def test_a_press_after_the_effect_has_ended_is_refused(world: SlackWorld) -> None:
    old = world.api.press("Approve: back to gpt-4o")
    press(world, world.api.press("Reject"))
    press(world, old)
    assert world.api.ephemerals() == ["This was refused: the action is rejected; nothing was changed."]
    assert world.api.views == []


def test_a_dialog_that_cannot_be_opened_in_time_is_said(world: SlackWorld) -> None:
    late = world.api.press("Approve: back to gpt-4o")
    world.api.now = lambda: 1e12
    press(world, late)
    assert world.api.ephemerals() == ["The dialog could not be opened in time. Press the button again."]
    assert world.api.refusals == ["views.open: expired_trigger_id"]
    world.api.refusals.clear()


def test_a_press_on_a_message_that_is_not_ours_or_of_another_app_is_refused(world: SlackWorld) -> None:
    moved = world.api.press("Reject")
    moved["container"]["message_ts"] = "1699999999.000001"
    assert not press(world, moved)
    assert not press(world, world.api.press("Reject"), names=("other",))
    assert world.state() == "awaiting_approval"
    assert world.entries() == []


@pytest.mark.parametrize(
    "payload",
    [None, [], {}, {"type": "block_actions"}, {"type": "view_submission", "user": {}}, {"type": ["block_actions"]}],
)
def test_what_is_no_press_is_ignored(payload: Any) -> None:
    assert parse_press(payload) is None


def test_a_long_request_fits_the_dialog(world: SlackWorld) -> None:
    one = parse_press(world.api.press("Approve: back to gpt-4o"))
    assert one
    for body in ("&" * 30 * PART, "`<!channel>\U0001f9a8" * PART):
        view: Any = render_dialog(one, "title", RequestPreview("POST", "https://x/", {}, body, "note"))
        blocks = view["blocks"]
        assert check_blocks(blocks, 100) is None
        assert "<!channel>" not in json.dumps(view)


# once


def test_two_replicas_that_receive_the_same_press_perform_it_once(world: SlackWorld) -> None:
    payload = world.api.press("Silence 1 h")
    handlers = [PressHandler(world.database, world.receivers, world.clock) for _ in range(4)]
    results: list[bool] = []
    threads = [threading.Thread(target=lambda one=one: results.append(one.handle(payload, ["ml"]))) for one in handlers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [False, False, False, True]
    assert world.silences() == 1
    assert len(world.entries()) == 1


# Socket Mode


def test_a_press_arrives_by_socket_mode_and_is_acknowledged(world: SlackWorld, connection: Job) -> None:
    api = world.api
    api.send(api.press("Acknowledge"), "e-1")
    assert api.wait(lambda: "e-1" in api.acknowledged)
    assert world.entries() == [("acknowledge", ADA, "done")]
    api.send(api.press("Silence 1 h"), "e-2")
    api.send(api.press("Silence 1 h"), "e-2")
    assert api.wait(lambda: "e-2" in api.acknowledged)
    assert api.late == []


def test_a_disconnect_in_the_middle_of_a_press_loses_nothing_and_performs_it_once(
    world: SlackWorld, connection: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, may_end, begun = world.api, threading.Event(), threading.Event()
    payload, handle = api.press("Silence 1 h"), PressHandler.handle

    def slowly(self: PressHandler, *given: Any) -> bool:
        begun.set()
        may_end.wait(60)
        return handle(self, *given)

    monkeypatch.setattr(PressHandler, "handle", slowly)
    api.send(payload, "e-1")
    assert begun.wait(60)
    api.disconnect()
    assert api.wait(lambda: api.connections() == 2)
    api.send(payload, "e-1")  # not acknowledged on the old connection, so Slack sends it again
    may_end.set()
    assert api.wait(lambda: "e-1" in api.acknowledged)
    assert api.wait(lambda: len(world.entries()) == 1)
    assert world.silences() == 1


def test_a_press_that_cannot_be_stored_is_not_acknowledged(
    world: SlackWorld, connection: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, payload = world.api, world.api.press("Acknowledge")
    failed = threading.Event()

    def fail(*_: Any) -> bool:
        failed.set()
        raise OSError("the store is down")

    with monkeypatch.context() as patched:
        patched.setattr(PressHandler, "handle", fail)
        api.send(payload, "e-1")
        assert failed.wait(60)
        api.send({"type": "other"}, "e-2", kind="events_api")
        assert api.wait(lambda: "e-2" in api.acknowledged)
    assert "e-1" not in api.acknowledged
    api.send(payload, "e-1")
    assert api.wait(lambda: "e-1" in api.acknowledged)
    assert world.entries() == [("acknowledge", ADA, "done")]


def test_a_wrong_app_token_affects_nothing_else(database: Database, api: SlackApi) -> None:
    world = SlackWorld(database, api, app_token="xapp-wrong")
    (job,) = plan_connections(database, world.receivers, world.clock)
    for _ in range(5):
        job.run()
    assert api.refusals == ["apps.connections.open: invalid_auth"] * len(api.refusals)
    assert len(api.refusals) == 3  # it waits longer each time
    api.refusals.clear()


def test_without_an_app_token_there_is_no_connection(database: Database, api: SlackApi) -> None:
    world = SlackWorld(database, api, app_token=None, signing_secret=SECRET)
    assert plan_connections(database, world.receivers, world.clock) == []


# signed requests


@pytest.fixture
def web(world: SlackWorld) -> Iterator[httpx.Client]:
    monitor = {"name": "bot", "source": {"url": "sqlite:///log.db", "table": "log", "columns": {"timestamp": "at"}}}
    server = {"listen": "127.0.0.1:0", "token": "correct horse battery"}
    config = Config.model_validate({"monitors": [monitor], "receivers": world.configs, "server": server})
    served = Server(create_app(world.database, config, world.clock), config.server.listen)
    served.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=60) as client:
        yield client
    served.stop()


def post(web: httpx.Client, payload: dict[str, Any], at: float, secret: str = SECRET) -> int:
    body, headers = sign(secret, payload, at)
    return web.post("/slack/interactions", content=body, headers=headers).status_code


def test_a_signed_request_is_performed_once(world: SlackWorld, web: httpx.Client) -> None:
    payload, at = world.api.press("Acknowledge"), world.clock.now().timestamp()
    assert post(web, payload, at) == 200
    assert world.entries() == [("acknowledge", ADA, "done")]
    assert post(web, payload, at) == 409
    assert post(web, payload, at + 1) == 409  # signed again, but the same press
    assert len(world.entries()) == 1


@pytest.mark.parametrize(
    ("later", "secret", "status"),
    [(299, SECRET, 200), (-299, SECRET, 200), (301, SECRET, 401), (-301, SECRET, 401), (0, "another", 401)],
)
def test_stale_and_forged_requests_are_refused(
    world: SlackWorld, web: httpx.Client, later: float, secret: str, status: int
) -> None:
    assert post(web, world.api.press("Acknowledge"), world.clock.now().timestamp() + later, secret) == status
    assert len(world.entries()) == (status == 200)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-slack-signature": "v0=" + "0" * 64, "x-slack-request-timestamp": "abc"},
        {"x-slack-signature": "v0=\xff", "x-slack-request-timestamp": "9" * 400},
        {"x-slack-request-timestamp": "1700000000"},
    ],
)
def test_requests_without_a_signature_are_refused(
    world: SlackWorld, web: httpx.Client, headers: dict[str, str]
) -> None:
    body, _ = sign(SECRET, world.api.press("Acknowledge"), 0)
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    assert web.post("/slack/interactions", content=body, headers=encoded).status_code == 401
    assert world.entries() == []


def test_a_changed_body_and_one_without_a_payload_are_refused(world: SlackWorld, web: httpx.Client) -> None:
    at = world.clock.now().timestamp()
    body, headers = sign(SECRET, world.api.press("Acknowledge"), at)
    assert web.post("/slack/interactions", content=body + b"&a=1", headers=headers).status_code == 401
    assert web.post("/slack/interactions", content=b"a" * 300_000, headers=headers).status_code == 413
    empty, signed = sign_body(SECRET, b"payload=%7B", at)
    assert web.post("/slack/interactions", content=empty, headers=signed).status_code == 400


def test_without_a_signing_secret_there_is_no_endpoint(world: SlackWorld) -> None:
    without = SlackWorld(world.database, world.api)
    interactions = SlackInteractions(world.database, without.configs, world.clock)
    assert interactions.routes() == []


# the app


def test_the_manifest_has_the_scope_of_each_method_that_is_called() -> None:
    sources = sorted((ROOT / "monitor" / "actions" / "receivers" / "slack").glob("*.py"))
    used = {
        name
        for path in sources
        for name in re.findall(r'"((?:chat|views|files|users|usergroups)\.[\w.]+)"', path.read_text())
    }
    assert used >= {"chat.postMessage", "chat.update", "chat.postEphemeral", "views.open"}
    manifest = yaml.safe_load((ROOT / "deploy" / "slack" / "manifest.yaml").read_text())
    granted = manifest["oauth_config"]["scopes"]["bot"]
    uploads = ["files.getUploadURLExternal", "files.completeUploadExternal"]  # called by `files_upload_v2`
    assert any("files_upload_v2" in path.read_text() for path in sources)
    assert {scope for name in [*used, *uploads] for scope in SCOPES[name].split()} == set(granted)
    assert manifest["settings"]["socket_mode_enabled"]
    assert manifest["settings"]["interactivity"]["is_enabled"]
