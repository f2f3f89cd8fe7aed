"""Decide whether the findings of an incident are clean on the traffic after an effect. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from detectors.base import Finding, Status
from monitor.alerting.bad_stretch import BadStretch
from monitor.alerting.consequence import most_harmful
from monitor.alerting.effect_outcome import EffectOutcome
from monitor.alerting.first_bad import find_first_bad
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.config.rules import find_rule
from monitor.core.action import PastAction
from monitor.core.incident import Incident
from monitor.core.payload import IncidentFinding

MEASURED = (Status.OK, Status.DRIFTED)
NO_TRAFFIC = "no records after it were measured"


def measure_outcome(
    monitor: Monitor,
    incident: Incident,
    effect: PastAction,
    measured: Mapping[str, Finding],
    after: Window,
    stretch: BadStretch | None = None,
) -> EffectOutcome:
    """Return the outcome of an effect from the findings on the traffic after it.

    ``stretch`` is the bad traffic before it, if the window still has some.
    """
    measurements = [(item, _find(item, effect, measured)) for item in list_items(incident)]
    bad = [
        one for _, one in measurements if one is not None and one.status in MEASURED and _is_bad(monitor, incident, one)
    ]
    states = [
        (
            item["segment"] in (None, bad_segment(effect)) and not _is_never_measured(one),
            one is not None and is_clean(monitor, incident, one, after, stretch),
        )
        for item, one in measurements
    ]
    records = count_records(after)
    outcome = EffectOutcome(effect, "clean", after.starts[0], after.starts[-1] + monitor.bucket, records)
    if bad:
        return replace(outcome, status="bad", reason=most_harmful(bad).reason.partition("; ")[0])
    if not any(good for _, good in states) or any(is_needed and not good for is_needed, good in states):
        reason = f"{records} records after it are too few" if records else NO_TRAFFIC
        return replace(outcome, status="unmeasured", reason=reason)
    return outcome


def count_records(window: Window) -> int:
    """Return the number of records of a window."""
    return sum(part.facts.rows for part in window.parts)


def list_items(incident: Incident) -> list[IncidentFinding]:
    """Return the findings that an effect can mend: deteriorations that are not about the data pipeline."""
    items = incident.evidence.values()
    return [item for item in items if item["about"] != "pipe" and item.get("direction", "worse") == "worse"]


def bad_segment(effect: PastAction) -> str | None:
    return "=".join(effect.observed) if effect.observed else None


def _find(item: IncidentFinding, effect: PastAction, measured: Mapping[str, Finding]) -> Finding | None:
    """Return the finding after an effect; for the bad version, which may have no traffic, that of all rows."""
    parts = [item["check"], item["column"] or "", item["method"]]
    finding = measured.get("/".join([*parts, item["segment"] or ""]))
    if item["segment"] == bad_segment(effect) and (finding is None or finding.status not in MEASURED):
        return measured.get("/".join([*parts, ""]))
    return finding


def _is_bad(monitor: Monitor, incident: Incident, finding: Finding) -> bool:
    """Return whether a finding keeps an incident open, as the rules of the incident define it."""
    if finding.status is Status.DRIFTED:
        return finding.is_adverse
    rules = [rule for name in incident.rules or [incident.rule] if (rule := find_rule(monitor.rules, name))]
    hysteresis = min((rule.hysteresis for rule in rules), default=1.0)
    return "state" not in finding.detail and finding.excess >= hysteresis


def is_clean(
    monitor: Monitor, incident: Incident, finding: Finding, after: Window, stretch: BadStretch | None = None
) -> bool:
    """Return whether a finding is clean on enough traffic: it would be bad if nothing had changed.

    An accumulated statistic needs as much time as passed before the incident fired, and `min_samples` records. Others
    are told apart from the bad traffic. If that has left the window or cannot be compared, they have a threshold below
    their worst value, or half as many records as when they were last bad, most of which may have been good. What has
    become better than the baseline is clean.
    """
    if finding.status is Status.DRIFTED:
        return not finding.is_adverse
    if finding.status is not Status.OK or _is_bad(monitor, incident, finding):
        return False
    if "state" in finding.detail:
        delay = (incident.fired_at or incident.opened_at) - find_first_bad(incident, monitor.bucket)
        return len(after.parts) * monitor.bucket >= delay and count_records(after) >= monitor.min_samples
    item = incident.evidence.get(finding.key)
    if finding.threshold is None or item is None:
        return finding.threshold is not None
    is_over = stretch.is_over(finding, after) if stretch is not None else None
    if is_over is None:
        return finding.threshold < item["worst"] or 0 < item.get("n_window", 0) <= 2 * finding.n_window
    return is_over


def _is_never_measured(finding: Finding | None) -> bool:
    """Return whether a finding needs more than traffic: labels that come later, or another process."""
    return finding is not None and finding.status not in MEASURED and not finding.reason.startswith("too_few")
