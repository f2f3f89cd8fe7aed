"""Every rule of a monitor over one bucket: findings to decisions, decisions to actions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from detectors.base import Finding
from detectors.quality.traffic import Gaps
from monitor.actions.plan import is_outdated, plan
from monitor.alerting.incidents import brought_by_version, is_known, is_news, judge, judge_no_data
from monitor.config.models import Monitor, Rule
from monitor.config.receivers import ReceiverConfig
from monitor.config.rules import matches, rule_name
from monitor.core.action import MESSAGES, STANDING, Action, AlertHistory, PastAction
from monitor.core.incident import NO_DATA, Change, Decision, Incident
from monitor.core.payload import RetrainingData, Suspect
from monitor.core.prompts import Prompt, recognise
from monitor.core.schedule import Bucket


def judge_all(
    monitor: Monitor,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    past: AlertHistory,
    bucket: Bucket,
    result: str,
    reason: str | None,
    gaps: Gaps,
    moved: Mapping[str, Sequence[Finding]] | None = None,
) -> list[Decision]:
    """Judge every rule, and whether the monitor sees at all.

    ``changes`` are all that are known, each as it was first seen. ``gaps`` are those of the baseline. ``moved`` is by
    rule how the window differs from what people were told last of its firing incident.
    """
    decisions: list[Decision | None] = []
    for rule in monitor.rules:
        decisions += _judge_rule(
            monitor, rule, findings, changes, past, bucket.end, (moved or {}).get(rule_name(rule), ())
        )
    standing = past.open.get(NO_DATA)
    blind = 0
    if not is_learning(monitor, reason or "", bucket):
        blind = past.blind.then(result, reason).beyond(gaps, monitor.no_data.after)
    if blind and standing is not None:
        blind = max(blind, standing.bad + 1)
    decisions.append(judge_no_data(monitor, monitor.no_data, blind, reason or "", standing, bucket.end))
    return [with_prompt(decision, past.prompts) for decision in decisions if decision is not None]


def _judge_rule(
    monitor: Monitor,
    rule: Rule,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    past: AlertHistory,
    at: datetime,
    moved: Sequence[Finding],
) -> list[Decision | None]:
    """Judge the open incidents of a rule, each by its own findings, and open one for what a new version brought.

    Older incidents are judged by what they know; everything else belongs to the newest one.
    """
    name = rule_name(rule)
    watched = [finding for finding in findings if matches(rule, finding)]
    older = [incident for incident in past.older if incident.rule == name]
    decisions = [judge(monitor, rule, [f for f in watched if not is_news(f, one)], one, at, changes) for one in older]
    newest = past.open.get(name)
    own = [f for f in watched if all(is_news(f, one) for one in older) or is_known(f, newest)]
    brought = brought_by_version(monitor, newest, own, at, changes, moved)
    if newest is None or not brought:
        return [*decisions, judge(monitor, rule, own, newest, at, changes, past.resolved.get(name), moved)]
    rest = [finding for finding in own if finding not in brought or is_known(finding, newest)]
    return [
        *decisions,
        judge(monitor, rule, rest, newest, at, changes),
        judge(monitor, rule, brought, None, at, changes),
    ]


def is_learning(monitor: Monitor, reason: str, bucket: Bucket) -> bool:
    """Say whether a bucket could tell nothing because the baseline is still to be learnt, which is no blindness.

    When a fixed range is over and there is no baseline nevertheless, its rows are too few, and people must know.
    """
    end = monitor.baseline.end
    return reason.startswith("no_baseline") and (end is None or bucket.end <= end)


def with_prompt(decision: Decision, known: Sequence[Prompt]) -> Decision:
    """Say whose prompt a suspected version is, where the registry knows it."""
    suspect = decision.incident.suspected_change
    if suspect is None or suspect["kind"] != "prompt_version" or "prompt" in suspect:
        return decision
    prompt = recognise(str(suspect["value"]), known)
    told: Suspect = {**suspect, "prompt": prompt.sentence() if prompt else None}
    return replace(decision, incident=replace(decision.incident, suspected_change=told))


def retraining_rules(monitor: Monitor, specs: Mapping[str, ReceiverConfig]) -> set[str]:
    """Return the names of the rules that ask for a retraining."""
    effects = {name: spec.effect_settings for name, spec in specs.items()}
    retraining = {name for name, effect in effects.items() if effect and effect.kind == "retrain"}
    return {rule_name(rule) for rule in monitor.rules if retraining.intersection(rule.do)}


def wants_retraining(
    monitor: Monitor, decisions: Sequence[Decision], specs: Mapping[str, ReceiverConfig], past: AlertHistory
) -> list[Decision]:
    """Return the decisions that may ask for a retraining now: their incident fires, and none was decided in time."""
    asking = retraining_rules(monitor, specs)
    return [
        decision
        for decision in decisions
        if decision.incident.rule in asking
        and decision.incident.state == "firing"
        and (
            decision.transition == "firing"
            or is_unannounced(decision.incident, past.past)
            or any(
                row.missed or is_outdated(row, decision.incident)
                for row in past.past
                if row.incident == decision.incident.id and row.kind == "retrain"
            )
        )
    ]


def act_on(
    monitor: Monitor,
    decisions: Sequence[Decision],
    past: AlertHistory,
    specs: Mapping[str, ReceiverConfig],
    bucket: Bucket,
    now: datetime,
    retrainings: Mapping[str, RetrainingData] | None = None,
) -> tuple[list[Decision], list[Action]]:
    """Plan the actions of every decision; a silenced rule is judged but tells nobody and does nothing.

    ``retrainings`` is what a retraining is told besides, by incident.
    """
    kept: list[Decision] = []
    planned: list[Action] = []
    rules = {rule_name(rule): rule for rule in monitor.rules}
    for decision in decisions:
        incident = decision.incident
        rule = rules.get(incident.rule)
        number = past.silences.get(incident.rule)
        if number is not None:
            quiet = f"{incident.reason} (silenced by #{number})" if decision.transition else incident.reason
            kept.append(replace(decision, reason=quiet))
            continue
        first = not decision.transition and is_unannounced(incident, past.past)
        before = next((one for one in (*past.open.values(), *past.older) if one.id == incident.id), None)
        actions = plan(
            monitor,
            replace(decision, transition="firing") if first else decision,
            rule.do if rule else monitor.no_data.do,
            specs,
            bucket,
            now=now,
            sequence=past.sequences.get(incident.id, 0),
            versions=past.versions,
            blamed=past.blamed,
            past=past.past,
            rule=rule,
            fresh=incident.bad > (before.bad if before else 0),
            retraining=(retrainings or {}).get(incident.id),
        )
        planned += actions
        kept.append(with_notice(decision, past.past, actions, bucket))
    return kept, planned


def is_unannounced(incident: Incident, past: Sequence[PastAction]) -> bool:
    """Say whether a firing incident was silenced so far, so that nothing was planned for it."""
    firing = incident.state == "firing" and incident.fired_at is not None and incident.notified_at is None
    return firing and not any(row.incident == incident.id for row in past)


def with_notice(decision: Decision, past: Sequence[PastAction], planned: Sequence[Action], bucket: Bucket) -> Decision:
    """Note when people were told of a firing incident last; never, when every message failed or expired."""
    incident = decision.incident
    if incident.state != "firing":
        return decision
    messages = [row for row in past if row.incident == incident.id and row.kind in MESSAGES]
    at = incident.notified_at
    if messages and not any(row.state in STANDING for row in messages):
        at = None
    if any(action.kind in MESSAGES for action in planned):
        at = bucket.end
    return replace(decision, incident=replace(incident, notified_at=at))
