"""An automatic effect is not sent while most monitors fire, even if they fire after it was planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult
from monitor.core.incident import Decision, Incident
from monitor.core.operation import Approve, Author
from monitor.jobs.delivery import deliver_due
from monitor.store import incidents, migrate
from monitor.store.database import Database
from monitor.store.operations import perform
from monitor.store.tables import actions
from monitor.store.watches import save_watch
from tests.support.slack_api import SlackApi, slack_api
from tests.support.slack_world import EFFECT, NOW, SlackWorld

SECOND = timedelta(seconds=1)
ADA = Author("ada", "web", "responder", is_verified=True)
STORM = "5 of 5 monitors fire at the same time: the cause may be the log or the pipeline"


class Sink:
    """A receiver of effects that keeps the ids that it was sent."""

    def __init__(self, result: DeliveryResult | None = None) -> None:
        self.sent: list[str] = []
        self._result = result or DeliveryResult("delivered")

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        self.sent.append(delivery.id)
        return self._result


@pytest.fixture
def api() -> Iterator[SlackApi]:
    with slack_api() as served:
        yield served
        assert served.refusals == []


@pytest.fixture
def world(migrated_url: str, api: SlackApi) -> Iterator[SlackWorld]:
    """An incident whose automatic rollback is about to be sent; its message says so."""
    database = Database(migrated_url)
    migrate.upgrade(database)
    made = SlackWorld(database, api)
    made.decide("firing")
    made.save(replace(made.action("rollback", name="deploy"), id=EFFECT, not_after=NOW + 900 * SECOND))
    made.message("firing", "pending")
    made.turn()
    yield made
    database.close()


def fire(world: SlackWorld, others: int) -> None:
    """Let other monitors fire, of five that run."""
    with world.database.write() as connection:
        for number in range(5):
            save_watch(connection, "bot" if number == 4 else f"bot-{number}")
        for number in range(others):
            one = Incident(f"o-{number}", f"bot-{number}", "answers", "critical", "firing", NOW, NOW, "", fired_at=NOW)
            incidents.save_decision(connection, Decision(one, "firing", ""))


def deliver(world: SlackWorld, sink: Sink, after: timedelta = timedelta(0)) -> None:
    """Deliver the effects that are due some time later."""
    world.clock.moment += after
    deliver_due(world.database, {"deploy": sink}, world.clock, "deploy")


def row_of(world: SlackWorld) -> Any:
    with world.database.read() as connection:
        return connection.execute(sa.select(actions).where(actions.c.id == EFFECT)).one()


def test_an_effect_that_was_planned_before_the_others_fired_waits_for_approval(world: SlackWorld) -> None:
    sink = Sink()
    fire(world, 4)
    with capture_logs() as lines:
        deliver(world, sink)
    held = {"event": "effect_held", "action": EFFECT, "name": "deploy", "reason": "most monitors fire"}
    assert {**held, "log_level": "warning"} in lines
    assert sink.sent == []
    row = row_of(world)
    assert (row.state, row.reason, row.attempts, row.owner) == ("awaiting_approval", STORM, 0, None)
    world.turn()
    assert world.texts(1)[0].endswith(f"the rollback to model_version 'gpt-4o' was not sent: {STORM}*")
    assert world.labels(1)[:2] == ["Approve: back to gpt-4o", "Reject"]
    perform(world.database, Approve(EFFECT), ADA, world.clock)
    deliver(world, sink, 2 * SECOND)
    assert sink.sent == [EFFECT]  # a person decided that the storm is no obstacle
    world.turn()
    assert "Approve: back to gpt-4o" not in world.labels(1)


def test_without_a_storm_it_is_sent(world: SlackWorld) -> None:
    sink = Sink()
    fire(world, 1)
    deliver(world, sink)
    assert sink.sent == [EFFECT]
    assert row_of(world).state == "delivered"


def test_an_effect_that_its_receiver_did_not_take_is_held_before_the_next_attempt(world: SlackWorld) -> None:
    sink = Sink(DeliveryResult("unreachable", retry=True))
    fire(world, 1)
    deliver(world, sink)
    fire(world, 4)
    deliver(world, sink, 60 * SECOND)
    assert sink.sent == [EFFECT]
    assert (row_of(world).state, row_of(world).attempts) == ("awaiting_approval", 1)


def test_what_a_person_approved_before_the_storm_is_sent(world: SlackWorld) -> None:
    with world.database.write() as connection:
        connection.execute(sa.update(actions).where(actions.c.id == EFFECT).values(state="awaiting_approval"))
    perform(world.database, Approve(EFFECT), ADA, world.clock)
    fire(world, 4)
    sink = Sink()
    deliver(world, sink, SECOND)
    assert sink.sent == [EFFECT]
