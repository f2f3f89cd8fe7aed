"""Seconds from the first bad record to the request of an automatic rollback: `make bench-reaction`.

Each swap replaces the model of a log by a worse one, at another second of the minute, with another rate of failures and
another number of records. Buckets are a minute, the window is 15 minutes, `settle: 10s`; everything else is the
default. The jobs of the daemon run as they are, on the daemon's schedule: the monitor and each receiver once a second,
each at its own fraction of the second. The rollback is a signed request to a real HTTP server on loopback.

The clock is simulated, so that a quarter of an hour takes seconds. It includes: the rest of the bucket, `settle`, the
waits for the next run of the job of the monitor and of the receiver, every further bucket that the decision needs, the
10 s for which an effect waits for other monitors (two run, and do not fire), and the time that the jobs took, which is
measured and by which the clock advances. It does not include: the time that an application needs to log a record, or
that a database takes to return it (records are read from memory).

Two variants: the rollback does not help, so that people are told and it is not repeated; five other monitors fire
already, so that it waits for approval. With `--useless` no rollback of the swaps helps either. Ends with 1 if a goal
is missed.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import random
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import structlog

from benchmarks.causes.run import MEMORY, Clock, LogReader
from benchmarks.causes.truth import LIVE, MINUTE
from benchmarks.detection.streams import Stream
from monitor.actions.receivers.webhook import Webhook
from monitor.actions.receivers.webhook.config import WebhookConfig
from monitor.config.models import Config
from monitor.core.incident import Decision, Incident
from monitor.jobs.delivery import deliver_due, expire_late
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.source_session import SourceSession
from monitor.store import migrate, reads
from monitor.store.database import Database
from monitor.store.incidents import save_decision
from monitor.store.rows import ActionRow
from monitor.store.watches import save_watch
from tests.support.receiver import Receiver, Request, listening

MEDIAN_GOAL, WORST_GOAL = 120.0, 300.0
VERIFIED_GOAL = 0.9
"""Part of the rollbacks that helped that is verified within 10 minutes; of those that did not help it is none."""
SECOND, SETTLE = timedelta(seconds=1), timedelta(seconds=10)
BASELINE, LENGTH = 120, 20
"""Minutes of the baseline, and after it."""
SWAP = 4
"""Minute of the swap."""
GOOD, OLD, BAD = "large-70b", "large-60b", "small-7b"
FAILED = 0.02
RATES = (60, 120, 300)
"""Records a minute; each has a baseline of its own."""
RECOVERY = 5 * SECOND
"""From the request to the first record of the good model."""


@dataclass(frozen=True)
class Swap:
    """A change of the model.

    Parameters
    ----------
    offset
        Place within the minute, from 0 to 1.
    failed
        Share of the records that fail under the bad model; under the good one it is 2 %.
    slower
        Factor of the latency.
    rate
        Records a minute.
    helps
        Whether the traffic recovers after the request.
    storm
        Whether five other monitors fire already.
    """

    seed: int
    offset: float
    failed: float
    slower: float
    rate: int
    helps: bool = True
    storm: bool = False


@dataclass(frozen=True)
class Reaction:
    """What a swap led to.

    Parameters
    ----------
    seconds
        From the first bad record to the request; None without a request.
    targets
        The version in each request.
    computing
        Seconds that the jobs took on the way to the request.
    escalations
        Kinds of the messages to the person to whom it is escalated.
    """

    seconds: float | None
    targets: Sequence[object]
    computing: float
    rollbacks: Sequence[ActionRow]
    escalations: Sequence[str]


class Traffic:
    """Records of which those between the swap and the recovery are of the bad model."""

    def __init__(self, swap: Swap) -> None:
        rng = np.random.default_rng(swap.seed)
        rows = rng.poisson(swap.rate * (BASELINE + LENGTH))
        self.minutes = np.sort(rng.uniform(-BASELINE, LENGTH, rows))
        self._swap = swap
        self._start = SWAP + swap.offset
        self._latency = rng.lognormal(0.0, 0.5, rows)
        self._draw = rng.random(rows)

    @property
    def first_bad(self) -> datetime:
        """Return the time of the first record of the bad model."""
        return LIVE + float(self.minutes[self.minutes >= self._start][0]) * MINUTE

    def reader(self, clock: Clock, recovery: datetime | None = None) -> LogReader:
        """Return a reader of the log; ``recovery`` is when the good model is back."""
        end = math.inf if recovery is None else (recovery - LIVE) / MINUTE
        bad = (self.minutes >= self._start) & (self.minutes < end)
        model = np.where(bad, BAD, np.where(self.minutes < -BASELINE * 0.8, OLD, GOOD))
        frame = {
            "timestamp": pd.Timestamp(LIVE) + pd.to_timedelta((self.minutes * 6e7).astype("int64"), unit="us"),
            "model_version": model.astype(object),
            "latency": self._latency * np.where(bad, self._swap.slower, 1.0),
            "status": np.where(self._draw < np.where(bad, self._swap.failed, FAILED), 500.0, 200.0),
        }
        end_of_baseline = pd.Timestamp(LIVE)
        stream = Stream("reaction", pd.DataFrame(frame), MINUTE, 15 * MINUTE, end_of_baseline, (), "")
        return LogReader(stream, clock)


def configure(store: str, url: str) -> Config:
    """Return the configuration."""
    columns = ("timestamp", "model_version", "latency", "status")
    monitor = {
        "name": "bot",
        "source": {"url": "sqlite://", "table": "log", "columns": {name: name for name in columns}},
        "bucket": "1m",
        "window": "15m",
        "settle": SETTLE,
        "baseline": {"from": LIVE - BASELINE * MINUTE, "to": LIVE},
        "segments": ["model_version"],
        "signals": ["failed"],
        "checks": ["drift", "latency"],
        "rules": [{"when": ["drift", "latency"], "severity": "critical", "do": ["people", "rollback"]}],
        "escalate": [{"after": "12h", "do": ["lead"]}],
    }
    hook = {"kind": "webhook", "secret": "whsec_bm9uZQ=="}
    effect = {"kind": "rollback", "mode": "auto", "verify_within": "10m"}
    receivers = {name: {**hook, "url": f"{url}/{name}"} for name in ("people", "lead")}
    receivers["rollback"] = {**hook, "url": f"{url}/rollback", "effect": effect}
    return Config.model_validate({"store": store, "receivers": receivers, "monitors": [monitor]})


@dataclass
class Schedule:
    """The jobs of a daemon, each at its own fraction of each second."""

    database: Database
    config: Config
    clock: Clock
    job: MonitorJob
    rng: random.Random
    computing: float = 0.0
    webhooks: dict[str, Webhook] = field(init=False)
    phases: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        configs = self.config.receivers.items()
        self.webhooks = {name: Webhook(config) for name, config in configs if isinstance(config, WebhookConfig)}
        self.phases = {name: self.rng.random() for name in ("monitor", *self.webhooks)}

    def run_second(self, second: datetime) -> int:
        """Run the jobs in the order of their fractions; return how many buckets and deliveries there were."""
        done = 0
        for name, phase in sorted(self.phases.items(), key=lambda item: item[1]):
            self.clock.moment = max(self.clock.moment, second + phase * SECOND)
            started = time.perf_counter()
            if name == "monitor":
                done += self.job.take_turn(lambda: False, lambda: None)
                expire_late(self.database, self.clock)
            else:
                done += deliver_due(self.database, self.webhooks, self.clock, name)
            taken = time.perf_counter() - started
            self.computing += taken
            self.clock.moment += taken * SECOND
        return done


def run(swap: Swap, home: Path) -> Reaction:
    """Run a swap; ``home`` keeps the store of each baseline for the following swaps."""
    clock, traffic, arrivals = Clock(LIVE + SETTLE), Traffic(swap), list[tuple[datetime, Request]]()

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        arrivals.append((clock.moment, request))
        return 204, {}, b""

    with listening(Receiver(answer)) as receiver, TemporaryDirectory(dir=home) as folder:
        path = Path(folder) / "driftd.db"
        config = configure(f"sqlite:///{path}", receiver.url)
        learn(config, home / f"{swap.rate}.db", path, swap.rate)
        with closing(Database(config.store.get_secret_value())) as database:
            watch_others(database)
            if swap.storm:
                fire_elsewhere(database)
            reader = traffic.reader(clock)
            job = make_job(database, config, reader, clock)
            schedule = Schedule(database, config, clock, job, random.Random(swap.seed))
            sent: list[tuple[datetime, Request]] = []
            computing = 0.0
            for minute in range(LENGTH):
                second = LIVE + minute * MINUTE + SETTLE
                while schedule.run_second(second):
                    second += SECOND
                if sent:
                    continue
                sent = [one for one in arrivals if one[1].path == "/rollback"]
                computing, schedule.computing = schedule.computing, 0.0
                if sent and swap.helps:
                    reader.__dict__.update(traffic.reader(clock, sent[0][0] + RECOVERY).__dict__)
            with database.read() as connection:
                rollbacks = [row for row in reads.action_rows(connection, most=1000) if row.kind == "rollback"]
    bodies = [(request.path, json.loads(request.body)) for _, request in arrivals]
    return Reaction(
        (sent[0][0] - traffic.first_bad).total_seconds() if sent else None,
        [body["data"]["target"]["model_version"] for to, body in bodies if to == "/rollback"],
        computing,
        rollbacks,
        [body["type"].removeprefix("driftd.") for to, body in bodies if to == "/lead"],
    )


def make_job(database: Database, config: Config, reader: LogReader, clock: Clock) -> MonitorJob:
    """Return the job of the monitor."""
    session = SourceSession(lambda: reader, lambda _reader: clock.moment)
    return MonitorJob(database, config.monitors[0], session, config.receivers)


def learn(config: Config, learnt: Path, store: Path, rate: int) -> None:
    """Copy the store of a baseline; learn it if there is none yet."""
    if not learnt.exists():
        clock = Clock(LIVE + SETTLE)
        reader = Traffic(Swap(rate, 0.0, FAILED, 1.0, rate)).reader(clock, LIVE)
        with closing(Database(config.store.get_secret_value())) as database:
            migrate.upgrade(database)
            job = make_job(database, config, reader, clock)
            while job.take_turn(lambda: False, lambda: None) or job.lifecycle.state != "active":
                pass
        shutil.copy(store, learnt)
    shutil.copy(learnt, store)


def watch_others(database: Database) -> None:
    """Store that two other monitors run, so that a storm is possible and effects wait for it."""
    with database.write() as connection:
        for number in range(2):
            save_watch(connection, f"bot-{number}")


def fire_elsewhere(database: Database) -> None:
    """Store a firing incident of each of five other monitors."""
    at = LIVE + SWAP * MINUTE
    with database.write() as connection:
        for number in range(5):
            other = Incident(
                f"other-{number}", f"bot-{number}", "answers", "critical", "firing", at, at, "", fired_at=at
            )
            save_decision(connection, Decision(other, None, ""))


def draw_swaps(count: int, seed: int) -> list[Swap]:
    """Draw the swaps; their places within the minute are spread evenly."""
    rng = random.Random(seed)
    offsets = [number / count for number in range(count)]
    rng.shuffle(offsets)
    return [
        Swap(1000 * seed + number, offset, rng.uniform(0.1, 0.5), rng.uniform(1.0, 2.0), RATES[number % len(RATES)])
        for number, offset in enumerate(offsets)
    ]


def describe(swap: Swap, reaction: Reaction) -> str:
    """Return the line of a swap."""
    seconds = "not sent" if reaction.seconds is None else f"{reaction.seconds:.1f} s"
    result = ", ".join(
        row.verification["state"] if row.verification else f"{row.state}: {row.reason}" for row in reaction.rollbacks
    )
    return (
        f"{60 * swap.offset:>6.0f} {swap.rate:>8} {swap.failed:>8.0%} {swap.slower:>8.2f} {seconds:>9}"
        f" {reaction.computing:>9.2f}  {result or 'no rollback was planned'}"
    )


def measure(swaps: Sequence[Swap], home: Path) -> bool:
    """Print the reaction to each swap, and what all came to; return whether the goals are met."""
    print("second records failures  latency  reaction computing  result")
    print("        /minute              ×                     s")
    reactions = []
    for swap in swaps:
        reactions.append(run(swap, home))
        print(describe(swap, reactions[-1]), flush=True)
    seconds = [one.seconds for one in reactions if one.seconds is not None] or [math.inf]
    median, worst = statistics.median(seconds), max(seconds)
    wrong = sum(any(target != GOOD for target in one.targets) for one in reactions)
    absent = sum(one.seconds is None for one in reactions)
    print(f"\nseconds to the request: min {min(seconds):.1f}, median {median:.1f}, max {worst:.1f}", end=" ")
    print(f"(goals: median < {MEDIAN_GOAL:g}, max < {WORST_GOAL:g})")
    print(f"not rolled back: {absent} of {len(swaps)}; to a wrong target: {wrong}")
    verified = sum(is_verified(reaction) for reaction in reactions)
    helped = sum(swap.helps for swap in swaps)
    print(f"verified: {verified} of {len(swaps)} rollbacks, of which {helped} helped")
    judged = verified >= VERIFIED_GOAL * helped if helped else not verified
    return median < MEDIAN_GOAL and worst < WORST_GOAL and not wrong and not absent and judged


def is_verified(reaction: Reaction) -> bool:
    """Return whether a rollback is said to have helped."""
    return any(row.verification and row.verification["state"] == "verified" for row in reaction.rollbacks)


def measure_unhelpful(swap: Swap, home: Path) -> bool:
    """Print what becomes of a rollback that does not help; return whether it was escalated and sent once."""
    reaction = run(replace(swap, helps=False), home)
    states = [row.verification["state"] for row in reaction.rollbacks if row.verification]
    print(f"does not help: {len(reaction.targets)} request, {', '.join(states)}, the lead got: {reaction.escalations}")
    return len(reaction.targets) == 1 and states == ["not_verified"] and bool(reaction.escalations)


def measure_storm(swap: Swap, home: Path) -> bool:
    """Print what becomes of a rollback while all other monitors fire; return whether it waits for approval."""
    reaction = run(replace(swap, storm=True), home)
    states = [f"{row.state}: {row.reason}" for row in reaction.rollbacks]
    print(f"the other monitors fire already: {len(reaction.targets)} requests, {'; '.join(states)}")
    return not reaction.targets and any(row.state == "awaiting_approval" for row in reaction.rollbacks)


def main() -> int:
    """Print the reactions; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="make bench-reaction", description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--useless", action="store_true", help="the rollbacks do not help")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began = time.monotonic()
    strong = Swap(asked.seed, 0.5, 0.4, 1.5, 120)
    with TemporaryDirectory(prefix="driftd-reaction-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        home = Path(folder)
        swaps = [replace(swap, helps=not asked.useless) for swap in draw_swaps(asked.swaps, asked.seed)]
        good = measure(swaps, home)
        good &= measure_unhelpful(strong, home)
        good &= measure_storm(strong, home)
    print(f"{time.monotonic() - began:.0f} s; {'all goals are met' if good else 'a goal is missed'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
