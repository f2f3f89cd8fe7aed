"""The chart in the thread of a Slack message: uploaded once, and never the reason to send a message again."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from monitor.actions.receivers.base import ChartReceiver
from monitor.cli.receivers import make_connected_receivers
from monitor.config.models import Config
from monitor.core.clock import SystemClock
from monitor.store import migrate
from monitor.store.database import Database
from monitor.web import picture as picture_module
from monitor.web.picture import ChartPictures, rasterize, read_style
from tests.support.slack_api import SlackApi, slack_api
from tests.support.slack_world import INCIDENT, SlackWorld
from tests.web.seed import Seed, configuration
from tests.web.story import STORY, write_story

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def api() -> Iterator[SlackApi]:
    with slack_api() as served:
        yield served


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    made = Database(sqlite_url)
    migrate.upgrade(made)
    yield made
    made.close()


def world_with(database: Database, api: SlackApi, draw: Any, **settings: Any) -> SlackWorld:
    world = SlackWorld(database, api, charts=True, **settings)
    receiver = world.receivers["ml"]
    assert isinstance(receiver, ChartReceiver)
    receiver.use_charts(draw)
    world.open()
    return world


def details(world: SlackWorld) -> list[str]:
    with world.database.read() as connection:
        from monitor.store.tables import actions

        query = actions.select().where(actions.c.name == "ml").order_by(actions.c.sequence)
        return [f"{row.state}; {row.reason}" for row in connection.execute(query)]


def test_the_first_message_has_the_chart_in_its_thread_and_later_ones_do_not(database: Database, api: SlackApi) -> None:
    drawn: list[str] = []

    def draw(incident: str) -> bytes:
        drawn.append(incident)
        return PNG + b"picture"

    world = world_with(database, api, draw)
    world.turn()
    world.message("update", "awaiting_approval")
    world.turn()
    assert drawn == [INCIDENT]
    (file,) = api.files.values()
    assert file["content"] == PNG + b"picture"
    assert (file["shared"], file["thread_ts"]) == (True, "1700000000.000001")
    assert file["title"] == "bot: firing: failure rate 63 %"
    assert api.refusals == []


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        ("files.getUploadURLExternal", "missing_scope"),
        ("upload", "500"),
        ("files.completeUploadExternal", "internal_error"),
    ],
)
def test_an_upload_that_fails_does_not_send_the_message_again(
    database: Database, api: SlackApi, failing: str, error: str
) -> None:
    api.fail[failing] = error
    world = world_with(database, api, lambda _: PNG)
    for _ in range(3):
        world.turn()
        world.clock.moment += timedelta(minutes=1)
    assert [call.method for call in api.calls].count("chat.postMessage") == 1
    (detail,) = details(world)
    assert detail.startswith("delivered; delivered: the chart could not be uploaded (")


def test_a_chart_that_cannot_be_drawn_does_not_stop_the_message(database: Database, api: SlackApi) -> None:
    def fail(_: str) -> bytes:
        raise LookupError("the incident is gone")

    world = world_with(database, api, fail)
    world.turn()
    assert details(world) == ["delivered; delivered: the chart could not be drawn (LookupError)"]
    nothing = world_with(database, api, lambda _: None)
    nothing.turn()
    assert api.files == {}


def test_a_drawing_of_the_web_pages_becomes_a_picture_with_its_colours() -> None:
    pytest.importorskip("resvg_py")
    svg = '<svg class="chart" viewBox="0 0 100 50" role="img"><polyline class="line" points="0,0 100,50"/></svg>'
    picture = rasterize(svg)
    assert picture
    assert picture.startswith(PNG)
    assert struct.unpack(">II", picture[16:24]) == (200, 100)
    assert picture != rasterize(svg.replace('class="line"', 'class="baseline"'))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(picture_module, "FONT_FOLDERS", ())
        assert rasterize(svg) is None  # a chart without its labels says nothing
    assert "var(" not in read_style()
    assert "svg .line { fill: none; stroke: #0072b2" in read_style()


def test_the_picture_is_the_leading_chart_of_the_incident(database: Database) -> None:
    seed = Seed(database)
    pictures = ChartPictures(database, configuration("sqlite://", write_story(seed)), SystemClock())
    svg = pictures.draw_svg(STORY)
    assert svg
    assert "1-hour windows" in svg
    assert "small-7b" in svg
    picture = pictures.draw(STORY)
    assert picture
    assert picture.startswith(PNG)
    with pytest.raises(LookupError):
        pictures.draw("00000000")


def test_only_receivers_with_charts_get_what_draws_them(database: Database) -> None:
    receivers = {
        "with": {"kind": "slack", "token": "xoxb-1", "channel": "#ml", "charts": True},
        "without": {"kind": "slack", "token": "xoxb-1", "channel": "#ml"},
    }
    monitor = {"name": "bot", "source": {"url": "sqlite:///log.db", "table": "log", "columns": {"timestamp": "at"}}}
    config = Config.model_validate({"monitors": [monitor], "receivers": receivers})
    made = make_connected_receivers(database, config, SystemClock())
    uploading = [name for name, one in made.items() if isinstance(one, ChartReceiver) and one.uploads_charts]
    assert uploading == ["with"]
