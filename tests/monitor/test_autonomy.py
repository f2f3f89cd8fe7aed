"""What restrains effects: freeze windows, most monitors firing at once, and approvals by two people."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor.actions.decision_context import DecisionContext
from monitor.actions.plan import plan
from monitor.actions.restraints import describe_freeze, describe_storm
from monitor.config.load import cross_check
from monitor.config.models import Config
from monitor.config.muting import MuteSettings, MuteTimes
from monitor.core.action import Action, PastAction
from monitor.core.firing import FiringMonitors
from monitor.core.incident import Decision
from monitor.core.operation import Approve, Author, RefusedOperation
from monitor.store import migrate, outbox, reads
from monitor.store.database import Database
from monitor.store.operations import perform
from tests.support.decisions import (
    BUCKET,
    HOUR,
    MINUTE,
    SLACK,
    START,
    incident_of,
    limited,
    monitor_of,
    webhook,
)
from tests.support.hand import Hand

FROZEN = limited(freeze=["nights"])


def times(start: str = "00:00", end: str = "06:00", **more: Any) -> dict[str, MuteTimes]:
    interval = {"times": [{"start_time": start, "end_time": end}], **more}
    return {"nights": MuteTimes.model_validate({"name": "nights", "time_intervals": [interval]})}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("00:00", "06:00", "freeze window nights: effects are held until 2026-11-01 06:00 UTC"),
        ("00:00", "00:01", "freeze window nights: effects are held until 2026-11-01 00:01 UTC"),
        ("00:01", "06:00", None),
        ("00:00", "24:00", "freeze window nights: effects are held until further notice"),
    ],
)
def test_a_freeze_window_says_until_when(start: str, end: str, expected: str | None) -> None:
    assert describe_freeze(times(start, end), FROZEN, START) == expected
    assert describe_freeze(times(start, end), limited(freeze=["other"]), START) is None


@pytest.mark.parametrize(("now", "expected"), [("16T23:59", "further notice"), ("17T00:00", "2026-12-01 00:00 UTC")])
def test_the_end_of_a_freeze_window_is_named_if_it_is_less_than_two_weeks_away(now: str, expected: str) -> None:
    months = {"nights": MuteTimes.model_validate({"name": "nights", "time_intervals": [{"months": ["november"]}]})}
    reason = describe_freeze(months, FROZEN, datetime.fromisoformat(f"2026-11-{now}:00Z"))
    assert reason == f"freeze window nights: effects are held until {expected}"


def test_freeze_windows_that_follow_each_other_are_one() -> None:
    both = times() | {"later": times("06:00", "07:00")["nights"]}
    assert describe_freeze(both, limited(freeze=["nights", "later"]), START) == (
        "freeze window nights: effects are held until 2026-11-01 07:00 UTC"
    )


def firing(*ages: timedelta, watched: int = 4) -> FiringMonitors:
    return FiringMonitors({f"m{n}": START - age for n, age in enumerate(ages)}, len(ages), watched)


STORM = "3 of 4 monitors fire at the same time: the cause may be the log or the pipeline"


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (firing(MINUTE, MINUTE), "3 of 4 monitors"),
        (firing(HOUR, HOUR), "3 of 4 monitors"),
        (firing(MINUTE, HOUR + MINUTE), None),
        (firing(MINUTE), None),
        (firing(MINUTE, MINUTE, watched=6), None),
        (firing(MINUTE, MINUTE, MINUTE, watched=6), "4 of 6 monitors"),
    ],
)
def test_a_storm_is_when_most_monitors_fire_with_an_incident(others: FiringMonitors, expected: str | None) -> None:
    storm = describe_storm(others, "bot", START, START)
    assert storm is None if expected is None else str(storm).startswith(expected)


def actions(
    now: timedelta = timedelta(0), past: list[PastAction] | None = None, transition: Any = "firing", **more: Any
) -> dict[str, Action]:
    """Return by receiver what is planned some time into the first hour of a day with a freeze until six."""
    effect = {name: more.pop(name) for name in ("mode", "freeze", "approvals", "kind") if name in more}
    monitor = monitor_of().with_muting(MuteSettings(times=times()))
    incident = incident_of(updated_at=START + now)
    context = DecisionContext(BUCKET, START + now, sequence=len(past or []), past=past or [], **more)
    specs = {"r": webhook(**effect), "slack": SLACK}
    planned = plan(monitor, Decision(incident, transition, "rose"), ["slack", "r"], specs, context)
    return {one.name: one for one in planned}


@pytest.mark.parametrize("mode", ["auto", "approve"])
def test_effects_are_held_during_a_freeze_and_the_message_says_until_when(mode: str) -> None:
    planned = actions(mode=mode, freeze=["nights"])
    assert planned["r"].state == "held"
    assert (
        "freeze window nights: effects are held until 2026-11-01 06:00 UTC"
        in (planned["slack"].payload["data"]["summary"])
    )
    assert actions(mode="notify", freeze=["nights"])["r"].state == "told"
    assert actions(mode=mode)["r"].state != "held"


def held(**changes: Any) -> list[PastAction]:
    told = PastAction("slack", START, "delivered", "m", "i-1", "firing", at=START)
    effect = PastAction("r", START, "held", "e", "i-1", "rollback", sequence=0, reason="freeze window nights: …")
    return [told, replace(effect, **changes)]


def test_when_the_freeze_ends_the_effect_is_planned_anew_and_announced() -> None:
    assert actions(5 * HOUR, held(), None, mode="approve", freeze=["nights"]) == {}
    planned = actions(6 * HOUR, held(), None, mode="approve", freeze=["nights"])
    assert (planned["r"].state, planned["slack"].kind) == ("awaiting_approval", "update")
    assert planned["r"].id in planned["slack"].payload["data"]["summary"]
    assert actions(6 * HOUR, held(), None, mode="approve", freeze=["nights"], fresh=False) == {}
    assert actions(6 * HOUR, held(reason="cooldown: …"), None, mode="approve", freeze=["nights"]) == {}


def test_in_a_storm_automatic_effects_wait_for_approval() -> None:
    everyone = firing(MINUTE, MINUTE)
    for kind in ("rollback", "retrain"):
        waits = actions(mode="auto", kind=kind, firing=everyone)["r"]
        assert (waits.state, waits.reason) == ("awaiting_approval", STORM)
    assert actions(mode="auto", firing=firing(MINUTE))["r"].state == "pending"
    assert actions(mode="approve", firing=everyone)["r"].reason.startswith("mode approve")
    assert actions(mode="notify", firing=everyone)["r"].state == "told"


def test_an_automatic_effect_waits_ten_seconds_for_other_monitors_if_there_are_enough_for_a_storm() -> None:
    for watched, until in ((3, START + MINUTE / 6), (2, None)):
        others = firing(MINUTE, watched=watched)
        assert actions(mode="auto", firing=others)["r"].not_before == until
        assert actions(mode="approve", firing=others)["r"].not_before is None
        assert actions(mode="auto", firing=others)["slack"].not_before is None


def test_unknown_freeze_windows_are_reported() -> None:
    hook = {"kind": "webhook", "url": "https://hook.example/", "secret": "whsec_c2VjcmV0"}
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}

    def problems(name: str) -> list[tuple[tuple[str | int, ...], str]]:
        data = {
            "store": "sqlite://",
            "receivers": {"r": {**hook, "effect": {"kind": "rollback", "freeze": [name]}}},
            "mute_time_intervals": [{"name": "nights", "time_intervals": [{"weekdays": ["sunday"]}]}],
            "monitors": [{"name": "bot", "source": source}],
        }
        return [(one.where, one.message) for one in cross_check(Config.model_validate(data))]

    assert problems("nights") == []
    ((where, message),) = problems("nihgts")
    assert where == ("receivers", "r", "effect", "freeze", 0)
    assert "nihgts" in message


# ---- two keys ------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(sqlite_url: str) -> Any:
    made = Database(sqlite_url)
    migrate.upgrade(made)
    yield made
    made.close()


def plan_waiting(database: Database, approvals: int) -> str:
    effect = actions(mode="approve", approvals=approvals)["r"]
    with database.write() as connection:
        outbox.save_actions(connection, [effect])
    return effect.id


def approve(database: Database, action: str, name: str, account: str = "") -> tuple[str, str]:
    author = Author(name, "slack", "admin", is_verified=True, account=account)
    perform(database, Approve(action), author, Hand(START + MINUTE))
    with database.read() as connection:
        (row,) = reads.action_rows(connection)
    return row.state, row.reason


def test_two_different_people_must_approve(database: Database) -> None:
    action = plan_waiting(database, 2)
    assert approve(database, action, "ann") == ("awaiting_approval", "approved by ann; 1 more person must approve")
    for again in ("ann", " Ann "):
        with pytest.raises(RefusedOperation, match="has approved the action already"):
            approve(database, action, again)
    assert approve(database, action, "ben") == ("pending", "approved by ben")


def test_a_person_who_changes_the_name_of_the_account_is_no_second_one(database: Database) -> None:
    action = plan_waiting(database, 2)
    assert approve(database, action, "ann (U1)", "U1")[0] == "awaiting_approval"
    with pytest.raises(RefusedOperation, match=r"annie \(U1\) has approved the action already"):
        approve(database, action, "annie (U1)", "u1")
    assert approve(database, action, "ann (U2)", "U2") == ("pending", "approved by ann (U2)")


def test_one_person_suffices_by_default(database: Database) -> None:
    assert approve(database, plan_waiting(database, 1), "ann") == ("pending", "approved by ann")


def test_three_people_can_be_demanded(database: Database) -> None:
    action = plan_waiting(database, 3)
    assert approve(database, action, "ann")[1].endswith("; 2 more people must approve")
    assert approve(database, action, "ben")[0] == "awaiting_approval"
    assert approve(database, action, "cem")[0] == "pending"
