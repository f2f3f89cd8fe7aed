"""A store filled row by row through our own tables: three days in the life of a few monitors."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from detectors.experiment.tally import Tally
from detectors.outcome import OUTCOME
from detectors.profile import Profile
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Config
from monitor.profiling.ab_counts import Arms, experiment_findings
from monitor.profiling.bucket_profiles import pack_profiles
from monitor.profiling.shadow_join import Half, Pairs, ShadowPair
from monitor.store import migrate, tables
from monitor.store.database import Database
from monitor.store.encoding import pack_layouts
from monitor.store.findings import add_findings

MINUTE = timedelta(minutes=1)
HOSTILE = "<script>alert(1)</script>\"'&<!channel>*_~`"


TRIAL_OF = "search-rank"
TRIAL = {
    "name": "shorter prompt",
    "arm": "prompt_version",
    "control": "rank@3",
    "treatments": ["rank@4"],
    "from": "2026-11-01",
    "metrics": {"solved": {"minimum": 0.02}, "latency": {"better": "lower", "role": "guardrail"}},
}
"""An experiment of the monitor `search-rank`."""
LABELLED = "fraud-scores"
"""A monitor whose labels come."""
SHADOW = {
    "name": "small",
    "champion": "v1",
    "challenger": "v2",
    "join": "request",
    "from": "2026-11-01",
    "metrics": {"latency": {"better": "lower"}},
}


def configuration(url: str, names: Sequence[str] = ("bot",), **server: Any) -> Config:
    """Return a configuration of monitors with buckets of five minutes."""
    monitors: list[dict[str, Any]] = [
        {
            "name": name,
            "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}},
            "bucket": "5m",
            "window": "1h",
            "segments": ["model_version"],
            "savings": {},
        }
        for name in names
    ]
    for monitor in monitors:
        if monitor["name"] == TRIAL_OF:
            monitor["experiments"], monitor["shadows"] = [TRIAL], [SHADOW]
            monitor["checks"] = [{"spend": {"daily": 200}}]
            monitor["breakers"] = [{"name": "rank-money", "budget": "spend"}]
        if monitor["name"] == LABELLED:
            monitor["checks"] = ["drift", "quality", "performance"]
    hook = {"url": "https://deploy.example/rollback", "secret": "whsec_c2VjcmV0LW9mLXRoZS1ob29r"}
    receivers = {
        "rollback-bot": {"kind": "webhook", **hook, "effect": {"kind": "rollback"}},
        "slack": {"kind": "slack", "token": "xoxb-1", "channel": "#ml"},
    }
    return Config.model_validate(
        {"store": url, "monitors": monitors, "receivers": receivers, "server": {"listen": "127.0.0.1:0", **server}}
    )


def finding_key(check: str, column: str, method: str, segment: str | None) -> str:
    """Return the key as :class:`detectors.base.Finding` writes it."""
    return "/".join([check, column, method, segment or ""])


class Seed:
    """Writes rows; every method takes times relative to ``end``, the end of the newest bucket."""

    def __init__(self, database: Database, end: datetime | None = None) -> None:
        migrate.upgrade(database)
        self.database = database
        moment = end or datetime.now(UTC)
        self.end = moment - timedelta(seconds=moment.timestamp() % 300)

    def insert(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows of one table."""
        with self.database.write() as connection:
            for place in range(0, len(rows), 5000):
                connection.execute(sa.insert(table), rows[place : place + 5000])

    def watch(self, monitor: str, *, error: str | None = None, seen_at: datetime | None = None) -> None:
        """Write that a monitor was looked at."""
        seen = seen_at or datetime.now(UTC)
        row = {"monitor": monitor, "config": "c", "seen_at": seen, "error": error, "late_rows": 0, "newest": self.end}
        row["source_time"] = seen
        self.insert(tables.watches, [row])

    def breaker(self, monitor: str, name: str, state: str, reason: str) -> None:
        """Write how a circuit breaker stands."""
        row = {"name": name, "value": "", "monitor": monitor, "state": state, "since": self.end, "reason": reason}
        row |= {"until": self.end + timedelta(hours=9), "number": 1, "episode": self.end, "as_of": self.end}
        self.insert(tables.breakers, [{**row, "counts": {state: 1}}])

    def baseline(
        self,
        monitor: str,
        state: str = "active",
        rows: int = 201_312,
        facts: Mapping[str, Any] | None = None,
        calibration: Mapping[str, Any] | None = None,
        profiles: Mapping[str, Profile] | None = None,
    ) -> None:
        """Write a baseline that was learnt from two weeks, with the profiles of all rows by column."""
        layouts = {column: profile.layout for column, profile in (profiles or {}).items()}
        self.insert(
            tables.baselines,
            [
                {
                    "monitor": monitor,
                    "definition": "d",
                    "state": state,
                    "layout": "l",
                    "rows": rows,
                    "layouts": pack_layouts(layouts) if layouts else b"",
                    "profiles": pack_profiles({None: profiles}) if profiles else None,
                    "start": self.end - timedelta(days=17),
                    "end": self.end - timedelta(days=3),
                    "created_at": self.end - timedelta(days=3),
                    "facts": facts,
                    "calibration": calibration,
                }
            ],
        )

    def usage(self, monitor: str, *segments: str) -> None:
        """Write what the windows of the last hour used, of all rows and of segments."""
        used = {
            "requests": 4812,
            "seconds": 3600.0,
            "shares": {"failed": 0.02, "rate_limited": 0.01, "timed_out": 0.005},
            "tokens": {kind: {"total": 1.5e6, "requests": 4812} for kind in ("input", "output", "cached")},
            "times": {
                name: {"0.5": 0.9, "0.9": 1.1, "0.95": 1.2, "0.99": 2.5} for name in ("latency", "time_to_first_token")
            },
            "loads": {"queue_depth": {"mean": 3.2, "max": 17.0}, "gpu_utilization": {"mean": 0.7, "max": 0.98}},
            "cost": {"amount": 18.75, "priced": 4812, "unpriced": 0, "per_success": 0.00398},
        }
        where = (tables.buckets.c.monitor == monitor) & (tables.buckets.c.start >= self.end - 60 * MINUTE)
        told = {"currency": "USD", "segments": dict.fromkeys(["", *segments], used)}
        with self.database.write() as connection:
            connection.execute(sa.update(tables.buckets).where(where).values(usage=told))

    def buckets(self, monitor: str, count: int = 288, *, gap: range = range(0)) -> None:
        """Write finished buckets up to the end, with a day's rhythm; those in ``gap`` could tell nothing."""
        chance = random.Random(monitor)
        rows = []
        for back in range(count):
            start = self.end - (back + 1) * 5 * MINUTE
            day = 2 * math.pi * (start.timestamp() % 86400) / 86400
            many = int(400 - 250 * math.cos(day) + chance.randrange(60))
            blind = back in gap
            rows.append(
                {
                    "monitor": monitor,
                    "start": start,
                    "state": "finished",
                    "fence": 1,
                    "attempts": 0,
                    "revision": 1,
                    "audits": 0,
                    "result": "inconclusive" if blind else "done",
                    "source_rows": 3 if blind else many,
                    "reason": "too_few: 3 rows, 100 needed" if blind else None,
                    "finished_at": start + 6 * MINUTE,
                }
            )
        self.insert(tables.buckets, rows)

    def findings(
        self,
        monitor: str,
        column: str,
        *,
        check: str = "drift",
        method: str = "kolmogorov_smirnov",
        segment: str | None = None,
        level: float = 0.03,
        jump: float = 0.0,
        since: int = 0,
        count: int = 288,
        threshold: float = 0.1,
        gap: range = range(0),
        about: str = "model",
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Write the history of one finding that jumps up ``since`` buckets before the end."""
        chance = random.Random(f"{monitor}{column}{segment}")
        key = finding_key(check, column, method, segment)
        rows = []
        for back in range(count):
            if back in gap:
                continue
            raised = jump * (1 - math.exp(-(since - back) / 4)) if back < since else 0.0
            value = level * chance.uniform(0.6, 1.5) + raised
            drifted = value >= threshold
            rows.append(
                {
                    "monitor": monitor,
                    "start": self.end - (back + 1) * 5 * MINUTE,
                    "key": key,
                    "check": check,
                    "column": column,
                    "method": method,
                    "segment": segment,
                    "statistic": value,
                    "threshold": threshold,
                    "status": "drifted" if drifted else "ok",
                    "p_value": 1e-9 if drifted else 0.4,
                    "reason": f"{method} {value:.4g} {'reaches' if drifted else 'is below'} {threshold}",
                    "n_baseline": 201_312,
                    "n_window": 4_812,
                    "about": about,
                    "unit": "1",
                    "detail": detail or {},
                }
            )
        self.insert(tables.findings, rows)

    def experiment(self, monitor: str, hours: int = 6) -> None:
        """Write an experiment that counted so many hours up to the end, with an interval at every bucket."""
        spec = Experiment.model_validate({**TRIAL, "from": self.end - timedelta(hours=hours)})
        chance, step = np.random.default_rng(5), 5 * MINUTE
        arms, told = Arms(spec), {}
        for place in range(hours * 12):
            start = spec.start + place * step
            for arm, solved in zip(spec.arms, (0.5, 0.56), strict=True):
                good = Tally.of((chance.random(200) < solved).astype(float))
                arms += Arms(
                    spec,
                    {**Arms(spec).tallies, arm: {"solved": good, "latency": Tally.of(chance.lognormal(0, 0.4, 200))}},
                )
            told = arms.summarize(told, start + step)
            with self.database.write() as connection:
                add_findings(connection, monitor, start, experiment_findings(spec, told))
        self.insert(
            tables.comparisons,
            [
                {
                    "monitor": monitor,
                    "kind": "experiment",
                    "name": spec.name,
                    "definition": "d",
                    "next": self.end,
                    "told": told,
                    "told_at": self.end,
                    "total": None,
                },
                {
                    "monitor": monitor,
                    "kind": "shadow",
                    "name": "small",
                    "definition": "d",
                    "next": self.end,
                    "told": self._shadow(),
                    "told_at": self.end,
                    "total": None,
                },
            ],
        )

    def _shadow(self) -> dict[str, Any]:
        spec, chance = Shadow.model_validate(SHADOW), np.random.default_rng(6)
        at = self.end.timestamp()
        found = [
            ShadowPair(
                f"r{place}",
                Half("v1", at, "yes", (took,)),
                Half("v2", at, "no" if place < 30 else "yes", (0.9 * took,)),
            )
            for place, took in enumerate(chance.lognormal(0, 0.4, 1000))
        ]
        return Pairs.of(spec, found, {"v1": 4}).summarize()

    def unmeasured(self, monitor: str, column: str, status: str, reason: str) -> None:
        """Write one finding of the newest bucket that could not be measured."""
        self.insert(
            tables.findings,
            [
                {
                    "monitor": monitor,
                    "start": self.end - 5 * MINUTE,
                    "check": "drift",
                    "column": column,
                    "key": finding_key("drift", column, "psi", "model_version=tiny"),
                    "method": "psi",
                    "segment": "model_version=tiny",
                    "status": status,
                    "reason": reason,
                    "threshold": 0.1,
                    "n_baseline": 12,
                    "n_window": 4,
                    "about": "model",
                    "unit": "1",
                }
            ],
        )

    def incident(
        self,
        identity: str,
        monitor: str,
        evidence: Sequence[tuple[str, str | None, float]] = (),
        *,
        rule: str = "answers-leave-their-context",
        severity: str = "critical",
        opened: int = 40,
        resolved: int | None = None,
        state: str | None = None,
        reason: str = "drift of novelty: Kolmogorov–Smirnov distance 0.41 reaches 0.1, and 2 more; bad for 2 buckets",
        suspect: dict[str, Any] | None = None,
    ) -> None:
        """Write an incident that opened so many minutes before the end, with its transitions."""
        opened_at = self.end - opened * MINUTE
        resolved_at = None if resolved is None else self.end - resolved * MINUTE
        now_in = state or ("firing" if resolved is None else "resolved")
        items = {
            finding_key("drift", column, "kolmogorov_smirnov", segment): {
                "check": "drift",
                "column": column,
                "method": "kolmogorov_smirnov",
                "segment": segment,
                "statistic": value,
                "threshold": 0.1,
                "worst": value * 1.07,
                "about": "model",
                "reason": f"distance {value:.4g} reaches 0.1",
                "n_baseline": 201_312,
                "n_window": 4_812,
            }
            for column, segment, value in evidence
        }
        self.insert(
            tables.incidents,
            [
                {
                    "id": identity,
                    "monitor": monitor,
                    "rule": rule,
                    "severity": severity,
                    "state": now_in,
                    "opened_at": opened_at,
                    "fired_at": None if now_in == "pending" else opened_at + 5 * MINUTE,
                    "resolved_at": resolved_at,
                    "updated_at": resolved_at or self.end,
                    "notified_at": None,
                    "bad": 2,
                    "clean": 0,
                    "reason": reason if resolved is None else "clean for 2 buckets",
                    "evidence": items,
                    "suspected_change": suspect,
                }
            ],
        )
        steps = [(opened_at, "pending", f"{reason.split(';', maxsplit=1)[0]}; bad for 1 of 2 buckets")]
        if now_in != "pending":
            steps.append((opened_at + 5 * MINUTE, "firing", reason))
        if resolved_at is not None:
            steps.append((resolved_at, "resolved", "clean for 2 buckets"))
        self.insert(
            tables.transitions,
            [{"incident": identity, "at": at, "state": step, "reason": why} for at, step, why in steps],
        )

    def action(self, identity: str, incident: str, monitor: str, **changes: Any) -> None:
        """Write one row of the outbox."""
        row = {
            "id": identity,
            "monitor": monitor,
            "incident": incident,
            "name": "rollback-bot",
            "kind": "rollback",
            "mode": "approve",
            "state": "awaiting_approval",
            "reason": "mode approve: `driftd actions approve` sends it",
            "payload": {
                "type": "driftd.rollback",
                "timestamp": self.end.isoformat(),
                "data": {"monitor": monitor, "target": {"model_version": "big-4"}, "dry_run": False},
            },
            "dry_run": False,
            "created_at": self.end - 30 * MINUTE,
            "sequence": 0,
            "attempts": 0,
            "fence": 0,
            "not_after": self.end + 15 * MINUTE,
            "receipt": None,
            "finished_at": None,
        }
        self.insert(tables.actions, [{**row, **changes}])

    def change(self, monitor: str, kind: str, column: str, value: str, minutes: int) -> None:
        """Write a first sight."""
        row = {"monitor": monitor, "kind": kind, "column": column, "value": value}
        self.insert(tables.changes, [{**row, "first_seen": self.end - minutes * MINUTE}])


def busy_store(seed: Seed) -> list[str]:
    """Fill a store with one monitor of every state; return their names."""
    names = ["support-bot", "search-rank", "churn-model", "fraud-scores", "summaries", "invoice-reader"]
    bot, rank, churn, fraud, summaries, invoices = names
    for name in (bot, rank, fraud):
        seed.watch(name)
        seed.baseline(name)
        seed.buckets(name, gap=range(100, 112) if name == bot else range(0))
    story = {"since": 9, "gap": range(100, 112)}
    seed.findings(bot, "novelty", level=0.035, jump=0.38, **story)
    seed.findings(bot, "novelty", segment="model_version=small-7b", level=0.03, jump=0.62, since=9, count=9)
    seed.findings(bot, "response_length", level=0.04, jump=0.17, **story)
    seed.findings(bot, "prompt_tokens", level=0.05, **story)
    seed.findings(bot, "country", method="jensen_shannon", level=0.02, **story)
    seed.findings(
        bot, "prompt_tokens", check="missing", method="missing", threshold=0.05, level=0.001, about="pipe", **story
    )
    seed.findings(bot, "", check="volume", method="volume", threshold=4.0, level=0.9, about="pipe", **story)
    seed.unmeasured(bot, "novelty", "inconclusive", "too_few: the window has 4 usable values, 100 needed")
    suspect = {"kind": "model_version", "column": "model_version", "value": "small-7b"}
    suspect["first_seen"] = (seed.end - 52 * MINUTE).isoformat()
    evidence = [("novelty", "model_version=small-7b", 0.58), ("novelty", None, 0.36), ("response_length", None, 0.19)]
    seed.incident("11111111-aaaa-4000-8000-000000000001", bot, evidence, suspect=suspect)
    seed.incident(
        "11111111-aaaa-4000-8000-000000000003",
        bot,
        [("prompt_tokens", None, 0.12)],
        rule="inputs",
        severity="warning",
        opened=560,
        resolved=480,
    )
    first = "11111111-aaaa-4000-8000-000000000001"
    seed.action("22222222-aaaa-4000-8000-000000000001", first, bot)
    seed.action(
        "22222222-aaaa-4000-8000-000000000002",
        first,
        bot,
        name="slack",
        kind="firing",
        mode="auto",
        state="delivered",
        reason="every transition is announced",
        attempts=1,
        finished_at=seed.end - 29 * MINUTE,
        receipt={"status": 200},
    )
    seed.change(bot, "model_version", "model_version", "small-7b", 52)
    seed.change(bot, "category", "country", "IS", 400)
    for column, level in (("query_length", 0.05), ("clicks", 0.03), ("dwell_seconds", 0.07)):
        seed.findings(rank, column, level=level)
        seed.findings(fraud, column, level=level / 2)
    spent = {"value": 91.2, "budget": 200.0, "pace": 190.0, "unpriced": 3, "unknown": 0, "currency": "USD"}
    spent |= {"forecast_low": 150.0, "forecast": 170.0, "forecast_high": 195.0}
    seed.findings(rank, "price", check="spend", method="daily", threshold=1.0, level=0.4, detail=spent)
    burns = {"5m": 0.4, "30m": 0.6, "1h": 0.7, "2h": 0.9, "6h": 0.8, "1d": 0.5, "3d": 0.5}
    objective = {"objective": 0.99, "value": 0.004, "left": 0.6, "period_seconds": 2592000.0, "burns": burns}
    seed.findings(rank, "failed", check="slo", method="burn_rate", threshold=1.0, level=0.4, detail=objective)
    seed.breaker(rank, "rank-money", "open", "the daily budget of 200.00 USD is gone: 201.30 are spent")
    plan = {
        "plan": "all small",
        "requests": 9000,
        "compared": 9000,
        "unpriced": 0,
        "now": 91.2,
        "then": 20.1,
        "saved": 71.1,
        "share": 0.78,
        "tiers": [
            {
                "model": "small-7b",
                "moved": 7000,
                "requests": 9000,
                "quality": {"claim": "not known", "why": "small-7b answered 0 comparable requests"},
            }
        ],
    }
    saved = {"from": (seed.end - timedelta(days=30)).isoformat(), "to": seed.end.isoformat(), "currency": "USD"}
    told = {**saved, "monitor": rank, "plans": [plan], "retraining": None}
    seed.insert(tables.savings_reports, [{"monitor": rank, "at": seed.end, "told": told}])
    seed.usage(rank, "model_version=v1", "model_version=v2")
    for segment in (None, "model_version=v1"):
        slow = {"value": 1.2, "low": 1.1, "high": 1.3, "quantile": 0.95, "baseline_value": 1.1}
        rate = {"value": 0.06, "low": 0.04, "high": 0.08, "baseline_value": 0.06}
        seed.findings(rank, "latency", check="latency", method="p95_rise", segment=segment, detail=slow)
        seed.findings(rank, "refusal", check="rate", method="rate_rise", segment=segment, detail=rate)
    guess = {"value": 0.9, "estimated": 0.9, "low": 0.86, "high": 0.93, "corrected": 0.895, "known_to_hold": True}
    truth = {"value": 0.89, "estimated": 0.9, "low": 0.88, "high": 0.9, "estimated_low": 0.86, "estimated_high": 0.93}
    truth |= {"estimate_held": True, "error": 0.01, "new": 0.0, "at": 0.0}
    for method, detail in (("estimated_roc_auc", guess), ("roc_auc", truth)):
        seed.findings(fraud, OUTCOME, check="performance", method=method, threshold=0.05, level=0.01, detail=detail)
    seed.experiment(rank)
    seed.watch(churn, error="unreachable: connection to server at db.example failed: Connection refused")
    seed.baseline(churn)
    seed.buckets(churn, 200)
    seed.watch(summaries)
    seed.baseline(summaries, "learning", 0)
    seed.watch(invoices)
    seed.baseline(invoices)
    seed.buckets(invoices, gap=range(0, 9))
    seed.incident(
        "11111111-aaaa-4000-8000-000000000002",
        invoices,
        rule="no_data",
        severity="warning",
        reason="no result for 9 buckets: too_few: 3 rows, 100 needed",
    )
    return names
