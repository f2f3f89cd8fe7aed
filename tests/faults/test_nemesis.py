"""Three replicas on one PostgreSQL, and a nemesis that kills, freezes, partitions and skews them and stops the store.

What it does follows from a seed. The history is what the receiver got and what the store has in the end; a checker
judges it after everything has been healed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import make_url

from monitor.store.database import Database
from monitor.store.tables import actions, buckets, incidents
from tests.faults import tally
from tests.support import postgres
from tests.support.nightly import nightly
from tests.support.process import eventually
from tests.support.proxy import Proxy, proxied
from tests.support.receiver import Receiver, Request, listening
from tests.support.replicas import Replica
from tests.support.world import World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)
LENGTH = 4 * HOUR
LIVE = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - LENGTH
"""Start of the buckets; they end at about this moment, so that few are computed beside them."""
START = LIVE - 2 * HOUR
MONITORS = ("one", "two", "three")
LEASE = 1.5
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1ob29r"
SEEDS = [int(seed) for seed in os.environ.get("DRIFTD_NEMESIS_SEEDS", "1").split(",")]
SECONDS = float(os.environ.get("DRIFTD_NEMESIS_SECONDS", "20"))
SLOW = """
import os, time
from monitor.core import clock

profile, now = observe.profile_bucket, clock.SystemClock.now

def slowly(*arguments):
    time.sleep(0.2)  # so that faults meet buckets at work
    return profile(*arguments)

def skewed(self):
    with open(os.environ["SKEW"]) as file:
        return now(self) + timedelta(seconds=float(file.read() or 0))

observe.profile_bucket, clock.SystemClock.now = slowly, skewed
"""


class Nemesis:
    """Injects faults by a seed; every fault is healed before the next one begins, but those of killed replicas."""

    def __init__(self, seed: int, server: postgres.OwnServer, replicas: list[Replica], proxies: list[Proxy]) -> None:
        self._random = random.Random(seed)
        self._server = server
        self._replicas = replicas
        self._proxies = proxies
        self.done: Counter[str] = Counter()

    def act(self) -> None:
        """Inject one fault, wait, and heal it."""
        fault = self._random.choice(["kill", "freeze", "freeze", "skew", "partition", "restart"])
        place = self._random.randrange(len(self._replicas))
        replica, proxy = self._replicas[place], self._proxies[place]
        pause = LEASE * self._random.uniform(0.5, 2.5)
        self.done[fault] += 1
        if replica.process.poll() is not None:  # as a supervisor would
            replica.start()
        if fault == "kill":
            replica.end()
            time.sleep(pause / 4)
            replica.start()
        elif fault == "freeze":
            replica.send(signal.SIGSTOP)
            time.sleep(pause)
            replica.send(signal.SIGCONT)
        elif fault == "partition":
            proxy.stall()
            time.sleep(pause)
            proxy.resume()
        elif fault == "restart":
            self._server.restart(self._random.choice([signal.SIGINT, signal.SIGQUIT]))
        else:
            skew_file(replica).write_text(str(self._random.choice([-3600, -30, 30, 3600])))
            time.sleep(pause)
            skew_file(replica).write_text("0")
        time.sleep(self._random.uniform(0.0, 1.0))


def skew_file(replica: Replica) -> Path:
    return replica.log.with_suffix(".skew")


def write_log(world: World, seed: int) -> None:
    """Log two hours for the baseline, and then episodes of an hour: every other one is shifted."""
    world.log(rows_of(START, 2 * HOUR, per_minute=4))
    for place in range(int(LENGTH / HOUR)):
        shift = 4.0 if place % 2 else 0.0
        world.log(rows_of(LIVE + place * HOUR, HOUR, per_minute=4, seed=seed + place, shift=shift))


def configure(world: World, url: str) -> None:
    """Write the configuration: three monitors over one log, with messages and automatic effects."""
    hook = {"kind": "webhook", "url": url, "secret": SECRET}
    effect = {"kind": "rollback", "mode": "auto", "cooldown": "1m", "not_after": "3650d", "max_per_day": 1000}
    path = world.configure(
        {
            "receivers": {"note": hook, "back": {**hook, "effect": effect}},
            "server": {"listen": "127.0.0.1:0"},
        },
        bucket="5m",
        window="15m",
        min_samples=20,
        start=LIVE.isoformat(),
        catch_up="3650d",
        baseline={"from": START.isoformat(), "to": LIVE.isoformat(), "min_rows": 100},
        rules=[{"when": ["drift.amount"], "severity": "critical", "do": ["note", "back"]}],
    )
    written = yaml.safe_load(path.read_text())
    written["monitors"] = [{**written["monitors"][0], "name": name} for name in MONITORS]
    path.write_text(yaml.safe_dump(written))


class History:
    """What is known afterwards."""

    def __init__(self, database: Database, requests: list[Request]) -> None:
        with database.read() as connection:
            self.buckets = list(connection.execute(sa.select(buckets).where(buckets.c.start < LIVE + LENGTH)))
            self.actions = list(connection.execute(sa.select(actions)))
            self.incidents = list(connection.execute(sa.select(incidents)))
        self.sent = Counter(request.headers["webhook-id"] for request in requests)

    def violations(self) -> list[str]:
        """Return each promise that does not hold, by the names of docs and design: P1 to P4."""
        found = []
        live = [row for row in self.buckets if row.start >= LIVE]
        counts = Counter((row.monitor, row.start) for row in live)
        expected = {(name, LIVE + place * FIVE) for name in MONITORS for place in range(int(LENGTH / FIVE))}
        found += [f"P1: no result of {key}" for key in expected - set(counts)]
        found += [f"P1: {row.monitor} {row.start} is {row.state}" for row in live if row.state != "finished"]
        found += [f"P1: {row.monitor} {row.start}: {row.reason}" for row in live if row.result == "failed"]
        found += [f"P2: revision {row.revision} of {row.monitor} {row.start}" for row in live if row.revision != 1]
        ids = {row.id for row in self.actions}
        delivered = {row.id for row in self.actions if row.state == "delivered"}
        found += [f"P3: {identity} was sent, and no action has that id" for identity in set(self.sent) - ids]
        found += [f"P3: {identity} is delivered, and was never sent" for identity in delivered - set(self.sent)]
        found += [f"P3: {row.id} is {row.state}: {row.reason}" for row in self.actions if row.state == "pending"]
        groups = Counter((row.monitor, row.incident, row.name, row.kind, row.sequence) for row in self.actions)
        found += [f"P3: {number} actions for one decision: {key}" for key, number in groups.items() if number > 1]
        return found


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [nightly(seed) for seed in SEEDS])
def test_nothing_is_lost_or_done_twice(seed: int, tmp_path: Path, own_server: postgres.OwnServer) -> None:
    store = own_server.url.render_as_string(hide_password=False)
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", store)
    write_log(world, seed)
    receiver = Receiver()
    with listening(receiver), ExitStack() as stack:
        configure(world, receiver.url)
        proxies = [stack.enter_context(proxied(make_url(store).port or 0)) for _ in MONITORS]
        replicas: list[Replica] = []
        for place, proxy in enumerate(proxies):
            # Each replica reaches the store through a proxy of its own, so that it can be cut off by itself.
            config = yaml.safe_load((tmp_path / "driftd.yaml").read_text())
            config["store"] = make_url(store).set(port=proxy.port).render_as_string(hide_password=False)
            file = tmp_path / f"replica{place}.yaml"
            file.write_text(yaml.safe_dump(config))
            skew = tmp_path / f"replica{place}.skew"
            skew.write_text("0")
            settings = {"DRIFTD_CONFIG": str(file), "SKEW": str(skew)}
            replicas.append(stack.enter_context(Replica(world, f"replica{place}", LEASE, SLOW, **settings)))
        database = Database(store)
        stack.callback(database.close)
        eventually(lambda: count_finished(database) > 3, 120, "the first buckets")
        nemesis, ends = Nemesis(seed, own_server, replicas, proxies), time.monotonic() + SECONDS
        while time.monotonic() < ends:
            nemesis.act()
        for replica in replicas:
            if replica.process.poll() is not None:  # as a supervisor would
                replica.start()
        total = len(MONITORS) * int(LENGTH / FIVE)
        eventually(lambda: count_finished(database) >= total, 600, "all buckets after the end of the faults")
        eventually(lambda: not count_pending(database), 120, "all deliveries after the end of the faults")
        history = History(database, receiver.requests)
        fences = sum(len(replica.events("fence_lost")) for replica in replicas)
        fences += sum(
            row["state"] == "taken_over" for replica in replicas for row in replica.events("action_attempted")
        )
    world.close()
    tally.count("nemesis seeds")
    tally.count("faults of the nemesis", nemesis.done.total())
    tally.count("fences lost", fences)
    tally.count("violations", len(history.violations()))
    assert history.violations() == [], f"seed {seed}, faults {dict(nemesis.done)}"
    assert len(history.actions) > len(MONITORS)


def count_finished(database: Database) -> int:
    return count(database, buckets.c.state == "finished", buckets.c.start >= LIVE, buckets.c.start < LIVE + LENGTH)


def count_pending(database: Database) -> int:
    return count(database, actions.c.state == "pending")


def count(database: Database, *conditions: Any) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).where(*conditions)).scalar_one())
