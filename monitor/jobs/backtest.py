"""Backtest: what the present rules would have paged over a stretch of the past, read from the source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from detectors.base import Finding
from detectors.evaluate import poisson_interval
from detectors.quality.traffic import Gaps
from detectors.sequential import State
from monitor.actions.plan import split_open
from monitor.alerting.change_point import Plateau
from monitor.alerting.explain import explain, explain_moves, worth
from monitor.alerting.first_seen import detect_new_values, earliest
from monitor.alerting.rules import judge_all
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.targets import expand_stattests
from monitor.config.models import ConfigError, Monitor
from monitor.config.sections import parse_time
from monitor.core.action import AlertHistory
from monitor.core.incident import NO_DATA, Change, Incident, MissingData
from monitor.core.schedule import Bucket, floor
from monitor.jobs import build_baseline
from monitor.jobs.one_shot import baseline_for
from monitor.jobs.replay import Again, replay
from monitor.profiling.profile import Facts
from monitor.profiling.timeline import Timeline
from monitor.sources.base import Reader

CHUNK = timedelta(days=7)
RENEW_EVERY = timedelta(days=1)
WEEK = timedelta(weeks=1)
MOST_EXPLAINED = 3


@dataclass
class Story:
    """What happened: incidents as they opened, fired and resolved."""

    monitor: Monitor
    gaps: Gaps = Gaps()
    open: dict[str, Incident] = field(default_factory=dict)
    resolved: dict[str, Incident] = field(default_factory=dict)
    told: list[datetime] = field(default_factory=list)
    all: dict[str, Incident] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    blind: MissingData = MissingData()
    sums: dict[str, State] = field(default_factory=dict)
    plateaus: dict[datetime, Plateau] = field(default_factory=dict)
    course: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # all that was told, by incident
    updates: int = 0

    def live(
        self,
        bucket: Bucket,
        findings: Sequence[Finding],
        again: Again,
        measured: bool,
        rows: int,  # noqa: FBT001
    ) -> None:
        """Judge one bucket as the daemon would."""
        result, reason = ("done", None) if measured and rows else ("inconclusive", "too_few" if rows else "no_rows")
        newest, older = split_open(self.open.values())
        past = AlertHistory(newest, older, resolved=dict(self.resolved), blind=self.blind)
        findings, moved = self._explained(findings, again, newest, bucket.end)
        for decision in judge_all(self.monitor, findings, self.changes, past, bucket, result, reason, self.gaps, moved):
            incident = decision.incident
            self.all[incident.id] = incident
            if (decision.transition == "firing" or decision.change) and incident.rule != NO_DATA:
                self.told.append(bucket.end)
                self.course.setdefault(incident.id, []).append(incident.changes[-1])
            self.updates += decision.change is not None
            if incident.state == "resolved":
                self.open.pop(incident.id, None)
                if incident.fired_at is not None:
                    self.resolved[incident.rule] = incident
            else:
                self.open[incident.id] = incident
        self.blind = self.blind.then(result, reason)

    def _explained(
        self, findings: Sequence[Finding], again: Again, standing: Mapping[str, Incident], at: datetime
    ) -> tuple[Sequence[Finding], dict[str, list[Finding]]]:
        """Return the findings, and by rule what has moved on from what was told, what is news with its explanation."""
        told = {i.rule: i.told_at for i in standing.values() if i.state == "firing" and i.rule != NO_DATA}
        moved = {rule: again.moved(self.plateaus, since, at) for rule, since in told.items() if since}
        if not any(moved.values()) and not worth(self.monitor, findings, standing):
            return findings, moved
        window = again.window(at)
        for rule, since in told.items():
            if since and moved[rule]:
                moved[rule] = explain_moves(self.plateaus[since], window, moved[rule])
        return explain(self.monitor, again.baseline_at(at), window, findings, standing, self.changes, at), moved

    def fired(self) -> list[Incident]:
        """Return the incidents that paged, oldest first."""
        paged = [i for i in self.all.values() if i.fired_at is not None and i.rule != NO_DATA]
        return sorted(paged, key=lambda incident: incident.opened_at)


def backtest(
    reader: Reader,
    monitor: Monitor,
    start: datetime,
    end: datetime,
    changes: Sequence[datetime] = (),
    progress: Callable[[int], object] = lambda _done: None,
    baseline: Baseline | None = None,
) -> dict[str, Any]:
    """Return what would have paged in ``[start, end)``, by the present rules and the baseline of that time.

    A rolling baseline is learnt from what precedes the stretch, and moved on once a day as the daemon does. One that
    is at hand may be given.

    Returns
    -------
    dict
        ``{monitor, from, to, weeks, pages, pages_per_week, pages_low, pages_high, updates, budget_per_week, budget,
        budget_kept, by_week, incidents, changes, left_out, no_data, baseline}``; ``pages_low`` and ``pages_high`` are
        the 95 % interval of the pages a week, and ``budget`` is what it says of the alert budget (see
        :func:`judge_budget`). ``updates`` are further changes of open incidents, which are told in their threads.
        Stattests of Evidently are left out.
    """
    start, end = floor(start, monitor.bucket), floor(end, monitor.bucket)
    if start >= end:
        raise ConfigError("--from must lie at least one bucket before --to.")
    baseline = baseline or baseline_for(reader, monitor, start)
    if baseline is None:
        raise ConfigError(f"there is no baseline: fewer than {monitor.baseline.min_rows} rows in its range.")
    story = Story(monitor, baseline.gaps(monitor))
    for step, stop in _steps(monitor, start, end):
        if monitor.baseline.rolling and step > start:
            baseline = baseline_for(reader, monitor, step) or baseline
        _play(reader, monitor, baseline, story, step, stop)
        progress((stop - step) // monitor.bucket)
    return report(monitor, baseline, story, start, end, changes)


def _steps(monitor: Monitor, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    length = max(RENEW_EVERY if monitor.baseline.rolling else CHUNK, monitor.bucket)
    while start < end:
        yield start, min(start + length, end)
        start += length


def _play(reader: Reader, monitor: Monitor, baseline: Baseline, story: Story, start: datetime, end: datetime) -> None:
    lead = start - monitor.window + monitor.bucket
    if monitor.baseline.previous is not None:
        lead, _ = previous_stretch(monitor, monitor.baseline.previous, lead)
    timeline = Timeline.of_stretch(monitor, baseline.layouts, lead, end, start)
    facts: dict[datetime, Facts] = {}
    for bucket, profiler in build_baseline.profile_buckets(reader, monitor, baseline.layouts, lead, end):
        timeline.add(bucket.start, profiler.facts.whole_requests, profiler.profiles(), profiler.facts.clients)
        facts[bucket.start] = profiler.facts
    again = Again(monitor, baseline, timeline)
    for bucket, findings, measured in replay(monitor, baseline, timeline, story.sums):
        story.changes = earliest([*story.changes, *detect_new_values(facts[bucket.start], baseline)])
        story.live(bucket, findings, again, measured, facts[bucket.start].rows)


def report(
    monitor: Monitor,
    baseline: Baseline,
    story: Story,
    start: datetime,
    end: datetime,
    changes: Sequence[datetime],
) -> dict[str, Any]:
    """Put a story into plain data."""
    fired = story.fired()
    weeks = (end - start) / WEEK
    allowed = monitor.budget_per_week
    low, high = poisson_interval(len(fired), weeks)
    verdict = judge_budget(len(fired), weeks, allowed)
    by_week = [0] * -(-(end - start) // WEEK)
    for incident in fired:
        by_week[(_firing_time(incident) - start - monitor.bucket) // WEEK] += 1
    return {
        "monitor": monitor.name,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "weeks": weeks,
        "pages": len(fired),
        "pages_per_week": len(fired) / weeks,
        "pages_low": low,
        "pages_high": high,
        "updates": story.updates,
        "budget_per_week": allowed,
        "budget": verdict,
        "budget_kept": verdict != "broken",
        "by_week": by_week,
        "incidents": [_incident(incident, story.course[incident.id]) for incident in fired],
        "changes": [_delay(story.told, at, later) for at, later in pairwise([*changes, end])],
        "left_out": sorted({q.detector.name for q in expand_stattests(monitor, baseline.layouts)}),
        "no_data": sum(i.rule == NO_DATA and i.fired_at is not None for i in story.all.values()),
        "baseline": {
            "rows": baseline.rows,
            "from": baseline.start.isoformat() if baseline.start else None,
            "to": baseline.end.isoformat() if baseline.end else None,
            "calibration": baseline.calibration.reason,
            "limit": baseline.calibration.limit.to_json() if baseline.calibration.limit else None,
            "seasons": dict(baseline.calibration.seasons),
        },
    }


def judge_budget(pages: int, weeks: float, allowed: float) -> Literal["kept", "broken", "undecided"]:
    """Say what a number of pages means for a budget of pages a week, by the exact 95 % interval of their rate.

    It is kept where the whole interval lies within the budget, and broken where the interval lies above it; one page
    breaks no budget. Everything else is undecided, which a longer stretch may change.

    Examples
    --------
    >>> [judge_budget(pages, weeks, 1.0) for pages, weeks in ((0, 4.0), (1, 23 / 10080), (0, 0.1), (9, 2.0))]
    ['kept', 'undecided', 'undecided', 'broken']
    """
    low, high = poisson_interval(pages, weeks)
    if low > allowed and pages > 1:
        return "broken"
    return "kept" if high <= allowed else "undecided"


def _firing_time(incident: Incident) -> datetime:
    return incident.fired_at or incident.opened_at


def _incident(incident: Incident, course: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    evidence = list(incident.evidence.values())
    return {
        "opened_at": incident.opened_at.isoformat(),
        "fired_at": _firing_time(incident).isoformat(),
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "rule": incident.rule,
        "severity": incident.severity,
        "checks": sorted({str(item["check"]) for item in evidence}),
        "columns": sorted({str(item["column"]) for item in evidence if item["column"]}),
        "reason": incident.reason,
        "suspected_change": incident.suspected_change,
        "explanation": [
            {name: item[name] for name in ("check", "column", "segment", "explanation")}
            for item in evidence
            if "explanation" in item
        ][:MOST_EXPLAINED],
        "changes": [dict(change) for change in course],
    }


def _delay(told: Sequence[datetime], at: datetime, until: datetime) -> dict[str, Any]:
    """Return when people were first told after a change, before the next one."""
    seen = min((moment for moment in told if at < moment <= until), default=None)
    return {
        "at": at.isoformat(),
        "detected_at": seen.isoformat() if seen else None,
        "delay_seconds": (seen - at).total_seconds() if seen else None,
    }


def read_changes(path: Path) -> list[datetime]:
    """Read marked change points: a JSON list of times or of objects with ``at``, JSON lines, or a time a line."""
    text = path.read_text(encoding="utf-8").strip()
    try:
        found = json.loads(text)
    except ValueError:
        found = [_line(line) for line in text.splitlines() if line.strip()]
    if isinstance(found, Mapping):
        found = found.get("changes", [])
    if not isinstance(found, list):
        raise ConfigError(f'{path}: expected a list of times, such as ["2026-11-03T12:00:00Z"].')
    times = []
    for place, item in enumerate(found):
        value = item.get("at") if isinstance(item, Mapping) else item
        try:
            times.append(parse_time(value))
        except ValueError:
            if place == 0 and isinstance(item, str):
                continue  # the head of a table
            raise ConfigError(f"{path}: {value!r} is not a time; write it like 2026-11-03T12:00:00Z.") from None
    return sorted(times)


def _line(line: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(line)
    except ValueError:
        return line.split(",", maxsplit=1)[0].strip().strip('"')
