"""Roles of Slack users by id, e-mail and user group: asked at the wire, kept for five minutes, refused when unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.actions.receivers.base import Deadline
from monitor.actions.receivers.slack import Slack
from monitor.actions.receivers.slack.directory import RoleDirectory, UnknownRole
from monitor.actions.receivers.slack.transport import SlackTransport
from monitor.jobs.slack_presses import PressHandler
from monitor.store import migrate
from monitor.store.database import Database
from tests.support.receivers import NOW, settings_of
from tests.support.slack_api import BOT, SlackApi, slack_api
from tests.support.slack_world import SlackWorld

MEMBER = {"deleted": False, "is_bot": False, "profile": {"email": "Ada@Example.com"}}
SETTINGS: dict[str, Any] = {
    "users": {"U1ADA": "responder", "ada@example.com": "admin", "bob@example.com": "responder"},
    "groups": {"S1ML": "responder", "S1OPS": "admin"},
}


@pytest.fixture
def api() -> Iterator[SlackApi]:
    with slack_api() as served:
        served.people = {
            "U2ADA": MEMBER,
            "U3EVE": {"profile": {"email": "eve@example.com"}},
            "U4BOT": {**MEMBER, "is_bot": True},
            "U5OLD": {**MEMBER, "deleted": True},
            "U6GUEST": {**MEMBER, "is_restricted": True},
            "U7": {"profile": {}},
            "U8BOB": {"profile": {"email": "bob@example.com"}},
        }
        served.groups = {"S1ML": ["U3EVE", "U8BOB"], "S1OPS": ["U8BOB"]}
        yield served


def directory(api: SlackApi, **settings: Any) -> RoleDirectory:
    config = settings_of("slack", token=BOT, base_url=api.url, **{**SETTINGS, **settings})
    return RoleDirectory(config, SlackTransport(BOT, api.url))  # type: ignore[arg-type]


def deadline(minutes: float = 0) -> Deadline:
    return replace(Deadline.after(NOW, timedelta(seconds=10)), started_at=NOW + timedelta(minutes=minutes))


def asked(api: SlackApi) -> list[str]:
    return [f"{call.method} {next(iter(call.values.values()))}" for call in api.calls]


@pytest.mark.parametrize(
    ("user", "role"),
    [
        ("U1ADA", "responder"),  # an id takes precedence
        ("U2ADA", "admin"),  # by e-mail, in any case
        ("U3EVE", "responder"),  # by group
        ("U8BOB", "admin"),  # the highest of e-mail and groups
        ("U4BOT", None),
        ("U5OLD", None),
        ("U6GUEST", None),
        ("U7", None),
    ],
)
def test_a_user_has_the_role_of_the_id_else_the_highest_of_e_mail_and_groups(
    user: str, role: str | None, api: SlackApi
) -> None:
    assert directory(api).find_role(user, deadline()) == role
    assert api.refusals == []


def test_ids_alone_ask_slack_nothing(api: SlackApi) -> None:
    only = directory(api, users={"U1ADA": "admin"}, groups={})
    assert [only.find_role(user, deadline()) for user in ("U1ADA", "U3EVE")] == ["admin", None]
    assert directory(api).find_role("U1ADA", deadline()) == "responder"
    assert api.calls == []


def test_an_answer_is_kept_for_five_minutes(api: SlackApi) -> None:
    kept = directory(api, groups={"S1ML": "responder"})
    for minutes in (0.0, 4.9):
        assert kept.find_role("U3EVE", deadline(minutes)) == "responder"
    assert asked(api) == ["users.info U3EVE", "usergroups.users.list S1ML"]
    assert kept.find_role("U8BOB", deadline(4.9)) == "responder"
    assert asked(api)[2:] == ["users.info U8BOB"]  # the members of the group are known
    api.groups["S1ML"] = []
    assert kept.find_role("U3EVE", deadline(5)) is None
    assert asked(api)[3:] == ["users.info U3EVE", "usergroups.users.list S1ML"]


def test_a_user_whom_slack_does_not_name_has_no_role_and_the_next_press_asks_again(api: SlackApi) -> None:
    made = directory(api, groups={})
    api.fail["users.info"] = "missing_scope"
    with pytest.raises(UnknownRole) as raised:
        made.find_role("U2ADA", deadline())
    assert str(raised.value) == (
        "Slack did not answer users.info (missing_scope); it needs the scope users:read and users:read.email"
    )
    api.fail.clear()
    assert made.find_role("U2ADA", deadline()) == "admin"


def test_a_group_that_cannot_be_read_takes_no_role_that_another_entry_gives(api: SlackApi) -> None:
    api.fail["usergroups.users.list"] = "missing_scope"
    assert directory(api).find_role("U2ADA", deadline()) == "admin"
    with pytest.raises(
        UnknownRole, match=r"usergroups.users.list \(missing_scope\); it needs the scope usergroups:read"
    ):
        directory(api).find_role("U3EVE", deadline())


@pytest.mark.parametrize("groups", [{"ml": "responder"}, {"S1ML": "owner"}])
def test_a_group_is_named_by_its_id_and_has_a_role(groups: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings_of("slack", groups=groups)


@pytest.fixture
def world(sqlite_url: str, api: SlackApi) -> Iterator[SlackWorld]:
    database = Database(sqlite_url)
    migrate.upgrade(database)
    made = SlackWorld(database, api, users={"ada@example.com": "responder"}, groups={"S1ML": "responder"})
    made.open()
    made.turn()
    yield made
    database.close()


def press(world: SlackWorld, user: str) -> None:
    payload = world.api.press("Acknowledge", user=user, name="someone")
    assert PressHandler(world.database, world.receivers, world.clock).handle(payload, ("ml",))


@pytest.mark.parametrize("user", ["U2ADA", "U3EVE"])
def test_a_press_counts_by_e_mail_or_group(user: str, world: SlackWorld) -> None:
    press(world, user)
    assert world.entries() == [("acknowledge", f"someone ({user})", "done")]


def test_a_press_of_an_unknown_user_is_refused_and_told_why(world: SlackWorld) -> None:
    press(world, "U7")
    assert world.entries() == [("acknowledge", "someone (U7)", "refused")]
    assert "Add `U7: responder` to `users:`" in world.api.ephemerals()[0].replace("'", "`")
    world.api.fail["users.info"] = "missing_scope"
    world.api.fail["usergroups.users.list"] = "ratelimited"
    press(world, "U9")
    assert "Slack did not answer" in world.api.ephemerals()[1]
    assert isinstance(world.receivers["ml"], Slack)
