"""Which findings and incidents alert nobody although they are recorded: by silences, mute times and inhibit rules.

It is pure. A matcher sees the labels of a finding for each rule that watches it. A rule of an incident is muted if all
its findings are, and an incident if all its rules are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from detectors.base import Finding
from monitor.alerting.incidents import MOST_CHANGES
from monitor.config.models import Monitor, Rule
from monitor.config.rules import SEVERITIES, UNMEASURED, covers, find_rule, matches, rule_name
from monitor.core.action import AlertHistory
from monitor.core.incident import Decision, Incident
from monitor.core.matchers import Labels, Silence
from monitor.core.payload import FurtherChange, IncidentFinding


@dataclass(frozen=True)
class Muting:
    """What mutes findings, incidents, breakers and verdicts of a monitor at a time."""

    monitor: Monitor
    silences: Sequence[Silence]
    at: datetime
    sources: Sequence[Labels] = ()

    @classmethod
    def after(cls, monitor: Monitor, history: AlertHistory, at: datetime, decided: Iterable[Decision] = ()) -> Muting:
        """Return what mutes after decisions: by inhibit rules, what fires in this monitor and in others is a source."""
        standing = {incident.id: incident for incident in (*history.open.values(), *history.older, *history.elsewhere)}
        standing |= {decision.incident.id: decision.incident for decision in decided}
        sources = [labels for incident in standing.values() for labels in list_alerts(incident)]
        return cls(monitor, history.silences, at, sources if monitor.muting.inhibit else ())

    def find_reason(self, rule: str, severity: str, **labels: str | None) -> str | None:
        """Return why what a rule alerts on is muted; None if it is not."""
        own = {name: value for name, value in labels.items() if value}
        given = {"monitor": self.monitor.name, "rule": rule.removeprefix(UNMEASURED), "severity": severity, **own}
        silence = next((silence for silence in self.silences if silence.matches(given)), None)
        if silence:
            return f"silenced by #{silence.number} until {silence.ends_at:%Y-%m-%d %H:%M} UTC"
        watching = find_rule(self.monitor.rules, rule)
        named = watching.mute_times if watching else []
        times = self.monitor.muting.find_times([*named, *self.monitor.mute_times], self.at)
        if times:
            return f"muted by the mute times {times}"
        source = self._find_source(given)
        return f"inhibited by {source['rule']} of {source['monitor']}" if source else None

    def _find_source(self, target: Labels) -> Labels | None:
        """Return the first firing alert that inhibits another one."""
        rules = self.monitor.muting.inhibit
        return next((one for one in self.sources if any(rule.inhibits(one, target) for rule in rules)), None)

    def find_muted(self, findings: Iterable[Finding]) -> dict[str, str]:
        """Return by key the findings that are muted for every rule that matches them, with the reason."""
        muted = {}
        for finding in findings:
            rules = [rule for rule in self.monitor.rules if matches(rule, finding)] if finding.is_adverse else []
            reasons = [
                self.find_reason(
                    rule_name(rule),
                    rule.severity,
                    check=finding.check,
                    column=finding.column,
                    segment=finding.segment,
                )
                for rule in rules
            ]
            if reason := _all_of(reasons):
                muted[finding.key] = reason
        return muted

    def explain_rules(self, incident: Incident, bad: Collection[str] = ()) -> dict[str, str]:
        """Return the announcing rules of an incident that are muted, with the reason.

        Parameters
        ----------
        bad
            Keys of the findings that are bad now; where none is, all findings of the incident count.
        """
        items = [item for key, item in incident.evidence.items() if key in bad] or list(incident.evidence.values())
        reasons = {name: _all_of(self._explain_items(incident, name, items)) for name in incident.announcing_rules}
        return {name: reason for name, reason in reasons.items() if reason}

    def explain_incident(self, incident: Incident, bad: Collection[str] = ()) -> str | None:
        """Return why an incident is muted; None if one of its rules is not."""
        mutes = self.explain_rules(incident, bad)
        return _all_of([mutes.get(name) for name in incident.announcing_rules])

    def mute(self, decision: Decision, before: Incident | None) -> Decision:
        """Return a decision with its mutes, and those of its findings; a finding no longer muted is a further change.

        Parameters
        ----------
        before
            The incident before this bucket.
        """
        incident = decision.incident
        evidence = {key: self._mark(incident, item) for key, item in incident.evidence.items()}
        marked = replace(decision, incident=replace(incident, evidence=evidence))
        mutes = self.explain_rules(incident, decision.bad)
        mute = _all_of([mutes.get(name) for name in incident.announcing_rules])
        if mute is None:
            return replace(self._resume(marked, before), mutes=mutes)
        reason = f"{decision.reason} ({mute})" if decision.transition else decision.reason
        return replace(marked, mutes=mutes, mute=mute, reason=reason)

    def _explain_items(self, incident: Incident, name: str, items: Sequence[IncidentFinding]) -> list[str | None]:
        rule = find_rule(self.monitor.rules, name)
        own = [item for item in items if rule is None or _covers(rule, item)]
        severity = rule.severity if rule else incident.severity
        if not own:
            return [self.find_reason(name, severity)]
        return [
            self.find_reason(name, severity, check=item["check"], column=item["column"], segment=item["segment"])
            for item in own
        ]

    def _mark(self, incident: Incident, item: IncidentFinding) -> IncidentFinding:
        """Return a finding of an incident with the reason why it is muted, or without one."""
        own = {rule_name(rule): rule for rule in self.monitor.rules if _covers(rule, item)}
        names = [name for name in incident.rules or [incident.rule] if name in own] or [incident.rule]
        reason = _all_of([one for name in names for one in self._explain_items(incident, name, [item])])
        marked = item.copy()
        marked.pop("mute", None)
        if reason:
            since = item["mute"]["since"] if "mute" in item else self.at.isoformat()
            marked["mute"] = {"reason": reason, "since": since}
        return marked

    def _resume(self, decision: Decision, before: Incident | None) -> Decision:
        """Announce the findings that were muted since they rose, and are no longer."""
        incident = decision.incident
        if before is None or before.notified_at is None or incident.state != "firing" or decision.transition:
            return decision
        resumed = [
            incident.evidence[key]
            for key, item in before.evidence.items()
            if key in decision.bad and "mute" in item and "mute" not in incident.evidence[key]
            if item["mute"]["since"] <= (item.get("since") or "")
        ]
        if not resumed:
            return decision
        change: FurtherChange = {
            "at": self.at.isoformat(),
            "checks": sorted({item["check"] for item in resumed}),
            "columns": sorted({item["column"] for item in resumed if item["column"]}),
            "reason": f"no longer muted: {resumed[0]['reason']}",
            "suspected_change": incident.changes[-1]["suspected_change"] if incident.changes else None,
        }
        changes = (*incident.changes, change)[-MOST_CHANGES:]
        going = replace(incident, reason=change["reason"], changes=changes)
        return replace(decision, incident=going, reason=change["reason"], change=change)


def list_alerts(incident: Incident) -> list[Labels]:
    """Return the labels of what fires in an incident: of each finding for each firing rule, else of the rules."""
    findings: list[Labels] = [
        {"check": item["check"], "column": item["column"] or "", "segment": item["segment"] or ""}
        for item in incident.evidence.values()
    ]
    common = {"monitor": incident.monitor, "severity": incident.severity}
    return [{**common, "rule": rule, **own} for rule in incident.firing_rules for own in findings or [{}]]


def without_muted(decision: Decision, monitor: Monitor) -> Incident:
    """Return the incident of a decision as people get it: without muted findings, under a rule that is not muted."""
    incident, rules = decision.incident, {rule_name(rule): rule for rule in monitor.rules}
    heard = {key: item for key, item in incident.evidence.items() if "mute" not in item}
    leads = [rules[name] for name in incident.announcing_rules if name in rules and name not in decision.mutes]
    shown = replace(incident, evidence=heard or incident.evidence)
    if incident.rule not in decision.mutes or not leads:
        return shown
    lead = min(leads, key=lambda rule: SEVERITIES.index(rule.severity))
    return replace(shown, rule=rule_name(lead), severity=lead.severity)


def _covers(rule: Rule, item: IncidentFinding) -> bool:
    return covers(rule, item["check"], item["column"], item["about"])


def _all_of(reasons: Sequence[str | None]) -> str | None:
    """Return the first reason if there is one for everything."""
    return reasons[0] if reasons and all(reasons) else None
