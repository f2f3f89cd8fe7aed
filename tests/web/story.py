"""An incident as it looks in life: a new model hallucinates, two suspects, a rollback that waits for approval."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from detectors.sentence import Quantity
from monitor.store import tables
from tests.web.seed import MINUTE, Seed, busy_store, finding_key

STORY = "63a1b0c4-aaaa-4000-8000-000000000001"
ROLLBACK = "9f3e27d1-aaaa-4000-8000-000000000002"
BASELINE, THRESHOLD = 0.26, 0.05


def write_story(seed: Seed) -> list[str]:
    """Fill a store with monitors of every state and the incident; return the names of the monitors."""
    names = busy_store(seed)
    bot = names[0]
    column = "hallucinated"
    newest = {None: _rates(seed, bot, None, 0.46), "model_version=small-7b": _rates(seed, bot, "small-7b", 0.63)}
    for level, jump in ((1.1, 1.9), (900.0, 0.0)):
        name = "latency" if jump else "prompt_tokens"
        seed.findings(bot, name, check="rank", method="rank", level=level / 40, jump=jump / 9, since=9)
    evidence = []
    for segment, (value, low, high) in newest.items():
        quantity = Quantity("mean hallucination score (without labels)", value, BASELINE, low, high, "share")
        rise = f"rise of the mean score {100 * (value - BASELINE):.3g} percentage points"
        reason = f"{quantity.describe(segment)}; {rise}, threshold {100 * THRESHOLD:.3g}"
        evidence.append((column, segment, value - BASELINE, reason))
    seed.incident(STORY, bot, rule="hallucinations", reason=evidence[1][3], opened=45)
    items = {
        finding_key("rate", column, "rate_rise", segment): {
            "check": "rate",
            "column": column,
            "method": "rate_rise",
            "segment": segment,
            "statistic": rise,
            "threshold": THRESHOLD,
            "worst": rise,
            "about": "model",
            "reason": reason,
            "n_baseline": 9_600,
            "n_window": 128 if segment else 267,
            "explanation": "values above 0.27 rose from 19 % to 76 % of rows",
        }
        for _, segment, rise, reason in evidence
    }
    suspects = [
        suspect(seed, "model_version", "small-7b", 46, 0.96),
        suspect(seed, "prompt_version", "support@4", 47, 0.04, author="J. Doe", commit="3f2c1a90b1c2"),
    ]
    with seed.database.write() as connection:
        connection.execute(
            sa.update(tables.incidents)
            .where(tables.incidents.c.id == STORY)
            .values(evidence=items, suspects=suspects, suspected_change=suspects[0])
        )
    seed.change(bot, "prompt_version", "prompt_version", "support@4", 47)
    act(seed, bot)
    return names


def act(seed: Seed, bot: str) -> None:
    """Plan the rollback and send the messages."""
    target = {"model_version": "big-4", "rows": 201_312, "last_seen": (seed.end - 3 * MINUTE).isoformat()}
    data = {"monitor": bot, "target": target, "observed_version": {"model_version": "small-7b"}, "dry_run": False}
    payload = {"type": "driftd.rollback", "timestamp": seed.end.isoformat(), "data": data}
    at = {"created_at": seed.end - 39 * MINUTE, "not_after": seed.end + 3000 * MINUTE}
    seed.action(ROLLBACK, STORY, bot, payload=payload, name="rollback-bot", **at)
    for number, (name, kind, minutes) in enumerate((("slack", "firing", 39), ("slack", "update", 30))):
        seed.action(
            f"9f3e27d{number + 2}-aaaa-4000-8000-00000000001{number}",
            STORY,
            bot,
            name=name,
            kind=kind,
            mode="auto",
            state="delivered",
            sequence=number + 1,
            finished_at=seed.end - minutes * MINUTE,
            receipt={"ok": True},
        )


def suspect(seed: Seed, kind: str, value: str, minutes: int, share: float, **more: str) -> dict[str, Any]:
    """Return a suspect first seen some minutes before the end."""
    first_seen = (seed.end - minutes * MINUTE).isoformat()
    return {"kind": kind, "column": kind, "value": value, "first_seen": first_seen, "share": share, **more}


def _rates(seed: Seed, bot: str, version: str | None, peak: float) -> tuple[float, float, float]:
    """Write the history of a rate with its interval; return the newest one."""
    chance = random.Random(str(version))
    segment = f"model_version={version}" if version else None
    rows, newest = [], (0.0, 0.0, 0.0)
    for back in range(9 if version else 288):
        raised = (peak - BASELINE) * (1 - math.exp(-(9 - back) / 2)) if back < 9 else 0.0
        value = (peak if version else BASELINE + raised) + chance.uniform(-0.012, 0.012)
        reach = 0.07 if version else 0.035
        detail = {"value": value, "low": value - reach, "high": value + reach, "baseline_value": BASELINE}
        newest = (value, value - reach, value + reach) if back == 0 else newest
        rows.append(
            {
                "monitor": bot,
                "start": seed.end - (back + 1) * timedelta(minutes=5),
                "key": finding_key("rate", "hallucinated", "rate_rise", segment),
                "check": "rate",
                "column": "hallucinated",
                "method": "rate_rise",
                "segment": segment,
                "statistic": value - BASELINE,
                "threshold": THRESHOLD,
                "status": "drifted" if value - BASELINE >= THRESHOLD else "ok",
                "p_value": None,
                "reason": f"mean hallucination score {value:.4g}",
                "n_baseline": 9_600,
                "n_window": 267,
                "about": "model",
                "unit": "points",
                "detail": detail,
            }
        )
    seed.insert(tables.findings, rows)
    return newest
