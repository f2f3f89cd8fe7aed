"""SIGKILL after every statement on the store and before and after every request, and what the next start makes of it.

The steps are counted in a run that nobody disturbs, so code that is added later is covered, too. A stage is run by a
child process that ends itself at the given step; another one runs the stage again, as a supervisor would.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from monitor.actions.receivers import http
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.core.operation import Approve, Author
from monitor.daemon import Daemon
from monitor.jobs.recovery import release_orphaned
from monitor.store.database import Database
from monitor.store.operations import perform
from monitor.store.tables import actions, aggregates, audit, buckets, findings, incidents
from tests.faults import tally
from tests.support.hand import Hand
from tests.support.receiver import Receiver, listening, slack
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
STRIDE = int(os.environ.get("DRIFTD_KILL_STRIDE", "12"))
"""`make nightly` kills at every twelfth step, from one drawn by the name of the stage; `make faults` at every step."""
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1ob29r"
COMPARED = {
    buckets: ("monitor", "start", "state", "result", "reason", "revision", "source_rows", "usage"),
    aggregates: ("monitor", "start", "kind", "data"),
    findings: ("monitor", "start", "key", "status", "statistic", "reason"),
    incidents: ("id", "monitor", "rule", "state", "severity", "opened_at", "resolved_at", "reason"),
    actions: ("id", "monitor", "name", "kind", "state", "sequence", "incident", "digest", "not_after", "verification"),
    audit: ("operation", "subject", "by"),
}
"""What must not depend on how often the process was killed; times of the store's clock and counts of attempts may."""


def compute(daemon: Daemon, _database: Database) -> None:
    daemon.tick_all()


def approve(daemon: Daemon, database: Database) -> None:
    with database.read() as connection:
        query = sa.select(actions.c.id).where(actions.c.state == "awaiting_approval").order_by(actions.c.id)
        waiting = list(connection.execute(query).scalars())
    for action in waiting:
        perform(database, Approve(action, reason="fine"), Author("ann", "cli", "admin"), daemon.clock)


def deliver(daemon: Daemon, _database: Database) -> None:
    daemon.deliver()
    daemon.clock.moment += 5 * SECOND  # type: ignore[attr-defined]  # the wait of a digest
    daemon.deliver()


@dataclass(frozen=True)
class Stage:
    """A part of the story of an incident, at a time after the start."""

    name: str
    after: timedelta
    run: Callable[[Daemon, Database], None]
    preparing: bool = False


STAGES = (
    Stage("baseline", 2 * HOUR, compute, preparing=True),
    Stage("buckets with incidents and effects", 2.5 * HOUR, compute),
    Stage("approvals", 2.5 * HOUR, approve),
    Stage("delivery of effects and a digest", 2.5 * HOUR, deliver),
    Stage("clean buckets", 3.5 * HOUR, compute, preparing=True),
    Stage("verification and resolution", 4 * HOUR, compute),
    Stage("delivery of a digest of resolutions", 4 * HOUR, deliver),
)
KILLED = [stage for stage in STAGES if not stage.preparing]


@dataclass
class Story:
    """A world, and its state before and after each stage without a fault."""

    world: World
    chat: Receiver
    hook: Receiver
    steps: dict[str, int] = field(default_factory=dict)
    ends: dict[str, Mapping[str, list[str]]] = field(default_factory=dict)
    sent: dict[str, set[str]] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.world.folder / "driftd.db"

    def saved(self, stage: Stage) -> Path:
        return self.world.folder / f"{stage.name}.db"

    def run(self, stage: Stage, kill_at: int = 0) -> int | None:
        """Run a stage in a child process; return its number of steps, or None if it was killed."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                os.write(writer, str(self._work(stage, kill_at)).encode())
                os._exit(0)
            finally:
                os._exit(1)  # after an error, which pytest must not handle twice
        os.close(writer)
        with os.fdopen(reader) as stream:
            steps = stream.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == (-signal.SIGKILL if kill_at and not steps else 0), f"{stage.name}: exit code {code}"
        return int(steps) if steps else None

    def _work(self, stage: Stage, kill_at: int) -> int:
        steps = 0

        def step(*_: object) -> None:
            nonlocal steps
            steps += 1
            if steps == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        send = http.HttpTransport.send

        def send_and_count(*arguments: Any) -> Any:
            step()
            answer = send(*arguments)
            step()
            return answer

        http.HttpTransport.send = send_and_count  # type: ignore[method-assign]  # of this child process alone
        config = load(self.world.folder / "driftd.yaml")
        with open_store(config) as database:
            for event in ("after_cursor_execute", "commit"):
                sa.event.listen(database.engine, event, step)
            release_orphaned(database)  # as the daemon does when it starts
            daemon = make_daemon(database, config, Hand(START + stage.after + 30 * SECOND))
            stage.run(daemon, database)
        return steps

    def state(self) -> Mapping[str, list[str]]:
        """Return what is stored, without what may differ."""
        database = Database(self.world.store_url)
        with database.read() as connection:
            stored = {
                str(table.name): sorted(
                    map(str, connection.execute(sa.select(*(table.c[name] for name in names))).all())
                )
                for table, names in COMPARED.items()
            }
        database.close()
        return stored

    def forget_requests(self) -> None:
        self.hook.requests.clear()
        self.chat.requests.clear()

    def ids(self) -> set[str]:
        """Return what identifies each request: the id of an effect, the text of a message."""
        return {request.headers["webhook-id"] for request in self.hook.requests} | {
            str(request.form().get("text")) for request in self.chat.requests
        }


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Run the story once without a fault, with a copy of the store before each stage."""
    folder = tmp_path_factory.mktemp("story")
    world = World(folder, f"sqlite:///{folder / 'log.db'}")
    world.log(rows_of(START, 2 * HOUR, per_minute=4))
    world.log(rows_of(START + 2 * HOUR, HOUR, per_minute=4, shift=4, seed=1, model="v2"))
    world.log(rows_of(START + 3 * HOUR, HOUR, per_minute=4, seed=2))
    with ExitStack() as stack:
        made = Story(world, stack.enter_context(listening(slack())), stack.enter_context(listening(Receiver())))
        chat = {"kind": "slack", "token": "xoxb-1", "channel": "#ml", "base_url": f"{made.chat.url}/api/"}
        chat["digest"] = {"incidents": 2, "wait": "1s"}
        effect = {"kind": "rollback", "mode": "approve", "not_after": "1d", "verify_within": "2h"}
        back = {"kind": "webhook", "url": made.hook.url, "secret": SECRET, "effect": effect}
        path = world.configure(
            {"receivers": {"chat": chat, "back": back}},
            bucket="30m",
            window="30m",
            start=(START + 2 * HOUR).isoformat(),
            catch_up="3650d",
            baseline={"from": START.isoformat(), "to": (START + 2 * HOUR).isoformat(), "min_rows": 100},
            rules=[{"when": ["drift.amount"], "severity": "critical", "do": ["chat", "back"]}],
        )
        written = yaml.safe_load(path.read_text())
        written["monitors"] = [{**written["monitors"][0], "name": name} for name in ("one", "two")]
        path.write_text(yaml.safe_dump(written))
        with open_store(load(path), upgrade=True):
            pass
        for stage in STAGES:
            shutil.copy(made.store, made.saved(stage))
            made.forget_requests()
            made.steps[stage.name] = made.run(stage) or 0
            made.ends[stage.name], made.sent[stage.name] = made.state(), made.ids()
        yield made
    world.close()


def check(story: Story, stage: Stage, kill_at: int) -> None:
    """Kill a stage at a step, run it again, and compare with the run that nobody disturbed."""
    for leftover in story.world.folder.glob("driftd.db*"):
        leftover.unlink()
    shutil.copy(story.saved(stage), story.store)
    story.forget_requests()
    assert story.run(stage, kill_at) is None, f"{stage.name} has no step {kill_at}"
    story.run(stage)
    where = f"{stage.name}, killed at step {kill_at} of {story.steps[stage.name]}"
    assert story.state() == story.ends[stage.name], where
    assert story.ids() == story.sent[stage.name], where
    tally.count("kill points")


def test_the_story_has_what_it_is_about(story: Story) -> None:
    end = story.ends[STAGES[-1].name]
    text = "\n".join(end["actions"])
    for part in ("'rollback', 'delivered'", "'firing', 'delivered'", "'resolved', 'delivered'", "verified"):
        assert part in text
    assert len(end["audit"]) == 2
    assert len(story.sent["delivery of effects and a digest"]) == 3
    assert all(story.steps[stage.name] > 10 for stage in KILLED)


@pytest.mark.parametrize("stage", KILLED, ids=lambda stage: stage.name)
def test_a_kill_at_one_step_changes_nothing_in_the_end(stage: Stage, story: Story) -> None:
    check(story, stage, random.Random(stage.name).randrange(1, story.steps[stage.name] + 1))


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stage", KILLED, ids=lambda stage: stage.name)
def test_a_kill_at_many_steps_changes_nothing_in_the_end(stage: Stage, story: Story) -> None:
    first = random.Random(stage.name).randrange(1, STRIDE + 1)
    for kill_at in range(first, story.steps[stage.name] + 1, STRIDE):
        check(story, stage, kill_at)
