"""From a scenario to its records."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from benchmarks.causes.truth import BUCKET, LIVE, WINDOW, Challenger, Effect, Rollout, Scenario, Volume, World
from benchmarks.detection.streams import Stream
from benchmarks.hallucination.sets import DATA, read

PRICE = 2e-6
TEXTS = ("begin_wow.dev.jsonl.gz", "q2_wow.dev.jsonl.gz")
Rows = dict[str, np.ndarray]


def make_stream(scenario: Scenario) -> Stream:
    """Draw the records of a scenario; the same scenario gives the same records."""
    rng = np.random.default_rng(scenario.seed)
    minutes = draw_times(scenario, rng)
    rows = draw_rows(scenario.world, minutes, rng)
    for rollout in scenario.rollouts:
        apply_rollout(rows, rollout, rng)
    for effect in scenario.effects:
        apply_effect(rows, effect, rng)
    if scenario.challenger is not None:
        rows = add_challenger(rows, scenario.challenger, rng)
    frame = pd.DataFrame(finish(scenario.world, rows, rng))
    return Stream(scenario.name, frame, BUCKET, WINDOW, pd.Timestamp(LIVE), (), "")


def draw_times(scenario: Scenario, rng: np.random.Generator) -> np.ndarray:
    """Draw the minutes of the records, in their order; those of the baseline are negative."""
    starts = np.arange(-scenario.baseline, scenario.live)
    factors = np.ones(len(starts))
    for volume in scenario.volumes:
        factors *= factors_of(volume, starts)
    counts = rng.poisson(scenario.world.hourly / 60 * factors)
    return np.sort(np.repeat(starts, counts) + rng.random(int(counts.sum())))


def factors_of(volume: Volume, minutes: np.ndarray) -> np.ndarray:
    """Return by how much the number of records is multiplied in each minute."""
    inside = (minutes >= volume.start) & (minutes < volume.end)
    risen = np.clip((minutes - volume.start) / volume.ramp, 0, 1) if volume.ramp else 1.0
    return np.where(inside, 1 + (volume.factor - 1) * risen, 1.0)


def draw_rows(world: World, minutes: np.ndarray, rng: np.random.Generator) -> Rows:
    """Draw what is logged while nothing has changed."""
    rows = len(minutes)
    names, shares = zip(*world.tenants, strict=True)
    model = np.full(rows, world.model, object)
    if world.replaced is not None:
        old, share = world.replaced
        model[minutes < minutes[0] * (1 - share)] = old
    if world.beside is not None:
        model[rng.random(rows) < world.beside[1]] = world.beside[0]
    positive = (rng.random(rows) < world.positive).astype(float)
    return {
        "minute": minutes,
        "request": np.array([f"r{number}" for number in range(rows)], object),
        "model_version": model,
        "prompt_version": np.full(rows, world.prompt, object),
        "tenant": rng.choice(np.array(names, object), rows, p=np.array(shares) / sum(shares)),
        "plan": rng.choice(np.array(["free", "team", "business"], object), rows, p=[0.5, 0.3, 0.2]),
        "traffic_role": np.full(rows, "served", object),
        "latency": rng.lognormal(np.log(world.latency), 0.5, rows),
        "output_tokens": np.ceil(rng.lognormal(np.log(world.tokens), 0.6, rows)),
        "price": np.full(rows, PRICE),
        "amount": rng.lognormal(4.0, 0.6, rows),
        "failed": (rng.random(rows) < world.failed).astype(float),
        "wrong": (rng.random(rows) < world.wrong).astype(float),
        "positive": positive,
    }


def apply_rollout(rows: Rows, rollout: Rollout, rng: np.random.Generator) -> None:
    """Give the records of a rollout their new value, in place."""
    chosen = select(rows, rollout.start, rollout.end, rollout.on) & (rng.random(len(rows["minute"])) < rollout.share)
    rows[rollout.column][chosen] = rollout.value


def apply_effect(rows: Rows, effect: Effect, rng: np.random.Generator) -> None:
    """Change the records of an effect, in place."""
    chosen = select(rows, effect.start, effect.end, effect.on)
    column = rows[effect.column]
    if effect.how == "scale":
        column[chosen] *= effect.size
    elif effect.how == "rate":
        column[chosen] = rng.random(int(chosen.sum())) < effect.size
    else:
        column[chosen & (rng.random(len(column)) < effect.size)] = np.nan


def select(rows: Rows, start: float, end: float, on: tuple[str, str] | None) -> np.ndarray:
    """Say which records lie in a stretch, with a value of a column where one is wanted."""
    inside: np.ndarray = (rows["minute"] >= start) & (rows["minute"] < end)
    return inside if on is None else inside & (rows[on[0]] == on[1])


def add_challenger(rows: Rows, challenger: Challenger, rng: np.random.Generator) -> Rows:
    """Add the records of a challenger, each a second after the champion's record of the same request."""
    chosen = select(rows, challenger.start, np.inf, None) & (rng.random(len(rows["minute"])) < challenger.share)
    beside = {name: values[chosen].copy() for name, values in rows.items()}
    beside["minute"] += 1 / 60
    beside["model_version"][:] = challenger.value
    beside["traffic_role"][:] = "shadow"
    for effect in challenger.effects:
        apply_effect(beside, effect, rng)
    both = {name: np.concatenate([rows[name], beside[name]]) for name in rows}
    order = np.argsort(both["minute"], kind="stable")
    return {name: values[order] for name, values in both.items()}


def finish(world: World, rows: Rows, rng: np.random.Generator) -> dict[str, object]:
    """Return the logged columns."""
    minutes = pd.to_timedelta((rows["minute"] * 6e7).astype("int64"), unit="us")
    logged: dict[str, object] = {
        "timestamp": pd.Timestamp(LIVE) + minutes,
        **{name: rows[name] for name in ("request", "model_version", "prompt_version", "tenant", "plan")},
        **{name: rows[name] for name in ("traffic_role", "latency", "output_tokens", "amount")},
        "cost": rows["price"] * rows["output_tokens"] * rng.lognormal(0, 0.05, len(minutes)),
        "status": np.where(rows["failed"] > 0, 500.0, 200.0),
    }
    if world.labelled:
        logged |= {"score": draw_scores(rows["positive"], rng), "label": rows["positive"]}
    if world.texts:
        logged |= draw_texts(rows["wrong"], rng)
    return logged


def draw_scores(positive: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the scores of a classifier that is right in about nine of ten cases."""
    scores: np.ndarray = np.where(positive > 0, rng.beta(5, 2, len(positive)), rng.beta(2, 5, len(positive)))
    return scores


def draw_texts(wrong: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw real answers with their contexts: those that people judge as not supported where ``wrong`` is 1."""
    frame = labelled_texts()
    label = frame["label"].to_numpy()
    draw = rng.random(len(wrong))
    sides = [np.flatnonzero(label == value) for value in (0, 1)]
    place = np.where(wrong > 0, *(side[(draw * len(side)).astype(int)] for side in sides[::-1]))
    return {name: frame[name].to_numpy(object)[place] for name in ("context", "response")}


@cache
def labelled_texts() -> pd.DataFrame:
    """Read the labelled answers with short contexts."""
    return pd.concat([read(DATA / name) for name in TEXTS], ignore_index=True)
