"""Verdict of an experiment: win, lose, no difference, keep running, or invalid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from detectors.experiment.compare import BURN_IN, Difference, Interval, difference
from detectors.experiment.sequence import evidence, growth_until, split_evidence
from detectors.experiment.tally import FEWEST_GROUPS, N, Tally

Word = Literal["win", "lose", "no difference", "keep running", "invalid"]
SPLIT_ALPHA = 0.001
"""Probability of rejecting a correct split of the traffic, over the whole experiment."""


@dataclass(frozen=True)
class Metric:
    """Compared quantity.

    Parameters
    ----------
    name
        Name in messages.
    better
        Direction of an improvement.
    role
        ``primary`` decides; a ``guardrail`` must not get worse by more than ``minimum``.
    minimum
        Smallest relevant effect, relative to the control: smaller effects count as no difference.
    """

    name: str
    better: Literal["higher", "lower"] = "higher"
    role: Literal["primary", "guardrail"] = "primary"
    minimum: float = 0.02


@dataclass(frozen=True)
class MetricComparison:
    """Result of one metric for one treatment.

    Parameters
    ----------
    gain
        Improvement of the treatment relative to the control, with its confidence sequence.
    rows_needed
        Number of further rows until a decision; infinite if unknown.
    """

    metric: Metric
    difference: Difference
    gain: Interval
    verdict: Word
    reason: str
    rows_needed: float


@dataclass(frozen=True)
class ExperimentVerdict:
    """Verdict on a treatment, with the results of its metrics."""

    verdict: Word
    reason: str
    answers: tuple[MetricComparison, ...]
    split_evidence: float


@dataclass(frozen=True)
class Design:
    """Design of an experiment.

    Parameters
    ----------
    shares
        Planned split of traffic between control and treatment.
    alpha
        Probability of a false verdict.
    planned
        Expected rows of both arms; by default the number that the smallest relevant effect requires.
    treatments
        Number of treatments that are compared with this control.
    burn_in
        Fewest rows for a conclusion.
    """

    shares: tuple[float, float] = (0.5, 0.5)
    alpha: float = 0.05
    planned: float | None = None
    treatments: int = 1
    burn_in: int = BURN_IN


EVEN_SPLIT = Design()


def judge(
    metrics: Sequence[Metric],
    control: Mapping[str, Tally],
    treatment: Mapping[str, Tally],
    design: Design = EVEN_SPLIT,
) -> ExperimentVerdict:
    """Return the verdict on a treatment against its control; valid at any time and any number of looks.

    A treatment wins if a primary metric is significantly better, by any amount, and every guardrail is shown not to be
    worse by more than its minimum; it loses if a primary metric is significantly worse, or a guardrail by more than its
    minimum. All metrics and treatments share the design's ``alpha``.

    Parameters
    ----------
    control, treatment
        Tallies by name of the metric.

    Limits
    ------
    Not valid for metrics that were chosen after looking at them. The intervals are asymptotic; with returning users
    their variance is that of at most 256 groups, with a standard error of 4 % or more, so the probability of a false
    verdict is close to ``alpha`` without proof that it is below. The number of further rows assumes a constant
    variance.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> arms = [{"solved": Tally.of(rng.random(60_000) < rate)} for rate in (0.5, 0.52)]
    >>> judge([Metric("solved")], *arms).verdict
    'win'
    """
    against = _split(metrics, control, treatment, design.shares)
    each = design.alpha / max(1, len(metrics)) / max(1, design.treatments)

    def compute_difference(metric: Metric) -> Difference:
        one, other = control[metric.name], treatment[metric.name]
        return difference(one, other, each, metric.minimum, design.planned, design.burn_in)

    answers = tuple(answer_metric(metric, compute_difference(metric), each) for metric in metrics)
    if against >= 1 / SPLIT_ALPHA:
        counts = [tally[metrics[0].name].n for tally in (control, treatment)]
        reason = f"traffic is not split as planned: {counts[0]} and {counts[1]} rows; the other results are not valid"
        return ExperimentVerdict("invalid", reason, answers, against)
    return ExperimentVerdict(*_together(answers), answers, against)


def _together(answers: Sequence[MetricComparison]) -> tuple[Word, str]:
    primary = [answer for answer in answers if answer.metric.role == "primary"]
    for word, among in (("lose", answers), ("win", primary)):
        matching = [answer for answer in among if answer.verdict == word]
        if matching and (word == "lose" or _safe(answers)):
            return matching[0].verdict, matching[0].reason
    waiting = [answer for answer in answers if answer.verdict == "keep running"]
    if waiting:
        return "keep running", waiting[0].reason
    return "no difference", primary[0].reason if primary else answers[0].reason


def _safe(answers: Sequence[MetricComparison]) -> bool:
    """Return whether every guardrail is shown not to be worse; an undecided one is not sufficient."""
    return all(answer.verdict in ("no difference", "win") for answer in answers if answer.metric.role == "guardrail")


def answer_metric(metric: Metric, difference: Difference, alpha: float) -> MetricComparison:
    """Derive the verdict on one metric from its confidence sequence.

    Examples
    --------
    >>> result = Difference(1.0, 1.2, Interval(0.2, 0.1, 0.3), Interval(0.2, 0.1, 0.3), 5000, 0.03, 0.5)
    >>> answer_metric(Metric("latency", better="lower"), result, 0.05).reason
    'latency: +20.0 % (+10.0 % to +30.0 %): significantly worse'
    """
    lift = difference.relative if math.isfinite(difference.relative.value) else _relative_interval(difference)
    gain = lift if metric.better == "higher" else Interval(-lift.value, -lift.high, -lift.low)
    effect = f"{metric.name}: {_format_signed(lift.value)} ({_format_signed(lift.low)} to {_format_signed(lift.high)})"
    bound = metric.minimum if metric.role == "guardrail" else 0.0
    if not math.isfinite(gain.low) or math.isnan(gain.value):
        few = f"{metric.name}: too few rows so far, {difference.rows}"
        return MetricComparison(metric, difference, gain, "keep running", few, math.inf)
    if gain.high < -bound:
        return MetricComparison(metric, difference, gain, "lose", f"{effect}: significantly worse", 0.0)
    if gain.low > 0:
        return MetricComparison(metric, difference, gain, "win", f"{effect}: significantly better", 0.0)
    if gain.low > -metric.minimum and (metric.role == "guardrail" or gain.high < metric.minimum):
        conclusion = f"{effect}: no difference of {_percent(metric.minimum)}"
        return MetricComparison(metric, difference, gain, "no difference", conclusion, 0.0)
    needed, conclusion = _rows_needed(metric, difference, alpha)
    return MetricComparison(metric, difference, gain, "keep running", f"{effect}: {conclusion}", needed)


def _rows_needed(metric: Metric, difference: Difference, alpha: float) -> tuple[float, str]:
    """Return how many further rows show the smallest relevant effect or, beyond that number, exclude it."""
    if difference.fraction < 1:
        needed = difference.rows * (1 / difference.fraction - 1) if difference.fraction > 0 else math.inf
        return needed, f"about {needed:,.0f} more rows show {_percent(metric.minimum)} four times in five"
    growth = growth_until(metric.minimum / 2, difference.error, difference.fraction, alpha)
    needed = difference.rows * (growth - 1)
    return needed, f"about {needed:,.0f} more rows are required" if math.isfinite(
        needed
    ) else "no number of rows is sufficient"


def settle(before: str | None, now: Word) -> Word:
    """Return the verdict in effect: a decision remains until another decision replaces it.

    An interval that once excluded 0 does so for ever, as the sequence may be intersected with its past; and traffic
    with a wrong split remains in the sums.

    Examples
    --------
    >>> settle("win", "keep running"), settle("win", "lose"), settle("invalid", "win"), settle(None, "win")
    ('win', 'lose', 'invalid', 'win')
    """
    if before == "invalid":
        return "invalid"
    decided: tuple[Word, ...] = ("win", "lose", "no difference")
    current = next((word for word in decided if word == before), now)
    return current if now == "keep running" else now


def _relative_interval(difference: Difference) -> Interval:
    """Return the absolute difference relative to the control, if the lift on the log scale is undefined."""
    size = abs(difference.control) or 1.0
    return Interval(*(end / size for end in difference.absolute))


def _format_signed(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _split(
    metrics: Sequence[Metric],
    control: Mapping[str, Tally],
    treatment: Mapping[str, Tally],
    shares: tuple[float, float],
) -> float:
    """Return the evidence against the planned split; for grouped rows by the variance of the share between groups."""
    sides = [tally[metrics[0].name].sums[:, N] for tally in (control, treatment)]
    meant = np.array(shares) / sum(shares)
    if len(sides[0]) == 1:
        return float(split_evidence(np.array([side.sum() for side in sides]), meant))
    rows = sides[0] + sides[1]
    used = rows > 0
    if used.sum() < FEWEST_GROUPS:
        return 1.0
    share = sides[1].sum() / rows.sum()
    off = (sides[1] - share * rows)[used]
    error = math.sqrt(float(np.sum(off**2)) * used.sum() / (used.sum() - 1)) / rows.sum()
    if error == 0:
        return 1.0 if share == meant[1] else 1 / SPLIT_ALPHA
    return float(evidence((share - meant[1]) / error, rows.sum(), SPLIT_ALPHA))
