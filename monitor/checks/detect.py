"""Detect: every check of a monitor over one window against its baseline. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import numpy as np

from detectors import RATES, TRAFFIC_CHECKS
from detectors.base import Direction, Finding, Measurement, Status, assess
from detectors.base import conclude as conclude_with
from detectors.correct import false_discovery
from detectors.cost.objective import EventCounts
from detectors.direction import has_improved, infer_direction, is_improvement
from detectors.outcome import OUTCOME
from detectors.performance.interval_calibration import Residual
from detectors.performance.measured import ESTIMATED, spoken, with_record
from detectors.performance.rates import RISE, judged_column, labelled_column, with_rate
from detectors.profile import Profile, samples
from detectors.quality.traffic import Traffic
from detectors.sequential import Sequential, State
from detectors.stack import Counted
from monitor.checks.anchor import evaluate_anchor
from monitor.checks.base import CheckTarget
from monitor.checks.baseline import Baseline
from monitor.checks.baseline_review import review_finding
from monitor.checks.calibration import Calibration
from monitor.checks.evidently import Request, StatTestResult, orient, request
from monitor.checks.registry import make_checks
from monitor.checks.sensitivity import findings_of_calibration, findings_of_sensitivity
from monitor.checks.targets import expand_checks, expand_stattests
from monitor.config.models import Monitor
from monitor.config.stattests import P_VALUES, PREFIX
from monitor.profiling.clients import add_sketches, noise_factor
from monitor.profiling.profile import Facts, Profiled


@dataclass(frozen=True)
class BucketSummary:
    """One bucket of a window."""

    facts: Facts
    profiles: Mapping[str | None, Mapping[str, Profile]]


@dataclass(frozen=True)
class Window:
    """The sum of a run of buckets, when each of them starts, and its newest bucket by itself.

    ``sums`` is what sequential detectors remembered, by finding key, before the newest bucket. ``labelled`` is
    the window whose labels have had their time to arrive. ``counted`` is what objectives count by signal, the newest
    bucket included, up to ``end``; None where it is not at hand. ``truths``
    are the labelled windows since the baseline, by metric: how the estimates of each compared with the truth.
    ``parts`` are the buckets of the window one by one, where they are at hand. Profiles of rows with weights are
    samples (:meth:`~detectors.profile.Profile.sample`), but for those of the parts.
    """

    profiles: Mapping[str | None, Mapping[str, Profile]]
    traffic: Traffic
    starts: Sequence[datetime] = ()
    newest: Mapping[str | None, Mapping[str, Profile]] = field(default_factory=dict)
    sums: Mapping[str, State] = field(default_factory=dict)
    labelled: Mapping[str | None, Mapping[str, Profile]] = field(default_factory=dict)
    counted: Mapping[str, Mapping[datetime, EventCounts]] | None = None
    end: datetime | None = None
    truths: Mapping[str, Sequence[Residual]] = field(default_factory=dict)
    parts: Sequence[BucketSummary] = ()

    def __post_init__(self) -> None:
        """Take the samples of profiles with weights."""
        object.__setattr__(self, "profiles", samples(self.profiles))
        object.__setattr__(self, "labelled", samples(self.labelled))
        object.__setattr__(self, "newest", samples(self.newest))

    def noise_factor(self, baseline: Baseline, segment: str | None) -> float:
        """Return by how much the window is noisier than its rows say, for the clients that sent them."""
        counted: dict[str, list[int]] = {}
        for part in self.parts:
            counted = add_sketches(counted, part.facts.clients)
        sketches = {name: np.array([sketch]) for name, sketch in counted.items()}
        return float(noise_factor(sketches, baseline.calibration.clients, segment)[0])


FEW_CLIENTS = 2.0
"""A finding names few clients where they inflate the variance so many times."""
LEFT_OUT = (
    "are left out: their weight is not above 0 and at most 1,000,000, or their sampling_fraction not above 0 and at "
    "most 1; correct the column that is mapped"
)
Result = Literal["done", "inconclusive"]
Stattests = Callable[[Sequence[Request]], Sequence[StatTestResult]]


def detect(monitor: Monitor, baseline: Baseline, window: Window, stattests: Stattests | None = None) -> list[Finding]:
    """Run every check; one that fails is a finding of status error and stops no other.

    ``stattests`` puts questions to Evidently; without it they are inconclusive.
    """
    evaluated = [finding for check in make_checks(monitor) for finding in check.evaluate(baseline, window)]
    findings = [
        *(finding for finding in evaluated if finding.column is None),
        *_weight_findings(window),
        *_column_findings(monitor, baseline, window),
        *(finding for finding in evaluated if finding.column is not None),
        *findings_of_calibration(baseline.calibration),
        *findings_of_sensitivity(baseline.calibration),
        *_evidently_findings(monitor, baseline, window, stattests),
        *review_finding(baseline.review),
        *evaluate_anchor(baseline),
    ]
    unique = list({finding.key: finding for finding in findings}.values())
    p_values = np.array([math.nan if finding.p_value is None else finding.p_value for finding in unique])
    q_values = false_discovery(p_values)
    return [
        finding if math.isnan(q) else replace(finding, q_value=q)
        for finding, q in zip(unique, q_values.tolist(), strict=True)
    ]


def _weight_findings(window: Window) -> Iterator[Finding]:
    """Say how many rows are left out because nobody knows how many requests they stand for."""
    facts = [part.facts for part in window.parts]
    rows, invalid = sum(each.rows for each in facts), sum(each.invalid_weights for each in facts)
    if invalid:
        reason = f"invalid_weights: {invalid} of {rows + invalid} rows {LEFT_OUT}"
        share = invalid / (rows + invalid)
        yield Finding(
            "weights",
            None,
            "invalid",
            None,
            Status.INCONCLUSIVE,
            reason,
            share,
            n_window=rows + invalid,
            about="pipe",
            detail={"invalid": invalid},
        )


def fold_sequential(
    monitor: Monitor,
    baseline: Baseline,
    profiles: Mapping[str | None, Mapping[str, Profile]],
    starts: Sequence[datetime],
    parts: Sequence[BucketSummary],
) -> dict[str, State]:
    """Return what sequential detectors remember, by finding key, after a run of buckets that nobody followed.

    Parameters
    ----------
    profiles
        The sum of a window, which says what its largest segments are.
    starts, parts
        The buckets, oldest first.
    """
    sums: dict[str, State] = {}
    for place, part in enumerate(parts, start=1):
        window = Window(profiles, Traffic(), starts[:place], part.profiles, sums, parts=parts[:place])
        findings = list(_column_findings(monitor, baseline, window, sequential_only=True))
        states = {finding.key: finding.detail.get("state") for finding in findings}
        sums = {key: dict(state) for key, state in states.items() if isinstance(state, Mapping)}
    return sums


def _column_findings(
    monitor: Monitor, baseline: Baseline, window: Window, *, sequential_only: bool = False
) -> Iterator[Finding]:
    chosen = segments(monitor, window.profiles)
    factors = {segment: window.noise_factor(baseline, segment) for segment in [None, *chosen]}
    by_column: dict[str, list[CheckTarget]] = {}
    for question in expand_checks(monitor, baseline.layouts, baseline.profiles.get(None)):
        by_column.setdefault(question.column, []).append(question)
    for column, questions in by_column.items():
        before = baseline.within(column, window.starts)
        for question in questions:
            for segment in [None, *(chosen if question.segments else [])]:
                if not isinstance(question.detector, Sequential):
                    if sequential_only:
                        continue
                    factor = 1.0 if question.late else factors[segment]
                    yield _measure(monitor, question, segment, before, window, baseline.calibration, factor)
                elif window.newest:
                    yield _accumulate(
                        question, question.detector, segment, before, window, baseline.calibration, factors[segment]
                    )
            yield from _carry_state(question, chosen, window.sums)


def _measure(
    monitor: Monitor,
    question: CheckTarget,
    segment: str | None,
    before: Mapping[str | None, Profile],
    window: Window,
    calibration: Calibration,
    factor: float,
) -> Finding:
    profiles = window.labelled if question.late else window.profiles
    old, new = reference(monitor, before, segment), profiles.get(segment, {}).get(question.column)
    stated = question.finding(segment)
    if old is None or new is None:
        return _without(question, stated, old)
    finding = assess(
        question.detector,
        old,
        new,
        column=question.column,
        segment=segment,
        threshold=question.threshold,
        calibrated=calibration.of(stated),
        min_samples=question.min_samples,
        noise_factor=factor,
    )
    finding = _mention_few_clients(finding, factor)
    if question.detector.name in RATES:
        chosen = monitor.rates[question.column].labels_chosen
        finding = with_rate(finding, *_labelled_profiles(monitor, question, segment, window), chosen)
    finding = _add_direction(replace(finding, check=question.check), _direction(question, old, new))
    return _by_record(monitor, question, finding, window, calibration) if finding.column == OUTCOME else finding


def _mention_few_clients(finding: Finding, factor: float) -> Finding:
    """Say in the reason where few clients sent so many of the rows that they tell as much as half of them or less."""
    rows = finding.detail.get("n_effective")
    if factor**2 < FEW_CLIENTS or rows is None:
        return finding
    said = f"; few clients sent most of the rows, which tell as much as {rows} of a usual window"
    return replace(finding, reason=finding.reason + said)


def _add_direction(finding: Finding, direction: Direction) -> Finding:
    """Return a finding with its direction, said in its reason when it drifted for the better."""
    improved = finding.status is Status.DRIFTED and direction == "better"
    return replace(finding, direction=direction, reason=finding.reason + ", an improvement" * improved)


def _direction(question: CheckTarget, baseline: Profile, window: Profile) -> Direction:
    return infer_direction(question.better, improves(question, baseline, window))


def improves(question: CheckTarget, baseline: Counted, window: Counted) -> np.ndarray:
    """Say of one window or of many whether a change is an improvement; what can only get worse never is."""
    if question.detector.check in ("drift", "range"):
        return has_improved(question.better, baseline, window)
    if question.detector is RISE:
        return is_improvement(question.better, window.mean - baseline.mean)
    return np.zeros(np.shape(window.n), dtype=bool)


def _labelled_profiles(
    monitor: Monitor, question: CheckTarget, segment: str | None, window: Window
) -> tuple[Profile | None, Profile | None]:
    """Return a signal's scores beside their labels, of the window whose labels have had their time to arrive.

    With a judge's verdicts among them, those with people's labels alone come second.
    """
    late = bool(monitor.rates[question.column].labels_after)
    profiles = window.labelled if late else window.profiles
    held = profiles.get(segment, {})
    people, judged = (held.get(column(question.column)) for column in (labelled_column, judged_column))
    return (judged, people) if question.column in monitor.judged and judged is not None else (people, None)


def _by_record(
    monitor: Monitor, question: CheckTarget, finding: Finding, window: Window, calibration: Calibration
) -> Finding:
    """Say of an estimate where the truth will lie, by how earlier estimates went; of a truth, whether it lay there."""
    metric = finding.method.removeprefix(ESTIMATED)
    known = calibration.records.get(metric)
    record = known + window.truths.get(metric, ()) if known else None
    lag = monitor.labels_after / monitor.window + 1
    end = (window.starts[-1] + monitor.bucket).timestamp() / monitor.window.total_seconds() if window.starts else 0.0
    at = end - lag if question.late else end
    told = with_record(finding.method, finding.detail, record, at, lag)
    return replace(finding, detail=told, reason=finding.reason + spoken(told)) if told else finding


def _accumulate(
    question: CheckTarget,
    detector: Sequential,
    segment: str | None,
    before: Mapping[str | None, Profile],
    window: Window,
    calibration: Calibration,
    factor: float,
) -> Finding:
    """Add the newest bucket to what is remembered; one with hardly a row leaves it as it is."""
    old, new = before.get(segment), window.newest.get(segment, {}).get(question.column)
    stated = question.finding(segment)
    state = window.sums.get(stated.key, {})
    size = 0 if new is None else new.n
    if old is None or old.n < question.min_samples:
        known = 0 if old is None else old.n
        reason = f"too_few: the baseline has {known} usable values, {question.min_samples} needed"
        return replace(stated, reason=reason, detail={"state": state})
    if new is None or size < detector.fewest:
        reason = f"too_few: the bucket has {size} usable values, {detector.fewest} are needed to add it"
        return replace(stated, reason=reason, detail={"state": state})
    score = detector.thin(detector.score(old, new)[None], np.array([factor]))
    course = detector.fold(score, state)
    seen = Measurement(course.statistic[0], course.noise[0], detail={"state": course.state})
    side = infer_direction(question.better, is_improvement(question.better, course.lean)[0])
    sized = replace(stated, n_baseline=old.n, n_window=size)
    return _add_direction(conclude_with(sized, detector, seen, question.threshold, calibration.of(stated)), side)


def _carry_state(question: CheckTarget, chosen: Sequence[str], sums: Mapping[str, State]) -> Iterator[Finding]:
    """Keep what is remembered of segments that have no rows in the window."""
    if isinstance(question.detector, Sequential) and question.segments:
        whole = question.finding(None).key
        for key in sums:
            segment = key.removeprefix(whole)
            if key.startswith(whole) and segment and segment not in chosen and sums[key]:
                reason = "too_few: the segment is not among the largest of the window"
                yield replace(question.finding(segment), reason=reason, detail={"state": sums[key]})


def _evidently_findings(
    monitor: Monitor, baseline: Baseline, window: Window, stattests: Stattests | None
) -> Iterator[Finding]:
    """Put all questions to Evidently at once: its process is started and waited for once a window."""
    chosen = segments(monitor, window.profiles)
    waiting: list[tuple[CheckTarget, Finding, Request]] = []
    for question in expand_stattests(monitor, baseline.layouts):
        before = baseline.within(question.column, window.starts)
        for segment in [None, *(chosen if question.segments else [])]:
            old, new = reference(monitor, before, segment), window.profiles.get(segment, {}).get(question.column)
            stated = _add_sizes(question, segment, old, new)
            if stated.reason or old is None or new is None:
                yield stated
            elif stattests is None:
                yield replace(stated, reason="not_measured: stattests of Evidently are not run here")
            else:
                waiting.append((question, stated, request(question.detector.name.removeprefix(PREFIX), old, new)))
    answers = stattests([each for _, _, each in waiting]) if stattests and waiting else []
    for (question, stated, each), answer in zip(waiting, answers, strict=True):
        yield _evidently_finding(question, stated, each, answer)


def _add_sizes(question: CheckTarget, segment: str | None, old: Profile | None, new: Profile | None) -> Finding:
    """Return the finding with its sample sizes, and with a reason when they are too small to ask."""
    stated = question.finding(segment)
    if old is None or new is None:
        return _without(question, stated, old)
    direction = _direction(question, old, new)
    stated = replace(stated, n_baseline=old.n, n_window=new.n, direction=direction)
    if min(old.n, new.n) >= max(1, question.min_samples):
        return stated
    side, size = ("baseline", old.n) if old.n < question.min_samples else ("window", new.n)
    return replace(stated, reason=f"too_few: the {side} has {size} usable values, {question.min_samples} needed")


def _evidently_finding(question: CheckTarget, stated: Finding, asked_for: Request, answer: StatTestResult) -> Finding:
    """Hold Evidently's score against the operator's threshold or its own, both turned to grow with the change."""
    if answer.resting is not None:
        return replace(stated, reason=answer.resting)
    if answer.statistic is None or answer.threshold is None:
        return replace(stated, status=Status.ERROR, reason=f"evidently: {answer.error}")
    seen = Measurement(
        orient(asked_for.name, answer.statistic),
        p_value=answer.statistic if asked_for.name in P_VALUES else None,
        detail={"rebuilt_baseline": len(asked_for.baseline), "rebuilt_window": len(asked_for.window)},
    )
    bound = orient(asked_for.name, question.threshold or answer.threshold)
    return _add_direction(conclude_with(stated, question.detector, seen, bound, None), stated.direction)


def _without(question: CheckTarget, stated: Finding, old: Profile | None) -> Finding:
    side = "baseline" if old is None else "window"
    return replace(stated, reason=f"missing_column: the {side} has no column {question.column!r}")


def reference(monitor: Monitor, before: Mapping[str | None, Profile], segment: str | None) -> Profile | None:
    """Return what a segment is compared with: itself, or all traffic where the baseline hardly knew it.

    A stretch before the window with too few rows of a segment says nothing of it, for there may be more at other times.
    """
    own = before.get(segment)
    if own is not None and (own.rows >= monitor.min_samples or monitor.baseline.previous):
        return own
    return None if monitor.baseline.previous else before.get(None)


def segments(monitor: Monitor, profiles: Mapping[str | None, Mapping[str, Counted]]) -> list[str]:
    """Return the largest segments of each segment column, up to the cap, ties by name."""
    chosen: list[str] = []
    for column in monitor.segments:
        sizes = {
            segment: max((int(profile.rows) for profile in columns.values()), default=0)
            for segment, columns in profiles.items()
            if segment is not None and segment.startswith(f"{column}=")
        }
        ranked: Sequence[str] = sorted(sizes, key=lambda segment: (-sizes[segment], segment))
        chosen += ranked[: monitor.max_segments]
    return chosen


def conclude(
    baseline: Baseline | None, without: str, profiled: Profiled, findings: Sequence[Finding]
) -> tuple[Result, str | None]:
    """Say how a bucket ends, ``done`` or ``inconclusive``, and why when it could tell nothing."""
    if baseline is None:
        return "inconclusive", without
    if profiled.facts.rows == 0 and profiled.facts.invalid_weights:
        return "inconclusive", f"invalid_weights: all {profiled.facts.invalid_weights} rows {LEFT_OUT}"
    if profiled.facts.rows == 0:
        return "inconclusive", "no_rows: the bucket is empty"
    if not findings:
        return "done", "part of the baseline"
    of_columns = [finding for finding in findings if finding.check not in TRAFFIC_CHECKS] or list(findings)
    if not any(finding.status in (Status.OK, Status.DRIFTED) for finding in of_columns):
        return "inconclusive", min(of_columns, key=lambda f: not f.reason.startswith("too_few")).reason
    return "done", None
