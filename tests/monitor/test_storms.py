"""Storms: many incidents within a few minutes are one digest per receiver, whatever dies and with several replicas."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.actions.digests import Storm, StormIncident, describe_storm, plan_digest
from monitor.actions.identity import MESSAGE_NOT_AFTER, NAMESPACE, identity
from monitor.actions.messages_due import find_news
from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult
from monitor.actions.storms import Announcement, QueueState, group_waiting
from monitor.alerting.consequence import rank_harm, restore_finding
from monitor.alerting.messages.headline import shorten_headline
from monitor.alerting.messages.render import render
from monitor.config.receivers import DigestSettings, ReceiverConfig
from monitor.core.action import Action, PastAction
from monitor.core.firing import FiringMonitors
from monitor.core.incident import Decision, Incident
from monitor.jobs.delivery import deliver_due, expire_late
from monitor.store import incidents, migrate, outbox
from monitor.store.database import Database
from monitor.store.tables import actions
from monitor.store.watches import save_watch
from tests.support.decisions import MINUTE, START, evidence_of, monitor_of
from tests.support.hand import Hand
from tests.support.receiver import listening, slack
from tests.support.receivers import settings_of

SECOND = timedelta(seconds=1)
WAIT, INTERVAL = 30 * SECOND, 5 * MINUTE


@dataclass
class Channel:
    """A receiver that keeps what it was sent; it answers what it is told to."""

    results: list[DeliveryResult] = field(default_factory=list)
    sent: list[Delivery] = field(default_factory=list)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        self.sent.append(delivery)
        accepted = DeliveryResult("delivered", receipt={"ts": delivery.id, "channel": "C1"})
        return self.results.pop(0) if self.results else accepted

    @property
    def digests(self) -> list[Any]:
        """Return the data of the digests, with their kind."""
        return [
            {**one.payload["data"]["digest"], "kind": one.kind} for one in self.sent if "digest" in one.payload["data"]
        ]


@dataclass
class Queue:
    """The outbox of a receiver, filled as monitors fill it."""

    database: Database
    channel: Any = field(default_factory=Channel)
    clock: Hand = field(default_factory=lambda: Hand(START))
    config: ReceiverConfig = field(default_factory=lambda: settings_of("slack", external_url="https://d.example/"))
    sequences: Counter[str] = field(default_factory=Counter)

    def say(self, number: int, kind: Any = "firing", **more: Any) -> None:
        """Store the state of an incident, and a message about it, in one transaction as a bucket does."""
        state: Any = "resolved" if kind == "resolved" else "firing"
        severity = more.pop("severity", "warning")
        is_muted = more.pop("is_muted", False)
        monitor, name, at = more.pop("monitor", f"bot-{number}"), more.pop("name", "slack"), self.clock.moment
        incident = Incident(f"i-{number}", monitor, "answers", severity, state, START, at, "failure rate 30 %")
        incident = Incident(**{**vars(incident), "fired_at": START, "resolved_at": at if state == "resolved" else None})
        sequence = self.sequences[incident.id]
        data = {
            "monitor": monitor,
            "severity": severity,
            "headline": f"{monitor}: failure rate {number} % (95 % interval 1–9 %), baseline 2 %",
            "incident": {
                "id": incident.id,
                "state": state,
                "rule": "answers",
                "opened_at": START.isoformat(),
                "reason": incident.reason,
            },
            "findings": [],
            "link": f"https://d.example/incidents/i-{number}",
            **more,
        }
        payload: Any = {"type": f"driftd.incident.{kind}", "timestamp": at.isoformat(), "data": data}
        message = Action(
            identity(incident.id, name, kind, sequence),
            *(monitor, incident.id, name, kind, "auto", "pending", "", payload, at, sequence, at + MESSAGE_NOT_AFTER),
        )
        self.sequences[incident.id] += 1
        with self.database.write() as connection:
            incidents.save_decision(connection, Decision(incident, state, ""))
            outbox.save_actions(connection, [] if is_muted else [message])

    def deliver(self, after: timedelta = timedelta(0)) -> int:
        """Deliver what is due some time later; return the number of attempts."""
        self.clock.moment += after
        return deliver_due(self.database, {"slack": self.channel}, self.clock, "slack", config=self.config)

    def rows(self) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(sa.select(actions).order_by(actions.c.created_at, actions.c.id)))

    def states(self) -> Counter[tuple[str, str]]:
        return Counter((row.kind, row.state) for row in self.rows())


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    made = Database(migrated_url)
    migrate.upgrade(made)
    yield made
    made.close()


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


def incidents_of(digest: Any) -> list[str]:
    return [entry["id"] for entry in digest["entries"]]


def test_a_few_incidents_are_announced_at_once_and_one_by_one(queue: Queue) -> None:
    for number in range(4):
        queue.say(number, severity="critical")
    assert queue.deliver() == 4
    assert [one.kind for one in queue.channel.sent] == ["firing"] * 4
    assert queue.channel.digests == []


def test_many_incidents_are_one_digest_after_a_short_wait(queue: Queue) -> None:
    for number in range(12):
        queue.say(number, severity="critical" if number == 7 else "warning", monitor=f"bot-{number % 9}")
    assert queue.deliver() == 0
    queue.say(12)
    assert queue.deliver(WAIT - SECOND) == 0
    assert queue.deliver(SECOND) == 1
    (message,) = queue.channel.sent
    (digest,) = queue.channel.digests
    assert message.payload["data"]["headline"] == "13 incidents in 10 monitors since 00:00 UTC"
    assert (message.payload["data"]["link"], message.payload["data"]["severity"]) == (
        "https://d.example/incidents",
        "critical",
    )
    assert incidents_of(digest)[0] == "i-7"
    assert sorted(incidents_of(digest)) == sorted(f"i-{number}" for number in range(13))
    assert queue.states() == {("firing", "delivered"): 14}
    assert queue.deliver(MINUTE) == 0


def test_incidents_that_were_announced_before_are_in_the_digest_as_such(queue: Queue) -> None:
    for number in range(3):
        queue.say(number)
    assert queue.deliver() == 3
    queue.clock.moment += MINUTE
    for number in range(3, 8):
        queue.say(number)
    assert queue.deliver(WAIT) == 1
    (digest,) = queue.channel.digests
    assert (digest["incidents"], digest["new"]) == (8, 5)
    assert {entry["id"] for entry in digest["entries"] if entry["alone"]} == {"i-0", "i-1", "i-2"}


def test_incidents_far_apart_are_no_storm(queue: Queue) -> None:
    for number in range(8):
        queue.say(number)
        assert queue.deliver(3 * MINUTE) == 1
    assert queue.channel.digests == []


def test_resolved_incidents_do_not_make_another_one_wait(queue: Queue) -> None:
    for number in range(6):
        queue.say(number)
    queue.deliver(WAIT)
    for number in range(6):
        queue.say(number, "resolved")
    queue.deliver(MINUTE)
    queue.say(9, severity="critical")
    assert queue.deliver() == 1
    assert queue.channel.sent[-1].payload["data"]["headline"].startswith("bot-9: ")
    assert len(queue.channel.digests) == 2


def test_the_storm_goes_on_and_ends_in_its_thread(queue: Queue) -> None:
    for number in range(6):
        queue.say(number)
    queue.deliver(WAIT)
    queue.say(6, severity="critical")
    queue.say(0, "resolved")
    assert queue.deliver(INTERVAL - SECOND) == 0
    assert queue.deliver(SECOND) == 1
    for number in range(1, 6):
        queue.say(number, "reminder")
    assert queue.deliver(2 * INTERVAL) == 1
    for number in range(1, 7):
        queue.say(number, "resolved")
    assert queue.deliver() == 1
    first, second, third, last = queue.channel.digests
    headlines = [one.payload["data"]["headline"] for one in queue.channel.sent]
    assert headlines[1:] == [
        "7 incidents in 7 monitors: 6 still firing after 5m, 1 of them new",
        "7 incidents in 7 monitors: 6 still firing after 16m",
        "7 incidents in 7 monitors: all resolved after 16m",
    ]
    assert [one["kind"] for one in (first, second, third, last)] == ["firing", "update", "update", "resolved"]
    assert incidents_of(second) == ["i-6", "i-0"]
    threads = [one.thread and one.thread["ts"] for one in queue.channel.sent]
    assert threads == [None, *[queue.channel.sent[0].id] * 3]
    assert len({row.incident for row in queue.rows() if row.monitor == "*"}) == 1


def test_an_update_that_matters_is_a_message_of_its_own_after_the_storm(queue: Queue) -> None:
    for number in range(5):
        queue.say(number)
    queue.deliver(WAIT)
    queue.clock.moment += 11 * MINUTE
    queue.say(0, "update", news={"severity": "critical"}, severity="critical")
    assert queue.deliver() == 1
    assert (queue.channel.sent[-1].kind, queue.channel.sent[-1].thread) == ("update", None)
    queue.say(0, "resolved")
    queue.deliver()
    assert queue.channel.sent[-1].thread["ts"] == queue.channel.sent[-2].id
    for number in range(1, 5):
        queue.say(number, "resolved")
    queue.deliver()
    assert queue.channel.digests[-1]["kind"] == "resolved"
    assert queue.channel.digests[-1]["incidents"] == 5


def test_the_last_incident_of_a_storm_may_end_in_its_own_thread(queue: Queue) -> None:
    for number in range(5):
        queue.say(number)
    queue.deliver(WAIT)
    queue.clock.moment += 11 * MINUTE
    queue.say(0, "update", news={"severity": "critical"})
    for number in range(1, 5):
        queue.say(number, "resolved")
    queue.deliver(WAIT)
    queue.say(0, "resolved")
    queue.deliver()
    assert [one["kind"] for one in queue.channel.digests] == ["firing", "update", "resolved"]


def test_a_storm_whose_last_incident_ends_without_a_message_has_a_final_digest(queue: Queue) -> None:
    for number in range(5):
        queue.say(number)
    queue.deliver(WAIT)
    for number in range(4):
        queue.say(number, "resolved")
    queue.deliver(INTERVAL)
    assert [one["kind"] for one in queue.channel.digests] == ["firing", "update"]
    queue.say(4, "resolved", is_muted=True)
    assert queue.deliver() == 1
    assert queue.channel.digests[-1]["kind"] == "resolved"
    assert queue.deliver(INTERVAL) == 0


def test_the_final_digest_names_the_cause_of_the_storm(queue: Queue) -> None:
    suspect = {"kind": "model_version", "column": "model_version", "value": "m2", "first_seen": START.isoformat()}
    for number in range(5):
        queue.say(number, suspected_change=suspect)
    queue.deliver(WAIT)
    for number in range(4):
        queue.say(number, "resolved", suspected_change=suspect)
    queue.deliver(INTERVAL)
    queue.say(4, "resolved", suspected_change=None)
    queue.deliver()
    last = render("resolved", queue.channel.sent[-1].payload, follows=True)
    assert "Likely cause: model_version 'm2', first seen at 00:00 UTC" in last.summary


def test_a_new_storm_is_a_new_thread(queue: Queue) -> None:
    for number in range(5):
        queue.say(number)
    queue.deliver(WAIT)
    queue.clock.moment += 60 * MINUTE
    for number in range(10, 16):
        queue.say(number)
    queue.deliver(WAIT)
    assert [one.thread for one in queue.channel.sent] == [None, None]
    assert queue.channel.digests[1]["incidents"] == 6


def test_a_retry_has_the_same_id_and_body_and_later_news_are_another_digest(queue: Queue) -> None:
    queue.channel.results = [DeliveryResult("server", "status 503", retry=True)] * 2
    for number in range(6):
        queue.say(number)
    queue.deliver(WAIT)
    for number in range(6, 9):
        queue.say(number)
        queue.deliver(10 * SECOND)
    queue.deliver(INTERVAL)
    first, *again, later = queue.channel.sent
    assert len(again) == 2
    assert {(one.id, json.dumps(one.payload)) for one in again} == {(first.id, json.dumps(first.payload))}
    assert later.id != first.id
    assert sorted(incidents_of(queue.channel.digests[-1])) == ["i-6", "i-7", "i-8"]
    assert set(queue.states()) == {("firing", "delivered"), ("update", "delivered")}


@pytest.mark.parametrize("outcome", ["failed", "expired"])
def test_what_a_lost_digest_stood_for_counts_as_lost(queue: Queue, outcome: str) -> None:
    queue.channel.results = [DeliveryResult("client", "channel_not_found")] * (outcome == "failed")
    for number in range(6):
        queue.say(number)
    queue.deliver()
    if outcome == "failed":
        queue.deliver(WAIT)
    else:
        queue.clock.moment += MESSAGE_NOT_AFTER + 2 * MINUTE
        expire_late(queue.database, queue.clock)
    assert queue.states() == {("firing", outcome): 7}
    queue.say(20)
    queue.deliver()
    for number in range(6):  # planned again, as for every message that failed
        queue.say(number)
    queue.deliver(WAIT)
    assert queue.channel.digests[-1]["incidents"] == 7
    assert queue.states()[("firing", "delivered")] == 8


def test_most_monitors_at_once_are_no_fault_of_each_model(queue: Queue) -> None:
    with queue.database.write() as connection:
        for number in range(8):
            save_watch(connection, f"bot-{number}")
    for number in range(6):
        queue.say(number)
    queue.deliver(WAIT)
    data = queue.channel.sent[0].payload["data"]
    assert "6 of 8 monitors fire at once: suspect what they share" in data["summary"]
    assert "rather than each model" in data["summary"]


def test_effects_and_messages_for_software_are_neither_merged_nor_delayed(database: Database) -> None:
    hook = settings_of("webhook", effect=None)
    queue = Queue(database, config=hook)
    for number in range(9):
        queue.say(number)
    assert queue.deliver() == 9
    other = Queue(database)
    for number in range(20, 29):
        other.say(number)
    payload: Any = {"data": {}}
    rollback = Action("r", "bot-20", "i-20", "deploy", "rollback", "approve", "pending", "", payload, START, 1)
    with database.write() as connection:
        outbox.save_actions(connection, [rollback])
    deploy = Channel()
    assert deliver_due(database, {"deploy": deploy}, other.clock, "deploy", config=settings_of("webhook")) == 1
    assert [one.id for one in deploy.sent] == ["r"]
    assert other.deliver() == 0


def test_without_the_setting_each_incident_is_a_message(database: Database) -> None:
    queue = Queue(database, config=settings_of("slack", digest=None))
    for number in range(9):
        queue.say(number)
    assert queue.deliver() == 9
    assert queue.channel.digests == []


def test_two_replicas_send_one_digest(database: Database) -> None:
    queue = Queue(database)
    for number in range(12):
        queue.say(number)
    barrier = threading.Barrier(4)
    replicas = [Queue(Database(database.url.render_as_string(hide_password=False))) for _ in range(4)]

    def run(replica: Queue) -> None:
        barrier.wait(30)
        for _ in range(4):
            replica.deliver(10 * SECOND)

    threads = [threading.Thread(target=run, args=(replica,)) for replica in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for replica in replicas:
        replica.database.close()
    sent = [one for replica in replicas for one in replica.channel.sent]
    assert len({one.id for one in sent}) == 1
    (digest,) = [row for row in queue.rows() if row.monitor == "*"]
    assert digest.payload["data"]["digest"]["incidents"] == 12


def test_after_a_digest_further_findings_are_no_news() -> None:
    item: Any = {"check": "drift", "column": "x", "segment": None, "since": (START + MINUTE).isoformat()}
    incident = Incident("i", "bot", "r", "warning", "firing", START, START, "", fired_at=START, evidence={"x": item})
    announced = PastAction("slack", START, "delivered", kind="firing", at=START, severity="warning")
    assert find_news(monitor_of(), incident, announced)["findings"] == [item]
    assert find_news(monitor_of(), incident, replace(announced, in_digest=True)) == {}
    worse = replace(incident, severity="critical")
    assert find_news(monitor_of(), worse, replace(announced, in_digest=True))["severity"] == "critical"


@pytest.mark.parametrize(("value", "digested"), [("m2", 6), ("m", 0)])
def test_a_change_that_most_incidents_suspect_is_named_once(queue: Queue, value: str, digested: int) -> None:
    with queue.database.write() as connection:
        for number in range(20):
            save_watch(connection, f"bot-{number}")
    for number in range(6):
        name = value if digested else f"{value}{number}"
        suspect = {"kind": "model_version", "column": "model_version", "value": name, "first_seen": START.isoformat()}
        action = {"id": f"a-{number}", "name": "back", "kind": "rollback", "state": "awaiting_approval"}
        queue.say(number, suspected_change=suspect, actions=[action])
    queue.deliver(WAIT)
    message = render("firing", queue.channel.sent[0].payload)
    assert ("Likely cause of 6 of them: model_version 'm2', first seen at 00:00 UTC" in message.summary) == bool(
        digested
    )
    assert ("No cause is common to them." in message.summary) == (not digested)
    assert sum("likely cause: model_version 'm" in entry.text for entry in message.entries) == 6 - digested
    assert all("rollback (back) waits for approval" in entry.text for entry in message.entries)
    assert [step.command for step in message.steps[:2]] == [f"driftd actions approve a-{place}" for place in (0, 1)]
    assert message.steps[-1].text == "1 more waits for approval"


class Killed(BaseException):
    """The process ends here."""


def kill_at(number: int) -> Callable[..., None]:
    """Return a listener that ends the process before the statement with that number."""
    counter = count()

    def kill(*_: object) -> None:
        if next(counter) == number:
            raise Killed

    return kill


def play(queue: Queue, listener: Callable[..., None] | None) -> int:
    """Play a storm; return whether the listener has ended the process."""
    died = 0
    for number in range(6):
        queue.say(number)
    for step in range(6):
        if step == 3:
            for number in range(6):
                queue.say(number, "resolved")
        if listener is not None and step in (0, 1, 3):
            sa.event.listen(queue.database.engine, "before_cursor_execute", listener)
        try:
            queue.deliver(WAIT)
        except Killed:
            died += 1
        finally:
            with suppress(sa.exc.InvalidRequestError):
                if listener is not None:
                    sa.event.remove(queue.database.engine, "before_cursor_execute", listener)
    return died


def bodies(sent: Sequence[Delivery]) -> dict[str, set[str]]:
    """Return the bodies that were sent, by id."""
    made: dict[str, set[str]] = {}
    for one in sent:
        made.setdefault(one.id, set()).add(json.dumps(one.payload["data"]["digest"]["entries"]))
    return made


def test_nothing_is_lost_or_sent_twice_wherever_the_process_ends(tmp_path: Any, sqlite_url: str) -> None:
    deaths, statements = 0, 0
    while True:
        database = Database(f"sqlite:///{tmp_path / f'store-{statements}.db'}")
        migrate.upgrade(database)
        queue = Queue(database)
        died = play(queue, kill_at(statements))
        again = Queue(database, queue.channel, queue.clock)
        with database.write() as connection:
            outbox.release_orphaned(connection)
        again.deliver(WAIT)
        sent = bodies(queue.channel.sent)
        assert all(len(each) == 1 for each in sent.values())
        told = {entry["id"] for digest in queue.channel.digests for entry in digest["entries"]}
        assert told == {f"i-{number}" for number in range(6)}
        assert all(row.state == "delivered" for row in queue.rows())
        assert queue.channel.digests[-1]["kind"] == "resolved"
        assert len(sent) <= 2
        database.close()
        deaths, statements = deaths + died, statements + 1
        if not died:
            break
    assert deaths > 20


def test_slack_takes_a_digest_and_turns_it_green(database: Database) -> None:
    with listening(slack()) as receiver:
        config = settings_of("slack", base_url=f"{receiver.url}/api/", external_url="https://d.example")
        queue = Queue(database, make_receivers({"slack": config})["slack"], config=config)
        for number in range(40):
            queue.say(number, headline=f"bot-{number}: " + "failure & rate <!channel> " * 40)
        assert queue.deliver(WAIT) == 1
        for number in range(40):
            queue.say(number, "resolved")
        assert queue.deliver(WAIT) == 1
        calls = [(request.path.rpartition("/")[2], request.form()) for request in receiver.requests]
        assert receiver.refusals == []
    assert [path for path, _ in calls] == ["chat.postMessage", "chat.postMessage", "chat.update"]
    first, last, update = (call for _, call in calls)
    text = json.dumps(first["blocks"])
    assert str(first["text"]).startswith(":large_orange_circle: *40 incidents in 40 monitors since ")
    assert text.count("|open>") == 20
    assert "20 more are in the list of incidents" in text
    assert "<https://d.example/incidents|open the list of incidents>" in text
    assert "<!channel>" not in text
    assert last["thread_ts"] == update["ts"]
    assert "all resolved after" in str(update["text"])
    assert ":large_orange_circle:" not in json.dumps(update["blocks"])


# ---- which messages join, decided from inputs made by hand -----------------------------------------------------------


def waiting(number: int, kind: Any = "firing", place: int = 0, **data: Any) -> Action:
    """Return a waiting message about an incident."""
    body: Any = {"type": "x", "timestamp": "", "data": data}
    key = f"i-{number}/{place}"
    return Action(key, f"bot-{number}", f"i-{number}", "slack", kind, "auto", "pending", "", body, START, place)


def group(state: QueueState, *messages: Action) -> dict[str, list[str]]:
    """Return the ids of the messages that join, by storm, where two incidents are many."""
    joined = group_waiting("slack", messages, state, DigestSettings(incidents=2))
    return {storm: [one.id for one in parts] for storm, parts in joined.items()}


NEW = str(uuid.uuid5(NAMESPACE, "storm/slack/i-2/0"))
ALONE = Announcement(waiting(1))


def test_the_announcements_of_a_new_storm_are_named_by_the_first() -> None:
    assert group(QueueState(), waiting(2)) == {}
    assert group(QueueState(), waiting(2), waiting(3)) == {NEW: ["i-2/0", "i-3/0"]}
    assert group(QueueState(), waiting(2), waiting(2, "firing", 1)) == {}
    assert group(QueueState([ALONE]), waiting(2)) == {NEW: ["i-2/0"]}
    assert group(QueueState([ALONE]), waiting(1, "firing", 1)) == {}


def test_an_announcement_joins_the_newest_storm_that_has_not_ended() -> None:
    old, going = replace(ALONE, storm="old"), replace(ALONE, storm="going")
    assert group(QueueState([old, going, ALONE]), waiting(2)) == {"going": ["i-2/0"]}
    assert group(QueueState([going, old], ended=["old"]), waiting(2)) == {"going": ["i-2/0"]}
    assert group(QueueState([old], ended=["old"]), waiting(2)) == {NEW: ["i-2/0"]}


@pytest.mark.parametrize("kind", ["update", "expired", "effect", "reminder", "resolved"])
def test_later_messages_follow_the_announcement_into_its_digest_and_what_is_notable_only_in_a_storm(kind: str) -> None:
    is_notable = kind in ("update", "expired", "effect")
    state = QueueState(storms={"i-3": "going"})
    assert group(state, waiting(3, kind)) == ({} if is_notable else {"going": ["i-3/0"]})
    assert group(replace(state, recent=[ALONE, Announcement(waiting(2))]), waiting(3, kind)) == {"going": ["i-3/0"]}
    assert group(replace(state, ended=["going"]), waiting(3, kind)) == {}
    assert group(state, waiting(4, kind), waiting(3, "resolved")) == {"going": ["i-3/0"]}
    assert group(QueueState(), waiting(2), waiting(3), waiting(2, kind, 1)) == {NEW: ["i-2/0", "i-3/0", "i-2/1"]}


def test_an_incident_that_fires_again_after_its_storm_is_announced_like_a_new_one() -> None:
    state = QueueState([ALONE], storms={"i-2": "old"}, ended=["old"])
    assert group(state, waiting(2, "update", news={"again": True})) == {NEW: ["i-2/0"]}
    for news in ({"again": False}, {"findings": []}, None):
        assert group(state, waiting(2, "update", news=news)) == {}
    assert group(state, waiting(2, "reminder", news={"again": True})) == {}
    assert group(replace(state, storms={}), waiting(2, "update", news={"again": True})) == {}


# ---- what a digest says, planned from inputs made by hand ------------------------------------------------------------

SLACK_AT = settings_of("slack", external_url="https://d.example/XX/", dry_run=True)


def announced(number: int, kind: Any = "firing", **data: Any) -> Action:
    """Return a message about an incident that is part of a storm."""
    incident: Any = {"id": f"i-{number}", "state": "firing", "rule": "answers", "opened_at": START.isoformat()}
    common = {"monitor": f"bot-{number}", "severity": "warning", "headline": f"bot-{number}: failure rate {number} %"}
    made = waiting(number, kind, **{**common, "incident": {**incident, "reason": "rose"}, **data})
    return replace(made, created_at=START + number * SECOND)


def in_storm(number: int, state: Any = "firing", severity: str = "warning", monitor: str = "") -> StormIncident:
    resolved = START + number * MINUTE if state == "resolved" else None
    return StormIncident(f"i-{number}", monitor or f"bot-{number}", severity, state, START + number * SECOND, resolved)


def storm_of(*incidents: StormIncident, **changes: Any) -> Storm:
    parts = [announced(int(one.id[2:])) for one in incidents]
    return replace(Storm("s", 0, incidents, [], parts, FiringMonitors({}, 0, 9)), **changes)


def digest_of(storm: Storm, receiver: ReceiverConfig = SLACK_AT) -> Action:
    settings = DigestSettings(wait=WAIT, interval=INTERVAL)
    return plan_digest("slack", receiver, settings, storm, START + MINUTE)


def test_a_digest_is_one_message_of_no_monitor_in_the_thread_of_its_storm() -> None:
    made, at = digest_of(storm_of(in_storm(1), in_storm(2, severity="critical"))), START + MINUTE
    assert made.id == identity("s", "slack", "digest", 0)
    assert (made.monitor, made.incident, made.name, made.kind, made.mode) == ("*", "s", "slack", "firing", "auto")
    assert (made.state, made.sequence, made.dry_run, made.supersedes) == ("pending", 0, True, False)
    assert made.reason == "2 incidents at once are announced together"
    assert (made.created_at, made.not_after) == (at, at + MESSAGE_NOT_AFTER)
    assert (made.payload["type"], made.payload["timestamp"]) == ("driftd.digest.firing", at.isoformat())
    data = made.payload["data"]
    assert (data["monitor"], data["severity"], data["dry_run"]) == ("*", "critical", True)
    assert data["link"] == "https://d.example/XX/incidents"
    assert data["summary"] == render("firing", made.payload, follows=False).second_line
    assert data["headline"]
    assert digest_of(storm_of(in_storm(1)), settings_of("slack")).payload["data"]["link"] is None


def test_a_digest_that_follows_another_says_less() -> None:
    later = digest_of(storm_of(in_storm(1), sequence=1))
    assert (later.id, later.kind, later.sequence) == (identity("s", "slack", "digest", 1), "update", 1)
    assert later.payload["type"] == "driftd.digest.update"
    assert later.payload["data"]["summary"] == render("update", later.payload, follows=True).second_line
    last = digest_of(storm_of(in_storm(1, "resolved"), sequence=4))
    over, fires = (render(kind, last.payload, follows=True).second_line for kind in ("resolved", "firing"))
    assert last.payload["data"]["summary"] == over != fires


def test_a_digest_waits_for_others_and_the_interval_and_the_last_one_does_not() -> None:
    at, one, over = START + MINUTE, in_storm(1), in_storm(1, "resolved")
    late = replace(announced(1), created_at=at - 10 * SECOND)
    for storm, due in (
        (storm_of(one), at),  # it has waited already
        (storm_of(one, messages=[late]), at + 20 * SECOND),
        (storm_of(one, messages=[]), at + WAIT),
        (storm_of(one, messages=[late], previous_at=at - MINUTE, sequence=1), at + 4 * MINUTE),
        (storm_of(over, messages=[late], previous_at=at - MINUTE, sequence=1), at),
        (storm_of(over, messages=[late]), at + 20 * SECOND),
    ):
        assert digest_of(storm).not_before == due


@pytest.mark.parametrize(
    ("incidents", "severity", "kind"),
    [
        ([in_storm(1, "resolved", "critical"), in_storm(2, severity="info")], "info", "firing"),
        ([in_storm(1, "resolved", "critical"), in_storm(2, "resolved", "info")], "critical", "resolved"),
        ([in_storm(1, severity="odd")], "warning", "firing"),
    ],
)
def test_the_severity_of_a_digest_is_the_highest_of_what_still_fires(
    incidents: list[StormIncident], severity: str, kind: str
) -> None:
    made = digest_of(storm_of(*incidents))
    assert (made.payload["data"]["severity"], made.kind) == (severity, kind)


def test_a_storm_is_counted() -> None:
    firing = FiringMonitors({"a": START + SECOND, "b": START + 9 * SECOND, "c": START}, 9, 3)
    storm = storm_of(
        in_storm(1),
        in_storm(2, monitor="bot-1"),
        in_storm(3, "resolved"),
        alone=[announced(4)],
        messages=[announced(1), announced(1, "update"), announced(2, "update")],
        firing=firing,
    )
    counted = describe_storm(storm)
    entries = counted.pop("entries")
    assert [one["id"] for one in entries] == ["i-1", "i-2", "i-4"]
    assert counted == {
        "since": (START + SECOND).isoformat(),
        "resolved_at": None,
        "incidents": 3,
        "monitors": 2,
        "firing": 2,
        "firing_monitors": 2,
        "watched": 3,
        "most": False,
        "new": 1,
        "alone": ["i-4"],
        "left_out": 0,
        "suspect": None,
    }
    most = replace(firing, fired_at=dict.fromkeys("abcd", START + SECOND))
    assert describe_storm(replace(storm, firing=most))["most"] is True
    assert describe_storm(replace(storm, firing=most))["watched"] == 4
    over = storm_of(in_storm(1, "resolved"), in_storm(2, "resolved"))
    assert describe_storm(over)["resolved_at"] == (START + 2 * MINUTE).isoformat()
    nothing = describe_storm(storm_of(firing=firing))
    assert [nothing[key] for key in ("since", "resolved_at", "most", "firing_monitors")] == ["", None, False, 0]
    suspect: Any = {"kind": "model_version", "column": "model_version", "value": "v2"}
    assert describe_storm(storm_of(suspect=suspect))["suspect"] == suspect


def test_an_incident_of_a_digest_is_described_by_its_message() -> None:
    message = announced(
        1,
        headline="bot-1: failure rate 9 % (95 % interval 1–9 %), baseline 2 %",
        findings=[evidence_of(check="drift", column="novelty"), evidence_of(check="drift", column="failed")],
        suspected_change={"value": "v2"},
        actions=[1, 2, 3, 4],
        escalation="late",
        link="https://d.example/i-1",
    )
    (entry,) = describe_storm(storm_of(in_storm(1, "resolved"), messages=[message]))["entries"]
    harms = [rank_harm(restore_finding(one)) for one in message.payload["data"]["findings"]]
    assert harms[0] != harms[1]
    assert entry == {
        "id": "i-1",
        "monitor": "bot-1",
        "rule": "answers",
        "severity": "warning",
        "state": "resolved",
        "headline": shorten_headline(message.payload["data"]["headline"]),
        "harm": max(harms),
        "since": START.isoformat(),
        "suspect": {"value": "v2"},
        "actions": [1, 2, 3],
        "escalation": "late",
        "link": "https://d.example/i-1",
        "alone": False,
    }
    bare = announced(2, incident={**message.payload["data"]["incident"], "fired_at": "2026-11-01T00:01:00+00:00"})
    (entry,) = describe_storm(storm_of(in_storm(1), messages=[], alone=[bare]))["entries"]
    assert (entry["state"], entry["since"], entry["alone"]) == ("firing", "2026-11-01T00:01:00+00:00", True)
    assert [entry[key] for key in ("harm", "suspect", "actions", "escalation", "link")] == [0, None, [], None, None]


def test_the_worst_incidents_of_a_digest_come_first_and_the_rest_is_counted() -> None:
    harm = [evidence_of(column="failed")]
    states = [in_storm(n, "resolved" if n == 1 else "firing") for n in range(1, 30)]
    common: Any = announced(0).payload["data"]["incident"]
    told = [announced(n, incident={**common, "fired_at": f"{n:02}"}) for n in range(7, 30)]
    first = [
        announced(1, severity="critical"),
        announced(2, severity="odd"),
        announced(3, severity="critical"),
        announced(4, findings=harm),
        announced(5, incident={**common, "fired_at": "01"}),
        announced(6, incident={**common, "fired_at": "01"}),
    ]
    counted = describe_storm(storm_of(*states, messages=[*first, *told]))
    assert [one["id"] for one in counted["entries"]] == ["i-3", "i-4", "i-5", "i-6", *(f"i-{n}" for n in range(7, 23))]
    assert counted["left_out"] == 9
