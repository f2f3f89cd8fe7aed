"""Backtest: what the present rules would have paged over a stretch of the past, read from the source."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from detectors.base import Finding
from detectors.evaluate import poisson_interval
from detectors.sequential import State
from monitor.actions.decide_and_plan import decide_and_plan
from monitor.actions.plan import split_open
from monitor.actions.plan_actions import Receivers
from monitor.alerting.change_point import Plateau
from monitor.alerting.decide import AlertContext
from monitor.alerting.news import choose_news
from monitor.alerting.second_shift import explain_moves
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.evaluation import Evaluation
from monitor.checks.new_values import detect_new_values, earliest
from monitor.checks.result import Result
from monitor.checks.targets import expand_stattests
from monitor.config.models import ConfigError, Monitor
from monitor.config.sections import parse_time
from monitor.core.action import Action, AlertHistory, PastAction
from monitor.core.incident import NO_DATA, Change, Decision, Incident, MissingData
from monitor.core.schedule import Bucket, floor
from monitor.jobs import build_baseline
from monitor.jobs.one_shot import baseline_for
from monitor.jobs.replay import Again, replay
from monitor.profiling.facts import Facts
from monitor.profiling.timeline import Timeline
from monitor.sources.base import Reader

CHUNK = timedelta(days=7)
RENEW_EVERY = timedelta(days=1)
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
MOST_EXPLAINED = 3


@dataclass
class Story:
    """What happened: incidents as they opened, fired and resolved, and the actions that would have been planned."""

    monitor: Monitor
    receivers: Receivers = field(default_factory=dict)
    open: dict[str, Incident] = field(default_factory=dict)
    resolved: dict[str, Incident] = field(default_factory=dict)
    alerted_at: list[datetime] = field(default_factory=list)
    all: dict[str, Incident] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    missing: MissingData = MissingData()
    sums: dict[str, State] = field(default_factory=dict)
    plateaus: dict[datetime, Plateau] = field(default_factory=dict)
    course: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # all that people are told, by incident
    actions: list[Action] = field(default_factory=list)
    updates: int = 0

    def add(self, bucket: Bucket, findings: Sequence[Finding], again: Again, *, measured: bool, rows: int) -> None:
        """Decide about one bucket as the daemon would."""
        result: Result = "done" if measured and rows else "inconclusive"
        reason = None if result == "done" else "too_few" if rows else "no_rows"
        newest, older = split_open(self.open.values())
        recent = [one for one in self.actions if one.incident in self.open or bucket.end - one.created_at < DAY]
        history = AlertHistory(
            newest,
            older,
            dict(self.resolved),
            changes=self.changes,
            sequences=Counter(action.incident for action in recent),
            past=[_as_delivered(action) for action in recent],
            missing=self.missing,
        )
        baseline, shifts = again.baseline_at(bucket.end), self._shifts(again, newest, bucket.end)
        window = None
        if any(shifts.values()) or choose_news(self.monitor, findings, newest):
            window = again.window(bucket.end)
            shifts = {
                rule: explain_moves(self.plateaus[newest[rule].told_at or bucket.end], window, shifted)
                if shifted
                else []
                for rule, shifted in shifts.items()
            }
        evaluation = Evaluation(findings, result, reason, window=window)
        known = AlertContext(history, baseline, shifts)
        _, plan = decide_and_plan(self.monitor, self.receivers, evaluation, known, bucket, bucket.end)
        self.actions += plan.actions
        for decision in plan.incidents:
            self._note(decision, bucket)
        self.missing = self.missing.then(result, reason)

    def _shifts(self, again: Again, standing: Mapping[str, Incident], at: datetime) -> dict[str, list[Finding]]:
        """Return by rule how the window differs from what people were told last of its firing incident."""
        announced = {i.rule: i.told_at for i in standing.values() if i.state == "firing" and i.rule != NO_DATA}
        return {rule: again.moved(self.plateaus, since, at) for rule, since in announced.items() if since}

    def _note(self, decision: Decision, bucket: Bucket) -> None:
        incident = decision.incident
        self.all[incident.id] = incident
        if (decision.transition == "firing" or decision.change) and incident.rule != NO_DATA:
            self.alerted_at.append(bucket.end)
            self.course.setdefault(incident.id, []).append(incident.changes[-1])
        self.updates += decision.change is not None
        if incident.state == "resolved":
            self.open.pop(incident.id, None)
            if incident.fired_at is not None:
                self.resolved[incident.rule] = incident
        else:
            self.open[incident.id] = incident

    def fired(self) -> list[Incident]:
        """Return the incidents that paged, oldest first."""
        paged = [i for i in self.all.values() if i.fired_at is not None and i.rule != NO_DATA]
        return sorted(paged, key=lambda incident: incident.opened_at)


def backtest(
    reader: Reader,
    monitor: Monitor,
    between: tuple[datetime, datetime],
    changes: Sequence[datetime] = (),
    progress: Callable[[int], object] = lambda _done: None,
    baseline: Baseline | None = None,
    receivers: Receivers | None = None,
) -> dict[str, Any]:
    """Return what would have alerted in a stretch, by the present rules and the baseline of that time.

    Parameters
    ----------
    between
        Start and end of the stretch; the end is not part of it.
    changes
        Marked change points, whose delay is reported.
    progress
        Called with the number of buckets that are done.
    baseline
        The first baseline. Without it, it is learnt; a rolling one from what precedes the stretch, and moved on once a
        day as the daemon does.
    receivers
        Whom the rules name: the actions that would have been planned are reported. Nothing is sent.

    Returns
    -------
    dict
        ``{monitor, from, to, weeks, pages, pages_per_week, pages_low, pages_high, updates, budget_per_week, budget,
        budget_kept, by_week, incidents, actions, changes, left_out, no_data, baseline}``; ``pages_low`` and
        ``pages_high`` are the 95 % interval of the pages a week, and ``budget`` is what it says of the alert budget
        (see :func:`judge_budget`). ``updates`` are further changes of open incidents, which are told in their threads.
        Stattests of Evidently are left out.
    """
    start, end = (floor(moment, monitor.bucket) for moment in between)
    if start >= end:
        raise ConfigError("--from must be at least one bucket before --to.")
    baseline = baseline or baseline_for(reader, monitor, start)
    if baseline is None:
        raise ConfigError(f"there is no baseline: fewer than {monitor.baseline.min_rows} rows in its range.")
    story = Story(monitor, receivers or {})
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
        story.add(bucket, findings, again, measured=measured, rows=facts[bucket.start].rows)


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
        "actions": [_action(action) for action in story.actions],
        "changes": [_delay(story.alerted_at, at, later) for at, later in pairwise([*changes, end])],
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


def _as_delivered(action: Action) -> PastAction:
    """Return an action as the next decision knows it once it was delivered."""
    data = action.payload["data"]
    suspect, observed = data.get("suspected_change"), data.get("observed_version")
    return PastAction(
        action.name,
        action.created_at,
        "delivered" if action.state == "pending" else action.state,
        action.id,
        action.incident,
        action.kind,
        action.mode,
        action.sequence,
        at=datetime.fromisoformat(action.payload["timestamp"]),
        suspect=suspect["value"] if suspect else None,
        observed=next(iter((observed or {}).items()), None),
        reason=action.reason,
    )


def _action(action: Action) -> dict[str, Any]:
    """Return an action that would have been planned; nothing is sent."""
    return {
        "at": action.created_at.isoformat(),
        "receiver": action.name,
        "kind": action.kind,
        "state": action.state,
        "reason": action.reason,
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
