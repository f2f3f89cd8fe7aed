"""Rate of a signal, such as hallucination: its rise, its level, and the rate estimated with labels.

A signal from 0 to 1 estimates the probability that an answer is bad. Its mean is compared between windows; labels of
some of the answers correct it, and only then is it called a rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import special

from detectors.amounts import format_share
from detectors.base import NULL_TAIL, Detector, Finding, Measurement
from detectors.outcome import has_label_weights, split_sums
from detectors.performance.prediction_powered import STEPS, RateEstimate, RateSums, rate
from detectors.performance.selection import Strata, WeightedLabels, is_selected, stratified_rate
from detectors.profile import Profile
from detectors.sentence import RATE_NAMES, Quantity, compose, name_score
from detectors.stack import Counted

PREFIX = "(labels of) "
VERDICT = "(verdict)"
"""Column of the verdicts of a judge: 1 is bad, 0 is good. Named to differ from the columns of logs."""
JUDGED = "(labels and verdicts of) "
DECISION = 0.5
WEIGHTS = ("positive_weight", "negative_weight", "positive_square", "negative_square")
"""Sums of a profile from which a rate by weighted labels is estimated."""
Chosen = Literal["random", "by_score", "by_answer", "by_probability"]
"""Selection of labelled answers: at random, at random among those of one score, by their content, or each with a
probability that is known."""


def labelled_column(signal: str) -> str:
    """Return the name of the column of a signal's scores with their labels."""
    return PREFIX + signal


def judged_column(signal: str) -> str:
    """Return the name of the column with a judge's verdicts where people gave no label."""
    return JUDGED + signal


def signal_behind(column: str) -> str | None:
    """Return the signal of such a column, None for any other column.

    Examples
    --------
    >>> signal_behind(labelled_column("hallucinated")), signal_behind("latency")
    ('hallucinated', None)
    """
    return next((column.removeprefix(prefix) for prefix in (PREFIX, JUDGED) if column.startswith(prefix)), None)


def rise(baseline: Counted, window: Counted) -> Measurement:
    """Rise of the mean score in points; negative for a fall.

    Parameters
    ----------
    baseline, window
        Profiles of the signal's own column, values from 0 to 1.

    Limits
    ------
    Without labels the mean of a score is an index: comparable between windows as far as the score is stable, and not a
    rate. The noise floor is that of a difference of means, with a variance of at least that of one deviating row.

    References
    ----------
    Welch, *The generalization of Student's problem*, Biometrika 34, 1947.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> layout = learn_numeric(rng.random(1000), 0.0, 1.0)
    >>> old, new = (Profile.of(Column.floats(np.minimum(1, x * rng.random(2000))), layout) for x in (0.2, 0.5))
    >>> round(rise(old, new).statistic, 2)
    0.15
    """
    old, new = baseline.mean, window.mean
    error = np.sqrt(_variance(baseline) / np.maximum(1, baseline.n) + _variance(window) / np.maximum(1, window.n))
    reach = special.ndtri(0.975) * np.sqrt(_variance(window) / np.maximum(1, window.n))
    detail: dict[str, object] = {"value": new, "low": new - reach, "high": new + reach, "baseline_value": old}
    return Measurement(new - old, -special.ndtri(NULL_TAIL) * error, detail=detail)


def level(baseline: Counted, window: Counted) -> Measurement:
    """Mean score, for comparison with a limit.

    Limits
    ------
    As of :func:`rise`; the baseline is reported and has no effect.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> layout = learn_numeric(np.array([0.0, 1.0]), 0.0, 1.0)
    >>> new = Profile.of(Column.floats(np.array([0.0, 1.0, 1.0, 1.0])), layout)
    >>> level(new, new).statistic
    0.75
    """
    change = rise(baseline, window)
    return replace(change, statistic=window.mean)


def _variance(side: Counted) -> np.ndarray:
    n = np.maximum(1, side.n)
    return np.asarray(np.maximum(side.variance, 1 / n))


def rate_tally(profile: Profile) -> RateSums:
    """Return the sums from which a rate is estimated, from scores with their labels.

    Squares are those of each cell's mean score, at most 0.005 from any score in it.

    Examples
    --------
    >>> from detectors.outcome import learn_scores
    >>> from detectors.records import Column
    >>> pairs = np.array([[0.9, 1.0], [0.2, 0.0], [0.7, np.nan]])
    >>> profile = Profile.of(Column(pairs, np.zeros(3, dtype=bool)), learn_scores())
    >>> tally = rate_tally(profile)
    >>> tally.n, tally.labels, tally.positives, round(tally.score / STEPS, 2)
    (3, 2, 1, 1.8)
    """
    sums = split_sums(profile.counts, profile.layout)
    groups = [("negative", "positive", "unlabelled"), ("negative", "positive"), ("positive",)]
    return RateSums(*(number for names in groups for number in _sums(sums, names)))


def _sums(sums: dict[str, np.ndarray], names: tuple[str, ...]) -> tuple[int, int, int]:
    counts = sum(sums[name] for name in names)
    scores = sum(sums[f"{name}_score"] for name in names)
    squares = np.divide(np.square(scores), counts, where=np.asarray(counts) > 0, out=np.zeros_like(scores))
    total, squared = float(np.sum(scores)), float(np.sum(squares))
    return int(np.sum(counts)), round(total * STEPS), round(squared * STEPS**2)


def score_strata(profile: Profile) -> Strata:
    """Return the answers by cells of their score, from scores with their labels."""
    parts = split_sums(profile.counts, profile.layout)
    return Strata(parts["positive"], parts["negative"], parts["unlabelled"])


def weighted_labels(profile: Profile) -> WeightedLabels:
    """Return the sums of the weights of the labels, out of scores beside labels that have weights."""
    sums = split_sums(profile.counts, profile.layout)
    return WeightedLabels(*(float(sums[name].sum()) for name in WEIGHTS))


def with_rate(
    finding: Finding, profile: Profile | None, people: Profile | None = None, chosen: Chosen | None = None
) -> Finding:
    """Add the rate estimated from the labels of the window to a finding and its reason.

    Parameters
    ----------
    finding
        Of one of the two detectors of this file.
    profile
        Scores with labels of the same window and segment; None if there are none.
    people
        The same with the labels of people alone, if a judge's verdicts are among those of ``profile``.
    chosen
        Selection of the labelled answers; None if unknown. Then, and for ``random``, it is tested: labels that are not
        a random sample give a rate stratified by score, and a warning. Labels with weights are ``by_probability``.
    """
    if finding.statistic is None:
        return finding
    described: dict[str, object] = dict(finding.detail)
    before = float(str(described["baseline_value"]))
    if profile is None or not (tally := rate_tally(profile)).n:
        return replace(finding, reason=_sentence(finding, described, None, before))
    if tally.labels and has_label_weights(profile.layout):
        chosen = "by_probability"
        described |= {"labels_weighted": True, "labels_effective": weighted_labels(profile).effective}
    selected = chosen in (None, "random") and is_selected(score_strata(profile))
    estimate = _estimate(profile, tally, chosen, selected=selected)
    described |= {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "labels": estimate.labels,
        "kind": estimate.kind,
    }
    if people is not None:
        described["judged"] = tally.labels - rate_tally(people).labels
    sentence = _sentence(finding, described, estimate, before, _assumption(estimate, chosen, selected=selected))
    if selected:
        described["labels_selected"] = True
        sentence += _warning(profile, tally)
    if chosen == "by_answer" and tally.labels:
        sentence += f"; {tally.labels} labels were chosen by the answer and give no rate"
    return replace(finding, detail=described, reason=sentence)


def _estimate(profile: Profile, tally: RateSums, chosen: Chosen | None, *, selected: bool) -> RateEstimate:
    if chosen == "by_probability":
        return weighted_labels(profile).rate(tally.n, tally.labels)
    if chosen == "by_answer":
        return rate(RateSums(tally.n, tally.score, tally.score_squared))
    if tally.labels and (selected or chosen == "by_score"):
        return stratified_rate(score_strata(profile))
    return rate(tally)


def _assumption(estimate: RateEstimate, chosen: Chosen | None, *, selected: bool) -> str:
    """Return the weighting of a rate, or its assumption that is neither configured nor testable."""
    if chosen == "by_probability":
        return " weighted by 1 / label_probability"
    if estimate.kind == "index" or (chosen is not None and not selected):
        return ""
    return " if only the score decided which answers were labelled" if selected else " if they are a random sample"


def _warning(profile: Profile, tally: RateSums) -> str:
    low, high = score_strata(profile).bounds
    others = (tally.score - tally.labelled_score) / (tally.n - tally.labels) / STEPS
    return (
        f"; the labels are not a random sample: which answers have one depends on the score (mean"
        f" {tally.labelled_score / tally.labels / STEPS:.2f} with a label, {others:.2f} without). Labels that come with"
        f" complaints make the rate too high; without any assumption it lies in {format_share(low)} to"
        f" {format_share(high)}"
    )


def _sentence(
    finding: Finding, detail: dict[str, object], estimate: RateEstimate | None, before: float, assumption: str = ""
) -> str:
    """Return the sentence of a finding: a rate if labels were used, else the mean score."""
    value, low, high = (float(str(detail[name])) for name in ("value", "low", "high"))
    column, judged = str(finding.column), int(str(detail.get("judged", 0)))
    name, note = f"{name_score(column)} (without labels)", ""
    if estimate is not None and estimate.kind == "rate":
        given = [f"{estimate.labels - judged} labels"] * (estimate.labels > judged) + [
            f"{judged} verdicts of the judge"
        ] * (judged > 0)
        name, note = RATE_NAMES.get(column, f"{column} rate"), f" from {' and '.join(given)}{assumption}"
    return compose(finding, DETECTORS[finding.method], Quantity(name, value, before, low, high, "share", note=note))


def _make_detector(
    name: str, measure: Callable[[Counted, Counted], Measurement], title: str, threshold: float, floor: float
) -> Detector:
    return Detector(
        name=name,
        check="rate",
        measure=measure,
        kinds=frozenset({"numeric"}),
        threshold=threshold,
        floor=floor,
        unit="points",
        title=title,
        citation="Welch 1947; Angelopoulos et al. 2023",
        follows="up",
    )


RISE = _make_detector("rate_rise", rise, "rise of the mean score", 0.05, 0.01)
LEVEL = _make_detector("rate_level", level, "mean score", 1.0, 0.0)
DETECTORS: dict[str, Detector] = {detector.name: detector for detector in (RISE, LEVEL)}
"""By name."""
