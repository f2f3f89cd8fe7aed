"""Breakers at the end of a bucket: what each sees, how it then stands, and whom to tell. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from detectors.spend.bill import MISSING, OTHER
from detectors.spend.breaker import Breaker, Seen, observe_budget, observe_rate, step
from detectors.spend.budget import PERIODS, Spent, bounds
from monitor.actions.plan import MESSAGE_NOT_AFTER, NAMESPACE, identity
from monitor.config.breakers import BreakerSpec
from monitor.config.checks import SpendConfig
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import Action
from monitor.core.incident import Decision, Incident
from monitor.core.payload import ActionKind, Payload
from monitor.core.schedule import Bucket
from monitor.profiling.spend import Spending

Key = tuple[str, str]
"""A breaker's name, and the value that it stands for; an empty value is all traffic."""
KINDS: Mapping[str, ActionKind] = {"open": "firing", "half_open": "update", "closed": "resolved"}
SPREAD = timedelta(seconds=2)
"""From a decision until every replica answers by it: a commit, and a read a second."""
MOST_OPENED = 200
"""Values of one breaker that open in one bucket; with more than that open, the next buckets open the rest."""


@dataclass(frozen=True)
class Broken:
    """What a bucket did to the breakers of its monitor: those that changed, and the effects of each."""

    at: datetime
    names: Sequence[str] = ()
    before: Mapping[Key, Breaker | None] = field(default_factory=dict)
    after: Mapping[Key, Breaker] = field(default_factory=dict)
    actions: Mapping[Key, Sequence[Action]] = field(default_factory=dict)


def work(
    monitor: Monitor,
    bucket: Bucket,
    held: Mapping[Key, Breaker],
    spending: Spending | None,
    rates: Mapping[str, tuple[float, int]],
    firing: frozenset[str],
    specs: Mapping[str, ReceiverConfig],
    now: datetime,
    silenced: Collection[str] = (),
) -> Broken:
    """Let every breaker of a monitor see a bucket.

    Parameters
    ----------
    held
        How the breakers stand that are not closed, or have been opened before.
    rates
        Sum and count of each signal over the bucket.
    firing
        Rules that have a firing incident.
    now
        Of the source: what was spent since the end of the bucket is estimated up to it, and until all know.
    silenced
        Breakers that tell nobody now. One that is still not closed when that ends is announced then: its messages are
        planned at every bucket, and by their ids only once.
    """
    before: dict[Key, Breaker | None] = {}
    after: dict[Key, Breaker] = {}
    actions: dict[Key, Sequence[Action]] = {}
    for spec in monitor.breakers:
        for value, seen in sights(monitor, spec, bucket, held, spending, rates, firing, now).items():
            key = (spec.name, value)
            stood = held.get(key)
            fresh = Breaker("closed", bucket.end, "nothing has happened yet")
            stands = step(stood or fresh, seen, bucket.end, spec.open_for, renews=spec.renews)
            if stands != (stood or fresh):
                before[key], after[key] = stood, stands
            moves = stands.number != (stood or fresh).number
            if spec.name not in silenced and (moves or stands.state != "closed"):
                actions[key] = effects(monitor, spec, value, stands, specs, now)
    return Broken(bucket.end, [spec.name for spec in monitor.breakers], before, after, actions)


def sights(
    monitor: Monitor,
    spec: BreakerSpec,
    bucket: Bucket,
    held: Mapping[Key, Breaker],
    spending: Spending | None,
    rates: Mapping[str, tuple[float, int]],
    firing: frozenset[str],
    now: datetime,
) -> dict[str, Seen]:
    """Return what a breaker sees, by value: those that are bad, and those that are not closed."""
    if spec.rule is not None:
        return {"": _rule(monitor, spec, held.get((spec.name, "")), bucket, firing)}
    if spec.rate is not None and spec.above is not None:
        (total, count), stood = rates.get(spec.rate, (0.0, 0)), held.get((spec.name, ""))
        needed = spec.min_probes if stood is not None and stood.state == "half_open" else spec.min_samples
        return {"": observe_rate(spec.rate, total / count if count else 0.0, count, spec.above, needed)}
    check = monitor.budget_of(str(spec.budget))
    if check is None or spending is None or spending.bill.total is None:
        return {"": Seen(None, "nothing says what requests cost")}
    late = min(max(now - bucket.end, timedelta(0)) + SPREAD, monitor.bucket) / monitor.bucket
    if not check.by:
        return {"": _budget(check, None, spending, late + spec.ahead)}
    waiting = {value for name, value in held if name == spec.name and value and held[name, value].state != "closed"}
    found = {value: _budget(check, value, spending, late + spec.ahead) for value in _values(check, spending) | waiting}
    opening = sorted(value for value, seen in found.items() if seen.bad and value not in waiting)[:MOST_OPENED]
    return {value: seen for value, seen in found.items() if value in waiting or value in opening}


def _values(check: SpendConfig, spending: Spending) -> set[str]:
    starts = {bounds(spending.end, period, check.zone)[0] for period in PERIODS}
    values = {value for start in starts for value in spending.values.get((str(check.by), start), {})}
    return values - {MISSING, OTHER}


def _budget(check: SpendConfig, value: str | None, spending: Spending, ahead: float) -> Seen:
    """Return the worst of the periods that have a budget: a gone one that lasts longest, else what there is to say."""
    seen = []
    for period in PERIODS:
        budget = check.budget(period, value)
        if budget is None:
            continue
        start, end = bounds(spending.end, period, check.zone)
        if value is None:
            spent, newest = spending.since[start], spending.bill.total
        else:
            spent = spending.values[str(check.by), start].get(value, Spent())
            newest = spending.bill.parts.get((str(check.by), value))
        pace = newest.amount if newest else 0.0
        seen.append(observe_budget(period, spent, budget, pace, ahead, end, check.currency))
    gone = [one for one in seen if one.bad]
    if gone:
        return max(gone, key=lambda one: one.until or spending.end)
    return seen[0] if seen else Seen(False, "there is no budget any more")


def _rule(monitor: Monitor, spec: BreakerSpec, stood: Breaker | None, bucket: Bucket, firing: frozenset[str]) -> Seen:
    """Say whether a rule's incident fires; while probes run, only once the window holds nothing but probes."""
    if spec.rule not in firing:
        return Seen(False, f"no incident of {spec.rule} is firing")
    if stood is not None and stood.state == "half_open" and bucket.end - stood.since < monitor.window:
        return Seen(None, f"the window still holds what came before the probes; the incident of {spec.rule} stands")
    return Seen(True, f"an incident of {spec.rule} is firing")


def firing_after(standing: Iterable[Incident], decisions: Sequence[Decision]) -> frozenset[str]:
    """Return the rules that have a firing incident once a bucket is judged."""
    after = {incident.id: incident for incident in standing}
    after |= {decision.incident.id: decision.incident for decision in decisions}
    return frozenset(incident.rule for incident in after.values() if incident.state == "firing")


def silence_name(spec: BreakerSpec) -> str:
    """Return what a silence calls a breaker."""
    return f"breaker.{spec.name}"


def effects(
    monitor: Monitor, spec: BreakerSpec, value: str, stands: Breaker, specs: Mapping[str, ReceiverConfig], now: datetime
) -> list[Action]:
    """Return the messages of one transition; the episode is what keeps them together."""
    began = (stands.episode or stands.since).isoformat()
    episode = str(uuid.uuid5(NAMESPACE, f"breaker/{spec.name}/{value}/{began}"))
    body = payload(monitor, spec, value, stands)
    planned = []
    for name in spec.do:
        if name not in specs:
            continue
        kind: ActionKind = KINDS[stands.state] if specs[name].audience == "people" else "breaker"
        planned.append(
            Action(
                id=identity(episode, name, kind, stands.number), monitor=monitor.name, incident=episode, name=name,
                kind=kind, mode="auto", state="pending", reason="people are told of every transition", payload=body,
                created_at=now, sequence=stands.number, not_after=now + MESSAGE_NOT_AFTER,
                dry_run=specs[name].dry_run,
            )
        )  # fmt: skip
    return planned


def payload(monitor: Monitor, spec: BreakerSpec, value: str, stands: Breaker) -> Payload:
    """Return what every receiver gets."""
    whose = f"{spec.name} for {value}" if value else spec.name
    by = f" by {stands.who}" if stands.who else ""
    said = {
        "open": "is open: requests are refused",
        "half_open": "is half-open: probes are let through",
        "closed": "is closed again",
    }[stands.state]
    return {
        "type": f"driftd.breaker.{stands.state}",
        "timestamp": stands.since.isoformat(),
        "data": {
            "monitor": monitor.name,
            "severity": "critical" if stands.state == "open" else "warning",
            "headline": f"{monitor.name}: breaker {whose} {said}{by}; {stands.reason}",
            "breaker": {
                "name": spec.name, "value": value or None, "state": stands.state, "number": stands.number,
                "since": stands.since.isoformat(), "until": stands.until.isoformat() if stands.until else None,
                "reason": stands.reason, "by": stands.who,
            },
        },
    }  # fmt: skip
