"""State machine of incidents: open, fire, change and resolve one. Every decision has a reason. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from detectors.base import Finding, Status
from detectors.joint import JOINT
from monitor.alerting.consequence import most_harmful, rank_harm
from monitor.alerting.grouping import GroupFindings
from monitor.alerting.rule_progress import NEW, advance_rules, choose_lead, describe_bad, is_over
from monitor.alerting.suspects import choose_suspect, is_same_suspect, merge_attribution, rank_suspects
from monitor.config.models import Monitor, Rule
from monitor.config.rules import matches, rule_name
from monitor.core.incident import EVERYWHERE, TRAFFIC, VERSIONS, Change, Decision, Incident, IncidentState
from monitor.core.payload import Attribution, FurtherChange, IncidentFinding, Suspect

MOST_EVIDENCE = 50
MOST_CHANGES = 20
LONGEST_REASON = 512
IDENTITY = uuid.UUID("6f1c9f6e-5a51-4c0e-9a3e-0d4f2f6d7d11")


@dataclass(frozen=True)
class IncidentContext:
    """The rules whose findings are one incident, and when they are decided.

    Parameters
    ----------
    rules
        In the order of the configuration.
    group
        The name of the group, see :mod:`monitor.alerting.grouping`.
    at
        End of the bucket.
    changes
        All changes of the monitor, each with its earliest sighting.
    muted
        Keys of the findings that are recorded and alert nobody, see :mod:`monitor.alerting.muting`.
    part
        Tells the incidents apart that open in the same bucket; empty for the first.
    """

    monitor: Monitor
    rules: Sequence[Rule]
    group: str
    at: datetime
    changes: Sequence[Change] = ()
    muted: Collection[str] = ()
    part: str = ""


def decide_incident(
    context: IncidentContext,
    findings: Sequence[Finding],
    incident: Incident | None,
    before: Incident | None = None,
    moved: Sequence[Finding] = (),
) -> Decision | None:
    """Decide whether an incident opens, continues or resolves; None if there is no incident.

    Each rule fires and resolves by its own `for` and `resolve_for`; the incident fires with the first rule and resolves
    with the last. Inconclusive findings are ignored.

    Parameters
    ----------
    before
        The last resolved incident of the group, which is reopened if the same findings recur soon.
    moved
        Differences of the window from the plateau of the firing incident.
    """
    classified = GroupFindings.classify(context.rules, findings, lambda rule, finding: _is_bad(rule, finding, incident))
    if classified.all_bad:
        standing = incident or _reopen(context, classified, before)
        watched = [f for f in moved if any(matches(rule, f) for rule in context.rules)]
        return _worsen(context, classified, standing, watched)
    if incident is None:
        return None
    if not classified.measured:
        return Decision(replace(incident, updated_at=context.at), None, "nothing was measured; the state is kept")
    return _recover(context, classified, incident)


def _is_bad(rule: Rule, finding: Finding, incident: Incident | None) -> bool:
    if finding.direction == "better":
        return False
    if finding.status is Status.DRIFTED:
        return True
    was_bad = incident is not None and finding.key in incident.evidence
    if "state" in finding.detail:
        return False  # an accumulated statistic falls slowly as it is
    return was_bad and finding.status is Status.OK and finding.excess >= rule.hysteresis


def _reopen(context: IncidentContext, classified: GroupFindings, before: Incident | None) -> Incident | None:
    """Return the last incident if the same findings recur within ``reopen_within`` and no new version appeared."""
    if before is None or before.resolved_at is None:
        return None
    within = max(rule.reopen_within for rule in context.rules if classified.bad[rule_name(rule)])
    if context.at - before.resolved_at > within:
        return None
    if not all(_was_announced(finding, _announced_keys(before)) for finding in classified.all_bad):
        return None
    if any(change.kind in VERSIONS and change.first_seen > before.opened_at for change in context.changes):
        return None
    return replace(before, state="pending", bad=0, resolved_at=None, rules={})


def _worsen(
    context: IncidentContext, classified: GroupFindings, incident: Incident | None, moved: Sequence[Finding]
) -> Decision:
    bad = classified.all_bad
    rules = advance_rules(context.rules, classified, incident.rules if incident else {}, context.monitor.bucket)
    lead, severity = choose_lead(context.rules, rules, incident)
    incident = incident or _open(context, lead, severity)
    alerting = [finding for finding in bad if finding.key not in context.muted] or bad
    news = tuple(f.key for f in alerting if not _was_announced(f, _announced_keys(incident)))
    evidence = merge_evidence(incident.evidence, bad, context.at)
    suspect, suspects = _suspects_now(context, incident, evidence)
    grown = replace(
        incident,
        rule=lead,
        severity=severity,
        rules=rules,
        bad=incident.bad + 1,
        clean=0,
        updated_at=context.at,
        evidence=evidence,
        suspected_change=suspect,
        suspects=suspects,
    )
    if grown.state == "firing":
        decision = _decide_further_change(context, grown, alerting, moved, news)
    else:
        decision = _decide_pending(context, grown, alerting, news)
    return replace(decision, bad=tuple(finding.key for finding in bad))


def _open(context: IncidentContext, lead: str, severity: str) -> Incident:
    """Return a new incident, whose id follows from its rule and from the bucket that opened it."""
    monitor, at = context.monitor.name, context.at
    name = lead if context.group == TRAFFIC else context.group
    part = f"/{context.part}" if context.part else ""
    identity = str(uuid.uuid5(IDENTITY, f"{monitor}/{name}/{at.isoformat()}{part}"))
    return Incident(identity, monitor, lead, severity, "pending", at, at, "", group=context.group)


def _decide_pending(
    context: IncidentContext, grown: Incident, bad: Sequence[Finding], news: tuple[str, ...]
) -> Decision:
    """Decide whether a pending incident fires."""
    progress, why = grown.rules[grown.rule], find_explanation(bad, grown.evidence)
    rule = next(rule for rule in context.rules if rule_name(rule) == grown.rule)
    duration = describe_bad(rule, progress, context.monitor.bucket)
    if not progress["firing"]:
        reason = f"{headline(bad)}{why}; {duration}"
        opened: IncidentState | None = "pending" if grown.bad == 1 else None
        return Decision(replace(grown, reason=reason), opened, reason, news=news)
    again = "again: " if grown.fired_at else ""
    reason = f"{again}{headline(bad)}{why}; {duration}"
    history = (*grown.changes, describe_change(context.at, bad, reason, grown.suspected_change))[-MOST_CHANGES:]
    fired = replace(grown, state="firing", fired_at=grown.fired_at or context.at, reason=reason, changes=history)
    return Decision(fired, "firing", reason, news=news)


def _suspects_now(
    context: IncidentContext, incident: Incident, evidence: Mapping[str, IncidentFinding]
) -> tuple[Suspect | None, list[Suspect]]:
    """Return the suspect of an incident, and all candidates. Changes after it fired are not among them."""
    since = incident.opened_at - context.monitor.window - context.monitor.bucket
    until = incident.fired_at if incident.state == "firing" and incident.fired_at else context.at
    before = incident.suspected_change
    suspects: list[Suspect] = [
        {**before, **one} if before and is_same_suspect(one, before) else one
        for one in rank_suspects([change for change in context.changes if change.first_seen <= until], since, evidence)
    ]
    if not suspects:
        return before, suspects
    return (None if suspects[0]["kind"] == EVERYWHERE else suspects[0]), suspects


def _decide_further_change(
    context: IncidentContext,
    grown: Incident,
    bad: Sequence[Finding],
    moved: Sequence[Finding],
    news: tuple[str, ...],
) -> Decision:
    """Decide whether a firing incident has a further change to announce.

    For one window after an announcement the change is still entering the window, so additional columns are part of it.
    Later an additional column is a further change, and so is a drifted column that has left its plateau. A change
    towards the baseline is announced only if the incident has not resolved after the time that a recovery takes.
    """
    last, at, monitor = grown.announced_at, context.at, context.monitor
    if last is None or at - last <= monitor.window:
        return Decision(replace(grown, moved=0), None, "still firing", news=news)
    fresh = [finding for finding in bad if _rose_after(finding, grown.evidence, last + monitor.window)]
    drifted = {_subject(finding.check, finding.column, finding.segment) for finding in bad}
    away = [f for f in moved if not f.detail["back"] and _subject(f.check, f.column, f.segment) in drifted]
    still = {finding.key for finding in bad}
    changed = [*fresh, *away] or [finding for finding in moved if finding.key in still]
    if not changed:
        return Decision(replace(grown, moved=0), None, "still firing")
    counted = replace(grown, moved=grown.moved + 1)
    needed = min(rule.buckets(rule.for_, monitor.bucket) for rule in context.rules if rule_name(rule) in grown.rules)
    if not fresh and not away:
        needed += monitor.window // monitor.bucket + _buckets_to_resolve(context, grown)
    if counted.moved < needed:
        return Decision(counted, None, f"changing again for {counted.moved} of {needed} buckets")
    suspect = choose_suspect(context.changes, at - monitor.window - monitor.bucket, merge_evidence({}, changed))
    evidence = merge_evidence({f.key: grown.evidence[f.key] for f in fresh if f.key in grown.evidence}, changed)
    reason = f"changed again: {headline(changed)}{find_explanation(changed, evidence)}"
    if rank_harm(most_harmful(bad)) > rank_harm(most_harmful(changed)):
        reason = f"{headline(bad)}; {reason}"
    change = describe_change(at, changed, reason, suspect)
    going = replace(counted, moved=0, reason=reason, changes=(*grown.changes, change)[-MOST_CHANGES:])
    return Decision(going, None, reason, news=tuple(finding.key for finding in changed), change=change)


def _rose_after(finding: Finding, evidence: Mapping[str, IncidentFinding], after: datetime) -> bool:
    """Return whether the check, column and segment of a finding first occurred in the incident after a time."""
    subject = _subject(finding.check, finding.column, finding.segment)
    alike = [
        item.get("since")
        for item in evidence.values()
        if _subject(item["check"], item["column"], item["segment"]) == subject
        or (finding.column == JOINT and item["check"] == finding.check)
    ]
    return all(since is not None and datetime.fromisoformat(since) > after for since in alike)


def describe_change(at: datetime, findings: Sequence[Finding], reason: str, suspect: Suspect | None) -> FurtherChange:
    """Return a change of an incident as JSON types."""
    return {
        "at": at.isoformat(),
        "checks": sorted({finding.check for finding in findings}),
        "columns": sorted({finding.column for finding in findings if finding.column}),
        "reason": reason[:LONGEST_REASON],
        "suspected_change": suspect,
    }


def is_news(finding: Finding, incident: Incident | None) -> bool:
    """Return whether no finding of the same check, column and segment was announced in the incident."""
    return incident is None or not is_known(finding, incident)


def is_known(finding: Finding, incident: Incident | None) -> bool:
    """Return whether the check, column and segment of a finding are in the evidence of an incident."""
    return incident is not None and _subject(finding.check, finding.column, finding.segment) in _announced_keys(
        incident
    )


def _announced_keys(incident: Incident) -> set[tuple[str, str | None, str | None]]:
    return {_subject(item["check"], item["column"], item["segment"]) for item in incident.evidence.values()}


def _was_announced(finding: Finding, announced: set[tuple[str, str | None, str | None]]) -> bool:
    """Return whether a finding was announced; one over all columns jointly counts as announced with any column."""
    if finding.column == JOINT:
        return any(check == finding.check for check, _, _ in announced)
    return _subject(finding.check, finding.column, finding.segment) in announced


def _subject(check: str, column: str | None, segment: str | None) -> tuple[str, str | None, str | None]:
    """Return the key of announcements, which does not include the method."""
    return check, column, segment


def _recover(context: IncidentContext, classified: GroupFindings, incident: Incident) -> Decision:
    rules = advance_rules(context.rules, classified, incident.rules, context.monitor.bucket)
    calmer = replace(incident, rules=rules, clean=incident.clean + 1, updated_at=context.at)
    if not is_over(rules):
        needed = _buckets_to_resolve(context, incident)
        return Decision(calmer, None, f"clean for {calmer.clean} of {needed} buckets")
    return resolve(calmer, f"clean for {calmer.clean} bucket{'s' * (calmer.clean > 1)}", context.at)


def resolve(incident: Incident, why: str, at: datetime) -> Decision:
    """Return the resolution of an incident; it is not announced if the incident never fired."""
    pending = incident.state == "pending"
    reason = f"never fired: {why}" if pending else why
    over = replace(incident, state="resolved", updated_at=at, resolved_at=at, reason=reason, moved=0)
    return Decision(over, "resolved", reason, quiet=pending)


def _buckets_to_resolve(context: IncidentContext, incident: Incident) -> int:
    """Return for how many buckets all findings must be clean before a firing incident is resolved."""
    firing = [rule for rule in context.rules if incident.rules.get(rule_name(rule), NEW)["firing"]]
    return max((rule.buckets(rule.resolve_for, context.monitor.bucket) for rule in firing), default=1)


def merge_evidence(
    older: Mapping[str, IncidentFinding], bad: Sequence[Finding], at: datetime | None = None
) -> dict[str, IncidentFinding]:
    """Merge findings into the evidence, each with its latest and worst value and first time; the worst 50 are kept."""
    merged = dict(older)
    for finding in bad:
        before = merged.get(finding.key)
        item: IncidentFinding = {
            "check": finding.check,
            "column": finding.column,
            "method": finding.method,
            "segment": finding.segment,
            "statistic": finding.statistic,
            "threshold": finding.threshold,
            "worst": max(before["worst"] if before else 0.0, finding.statistic or 0.0),
            "peak": _describe_peak(before, finding),
            "since": before.get("since") if before else at.isoformat() if at else None,
            "about": finding.about,
            "direction": finding.direction,
            "reason": finding.reason,
            "n_baseline": finding.n_baseline,
            "n_window": finding.n_window,
        }
        explanation = finding.detail.get("explanation")
        text = (
            explanation["text"] if isinstance(explanation, Mapping) else before.get("explanation") if before else None
        )
        if text:
            item["explanation"] = text
        attribution = merge_attribution(before.get("attribution") if before else None, _attribution(finding))
        if attribution:
            item["attribution"] = attribution
        merged[finding.key] = item
    ranked = sorted(merged, key=lambda key: -_excess(merged[key]))
    return {key: merged[key] for key in ranked[:MOST_EVIDENCE]}


def _describe_peak(before: IncidentFinding | None, finding: Finding) -> str:
    """Return the quantity of a finding when it was worst."""
    is_worst = before is None or (finding.statistic or 0.0) >= before["worst"]
    sentence = finding.reason if before is None or is_worst else before.get("peak", before["reason"])
    return sentence.partition("; ")[0]


def _attribution(finding: Finding) -> Attribution | None:
    attribution = finding.detail.get("attribution")
    return cast("Attribution", attribution) if attribution else None


def _excess(item: IncidentFinding) -> float:
    return float(item["statistic"] or 0.0) / float(item["threshold"] or 1.0)


def find_explanation(bad: Sequence[Finding], evidence: Mapping[str, IncidentFinding]) -> str:
    """Return the stored explanation of the worst finding, or of another method on the same column."""
    worst = most_harmful(bad)
    subject = _subject(worst.check, worst.column, worst.segment)
    explanations = [
        item["explanation"]
        for key, item in sorted(evidence.items(), key=lambda pair: pair[0] != worst.key)
        if "explanation" in item and _subject(item["check"], item["column"], item["segment"]) == subject
    ]
    return f"; {explanations[0]}" if explanations else ""


def headline(bad: Sequence[Finding]) -> str:
    """Return the reason of the most harmful finding and the number of other findings."""
    return most_harmful(bad).reason + count_others(len(bad))


def count_others(findings: int) -> str:
    """Format the number of findings besides the first."""
    return f"; {findings - 1} more finding{'s' * (findings > 2)}" if findings > 1 else ""


def repeat_due(incident: Incident, interval: timedelta, at: datetime) -> bool:
    """Return whether a reminder of a firing incident is due."""
    since: timedelta = at - (incident.notified_at or at)
    return incident.state == "firing" and since >= interval
