"""Slack and the real process; presses on real PostgreSQL; the rate limit of a channel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.jobs.slack_presses import PressHandler
from monitor.store import migrate
from monitor.store.database import Database
from tests.support.process import free_port
from tests.support.slack_api import APP, BOT, Json, SlackApi, slack_api
from tests.support.slack_world import SlackWorld
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute
PATIENCE = 120


@pytest.fixture
def api() -> Iterator[SlackApi]:
    with slack_api() as served:
        yield served


def test_the_daemon_posts_receives_a_press_updates_the_message_and_ends(tmp_path: Path, api: SlackApi) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.log(rows_of(START, timedelta(hours=1)))
    receiver = {
        "kind": "slack",
        "channel": "#ml",
        "token": BOT,
        "app_token": APP,
        "base_url": api.url,
        "users": {"U1ADA": "responder"},
    }
    world.configure({"receivers": {"ml": receiver}, "server": {"listen": f"127.0.0.1:{free_port()}"}})
    database = Database(world.store_url)
    migrate.upgrade(database)
    stored = SlackWorld(database, api)
    stored.open()
    process = world.start("run")
    try:
        assert api.wait(lambda: api.connections() == 1 and api.messages, PATIENCE)
        api.send(api.press("Acknowledge"), "e-1")
        assert api.wait(lambda: "e-1" in api.acknowledged, PATIENCE)
        assert stored.entries() == [("acknowledge", "ada (U1ADA)", "done")]
        assert api.wait(lambda: "Acknowledge" not in stored.labels(), PATIENCE)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        database.close()
        world.close()
    assert api.late == []
    assert api.refusals == []
    log = (tmp_path / "daemon.log").read_text()
    assert "slack_connected" in log
    assert "ada" not in log
    assert "xapp" not in log


def test_replicas_that_receive_the_same_press_perform_it_once(migrated_url: str, api: SlackApi) -> None:
    databases = [Database(migrated_url) for _ in range(3)]
    migrate.upgrade(databases[0])
    worlds = [SlackWorld(database, api) for database in databases]
    worlds[0].open()
    worlds[0].turn()
    for place, button in enumerate(("Acknowledge", "Silence 1 h", "Silence 8 h"), 1):
        payload, results = api.press(button, user="U1ADA"), list[bool]()
        handlers = [PressHandler(world.database, world.receivers, world.clock) for world in worlds]

        def press(handler: PressHandler, payload: Json = payload, results: list[bool] = results) -> None:
            results.append(handler.handle(payload, ["ml"]))

        threads = [threading.Thread(target=press, args=(handler,)) for handler in handlers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(results) == [False, False, True]
        assert len(worlds[0].entries()) == place
    assert worlds[0].silences() == 2
    for database in databases:
        database.close()


def test_a_message_over_the_rate_of_the_channel_is_sent_again_after_the_time_that_slack_asks_for(
    migrated_url: str, api: SlackApi
) -> None:
    database = Database(migrated_url)
    migrate.upgrade(database)
    world = SlackWorld(database, api)
    api.limit_rate, api.now = True, lambda: world.clock.now().timestamp()
    world.open()
    world.message("update", "awaiting_approval")
    world.turn()
    assert api.refusals == ["ratelimited"]
    assert len(api.messages) == 1
    world.clock.moment += timedelta(seconds=20)
    world.turn()
    assert len(api.messages) == 2
    assert api.refusals == ["ratelimited"]
    database.close()
