"""The moment of sending: what is late or a dry run is not sent, and what becomes of an action after an attempt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from monitor.actions.receivers import base
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, RequestPreview
from monitor.core.action import Action
from monitor.core.clock import SystemClock
from monitor.jobs.delivery import FIRST_DELAY, LONGEST_DELAY, OWNER, after, delay, deliver_due, expire_late, is_skewed
from monitor.store import migrate, outbox
from monitor.store.database import Database, decision_time, now
from monitor.store.tables import actions
from tests.support.hand import Hand

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Sink:
    """A channel that keeps what it was sent."""

    def __init__(self, outcome: DeliveryResult | None = None) -> None:
        self.outcome = outcome or DeliveryResult("delivered", receipt={"ts": "1"})
        self.sent: list[tuple[Delivery, datetime]] = []

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        self.sent.append((delivery, deadline.started_at))
        return self.outcome

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        return RequestPreview("POST", "https://deploy.internal/…", {"authorization": "…"}, delivery.id)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    made = Database(sqlite_url)
    migrate.upgrade(made)
    yield made
    made.close()


def put(database: Database, number: int = 0, **changes: Any) -> None:
    base = Action(
        f"a-{number}", "bot", "i-1", "back", "rollback", "auto", "pending", "", {"n": number, "data": {}}, NOW, number
    )
    with database.write() as connection:
        outbox.save_actions(connection, [replace(base, **changes)])


def row_of(database: Database, number: int = 0) -> Any:
    with database.read() as connection:
        return connection.execute(sa.select(actions).where(actions.c.id == f"a-{number}")).one()


def test_a_dry_run_sends_nothing_and_says_so(database: Database) -> None:
    sink = Sink()
    put(database, dry_run=True)
    assert deliver_due(database, {"back": sink}, Hand(NOW)) == 0  # it is the channel's own job that serves it
    assert deliver_due(database, {"back": sink}, Hand(NOW), "back") == 1
    assert sink.sent == []
    row = row_of(database)
    assert (row.state, row.reason) == ("dry_run", "delivered: dry run: nothing was sent")
    assert row.receipt == {
        "request": {
            "method": "POST",
            "url": "https://deploy.internal/…",
            "headers": {"authorization": "…"},
            "body": "a-0",
            "note": "",
        }
    }


def test_what_may_not_happen_any_more_is_not_sent(database: Database) -> None:
    sink = Sink()
    put(database, not_after=NOW + MINUTE)
    assert deliver_due(database, {"back": sink}, Hand(NOW + 1.1 * MINUTE), "back") == 1
    assert sink.sent == []
    row = row_of(database)
    assert (row.state, row.finished_at) == ("expired", NOW + 1.1 * MINUTE)
    assert row.reason == "expired: not_after has passed"


def test_what_is_in_time_is_sent_with_all_that_the_channel_needs(database: Database) -> None:
    sink = Sink()
    put(database, not_after=NOW + 2 * MINUTE)
    put(database, 1)
    assert deliver_due(database, {"back": sink}, Hand(NOW + MINUTE), "back") == 2
    (first, at), (second, _) = sink.sent
    assert at == NOW + MINUTE
    assert first == Delivery("a-0", "rollback", {"n": 0, "data": {}}, NOW, None)
    assert second == Delivery("a-1", "rollback", {"n": 1, "data": {}}, NOW, {"ts": "1"})
    row = row_of(database)
    assert (row.state, row.reason, row.receipt) == ("delivered", "delivered", {"ts": "1"})
    assert row.finished_at == NOW + MINUTE


@pytest.mark.parametrize(("kind", "expected"), [("rollback", 150.0), ("firing", None)])
def test_the_reaction_of_a_sent_effect_is_counted_from_the_first_bad_record(
    database: Database, kind: Any, expected: float | None
) -> None:
    first = {"first_bad_at": (NOW - timedelta(seconds=90)).isoformat()}
    put(database, kind=kind, payload={"data": first})
    put(database, 1, kind=kind, payload={"data": {}})
    assert deliver_due(database, {"back": Sink()}, Hand(NOW + MINUTE), "back") == 2
    assert [row_of(database, number).reaction_seconds for number in (0, 1)] == [expected, None]


def test_what_nobody_can_receive_fails_and_can_be_replayed(database: Database) -> None:
    put(database)
    assert deliver_due(database, {"other": Sink()}, Hand(NOW)) == 1
    row = row_of(database)
    assert row.state == "failed"
    assert row.reason == "other: no receiver 'back' is configured; configure it, then replay the action"
    put(database, 1, name="other")
    assert deliver_due(database, {"other": Sink()}, Hand(NOW)) == 0


def test_a_receiver_is_sent_its_own_actions_only(database: Database) -> None:
    sink = Sink()
    put(database)
    put(database, 1, name="other")
    assert deliver_due(database, {"back": sink, "other": Sink()}, Hand(NOW), "back") == 1
    assert row_of(database, 1).state == "pending"


def test_the_first_message_of_an_incident_begins_its_thread(database: Database) -> None:
    sink = Sink()
    put(database, 1)
    deliver_due(database, {"back": sink}, Hand(NOW), "back")
    put(database, 0)
    deliver_due(database, {"back": sink}, Hand(NOW), "back")
    assert [(one.id, one.thread) for one, _ in sink.sent] == [("a-1", None), ("a-0", None)]


def test_a_defect_of_a_receiver_is_tried_again_and_its_words_are_not_kept(database: Database) -> None:
    class Defect:
        def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
            raise ValueError(f"a secret of {delivery.id} until {deadline.started_at}")

    put(database)
    with capture_logs() as lines:
        assert deliver_due(database, {"back": Defect()}, Hand(NOW), "back") == 1
    row = row_of(database)
    assert (row.state, row.reason) == ("pending", "other: the receiver failed with ValueError")
    failed, attempted = lines
    line = failed.pop("where").rpartition(":")
    assert line[0] == __file__
    assert failed == {"event": "receiver_failed", "receiver": "back", "error": "ValueError", "log_level": "error"}
    assert attempted == {
        "event": "action_attempted",
        "action": "a-0",
        "name": "back",
        "kind": "rollback",
        "attempt": 1,
        "outcome": "other",
        "state": "pending",
        "log_level": "info",
    }


def test_an_action_is_leased_by_the_process_that_sends_it(database: Database) -> None:
    owners: list[str] = []

    class Watching(Sink):
        def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
            owners.append(row_of(database).owner)
            return super().deliver(delivery, deadline)

    put(database)
    deliver_due(database, {"back": Watching()}, Hand(NOW), "back")
    assert owners == [OWNER]
    assert row_of(database).owner is None


def test_an_attempt_whose_lease_was_taken_over_says_so(database: Database) -> None:
    class Slow(Sink):
        def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
            with database.write() as connection:
                connection.execute(sa.update(actions).values(fence=actions.c.fence + 1, owner="another"))
            return super().deliver(delivery, deadline)

    put(database)
    with capture_logs() as lines:
        deliver_due(database, {"back": Slow()}, Hand(NOW), "back")
    assert [line["state"] for line in lines] == ["taken_over"]
    assert row_of(database).state == "pending"


def test_a_refused_attempt_is_made_again_later(database: Database) -> None:
    sink = Sink(DeliveryResult("server", "503", retry=True))
    put(database)
    for moment in (NOW, NOW + timedelta(seconds=1)):
        deliver_due(database, {"back": sink}, Hand(moment), "back")
    assert len(sink.sent) == 1
    row = row_of(database)
    assert (row.state, row.reason, row.attempts) == ("pending", "server: 503", 1)
    assert row.next_attempt_at == NOW + delay(SimpleNamespace(id="a-0", attempts=1), sink.outcome)


def test_one_call_attempts_a_bounded_number_and_ends_when_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.jobs.delivery.BATCH", 4)
    for number in range(8):
        put(database, number)
    sink = Sink()
    assert deliver_due(database, {"back": sink}, Hand(NOW), "back", lambda: len(sink.sent) >= 2) == 2
    assert [deliver_due(database, {"back": sink}, Hand(NOW), "back") for _ in range(3)] == [4, 2, 0]
    assert [message.id for message, _ in sink.sent] == [f"a-{number}" for number in range(8)]


def test_an_effect_that_is_held_in_a_storm_is_not_sent_and_delays_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold(connection: sa.Connection, claimed: Any, at: datetime) -> bool:
        assert at == NOW
        if claimed.id == "a-0":
            connection.execute(sa.update(actions).where(actions.c.id == "a-0").values(state="awaiting_approval"))
        return bool(claimed.id == "a-0")

    monkeypatch.setattr("monitor.jobs.delivery.hold_in_storm", hold)
    for number in range(3):
        put(database, number)
    sink = Sink()
    with capture_logs() as lines:
        assert deliver_due(database, {"back": sink}, Hand(NOW), "back") == 2
    assert [delivery.id for delivery, _ in sink.sent] == ["a-1", "a-2"]
    held = {"event": "effect_held", "action": "a-0", "name": "back", "reason": "most monitors fire"}
    assert lines[0] == {**held, "log_level": "warning"}


def test_digests_are_collected_for_a_receiver_with_a_configuration(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[Any] = []
    monkeypatch.setattr("monitor.jobs.delivery.digests.collect_digests", lambda *asked: collected.append(asked[1:]))
    config: Any = object()
    for only, given in ((None, config), ("back", None), ("back", config)):
        deliver_due(database, {}, Hand(NOW), only, config=given)
    assert collected == [("back", config, NOW)]


def test_a_dry_run_of_a_receiver_that_is_no_longer_configured_says_so(database: Database) -> None:
    put(database, dry_run=True)
    assert deliver_due(database, {}, Hand(NOW)) == 1
    row = row_of(database)
    assert (row.state, row.reason, row.receipt) == ("dry_run", "delivered: dry run: nothing was sent", {})


def test_people_learn_that_an_effect_was_sent_once_and_by_who_sent_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[Any] = []
    monkeypatch.setattr(
        "monitor.jobs.delivery.save_sent_notice",
        lambda connection, claimed, *rest: notices.append((type(connection), claimed.id, *rest)),
    )

    class Slow(Sink):
        def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
            if delivery.id == "a-0":
                with database.write() as connection:
                    connection.execute(sa.update(actions).values(fence=actions.c.fence + 1, state="delivered"))
            return super().deliver(delivery, deadline)

    first = {"first_bad_at": (NOW - timedelta(seconds=90)).isoformat()}
    put(database, 0)
    deliver_due(database, {"back": Slow()}, Hand(NOW), "back")
    put(database, 1, kind="firing")
    put(database, 2, payload={"data": first})
    put(database, 3, dry_run=True)
    deliver_due(database, {"back": Slow()}, Hand(NOW), "back")
    assert notices == [(sa.Connection, "a-2", 90.0, NOW)]


def test_an_action_may_be_sent_at_the_last_moment(database: Database) -> None:
    sink = Sink()
    put(database, not_after=NOW)
    deliver_due(database, {"back": sink}, Hand(NOW), "back")
    assert (len(sink.sent), row_of(database).state) == (1, "delivered")


def test_late_actions_expire_and_others_stay(database: Database) -> None:
    for number, (state, not_after) in enumerate(
        [("pending", NOW - MINUTE), ("awaiting_approval", NOW - MINUTE), ("pending", NOW + MINUTE), ("pending", None)]
    ):
        put(database, number, state=state, not_after=not_after)
    with capture_logs() as lines:
        expire_late(database, Hand(NOW))
        expire_late(database, Hand(NOW))
    assert lines == [{"event": "actions_expired", "count": 2, "log_level": "warning"}]
    assert [row_of(database, number).state for number in range(4)] == ["expired", "expired", "pending", "pending"]
    assert row_of(database).finished_at == NOW


class Wrong(SystemClock):
    """The clock of a host that is wrong by five hours."""

    def now(self) -> datetime:
        return super().now() + timedelta(hours=5)


def test_the_store_says_what_time_it_is(database: Database) -> None:
    clock = Wrong()
    with database.read() as connection:
        assert abs(decision_time(connection, clock) - clock.now()) > timedelta(hours=4)
        assert decision_time(connection, Hand(NOW)) == NOW
        at = now(connection)
    put(database, 0, not_after=at + timedelta(hours=1), kind="firing")
    put(database, 1, not_after=at - MINUTE, kind="firing")
    expire_late(database, clock)
    assert deliver_due(database, {"back": Sink()}, clock, "back") == 1
    assert [row_of(database, number).state for number in range(2)] == ["delivered", "expired"]
    assert row_of(database).finished_at - at < timedelta(hours=1)


CLAIMED = SimpleNamespace(id="a-1", kind="firing", attempts=1, dry_run=False)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            DeliveryResult("delivered", receipt={"ts": "1"}),
            {"state": "delivered", "reason": "delivered", "receipt": {"ts": "1"}, "finished_at": NOW},
        ),
        (
            DeliveryResult("expired", "not_after has passed"),
            {"state": "expired", "reason": "expired: not_after has passed", "finished_at": NOW},
        ),
        (DeliveryResult("expired", retry=True), {"state": "expired", "reason": "expired", "finished_at": NOW}),
        (DeliveryResult("client", "404"), {"state": "failed", "reason": "client: 404", "finished_at": NOW}),
    ],
)
def test_an_attempt_has_one_of_four_ends(outcome: DeliveryResult, expected: dict[str, Any]) -> None:
    assert after(CLAIMED, outcome, NOW) == expected


def test_an_attempt_that_may_succeed_later_waits() -> None:
    outcome = DeliveryResult("server", "503", retry=True)
    assert after(CLAIMED, outcome, NOW) == {
        "state": "pending",
        "reason": "server: 503",
        "next_attempt_at": NOW + delay(CLAIMED, outcome),
    }


def test_pauses_double_up_to_a_bound_and_differ_by_a_quarter_at_most() -> None:
    failed = DeliveryResult("server", retry=True)
    pauses = []
    for attempts in (1, 2, 3, 5, 9, 20, 10**6):
        whole = min(FIRST_DELAY * 2 ** min(attempts - 1, 30), LONGEST_DELAY)
        found = [delay(SimpleNamespace(id=f"a-{n}", attempts=attempts), failed) / whole for n in range(300)]
        assert 0.75 <= min(found) < 0.77
        assert 1.23 < max(found) < 1.25
        pauses.append(delay(SimpleNamespace(id="a-1", attempts=attempts), failed))
    assert pauses == [delay(SimpleNamespace(id="a-1", attempts=n), failed) for n in (1, 2, 3, 5, 9, 20, 10**6)]
    assert len(set(pauses)) == 7
    assert pauses[0] == timedelta(seconds=1.9609375)  # fixed by the id, so that a restart does not change it


class SkewedClock(SystemClock):
    """The clock of a host that differs from that of the store."""

    def __init__(self, skew: timedelta) -> None:
        self.skew = skew

    def now(self) -> datetime:
        """Return a wrong time."""
        return super().now() + self.skew


@pytest.mark.parametrize("seconds", [-3600, -6, 6, 3600])
def test_a_host_with_a_wrong_clock_delivers_messages_and_no_effects(seconds: int, database: Database) -> None:
    sink, clock = Sink(), SkewedClock(timedelta(seconds=seconds))
    put(database, 0, created_at=datetime.now(UTC) - MINUTE)
    put(database, 1, created_at=datetime.now(UTC) - MINUTE, kind="firing", incident="i-2")
    with capture_logs() as logs:
        assert deliver_due(database, {"back": sink}, clock, "back") == 1
    assert [delivery.id for delivery, _ in sink.sent] == ["a-1"]
    assert (row_of(database).state, row_of(database).attempts) == ("pending", 0)
    (line,) = [line for line in logs if line["event"] == "clock_skewed"][:1]
    assert round(line["seconds"]) == seconds
    assert (line["detail"], line["log_level"]) == ("No effect is delivered; set the host's clock.", "warning")
    clock.skew = timedelta(seconds=4)
    assert deliver_due(database, {"back": sink}, clock, "back") == 1
    assert row_of(database).state == "delivered"


@pytest.mark.parametrize(("seconds", "expected"), [(5, False), (-5, False), (5.001, True)])
def test_a_clock_may_differ_by_five_seconds(seconds: float, expected: bool) -> None:
    assert is_skewed(Hand(NOW + timedelta(seconds=seconds)), NOW) is expected


def test_a_process_that_was_suspended_after_its_claim_sends_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another replica has sent the action by then; the lease is longer than an attempt."""
    sink, claim_next = Sink(), outbox.claim_next
    put(database)

    def suspended(*arguments: Any, **options: Any) -> Any:
        claimed = claim_next(*arguments, **options)
        monkeypatch.setattr(base, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 60))
        return claimed

    monkeypatch.setattr(outbox, "claim_next", suspended)
    deliver_due(database, {"back": sink}, Hand(NOW), "back")
    assert sink.sent == []
    row = row_of(database)
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.reason == "timeout: nothing was sent, as the time for the attempt had passed"


def test_an_attempt_ends_before_the_action_expires(database: Database) -> None:
    deadlines: list[float] = []

    class Watching(Sink):
        def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
            deadlines.append(deadline.seconds)
            return super().deliver(delivery, deadline)

    put(database, 0, not_after=NOW + timedelta(seconds=20))
    put(database, 1, incident="i-2", not_after=NOW + timedelta(hours=1))
    assert deliver_due(database, {"back": Watching()}, Hand(NOW), "back") == 2
    assert 10 < deadlines[0] <= 20
    assert 45 < deadlines[1] <= 55
