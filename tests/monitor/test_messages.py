"""Who is told what of an incident, and when: after outages and refusals, update by update, and under a silence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from detectors.base import Finding, Status
from monitor.actions.incident_actions import plan_incidents
from monitor.actions.plan_context import PlanContext
from monitor.actions.receivers.webhook.signature import verify
from monitor.alerting.decisions import Decisions
from monitor.alerting.incidents import decide_incident
from monitor.alerting.messages.render import render
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import Action, AlertHistory, PastAction
from monitor.core.incident import Incident
from monitor.core.schedule import Bucket
from monitor.store import reads, silences, tables
from tests.monitor.test_life import Life
from tests.support.decisions import context_of
from tests.support.receiver import Receiver, listening, slack
from tests.support.receivers import slack_settings
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
FIVE, QUARTER = timedelta(minutes=5), timedelta(minutes=15)
SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
BASELINE = {"from": START.isoformat(), "to": (START + 6 * HOUR).isoformat()}


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", sqlite_url)
    yield made
    made.close()


class Shop(Life):
    """A monitor with Slack, a webhook that is told and one that rolls back, all of which listen."""

    def __init__(self, world: World, chat: Receiver, hook: Receiver, **monitor: Any) -> None:
        self.chat, self.hook = chat, hook
        webhook = {"url": hook.url + "/told", "secret": SECRET}
        extra = {
            "slack": {"token": "xoxb-1", "channel": "#ml", "base_url": chat.url + "/api/"},
            "actions": {
                "told": {"webhook": webhook, "kind": "notify"},
                "back": {"webhook": {**webhook, "url": hook.url + "/back"}, "mode": "auto"},
                "ask": {"webhook": {**webhook, "url": hook.url + "/ask"}, "mode": "approve"},
            },
        }
        rule = {"when": ["drift.amount"], "resolve_for": 2, "do": ["slack", "told"], **monitor.pop("rule", {})}
        settings = {
            "outputs": ["amount"],
            "bucket": "15m",
            "baseline": BASELINE,
            "catch_up": "3650d",
            "rules": [rule],
            **monitor,
        }
        configure = world.configure
        world.configure = lambda _extra, **given: configure(extra, **given)  # type: ignore[method-assign]
        super().__init__(world, **settings)
        world.configure = configure  # type: ignore[method-assign]

    def go(self, first: datetime, last: datetime, step: timedelta = FIVE) -> None:
        """Live from moment to moment: what ended is worked off, and what is due is delivered."""
        moment = first
        while moment <= last:
            self.until(moment)
            self.daemon.deliver()
            moment += step

    def posts(self) -> list[dict[str, Any]]:
        return [request.form() for request in self.chat.requests if request.path.endswith("postMessage")]

    def bodies(self, path: str = "/told") -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.hook.requests if request.path == path]

    def silence(self, start: datetime, end: datetime) -> None:
        row = {"monitor": "*", "rule": "*", "starts_at": start, "ends_at": end, "comment": "", "created_by": "me"}
        with self.database.write() as connection:
            silences.add_silence(connection, row)


@pytest.fixture
def shop(world: World) -> Iterator[Any]:
    made: list[Shop] = []
    with listening(slack()) as chat, listening(Receiver()) as hook:

        def start(**monitor: Any) -> Shop:
            made.append(Shop(world, chat, hook, **monitor))
            return made[-1]

        yield start
        for life in made:
            life.close()
        assert chat.refusals == []


def test_after_an_outage_people_are_told_once_how_it_stands(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7.5 * HOUR))
    world.log(rows_of(START + 7.5 * HOUR, 4 * HOUR, shift=2, model="v2"))
    life = shop(rule={"do": ["slack", "told", "back"]}, segments=["model_version"])
    life.go(START + 7 * HOUR, START + 7.5 * HOUR)
    now = START + 9 * HOUR
    life.until(now)  # it was down for one and a half hours
    life.daemon.deliver()
    life.daemon.deliver()  # that the effect was sent
    (incident,) = life.incidents()
    assert (incident.state, incident.notified_at) == ("firing", now)
    assert now - incident.fired_at > HOUR
    assert [post["text"].split(" ")[0] for post in life.posts()] == [":large_orange_circle:"] * 2
    assert [body["type"] for body in life.bodies()] == ["driftd.incident.firing", "driftd.effect.sent"]
    assert life.bodies()[0]["timestamp"] == now.isoformat()
    (rollback,) = life.bodies("/back")
    assert rollback["data"]["observed_version"] == {"model_version": "v2"}
    assert rollback["data"]["target"]["model_version"] == "v1"
    not_after = timedelta(minutes=15)
    assert now - not_after <= datetime.fromisoformat(rollback["timestamp"]) <= now
    assert rollback["timestamp"] == (datetime.fromisoformat(rollback["data"]["not_after"]) - not_after).isoformat()
    mine = sorted((action for action in life.actions() if action.name == "back"), key=lambda action: action.sequence)
    assert [action.state for action in mine] == ["expired", "delivered"]
    life.go(now + QUARTER, now + HOUR, QUARTER)
    assert len(life.bodies("/back")) == 1
    assert [body["type"] for body in life.bodies()] == [
        "driftd.incident.firing",
        "driftd.effect.sent",
        "driftd.effect.not_verified",
    ]


def test_a_rollback_that_nothing_could_send_in_time_is_decided_anew(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7.5 * HOUR))
    world.log(rows_of(START + 7.5 * HOUR, 4 * HOUR, shift=2, model="v2"))
    life = shop(rule={"do": ["back"]}, segments=["model_version"])
    moment = START + 7 * HOUR
    while not life.actions():  # nothing is delivered: it is killed as soon as it has decided
        life.until(moment)
        moment += FIVE
    later = moment + timedelta(minutes=25)
    life.clock.moment = later
    life.daemon.deliver()
    assert life.bodies("/back") == []
    life.go(later, later + HOUR, QUARTER)
    assert len(life.bodies("/back")) == 1
    assert sorted(action.state for action in life.actions()) == ["delivered", "expired"]


def test_what_was_over_before_anybody_was_told_is_told_once_as_over(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7.5 * HOUR))
    world.log(rows_of(START + 7.5 * HOUR, HOUR, shift=2))
    world.log(rows_of(START + 8.5 * HOUR, 4 * HOUR, seed=3))
    life = shop(bucket="5m")
    life.go(START + 7 * HOUR, START + 7.5 * HOUR)
    life.until(START + 12 * HOUR)
    life.daemon.deliver()
    (incident,) = life.incidents()
    assert incident.state == "resolved"
    (post,) = life.posts()
    assert "resolved" in post["text"]
    assert "changed again: amount" in post["text"]
    assert "It fired from 2026-11-01 07:" in post["text"]
    assert [body["type"] for body in life.bodies()] == ["driftd.incident.resolved"]
    life.go(START + 12 * HOUR, START + 12.5 * HOUR)
    assert len(life.posts()) == 1


def test_a_monitor_that_is_always_behind_still_alerts(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 4 * HOUR, shift=2))
    life = shop()
    behind = 2 * HOUR
    life.watch.source._source_time = lambda _reader: life.clock.moment
    for step in range(24):
        end = START + 7 * HOUR + step * FIVE
        life.watch.schedule._sealed_until = lambda end=end: end
        life.until(end + behind)
        life.daemon.deliver()
    assert [body["type"] for body in life.bodies()][:1] == ["driftd.incident.firing"]


def test_a_webhook_that_is_told_gets_all_that_slack_gets(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 3 * HOUR, shift=1))
    world.log(rows_of(START + 10 * HOUR, 3 * HOUR, shift=2.5, seed=3))
    world.log(rows_of(START + 13 * HOUR, 4 * HOUR))
    life = shop(bucket="5m", rule={"when": ["drift.amount"], "repeat_interval": "2h"})
    life.go(START + 7 * HOUR, START + 16 * HOUR)
    kinds = [body["type"].rpartition(".")[2] for body in life.bodies()]
    assert kinds[0] == "firing"
    assert kinds[-1] == "resolved"
    assert {"update", "reminder"} <= set(kinds)
    assert len(life.posts()) == len(kinds)
    assert len({post.get("thread_ts") for post in life.posts()[1:]}) == 1
    assert [request.path for request in life.chat.requests][-1].endswith("chat.update")
    told = [request for request in life.hook.requests if request.path == "/told"]
    assert len({request.headers["webhook-id"] for request in told}) == len(told)
    for request in told:
        sent = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        assert verify(SECRET, request.headers, request.body, sent)
    update = next(body["data"] for body in life.bodies() if body["type"].endswith("update"))
    assert "changed again" in update["headline"]
    assert update["news"]["changes"][0]["columns"] == ["amount"]
    reminder = next(body["data"] for body in life.bodies() if body["type"].endswith("reminder"))
    assert reminder["headline"].startswith("shop: still firing after 2h: mean amount ")


def test_what_comes_back_is_told_in_its_thread_every_time(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7 * HOUR))
    for cycle in range(3):
        world.log(rows_of(START + (7 + 4 * cycle) * HOUR, HOUR, shift=2, seed=cycle))
        world.log(rows_of(START + (8 + 4 * cycle) * HOUR, 3 * HOUR))
    life = shop()
    life.go(START + 7 * HOUR, START + 18.5 * HOUR, QUARTER)
    (incident,) = life.incidents()
    assert incident.state == "resolved"
    kinds = [body["type"].rpartition(".")[2] for body in life.bodies()]
    assert (kinds[0], kinds[-1], kinds.count("resolved")) == ("firing", "resolved", 3)
    assert [kinds[place + 1] for place, kind in enumerate(kinds[:-1]) if kind == "resolved"] == ["update", "update"]
    assert len({post.get("thread_ts") for post in life.posts()[1:]}) == 1
    assert sum("again: " in post["text"] and " amount " in post["text"] for post in life.posts()) >= 2
    heads = [call.form()["blocks"][0]["text"]["text"] for call in life.chat.requests if call.path.endswith("update")]  # type: ignore[index]
    icons = [head.partition(" ")[0] for head in heads]
    assert icons == [":large_green_circle:", ":large_orange_circle:"] * 2 + [":large_green_circle:"]


def test_what_failed_for_good_is_announced_by_the_next_bucket(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 4 * HOUR, shift=2))
    good = slack()
    refused: list[bool] = []

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        if len(refused) < 3:
            refused.append(True)
            return 200, {"content-type": "application/json"}, b'{"ok": false, "error": "channel_not_found"}'
        return good.answer(request)

    with listening(Receiver(answer)) as chat, listening(Receiver()) as hook:
        life = Shop(world, chat, hook, bucket="5m")
        moment, seen = START + 7 * HOUR, []
        failing: list[set[tuple[str, str]]] = [set()]  # what DriftdActionFailed looks at, whenever it changes
        while len(life.posts()) < 4:
            life.go(moment, moment)
            if rows := life.incidents():
                seen.append((len(life.posts()), rows[0].notified_at, len(life.bodies())))
            moment += FIVE
            names = set(reads.snapshot(life.database, life.config).failed)
            failing += [names] if names != failing[-1] else []
        life.go(moment, moment + HOUR)
        life.close()
    assert [posts for posts, _, _ in seen if posts] == [1, 2, 3, 3, 3, 4]  # at once, then with pauses
    assert all(told == 1 for posts, _, told in seen if posts)  # the webhook has it, and gets it once
    assert len(life.posts()) == 4
    assert {action.state for action in life.actions()} == {"failed", "delivered"}
    assert failing == [set(), {("shop", "slack")}, set()]


def test_notified_at_is_no_claim_of_what_never_arrived(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 4 * HOUR, shift=2))
    no = json.dumps({"ok": False, "error": "invalid_auth"}).encode()
    with (
        listening(Receiver(lambda _: (200, {"content-type": "application/json"}, no))) as chat,
        listening(Receiver(lambda _: (404, {}, b""))) as hook,
    ):
        life = Shop(world, chat, hook)
        moment = START + 7 * HOUR
        while not life.incidents():
            life.until(moment)
            moment += FIVE
        (incident,) = life.incidents()
        assert incident.notified_at is not None  # under way
        life.daemon.deliver()
        (incident,) = life.incidents()
        assert incident.notified_at is None
        with life.database.write() as connection:  # and what expires counts as little
            connection.execute(sa.update(tables.actions).values(state="pending", not_after=START))
            connection.execute(sa.update(tables.incidents).values(notified_at=moment))
        life.daemon.deliver()
        (incident,) = life.incidents()
        assert incident.notified_at is None
        life.close()


def test_while_slack_is_down_messages_do_not_pile_up(world: World) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 9 * HOUR, shift=2))
    up: list[bool] = []
    good = slack()

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        return good.answer(request) if up else (503, {}, b"")

    with listening(Receiver(answer)) as chat, listening(Receiver()) as hook:
        life = Shop(world, chat, hook, bucket="10m", rule={"repeat_interval": "1h"})
        life.go(START + 7 * HOUR, START + 13 * HOUR)
        states = [action.state for action in life.actions() if action.name == "slack"]
        assert states.count("pending") == 1
        assert states.count("superseded") >= 3
        up.append(True)
        life.go(START + 13 * HOUR + FIVE, START + 13.5 * HOUR)
        life.close()
    delivered = [action for action in life.actions() if action.name == "slack" and action.state == "delivered"]
    assert [action.kind for action in delivered] == ["firing"]


def test_an_approval_that_nobody_gave_is_announced_once_in_the_thread(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 4 * HOUR, shift=2, model="v2"))
    life = shop(rule={"do": ["slack", "told", "ask"]}, segments=["model_version"])
    life.go(START + 7 * HOUR, START + 9 * HOUR)
    assert life.bodies("/ask") == []
    (said,) = [post for post in life.posts() if "was not approved" in post["text"]]
    assert "the rollback 'ask' was not approved before 2026-11-01 07:" in said["text"]
    assert said["thread_ts"]
    (body,) = [body for body in life.bodies() if body["type"] == "driftd.action.expired"]
    assert body["data"]["action"]["name"] == "ask"
    assert [action.state for action in life.actions() if action.name == "ask"] == ["expired"]


def test_an_approval_that_was_silenced_expires_in_silence(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 4 * HOUR, shift=2, model="v2"))
    life = shop(rule={"do": ["slack", "ask"]}, segments=["model_version"])
    moment = START + 7 * HOUR
    while not life.actions():
        life.go(moment, moment)
        moment += FIVE
    life.silence(moment - FIVE, moment + 9 * HOUR)
    life.go(moment, moment + HOUR)
    assert len(life.posts()) == 1


# One bucket after another without a database: what a receiver is told when columns join, suspects change, or it flaps.


def monitor_of(**rule: Any) -> Monitor:
    return Monitor.model_validate(
        {
            "name": "bot",
            "bucket": "5m",
            "window": "1h",
            "settle": "0s",
            "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}},
            "rules": [{"when": ["drift"], "do": ["slack"], "resolve_for": 1, **rule}],
        }
    )


def finding(column: str, value: float = 0.5) -> Finding:
    status = Status.DRIFTED if value >= 0.1 else Status.OK
    return Finding("drift", column, "kolmogorov_smirnov", None, status, f"{column} is far", value, 0.1)


def past_of(action: Action) -> PastAction:
    """Return an action as the next bucket sees it once it has been delivered."""
    data = action.payload["data"]
    return PastAction(
        action.name,
        action.created_at,
        "delivered",
        action.id,
        action.incident,
        action.kind,
        action.mode,
        action.sequence,
        at=datetime.fromisoformat(action.payload["timestamp"]),
        suspect=(data["suspected_change"] or {}).get("value"),
    )


def told(monitor: Monitor, buckets: Sequence[Sequence[Finding]], **specs: ReceiverConfig) -> list[Action]:
    """Judge and act bucket by bucket; everything that is planned is delivered at once."""
    incident: Incident | None = None
    actions: list[Action] = []
    for place, found in enumerate(buckets):
        end = START + (place + 1) * FIVE
        open_now = {"drift": incident} if incident and incident.state != "resolved" else {}
        resolved = {"drift": incident} if incident and incident.state == "resolved" else {}
        decision = decide_incident(context_of(monitor, end, ()), found, open_now.get("drift"), resolved.get("drift"))
        if decision is None:
            continue
        past = AlertHistory(open=open_now, sequences={decision.incident.id: place}, past=[past_of(a) for a in actions])
        receivers = {"slack": slack_settings(), **specs}
        (kept,), planned = plan_incidents(
            monitor, receivers, Decisions(incidents=[decision]), PlanContext(past, Bucket(end - FIVE, end), end)
        )
        incident = kept.incident
        actions += planned
    return actions


def test_columns_that_join_one_by_one_are_one_update_a_window_that_says_them_all() -> None:
    found = [[finding(f"c{n}") for n in range(min(place, 8) + 1)] for place in range(30)]
    first, update = told(monitor_of(), found)
    assert (first.kind, update.kind) == ("firing", "update")
    assert update.created_at - first.created_at == HOUR
    assert [item["column"] for item in update.payload["data"]["news"]["findings"]] == [f"c{n}" for n in range(1, 9)]
    assert update.payload["data"]["headline"] == "bot: also c1 is far; 7 more findings"


@pytest.mark.parametrize("seed", range(12))
def test_no_message_repeats_a_line_of_the_one_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"c{place}" for place in range(4)]
    found = [
        [finding(name, round(float(rng.uniform(0, 1.5)), 2)) for name in names if rng.random() < 0.3 + place / 90]
        for place in range(60)
    ]
    actions = told(monitor_of(repeat_interval="2h"), found)
    assert len(actions) > 2
    threads: dict[str, list[str]] = {}
    for action in actions:
        before = threads.get(action.incident)
        said = render(action.kind, action.payload, follows=before is not None)
        lines = [said.title, said.summary, *said.facts, *said.suspects, *[str(step) for step in said.steps]]
        threads[action.incident] = list(filter(None, lines))
        assert not before or set(before).isdisjoint(threads[action.incident])


def test_nothing_new_is_no_update_and_reminders_keep_their_interval() -> None:
    actions = told(monitor_of(repeat_interval="2h"), [[finding("a")]] * 60)
    assert [action.kind for action in actions] == ["firing", "reminder", "reminder"]
    assert [action.created_at - actions[0].created_at for action in actions] == [n * 2 * HOUR for n in range(3)]
    assert len({action.id for action in actions}) == 3


def test_what_flaps_is_no_series_of_updates() -> None:
    bad, good = [finding("a")], [finding("a", 0.0)]
    actions = told(monitor_of(), [*([bad, good] * 12), *([bad] * 24)])
    updates = [action.created_at for action in actions if action.kind == "update"]
    assert [action.kind for action in actions][:4] == ["firing", "resolved", "update", "resolved"]
    assert all(later - earlier >= HOUR for earlier, later in zip(updates, updates[1:], strict=False))
    assert actions[-1].kind == "update"  # and in the end they know that it fires
    kinds = [action.kind for action in actions]
    assert not any(pair == ("resolved", "resolved") for pair in zip(kinds, kinds[1:], strict=False))


def test_a_suspect_that_becomes_known_later_is_news_and_told_once() -> None:
    monitor = monitor_of()
    (first,) = told(monitor, [[finding("a")]])
    end = START + 3 * HOUR
    suspect = {"kind": "model_version", "column": "model_version", "value": "v2", "first_seen": START.isoformat()}
    decision = decide_incident(context_of(monitor, START + FIVE), [finding("a")], None)
    assert decision is not None
    incident = replace(decision.incident, suspected_change=suspect)
    actions = [first]
    for place in range(2):
        now = end + place * 2 * HOUR
        again = decide_incident(context_of(monitor, now), [finding("a")], incident)
        assert again is not None
        past = AlertHistory(
            {"drift": incident}, sequences={incident.id: len(actions)}, past=[past_of(a) for a in actions]
        )
        receivers = {"slack": slack_settings()}
        context = PlanContext(past, Bucket(now - FIVE, now), now)
        decisions = Decisions(incidents=[again])
        _, planned = plan_incidents(monitor_of(repeat_interval="9h"), receivers, decisions, context)
        actions += planned
    assert [action.kind for action in actions] == ["firing", "update"]
    assert actions[1].payload["data"]["headline"] == "bot: now suspected: model_version 'v2'"
    assert actions[1].payload["data"]["news"]["suspected_change"] == suspect


# A silence: everything is judged, nobody is told by any path, and what still stands when it ends is announced.


@pytest.mark.parametrize("path", ["drift", "source", "budget", "breaker"])
def test_a_silence_keeps_every_path_quiet_and_its_end_announces(world: World, shop: Any, path: str) -> None:
    world.log(rows_of(START, 7 * HOUR))
    world.log(rows_of(START + 7 * HOUR, 5 * HOUR, shift=2))
    spend = {"spend": {"daily": 1, "columns": ["amount"]}}
    settings: dict[str, dict[str, Any]] = {
        "drift": {},
        "source": {"rule": {"do": []}, "no_data": {"after": 1, "do": ["slack", "told"]}},
        "budget": {"checks": [spend], "rule": {"when": ["spend"]}},
        "breaker": {
            "checks": [spend],
            "rule": {"do": []},
            "breakers": [{"name": "guard", "budget": "spend", "do": ["slack", "told"]}],
        },
    }
    life = shop(**settings[path])
    life.go(START + 7 * HOUR - FIVE, START + 7 * HOUR - FIVE)
    with life.database.write() as connection:
        connection.execute(sa.delete(tables.incidents))
        connection.execute(sa.delete(tables.actions))
        connection.execute(sa.delete(tables.breakers))
    life.chat.requests.clear()
    life.hook.requests.clear()
    life.silence(START + 7 * HOUR - FIVE, START + 8.5 * HOUR)
    if path == "source":
        world.execute('ALTER TABLE "inference log" RENAME TO gone')
    life.go(START + 7 * HOUR, START + 8.5 * HOUR - QUARTER, QUARTER)
    with life.database.read() as connection:
        opened = connection.execute(sa.select(tables.breakers.c.state)).scalars().all()
    assert (["open"] if path == "breaker" else ["firing"]) == (opened or [row.state for row in life.incidents()])
    assert life.actions() == []
    life.go(START + 8.5 * HOUR, START + 9 * HOUR, QUARTER)
    kinds = {"breaker": ["firing", "breaker"]}.get(path, ["firing", "firing"])
    assert sorted(action.kind for action in life.actions()) == sorted(kinds)
    assert (len(life.posts()), len(life.bodies())) == (1, 1)


def test_a_silence_of_the_source_that_was_announced_ends_its_reminders(world: World, shop: Any) -> None:
    world.log(rows_of(START, 7 * HOUR))
    life = shop(no_data={"after": 1, "do": ["slack"]}, rule={"do": []})
    life.go(START + 7 * HOUR, START + 7 * HOUR)
    world.execute('ALTER TABLE "inference log" RENAME TO gone')
    life.go(START + 7 * HOUR + FIVE, START + 8 * HOUR)
    assert [action.kind for action in life.actions()] == ["firing"]
    world.execute('ALTER TABLE gone RENAME TO "inference log"')
    life.go(START + 8 * HOUR + FIVE, START + 9 * HOUR)
    assert len(life.posts()) >= 1
    assert life.posts()[0]["text"].startswith(":large_orange_circle: *shop: no data")


def test_a_monitor_that_learns_is_not_blind_but_one_that_cannot_read_is(world: World, shop: Any) -> None:
    world.log(rows_of(START, 9 * HOUR))
    life = shop(bucket="5m", baseline={"rolling": "2d", "min_rows": 100_000}, no_data={"after": 2, "do": ["slack"]})
    life.go(START + 7 * HOUR, START + 8 * HOUR)
    assert {row.result for row in life.rows(START + 7 * HOUR, START + 8 * HOUR)} == {"inconclusive"}
    assert life.incidents() == []
    world.execute('ALTER TABLE "inference log" RENAME TO gone')
    life.go(START + 8 * HOUR + FIVE, START + 8.5 * HOUR)
    assert [(row.rule, row.state) for row in life.incidents()] == [("no_data", "firing")]
    world.execute('ALTER TABLE gone RENAME TO "inference log"')
    life.go(START + 8.5 * HOUR + FIVE, START + 9 * HOUR)
    assert [(row.rule, row.state) for row in life.incidents()] == [("no_data", "resolved")]
    assert [body.partition(": ")[2][:8] for body in (post["text"] for post in life.posts())] == ["*shop: n", "*shop: r"]


def test_the_range_to_come_is_no_blindness_and_one_that_is_over_with_too_few_rows_is(world: World, shop: Any) -> None:
    world.log(rows_of(START, 10 * HOUR))
    future = {"from": START.isoformat(), "to": (START + 8 * HOUR).isoformat(), "min_rows": 1_000_000}
    start, no_data = (START + 6 * HOUR).isoformat(), {"after": 3, "do": ["slack"]}
    life = shop(bucket="5m", baseline=future, start=start, no_data=no_data)
    life.go(START + 7 * HOUR, START + 8 * HOUR)
    assert life.incidents() == []
    life.go(START + 8 * HOUR + FIVE, START + 9 * HOUR)
    (incident,) = life.incidents()
    assert (incident.rule, incident.state) == ("no_data", "firing")
    assert "1000000 needed" in incident.reason
    assert incident.fired_at == START + 8 * HOUR + 3 * FIVE
