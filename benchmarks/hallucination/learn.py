"""Learn the combination of the parts: weights of at least 0, every kind of set counting alike."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize

from benchmarks.hallucination import edits
from benchmarks.hallucination.sets import GROUPS
from detectors.signals.hallucinated import Combination
from detectors.text.parts import PARTS, parts
from detectors.text.support import support

PENALTY = 0.5
"""Of what the weights differ from their common mean: without proof of the opposite each part speaks as loud as any
other, which carries over to other kinds of text (Dawes, *The robust beauty of improper linear models*, 1979)."""
LEAST_SPREAD = 0.1
"""A part that few answers have is not made louder than this for being rare."""
EDITS = "edits "
"""Begins the name of a set that is made of another one's contexts."""
EDITED = 600
EDITS_WEIGH = 0.5
"""All made answers together, beside one kind of real ones."""
SHIPPED = Path(__file__).resolve().parents[2] / "detectors" / "data" / "hallucinated.json"

Found = dict[str, np.ndarray]


def measured(frame: pd.DataFrame) -> np.ndarray:
    """Return the parts of every answer, shape (answers, parts); NaN where a side has no words."""
    found = np.full((len(frame), len(PARTS)), np.nan)
    for row, (said, given) in enumerate(zip(frame["response"], frame["context"], strict=True)):
        held = support(said, given)
        if held is not None:
            found[row] = parts(held)
    return found


def edited(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return parts, labels and documents of answers that are made of a set's contexts."""
    made = edits.made(frame, EDITED)
    found = measured(made)
    kept = np.isfinite(found).all(axis=1)
    return found[kept], made["label"].to_numpy()[kept], made["doc"].to_numpy()[kept]


def kind_of(name: str) -> str:
    """Return the kind of a set: sets of one kind are left out together."""
    return EDITS if name.startswith(EDITS) else GROUPS.get(name, name)


def without(found: Found, kind: str) -> Found:
    """Leave a kind of sets out, and the answers made of its contexts."""
    return {name: part for name, part in found.items() if kind_of(name.removeprefix(EDITS)) != kind}


def fit(found: Found, labels: Found) -> Combination:
    """Fit one logistic regression to several sets.

    Every kind of set weighs the same, and has an intercept of its own while the weights are learnt, so that the rate of
    wrong answers in a set teaches nothing. Weights, by the spread of their parts, are drawn to their mean. Then scale
    and intercept are fitted with both classes of every set weighing the same.
    """
    names = [name for name in found if len(labels[name])]
    x = np.concatenate([found[name] for name in names])
    y = np.concatenate([labels[name] for name in names])
    kind = np.concatenate([[kind_of(name)] * len(labels[name]) for name in names])
    kinds = sorted(set(kind))
    own = np.array([kind == one for one in kinds]).T.astype(float)
    weight = own @ (np.where(np.array(kinds) == EDITS, EDITS_WEIGH, 1.0) / own.sum(axis=0))
    weight /= weight.sum()
    centre = np.average(x, axis=0, weights=weight)
    scale = np.maximum(np.sqrt(np.average((x - centre) ** 2, axis=0, weights=weight)), LEAST_SPREAD)
    z = (x - centre) / scale

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        sign = 2 * y - 1
        at = sign * (z @ p[: z.shape[1]] + own @ p[z.shape[1] :])
        slope = -sign * weight / (1 + np.exp(np.minimum(at, 500)))
        apart = p[: z.shape[1]] - p[: z.shape[1]].mean()
        penalty = PENALTY / 2 * float(apart @ apart)
        gradient = np.concatenate([z.T @ slope + PENALTY * apart, own.T @ slope])
        return float(weight @ np.logaddexp(0, -at)) + penalty, gradient

    bounds = [(0, None)] * z.shape[1] + [(None, None)] * len(kinds)
    learnt = optimize.minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = learnt[: z.shape[1]] / scale
    real = kind != EDITS
    return _calibrated(x[real] @ weights, y[real], kind[real], weights)


def _calibrated(score: np.ndarray, y: np.ndarray, kind: np.ndarray, weights: np.ndarray) -> Combination:
    each = np.zeros(len(y))
    for one in sorted(set(kind)):
        for label in (0, 1):
            members = (kind == one) & (y == label)
            each[members] = 1 / max(1, members.sum())

    def loss(p: np.ndarray) -> float:
        at = (2 * y - 1) * (p[0] * score + p[1])
        return float(each @ np.logaddexp(0, -at))

    slope, intercept = optimize.minimize(loss, np.array([1.0, -1.0]), method="Nelder-Mead").x
    return Combination(weights * max(slope, 1e-6), float(intercept))


def ship(made: Combination, rows: dict[str, int]) -> None:
    """Write the combination with where it comes from."""
    told = {
        "weights": {name: round(float(weight), 6) for name, weight in zip(PARTS, made.weights, strict=True)},
        "intercept": round(made.intercept, 6),
        "provenance": {
            "learnt_by": "python -m benchmarks.hallucination learn --data DIR",
            "on": date.today().isoformat(),  # noqa: DTZ011  the day on which somebody ran it
            "rows": rows,
            "note": "every kind of set weighs the same, answers made by editing their contexts half as much; as many "
            "right answers as wrong ones are assumed",
        },
    }
    SHIPPED.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
