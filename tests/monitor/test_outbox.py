"""The outbox at work: it backs off whatever a receiver asks for, none waits for another, the store's clock decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, parse_retry_after
from monitor.actions.receivers.base import Receiver as AnyReceiver
from monitor.config.receivers import read_receiver
from monitor.core.action import Action
from monitor.core.clock import Clock, SystemClock
from monitor.daemon import Daemon
from monitor.jobs.delivery import LONGEST_DELAY, delay, deliver_due
from monitor.store import migrate, outbox
from monitor.store.database import Database
from monitor.store.database import now as store_time
from monitor.store.tables import actions
from tests.support.hand import Hand
from tests.support.process import eventually
from tests.support.receiver import Receiver, listening

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1ob29r"


class Sink:
    """A receiver that keeps what it was sent, and may be made to wait."""

    def __init__(self, wait: Callable[[], object] = lambda: None) -> None:
        self.messages: list[str] = []
        self.wait = wait

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:  # noqa: ARG002
        self.messages.append(delivery.id)
        self.wait()
        return DeliveryResult("delivered")


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    made = Database(migrated_url)
    migrate.upgrade(made)
    yield made
    made.close()


def put(database: Database, *names: str, **changes: Any) -> None:
    base = Action("", "bot", "i-1", "", "rollback", "auto", "pending", "told", {"type": "x"}, NOW, 0, None)
    with database.write() as connection:
        planned = [replace(base, id=f"{name}-{n}", incident=f"i-{n}", name=name) for n, name in enumerate(names)]
        outbox.save_actions(connection, [replace(action, **changes) for action in planned])


def states(database: Database) -> dict[str, tuple[str, int]]:
    with database.read() as connection:
        return {row.id: (row.state, row.attempts) for row in connection.execute(sa.select(actions))}


def daemon_of(database: Database, receivers: Mapping[str, AnyReceiver], clock: Clock) -> Daemon:
    return Daemon(database, [], receivers, clock, every=timedelta(seconds=0.05))


@pytest.mark.parametrize(
    "text",
    [None, "", "0", "-5", "nan", "-inf", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "Mon, 23 Nov 2026 11:59:59 GMT"],
)
@pytest.mark.parametrize("attempts", [1, 2, 9])
def test_a_receiver_cannot_shorten_the_back_off(text: str | None, attempts: int) -> None:
    claimed = SimpleNamespace(id="a-1", attempts=attempts)
    own = delay(claimed, DeliveryResult("server", retry=True))
    assert own >= timedelta(seconds=1.5)
    assert delay(claimed, DeliveryResult("rate_limited", retry=True, retry_after=parse_retry_after(text, NOW))) == own


@pytest.mark.parametrize("text", ["3600", "1e30", "inf", "99999999999", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_receiver_cannot_ask_for_more_than_the_longest_back_off(text: str) -> None:
    claimed = SimpleNamespace(id="a-1", attempts=1)
    asked = DeliveryResult("rate_limited", retry=True, retry_after=parse_retry_after(text, NOW))
    assert delay(claimed, asked) == LONGEST_DELAY


def test_a_receiver_may_ask_for_a_longer_pause() -> None:
    asked = DeliveryResult("rate_limited", retry=True, retry_after=parse_retry_after("42", NOW))
    assert delay(SimpleNamespace(id="a-1", attempts=1), asked) == timedelta(seconds=42)


@pytest.mark.parametrize("text", ["0", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_receiver_that_says_now_is_not_asked_at_once(database: Database, text: str) -> None:
    clock = Hand(NOW)
    with listening(Receiver(lambda _: (429, {"retry-after": text}, b""))) as receiver:
        receivers = make_receivers({"back": read_receiver({"kind": "webhook", "url": receiver.url, "secret": SECRET})})
        put(database, "back")
        for second in range(20):
            clock.moment = NOW + timedelta(seconds=second)
            deliver_due(database, receivers, clock, "back")
        assert 2 <= len(receiver.requests) <= 5


def test_a_hung_receiver_delays_nobody_else(database: Database) -> None:
    over = threading.Event()
    slow, good = Sink(lambda: over.wait(60)), Sink()
    put(database, *["slow"] * 20, "good", "gone")
    daemon = daemon_of(database, {"slow": slow, "good": good}, Hand(NOW))
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        eventually(lambda: states(database)["good-20"] == ("delivered", 1), 60, "the delivery beside a hung receiver")
        eventually(lambda: states(database)["gone-21"] == ("failed", 1), 60, "the end of what nobody can receive")
        eventually(lambda: len(slow.messages) == 1, 60, "the attempt of the hung receiver")
    finally:
        over.set()
        daemon.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert len(slow.messages) == 1  # told to stop, it does not begin another of the twenty


def test_a_receiver_with_a_defect_stops_no_queue_and_tells_no_secret(database: Database) -> None:
    def fail() -> None:
        if sink.messages[-1] == "back-0":
            raise RuntimeError("token xoxb-canary")

    sink, clock = Sink(fail), Hand(NOW)
    put(database, "back", "back")
    with capture_logs() as lines:
        assert deliver_due(database, {"back": sink}, clock, "back") == 2
    assert states(database) == {"back-0": ("pending", 1), "back-1": ("delivered", 1)}
    (line,) = [line for line in lines if line["event"] == "receiver_failed"]
    assert (line["error"], "test_outbox.py" in line["where"]) == ("RuntimeError", True)
    assert "canary" not in repr(lines)
    with database.read() as connection:
        assert "canary" not in repr(connection.execute(sa.select(actions)).all())


def test_an_attempt_ends_before_its_lease(database: Database) -> None:
    ends: list[Deadline] = []

    class Waiting(Sink):
        def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
            ends.append(deadline)
            return super().deliver(delivery, deadline)

    put(database, "back")
    deliver_due(database, {"back": Waiting()}, Hand(NOW), "back")
    (deadline,) = ends
    assert deadline.started_at == NOW
    assert deadline.seconds < outbox.LEASE.total_seconds()
    assert deadline.within(timedelta(seconds=3)).seconds <= 3


class Wrong(SystemClock):
    """The clock of a host that is wrong by some hours, beside a store whose clock is right."""

    def __init__(self, hours: float) -> None:
        self._off = timedelta(hours=hours)

    def now(self) -> datetime:
        return super().now() + self._off


def test_a_slow_clock_sends_nothing_after_its_time(database: Database) -> None:
    sink = Sink()
    with database.read() as connection:
        at = store_time(connection)
    put(database, "back", created_at=at - timedelta(hours=2), not_after=at - timedelta(minutes=30))
    daemon = daemon_of(database, {"back": sink}, Wrong(-1))
    daemon.deliver_to("back")  # before anything has looked for what is late
    daemon.deliver()
    assert sink.messages == []
    assert states(database)["back-0"][0] == "expired"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_wrong_clock_neither_holds_back_nor_ends_a_message_in_time(database: Database, hours: int) -> None:
    sink = Sink()
    with database.read() as connection:
        at = store_time(connection)
    put(database, "back", kind="firing", created_at=at - timedelta(seconds=1), not_after=at + timedelta(minutes=15))
    daemon_of(database, {"back": sink}, Wrong(hours)).deliver()
    assert sink.messages == ["back-0"]
    assert states(database)["back-0"] == ("delivered", 1)
    with database.read() as connection:
        finished = connection.execute(sa.select(actions.c.finished_at)).scalar_one()
    assert abs(finished - at) < timedelta(minutes=15)
