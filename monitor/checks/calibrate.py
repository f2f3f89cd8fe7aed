"""Calibrate: every check of a monitor over the windows of its own baseline. Pure.

Each window is measured against the rest of the baseline, its neighbourhood left out, exactly as a live window
will be measured against the whole of it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np

from detectors import DETECTORS
from detectors.base import Detector, Finding
from detectors.calibrate import FEWEST_WINDOWS, Limit, Peaks, expected_alerts, peaks, spend
from detectors.clusters import Concentration
from detectors.dispersion import design_effect
from detectors.layout import LABELLED, Kind, Layout
from detectors.null import WIDE, Calibrated, Null, held_out_rarity, independent, learn_null
from detectors.outcome import OUTCOME
from detectors.performance.measured import ESTIMATED, backtest_estimates
from detectors.performance.record import Record
from detectors.profile import Profile
from detectors.quality.traffic import VOLUME_FLOOR, outside_span
from detectors.season import ALL_TIMES, SEASONS, choose, possible
from detectors.sensitivity import Sensitivity
from detectors.sequential import Sequential
from detectors.stack import Stack
from detectors.unusual import find_unusual_stretch
from monitor.checks.base import CheckTarget
from monitor.checks.quality import RecordQuality
from monitor.checks.registry import make_checks
from monitor.checks.targets import expand_checks
from monitor.config.models import Monitor
from monitor.config.rules import matches
from monitor.profiling.clients import noise_factor, usual_clients
from monitor.profiling.timeline import Timeline

VERSION = 4
"""Of what is learnt: a calibration of another version is made again, from the buckets that are stored."""
SETTINGS: dict[str, Any] = {
    "alert_budget": True,
    "min_samples": True,
    "window": True,
    "rules": {"__all__": {"when", "for_", "resolve_for"}},
}
"""The settings that thresholds depend on. A key that a later release adds must have the default None here."""
CHECK_SETTINGS = {
    *("kind", "name", "columns", "method", "signal", "segments", "min_samples"),
    *("threshold", "max_increase", "max", "p50", "p90", "p95", "p99"),
    *("labels_after", "labels_from", "positive", "decision"),
}
"""The same of each check."""
CHECK_DEFAULTS: dict[str, Any] = {
    "columns": "auto",
    "method": "auto",
    "segments": True,
    "labels_after": "0s",
    "labels_from": "people",
    "decision": 0.5,
}
"""What the fingerprint holds of a check whose kind does not have these keys: every kind had them once."""
FOLD = timedelta(days=1)
FEWEST_FOLDS = 5
PREVIOUS = "previous"
"""Stands in for a season where each window is compared with the stretch just before it."""
RHYTHM: Mapping[Kind, str] = {"numeric": "kolmogorov_smirnov", "categorical": "jensen_shannon", "vector": "mmd"}
"""By which detector the season of a column is chosen."""
COUNTED = ("numeric", "categorical")
SELDOM = ("missing", "mistyped", "range", "unseen")
"""Checks of what a baseline hardly shows: by how much clusters of rows inflate them, the column's values say."""
MEASURED = 0.9
"""A season must leave this share of the windows measurable."""


Subject = tuple[str, str | None, str, str | None]
"""Check, column, method and segment of a finding."""


@dataclass(frozen=True)
class Calibration:
    """What the baseline says about its own noise.

    Parameters
    ----------
    limit
        The rarity that pages; None when the baseline is too short to tell.
    nulls, subjects
        Finding key to the null of its statistic, and to check, column, method and segment.
    seasons
        Column to the season that it is compared within, for those that have one.
    records
        Metric that is estimated without labels to the record of its estimates over the baseline's windows.
    clients
        Column of clients to how the rows of a typical window spread over them.
    reason
        Why there is no limit, or how sure it is.
    definition
        Fingerprint of the settings that it was made for.
    unusual
        Column to the stretches of the baseline, start and end in ISO 8601, that its thresholds were not learnt from.
    sensitivity
        Column to the smallest change that is found.
    finest
        The same of the best of all baselines since the first, for columns that were measured before.
    """

    limit: Limit | None = None
    nulls: Mapping[str, Null] = field(default_factory=dict)
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    seasons: Mapping[str, str] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    clients: Mapping[str, Concentration] = field(default_factory=dict)
    reason: str = "not_calibrated: this baseline has no times"
    definition: str = ""
    unusual: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    sensitivity: Mapping[str, Sensitivity] = field(default_factory=dict)
    finest: Mapping[str, Sensitivity] = field(default_factory=dict)

    @property
    def set_apart(self) -> dict[str, Null]:
        """Return the statistics that the monitor's limit does not hold for, by finding key."""
        return {key: null for key, null in self.nulls.items() if null.limit is not None}

    def of(self, finding: Finding) -> Calibrated | None:
        """Return the null of a finding; a segment that the baseline did not know borrows that of all rows."""
        return self.calibrated(finding.key) or self.calibrated(replace(finding, segment=None).key)

    def calibrated(self, key: str) -> Calibrated | None:
        """Return the null of a statistic and the limit that holds for it, by finding key."""
        null = self.nulls.get(key)
        if null is None or self.limit is None:
            return None
        return Calibrated(null, self.limit.rarity if null.limit is None else null.limit)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "limit": self.limit.to_json() if self.limit else None,
            "nulls": {key: null.to_json() for key, null in self.nulls.items()},
            "subjects": {key: list(subject) for key, subject in self.subjects.items()},
            "seasons": dict(self.seasons),
            "records": {metric: record.to_json() for metric, record in self.records.items()},
            "clients": {name: asdict(usual) for name, usual in self.clients.items()},
            "reason": self.reason,
            "definition": self.definition,
            "unusual": {column: [list(each) for each in several] for column, several in self.unusual.items()},
            "sensitivity": {column: asdict(found) for column, found in self.sensitivity.items()},
            "finest": {column: asdict(found) for column, found in self.finest.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Calibration:
        """Read what :meth:`to_json` wrote; nothing means not calibrated."""
        if not data:
            return cls()
        limit = Limit.from_json(data["limit"]) if data["limit"] else None
        nulls = {key: Null.from_json(null) for key, null in data["nulls"].items()}
        subjects = {key: tuple(subject) for key, subject in data["subjects"].items()}
        records = {metric: Record.from_json(record) for metric, record in data.get("records", {}).items()}
        unusual = {column: [(a, b) for a, b in several] for column, several in data.get("unusual", {}).items()}
        clients = {name: Concentration(**usual) for name, usual in data.get("clients", {}).items()}
        sensitivity, finest = (
            {column: Sensitivity(**found) for column, found in data.get(name, {}).items()}
            for name in ("sensitivity", "finest")
        )
        return cls(
            limit=limit,
            nulls=nulls,
            subjects=subjects,
            seasons=data["seasons"],
            records=records,
            clients=clients,
            reason=data["reason"],
            definition=data["definition"],
            unusual=unusual,
            sensitivity=sensitivity,
            finest=finest,
        )


SlotProfiles = dict[str, dict[int, dict[str | None, dict[str, Profile]]]]
"""Season to slot to segment to column: what windows of a season are compared with."""


def calibrate(
    monitor: Monitor,
    timeline: Timeline,
    layouts: Mapping[str, Layout],
    profiles: Mapping[str, Profile] | None = None,
) -> tuple[Calibration, SlotProfiles]:
    """Learn every null and the limit that keeps the monitor's alert budget.

    ``profiles`` are the baseline's of all rows, whose families choose what is asked of the columns.
    """
    if not monitor.rules:
        reason = "not_calibrated: there is no rule that could alert, so fixed thresholds hold"
        return Calibration(reason=reason, definition=definition(monitor)), {}
    windows = float(timeline.known.sum() / timeline.length)
    if windows < FEWEST_WINDOWS:
        reason = (
            f"too_short: the baseline holds {windows:.0f} windows that do not overlap and {FEWEST_WINDOWS} are "
            "needed; until then fixed thresholds hold"
        )
        return Calibration(reason=reason, definition=definition(monitor)), {}
    folds = Folds(timeline, monitor.baseline.previous)
    tally, slots = _Tally(monitor, folds), SlotProfiles({})
    questions = list(expand_checks(monitor, layouts, profiles))
    seasons: dict[str, str] = {}
    records: dict[str, Record] = {}
    for (segment, column), stack in timeline.series():
        is_previous = monitor.baseline.previous is not None and stack.layout.kind not in LABELLED
        if segment is None and not is_previous:
            seasons[column] = _season(folds, stack, monitor.min_samples)
        season = seasons.get(column, ALL_TIMES)
        if season != ALL_TIMES:
            _keep_slots(slots.setdefault(season, {}), folds, season, (segment, column), stack)
        if column == OUTCOME and segment is None:
            records = folds.records(stack, questions)
        clusters = design_effect(stack) if stack.layout.kind in COUNTED else 1.0
        for question in questions:
            if question.column == column and question.threshold is None and (segment is None or question.segments):
                factor = np.ones(1) if question.late else folds.noise_factor(segment)
                reference = PREVIOUS if is_previous else season
                seen = folds.look(question.detector, stack, reference, question.min_samples, factor)
                inflation = clusters if question.detector.check in SELDOM else 1.0
                tally.note(question.finding(segment), question.detector.floor, *seen, inflation)
    for finding in _traffic(monitor):
        tally.note(finding, VOLUME_FLOOR, *folds.volume())
    limit = tally.spend(folds.weeks)
    chosen = {column: season for column, season in seasons.items() if season != ALL_TIMES}
    return Calibration(
        limit=limit,
        nulls=tally.nulls,
        subjects=tally.subjects,
        seasons=chosen,
        records=records,
        clients=folds.usual,
        reason=_sure(limit, timeline),
        definition=definition(monitor),
        unusual=_moments(tally.unusual, timeline),
    ), slots


def definition(monitor: Monitor) -> str:
    """Return a fingerprint of the settings that thresholds depend on, besides the baseline itself."""
    settings = monitor.model_dump(mode="json", include=SETTINGS, exclude_none=True)
    settings["checks"] = [
        CHECK_DEFAULTS | check.model_dump(mode="json", include=CHECK_SETTINGS, exclude_none=True)
        for check in monitor.checks
    ]
    if monitor.baseline.previous is not None:  # it is newer than the fingerprint: without it nothing changes
        settings["previous"] = monitor.baseline.previous.total_seconds()
    settings["version"] = VERSION
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


class _Tally:
    """The null of every finding, and the peaks that each rule saw of it."""

    def __init__(self, monitor: Monitor, folds: Folds) -> None:
        self.nulls: dict[str, Null] = {}
        self.subjects: dict[str, Subject] = {}
        self.unusual: dict[str, list[slice]] = {}
        self._peaks: dict[str, list[Peaks]] = {}
        self._heights: dict[str, np.ndarray] = {}
        self._monitor, self._folds = monitor, folds
        self._slices = [slice(first, last) for first, last in itertools.pairwise(folds.edges.tolist())]

    def note(
        self, finding: Finding, floor: float, statistic: np.ndarray, noise: np.ndarray, inflation: float = 1.0
    ) -> None:
        """Learn the null of one statistic, an unusual stretch of the baseline left out.

        ``inflation`` is how much the variance of rows that come in clusters exceeds that of independent ones, for a
        statistic that the baseline shows too seldom to learn it from.
        """
        length = self._folds.length
        stretch = find_unusual_stretch(statistic, noise, length)
        if stretch is not None:
            self.unusual.setdefault(finding.column or finding.check, []).append(stretch)
            statistic = statistic.copy()
            statistic[stretch] = np.nan
        noise = noise * math.sqrt(inflation)
        windows = independent(statistic, length)
        null = learn_null(statistic, noise, windows)
        if null is None:
            return
        key = finding.key
        self.nulls[key] = replace(null, clusters=inflation, noise=null.noise / math.sqrt(inflation))
        self.subjects[key] = finding.check, finding.column, finding.method, finding.segment
        rarity = held_out_rarity(statistic, noise, self._slices, floor, windows)
        self._heights[key] = peaks(rarity, length)
        step = self._folds.timeline.step
        self._peaks[key] = [
            Peaks(
                f"{place}/{finding.segment or ''}/{finding.column or finding.check}",
                self._heights[key] if bad_for == 1 else peaks(rarity, length, bad_for),
            )
            for place, rule in enumerate(self._monitor.rules)
            for bad_for in [rule.buckets(rule.for_, step)]
            if matches(rule, finding)
        ]

    def spend(self, weeks: float) -> Limit:
        """Share the budget among all statistics, and give those that are set apart a limit of their own."""
        spending = spend(self._peaks, self._monitor.budget_per_week, weeks)
        for key, null in self.nulls.items():
            own = spending.own.get(key)
            limit = own or spending.limit.rarity
            expected = expected_alerts(self._heights[key], limit, weeks)
            self.nulls[key] = replace(null, limit=own, expected=expected)
        return spending.limit


@dataclass(frozen=True)
class _Group:
    """Windows that share what they are compared with: the slots of a season less a stretch, as steps."""

    windows: np.ndarray
    without: slice
    rest: np.ndarray


class Folds:
    """The windows of a baseline, each with the rest of the baseline that it is compared with."""

    def __init__(self, timeline: Timeline, previous: timedelta | None = None) -> None:
        self.timeline = timeline
        self.previous = previous or timedelta(0)
        self.weeks = max(timeline.weeks - self.previous / timedelta(weeks=1), timeline.step / timedelta(weeks=1))
        self.length = timeline.length
        size = max(round(FOLD / timeline.step), 2 * self.length)
        count = max(FEWEST_FOLDS, timeline.steps // size)
        self.edges = np.linspace(0, timeline.steps, count + 1).astype(int)
        self.slots = {season: SEASONS[season].slot(timeline.seconds()) for season in possible(self._seconds())}
        self._groups: dict[str, list[_Group]] = {}
        self._last: Stack | None = None
        self._sums: dict[int, Stack] = {}
        known = np.cumsum(np.append(0, timeline.known))
        ends = np.arange(timeline.steps)
        self.whole = (ends + 1 >= self.length) & (
            known[ends + 1] - known[np.maximum(0, ends + 1 - self.length)] == self.length
        )

        self._clients = timeline.client_windows()
        self.usual = usual_clients({name: windows[self.whole] for name, windows in self._clients.items()})

    def noise_factor(self, segment: str | None) -> np.ndarray:
        """Return by how much the noise of each window exceeds that of its rows, for the clients that sent them."""
        return np.broadcast_to(noise_factor(self._clients, self.usual, segment), self.timeline.steps)

    def _seconds(self) -> float:
        return self.timeline.steps * self.timeline.step.total_seconds()

    def groups(self, season: str) -> list[_Group]:
        """Return the windows of each fold by the slots that they touch."""
        if season not in self._groups:
            folds = itertools.pairwise(self.edges.tolist())
            groups = self._before() if season == PREVIOUS else (g for fold in folds for g in self._fold(season, fold))
            self._groups[season] = list(groups)
        return self._groups[season]

    def _before(self) -> Iterator[_Group]:
        """Yield the windows that share the stretch before them, which moves on by whole windows."""
        seconds, step = self.timeline.seconds(), self.timeline.step.total_seconds()
        window = round(self.length * step)
        ends = np.flatnonzero(self.whole)
        cuts = seconds[ends - self.length + 1] // window * window
        firsts = cuts - round(self.previous.total_seconds())
        for cut, first in dict(zip(cuts.tolist(), firsts.tolist(), strict=True)).items():
            if first >= seconds[0]:
                rest = np.flatnonzero((seconds >= first) & (seconds + step <= cut))
                yield _Group(ends[cuts == cut], slice(0), rest)

    def _fold(self, season: str, fold: tuple[int, int]) -> Iterator[_Group]:
        first, last = fold
        without = slice(max(0, first - self.length + 1), min(self.timeline.steps, last + self.length - 1))
        slots, touching = self.slots[season], defaultdict(list)
        for end in range(first, last):
            if self.whole[end]:
                touching[tuple(sorted(set(slots[end - self.length + 1 : end + 1].tolist())))].append(end)
        for touched, ends in touching.items():
            rest = np.isin(slots, touched)
            rest[without] = False
            yield _Group(np.array(ends), without, np.flatnonzero(rest))

    def measure(self, detector: Detector, stack: Stack, season: str, min_samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Measure every window against the rest; NaN where either side has too few rows.

        Returns
        -------
        statistic, noise
            float64, shape (steps,), at the step with which a window ends.
        """
        statistic, noise = np.full((2, self.timeline.steps), np.nan)
        windows = self.windows(stack)
        for group in self.groups(season):
            rest = self.rest(stack, group)
            now = windows.take(group.windows)
            sizes = (rest.n, now.n) if detector.counts == "usable" else (rest.rows, now.rows)
            if sizes[0] < min_samples:
                continue
            enough = sizes[1] >= min_samples
            if not enough.any():
                continue
            at = group.windows[enough]
            seen = detector.measure(rest, now.take(enough))
            statistic[at], noise[at] = seen.statistic, seen.noise
        return statistic, noise

    def look(
        self, detector: Detector, stack: Stack, season: str, min_samples: int, factor: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Measure every window, or add up every step where the detector does that; ``factor`` is of the noise."""
        if isinstance(detector, Sequential):
            return self.accumulate(detector, stack, season, min_samples, factor)
        statistic, noise = self.measure(detector, stack, season, min_samples)
        return statistic, noise * factor

    def accumulate(
        self, detector: Sequential, stack: Stack, season: str, min_samples: int, factor: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add up the steps of a series in the order of time, each scored against the rest."""
        scores: np.ndarray | None = None
        enough = stack.n >= detector.fewest
        for group in self.groups(season):
            rest = self.rest(stack, group)
            at = group.windows[enough[group.windows]]
            if int(rest.n) >= min_samples and len(at):
                found = detector.score(rest, stack.take(at))
                scores = np.full((self.timeline.steps, found.shape[-1]), np.nan) if scores is None else scores
                scores[at] = found
        if scores is None:
            return np.full(self.timeline.steps, np.nan), np.full(self.timeline.steps, np.nan)
        course = detector.fold(detector.thin(scores, factor), {})
        return course.statistic, course.noise

    def rest(self, stack: Stack, group: _Group) -> Stack:
        """Return the sum of what the windows of a group are compared with."""
        return self._once(stack, id(group), lambda: stack.take(group.rest).sum())

    def windows(self, stack: Stack) -> Stack:
        """Return every window of a series."""
        return self._once(stack, 0, lambda: stack.windows(self.length))

    def _once(self, stack: Stack, key: int, make: Callable[[], Stack]) -> Stack:
        """Sum only once for all detectors that ask about a series; they come one series after the other."""
        if stack is not self._last:
            self._last, self._sums = stack, {}
        if key not in self._sums:
            self._sums[key] = make()
        return self._sums[key]

    def records(self, stack: Stack, questions: Sequence[CheckTarget]) -> dict[str, Record]:
        """Estimate the metrics of labelled windows that do not overlap, each from the rest, to see how that goes."""
        windows = self.windows(stack)
        ends = self.timeline.seconds() + self.timeline.step.total_seconds()
        at = ends / (self.length * self.timeline.step.total_seconds())
        found = {}
        for question in questions:
            metric = question.detector.name.removeprefix(ESTIMATED)
            if metric != question.detector.name and question.column == OUTCOME:
                found[metric] = backtest_estimates(metric, at, self._apart(stack, windows, question.min_samples))
        return found

    def _apart(self, stack: Stack, windows: Stack, least: int) -> Iterator[tuple[np.ndarray, Stack, Stack]]:
        """Yield the ends of windows that do not overlap, what they are compared with, and them."""
        for group in self.groups(ALL_TIMES):
            own = group.windows[(group.windows + 1) % self.length == 0]
            rest = self.rest(stack, group)
            enough = own[windows.n[own] >= least]
            if len(enough) and rest.n >= least:
                yield enough, rest, windows.take(enough)

    def volume(self) -> tuple[np.ndarray, np.ndarray]:
        """Measure the rows of every window against those of the other windows."""
        statistic, noise = np.full((2, self.timeline.steps), np.nan)
        sums = np.convolve(self.timeline.rows, np.ones(self.length), "full")[: self.timeline.steps]
        for group in self.groups(ALL_TIMES):
            others = self.whole.copy()
            others[group.without] = False
            at = group.windows[sums[group.windows] > 0]
            if others.any() and len(at):
                statistic[at], noise[at] = outside_span(sums[at], sums[others].min(), sums[others].max())
        return statistic, noise


def _season(folds: Folds, stack: Stack, min_samples: int) -> str:
    """Choose the season of a column by what its unchanged windows look like under each."""
    if stack.layout.kind not in RHYTHM:
        return ALL_TIMES
    detector = DETECTORS[RHYTHM[stack.layout.kind]]
    measured = {season: folds.measure(detector, stack, season, min_samples)[0] for season in folds.slots}
    seen = {season: statistic[np.isfinite(statistic)] for season, statistic in measured.items()}
    enough = MEASURED * len(seen[ALL_TIMES])
    if enough == 0:
        return ALL_TIMES
    return choose({name: float(np.quantile(found, WIDE)) for name, found in seen.items() if len(found) >= enough})


def _keep_slots(
    slots: dict[int, dict[str | None, dict[str, Profile]]],
    folds: Folds,
    season: str,
    series: tuple[str | None, str],
    stack: Stack,
) -> None:
    segment, column = series
    for slot in np.unique(folds.slots[season]).tolist():
        summed = stack.take(folds.slots[season] == slot).sum().profile()
        if summed.rows:
            slots.setdefault(slot, {}).setdefault(segment, {})[column] = summed


def _moments(unusual: Mapping[str, Sequence[slice]], timeline: Timeline) -> dict[str, list[tuple[str, str]]]:
    """Return when the unusual stretches were; those that overlap are one."""
    moments: dict[str, list[tuple[str, str]]] = {}
    for column, several in unusual.items():
        joined: list[list[int]] = []
        for each in sorted(several, key=lambda each: int(each.start)):
            if joined and each.start <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], int(each.stop))
            else:
                joined.append([int(each.start), int(each.stop)])
        moments[column] = [
            ((timeline.start + first * timeline.step).isoformat(), (timeline.start + last * timeline.step).isoformat())
            for first, last in joined
        ]
    return moments


def _traffic(monitor: Monitor) -> list[Finding]:
    """Return a placeholder for each volume finding without a threshold of its own."""
    volumes = [check for check in make_checks(monitor) if isinstance(check, RecordQuality) and check.kind == "volume"]
    return [check.placeholder for check in volumes if check.config.bound is None]


def _sure(limit: Limit, timeline: Timeline) -> str:
    said = f"calibrated on {timeline.weeks:.1f} weeks to {limit.budget:.3g} pages a week"
    if limit.beyond > 1:
        said += f"; extrapolated: a page under this budget is {limit.beyond:.1f} times rarer than the baseline is long"
    return said
