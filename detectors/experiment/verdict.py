"""What an experiment says so far: win, lose, no difference, keep running, or that it cannot be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from detectors.experiment.compare import BURN_IN, Difference, Interval, difference
from detectors.experiment.sequence import PLANNED, reach, rows_for, split_evidence
from detectors.experiment.tally import FEWEST_GROUPS, N, Tally

Word = Literal["win", "lose", "no difference", "keep running", "invalid"]
SPLIT_ALPHA = 0.001
"""Chance of calling a right split of the traffic wrong, over the whole experiment."""


@dataclass(frozen=True)
class Metric:
    """One quantity that is compared.

    Parameters
    ----------
    name
        As it is told.
    better
        Which way is an improvement.
    role
        ``primary`` decides; a ``guardrail`` must not get worse by more than ``minimum``.
    minimum
        The smallest effect that matters, as a share of the control: closer than that is no difference.
    """

    name: str
    better: Literal["higher", "lower"] = "higher"
    role: Literal["primary", "guardrail"] = "primary"
    minimum: float = 0.02


@dataclass(frozen=True)
class Answer:
    """What one metric says of one treatment, and how many more rows it needs to decide; infinite when nobody knows."""

    metric: Metric
    difference: Difference
    verdict: Word
    reason: str
    rows_needed: float


@dataclass(frozen=True)
class Verdict:
    """What a treatment comes to, and the answers that it rests on."""

    verdict: Word
    reason: str
    answers: tuple[Answer, ...]
    split_evidence: float


def judge(
    metrics: Sequence[Metric],
    control: Mapping[str, Tally],
    treatment: Mapping[str, Tally],
    shares: tuple[float, float] = (0.5, 0.5),
    alpha: float = 0.05,
    planned: float = PLANNED,
    treatments: int = 1,
    burn_in: int = BURN_IN,
) -> Verdict:
    """Judge a treatment against its control, at any time and as often as one likes.

    A treatment wins when a primary metric is better beyond doubt, however little, and every guardrail has been shown
    not to be worse by more than its minimum; it loses when a primary metric is worse beyond doubt, or a guardrail by
    more than its minimum. All metrics and treatments share ``alpha``.

    Parameters
    ----------
    control, treatment
        Tallies by name of the metric.
    shares
        How traffic was meant to be split between the two.
    treatments
        How many treatments are compared with this control.

    Limits
    ------
    Says nothing about metrics that were chosen after looking at them. The intervals are asymptotic, and with users who
    come back their variance is that of at most 256 groups, known to 4 % at best: the chance of a false verdict is
    then close to ``alpha`` and not proven to be below it. How many rows are needed assumes that the spread stays.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> arms = [{"solved": Tally.of(rng.random(60_000) < rate)} for rate in (0.5, 0.52)]
    >>> judge([Metric("solved")], *arms).verdict
    'win'
    """
    evidence = _split(metrics, control, treatment, shares)
    each = alpha / max(1, len(metrics)) / max(1, treatments)
    answers = tuple(
        _answer(metric, difference(control[metric.name], treatment[metric.name], each, planned, burn_in), each, planned)
        for metric in metrics
    )
    if evidence >= 1 / SPLIT_ALPHA:
        counts = [tally[metrics[0].name].n for tally in (control, treatment)]
        reason = f"traffic is not split as meant: {counts[0]} and {counts[1]} rows; nothing else can be trusted"
        return Verdict("invalid", reason, answers, evidence)
    return Verdict(*_together(answers), answers, evidence)


def _together(answers: Sequence[Answer]) -> tuple[Word, str]:
    primary = [answer for answer in answers if answer.metric.role == "primary"]
    for word, among in (("lose", answers), ("win", primary)):
        found = [answer for answer in among if answer.verdict == word]
        if found and (word == "lose" or _safe(answers)):
            return found[0].verdict, found[0].reason
    waiting = [answer for answer in answers if answer.verdict == "keep running"]
    if waiting:
        return "keep running", waiting[0].reason
    return "no difference", primary[0].reason if primary else answers[0].reason


def _safe(answers: Sequence[Answer]) -> bool:
    """Say whether every guardrail has been shown to hold: not being able to tell is not enough."""
    return all(answer.verdict in ("no difference", "win") for answer in answers if answer.metric.role == "guardrail")


def _answer(metric: Metric, seen: Difference, alpha: float, planned: float) -> Answer:
    """Turn the confidence sequence of one metric into a word."""
    lift = seen.relative if math.isfinite(seen.relative.value) else _scaled(seen)
    if metric.better == "lower":
        lift = Interval(-lift.value, -lift.high, -lift.low)
    told = f"{metric.name}: {_percent(lift.value)} better ({_percent(lift.low)} to {_percent(lift.high)})"
    bound = metric.minimum if metric.role == "guardrail" else 0.0
    if not math.isfinite(lift.low) or math.isnan(lift.value):
        return Answer(metric, seen, "keep running", f"{metric.name}: too few rows so far, {seen.rows}", math.inf)
    if lift.high < -bound:
        return Answer(metric, seen, "lose", f"{told}: worse beyond doubt", 0.0)
    if lift.low > 0:
        return Answer(metric, seen, "win", f"{told}: better beyond doubt", 0.0)
    if lift.low > -metric.minimum and (metric.role == "guardrail" or lift.high < metric.minimum):
        said = f"{told}: no difference of {_percent(metric.minimum)}"
        return Answer(metric, seen, "no difference", said, 0.0)
    size = abs(seen.control) * max(metric.minimum, 1e-12) / 2
    needed = max(0.0, rows_for(size, seen.spread, alpha, planned) - seen.rows)
    more = f"about {needed:,.0f} more rows will tell" if math.isfinite(needed) else "no number of rows will tell"
    return Answer(metric, seen, "keep running", f"{told}: {more}", needed)


def _scaled(seen: Difference) -> Interval:
    """Return the absolute difference as a share of the control, where a lift by logarithms is not defined."""
    size = abs(seen.control) or 1.0
    return Interval(*(end / size for end in seen.absolute))


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _split(
    metrics: Sequence[Metric],
    control: Mapping[str, Tally],
    treatment: Mapping[str, Tally],
    shares: tuple[float, float],
) -> float:
    """Return the evidence against the meant split; of grouped rows by the spread of the share between groups."""
    sides = [tally[metrics[0].name].sums[:, N] for tally in (control, treatment)]
    meant = np.array(shares) / sum(shares)
    if len(sides[0]) == 1:
        return float(split_evidence(np.array([side.sum() for side in sides]), meant))
    rows = sides[0] + sides[1]
    used = rows > 0
    if used.sum() < FEWEST_GROUPS:
        return 0.0
    share = sides[1].sum() / rows.sum()
    off = (sides[1] - share * rows)[used]
    error = math.sqrt(float(np.sum(off**2)) * used.sum() / (used.sum() - 1)) / rows.sum()
    outside = abs(share - meant[1]) > float(reach(rows.sum(), SPLIT_ALPHA)) * error
    return 1 / SPLIT_ALPHA if outside else 0.0
