"""Measure the findings of an incident on the traffic after an effect, such as a rollback. Pure.

A window still contains the traffic before the effect. Therefore, once the buckets after the effect can be measured, the
incident is decided by their findings, until the whole window is after it. The thresholds are those of the smaller size.
If the bad version stays in service for a while, the traffic is that after its last bucket.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from detectors.base import Finding, Status
from monitor.alerting.after_effect import NO_TRAFFIC, bad_segment, is_clean, list_items, measure_outcome
from monitor.alerting.bad_stretch import BadStretch
from monitor.alerting.effect_outcome import EffectOutcome
from monitor.checks.baseline import Baseline
from monitor.checks.detect import detect
from monitor.checks.window import Window
from monitor.checks.window_sum import select_after
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory, PastAction
from monitor.core.incident import Incident
from monitor.core.schedule import floor

IN_SERVICE = 0.05
"""Share of the records of a bucket from which a version counts as in service."""
ENDED = "not_measured: too little traffic after the effect"


def judge_effects(
    monitor: Monitor,
    baseline: Baseline | None,
    window: Window | None,
    findings: Sequence[Finding],
    history: AlertHistory,
    at: datetime,
) -> tuple[Sequence[Finding], dict[str, EffectOutcome]]:
    """Return the findings by which incidents are decided, and the outcome of the last effect of each incident."""
    outcomes: dict[str, EffectOutcome] = {}
    for incident in (*history.open.values(), *history.older, *history.acted):
        effect = find_last_effect(history.past, incident)
        if effect is None:
            continue
        start = find_start(monitor, effect)
        after = None if window is None else select_after(window, find_hold(monitor, window, effect, start))
        if window is None or baseline is None or after is None:
            outcomes[incident.id] = EffectOutcome(effect, "unmeasured", start, at, reason=NO_TRAFFIC)
            continue
        is_whole = len(after.parts) == len(window.parts)
        measured = {one.key: one for one in (findings if is_whole else detect(monitor, baseline, after))}
        stretch = BadStretch.find(monitor, baseline, window, incident, effect)
        outcome = measure_outcome(monitor, incident, effect, measured, after, stretch)
        outcomes[incident.id] = outcome
        if not is_whole:
            clean = {key for key, one in measured.items() if is_clean(monitor, incident, one, after, stretch)}
            findings = list(_replace(incident, outcome, findings, measured, clean))
    return findings, outcomes


def find_last_effect(past: Sequence[PastAction], incident: Incident) -> PastAction | None:
    """Return the effect of an incident that was sent last, of those that are verified."""
    sent = [row for row in past if row.incident == incident.id and row.is_verifiable]
    return max(sent, key=lambda row: (row.sent_at, row.sequence), default=None)


def find_start(monitor: Monitor, effect: PastAction) -> datetime:
    """Return the start of the first bucket that is wholly after an effect, and `settle` after it."""
    over = effect.sent_at + monitor.settle
    start = floor(over, monitor.bucket)
    return start if start == over else start + monitor.bucket


def find_hold(monitor: Monitor, window: Window, effect: PastAction, start: datetime) -> datetime:
    """Return the end of the last bucket from ``start`` on in which the bad version was still in service.

    If it still is, everything from ``start`` on is measured.
    """
    if effect.observed is None:
        return start
    role, value = effect.observed
    parts = [(at, part.facts) for at, part in zip(window.starts, window.parts, strict=True) if at >= start]
    rows = [(at, facts.versions.get(role, {}).get(value, [0.0])[0], facts.rows) for at, facts in parts]
    served = [at for at, of_version, of_all in rows if of_version > 0 and of_version >= IN_SERVICE * of_all]
    return served[-1] + monitor.bucket if served and served[-1] != window.starts[-1] else start


def _replace(
    incident: Incident,
    outcome: EffectOutcome,
    findings: Sequence[Finding],
    measured: Mapping[str, Finding],
    clean: Collection[str],
) -> Iterator[Finding]:
    """Yield findings, those of the incident as they are on the traffic after its effect.

    ``clean`` are the keys of those that are clean on it. What cannot be measured yet remains as it is, unless the
    incident is clean: then it is inconclusive.
    """
    subjects = {(item["check"], item["column"], item["segment"]) for item in list_items(incident)}
    over = outcome.status == "clean" or incident.state == "resolved"
    for finding in findings:
        is_gone = finding.segment is not None and finding.segment == bad_segment(outcome.effect)
        is_concerned = is_gone or (finding.check, finding.column, finding.segment) in subjects
        if finding.about == "pipe" or not is_concerned:
            yield finding
            continue
        now = measured.get(finding.key)
        if now is not None and (now.status is Status.DRIFTED or now.key in clean):
            yield now
        elif now is not None and "state" in now.detail:  # it accumulates anew
            yield replace(now, status=Status.INCONCLUSIVE, reason=ENDED, statistic=None)
        elif over or is_gone:
            yield replace(finding, status=Status.INCONCLUSIVE, reason=ENDED, statistic=None)
        else:
            yield finding
